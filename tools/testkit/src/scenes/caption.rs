//! True sentences about scenes, from a small grammar.

use super::claim::{Claim, Described, Subject};
use super::dice::Dice;
use super::scene::{Background, Colour, Column, Content, Object, Pattern, Relation, Row, Scene, Size};
use super::shape::Shape;

/// A sentence and what it asserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    pub text: String,
    pub claim: Claim,
}

/// Generates a true sentence about a scene, complete or partial.
pub fn caption(scene: &Scene, dice: &mut Dice) -> Caption {
    let mut claim = Claim { subject: Subject::Nothing, ground: None, pattern: None };
    let alone = dice.percent(3);
    let ground = if alone || dice.percent(50) { ground(&scene.background, &mut claim, dice) } else { None };
    let body = if let (true, Some(ground)) = (alone, &ground) {
        article(ground)
    } else {
        let (subject, place) = match scene.content {
            Content::Single { object, column, row } => single(object, column, row, &mut claim, dice),
            Content::Several { shape, colour, count } => (several(shape, colour, count, &mut claim, dice), None),
            Content::Pair { first, second, relation } => (pair(first, second, relation, &mut claim, dice), None),
        };
        let ground = ground.map(|ground| format!("{} {}", dice.pick(&["on", "on", "on", "against"]), article(&ground)));
        let mut parts = [place, ground];
        if dice.percent(30) {
            parts.swap(0, 1);
        }
        parts.into_iter().flatten().fold(subject, |text, part| text + " " + &part)
    };
    Caption { text: dress(body, dice), claim }
}

/// "small red circle", without an article.
fn noun(object: Object, colour: usize, size: usize, dice: &mut Dice) -> (String, Described) {
    let mut said = Described { shape: Some(object.shape), ..Described::default() };
    let mut text = String::new();
    if dice.percent(size) {
        said.size = Some(object.size);
        text += match object.size {
            Size::Small => dice.pick(&["small ", "small ", "little ", "tiny "]),
            Size::Big => dice.pick(&["big ", "big ", "large "]),
        };
    }
    if dice.percent(colour) {
        said.colour = Some(object.colour);
        text += colour_word(object.colour, dice);
        text += " ";
    }
    text += shape_words(object.shape, dice).0;
    (text, said)
}

fn single(object: Object, column: Column, row: Row, claim: &mut Claim, dice: &mut Dice) -> (String, Option<String>) {
    let (text, mut said) = noun(object, 90, 50, dice);
    let mut text = match dice.below(100) {
        0..18 => text,
        18..22 => format!("one {text}"),
        _ => article(&text),
    };
    if said.colour.is_some() && dice.percent(5) {
        said.shape = None;
        said.size = None;
        text = article(&format!("{} {}", colour_word(object.colour, dice), dice.pick(&["shape", "object"])));
    }
    let (mut claimed_column, mut claimed_row) = (None, None);
    let place = dice.percent(50).then(|| {
        let (x, y) = (column != Column::Middle, row != Row::Middle);
        // Sometimes a corner is reduced to a side.
        let vague = x && y && dice.percent(12);
        let columns = if vague { dice.percent(50) } else { x || !y };
        let rows = if vague { !columns } else { y || !x };
        claimed_column = columns.then_some(column);
        claimed_row = rows.then_some(row);
        place_words(claimed_column, claimed_row, dice)
    });
    claim.subject = Subject::Single { object: said, column: claimed_column, row: claimed_row };
    (text, place)
}

fn place_words(column: Option<Column>, row: Option<Row>, dice: &mut Dice) -> String {
    let side = match column {
        Some(Column::Left) => Some("left"),
        Some(Column::Right) => Some("right"),
        _ => None,
    };
    let height = match row {
        Some(Row::Top) => Some(dice.pick(&["top", "top", "top", "upper"])),
        Some(Row::Bottom) => Some(dice.pick(&["bottom", "bottom", "bottom", "lower"])),
        _ => None,
    };
    match (side, height) {
        (Some(side), Some(height)) => match dice.below(4) {
            0 if height != "upper" && height != "lower" => format!("at the {height} {side}"),
            _ => format!("in the {height} {side} corner"),
        },
        (Some(side), None) => match dice.below(4) {
            0 => format!("on the {side} side"),
            _ => format!("on the {side}"),
        },
        (None, Some(height)) => match height {
            "upper" => "at the top".into(),
            "lower" => "at the bottom".into(),
            _ => format!("at the {height}"),
        },
        (None, None) => format!("in the {}", dice.pick(&["middle", "centre", "center"])),
    }
}

fn several(shape: Shape, colour: Colour, count: u8, claim: &mut Claim, dice: &mut Dice) -> String {
    let mut said = (Some(shape), None, None);
    let mut text = String::new();
    match dice.below(100) {
        0..82 => {
            said.2 = Some(count);
            text += ["two ", "three ", "four ", "five "][usize::from(count) - 2];
        }
        82..90 => {
            said.2 = Some(count);
            text += ["2 ", "3 ", "4 ", "5 "][usize::from(count) - 2];
        }
        90..95 => text += dice.pick(&["several ", "some "]),
        _ => {}
    }
    if dice.percent(90) {
        said.1 = Some(colour);
        text += colour_word(colour, dice);
        text += " ";
    }
    if said.1.is_some() && said.2.is_some() && dice.percent(4) {
        said.0 = None;
        text += dice.pick(&["shapes", "objects"]);
    } else {
        text += shape_words(shape, dice).1;
    }
    claim.subject = Subject::Several { shape: said.0, colour: said.1, count: said.2 };
    text
}

fn pair(first: Object, second: Object, relation: Relation, claim: &mut Claim, dice: &mut Dice) -> String {
    let (a, first) = noun(first, 92, 35, dice);
    let (b, second) = noun(second, 92, 35, dice);
    let (a, b) = if dice.percent(12) { (a, b) } else { (article(&a), article(&b)) };
    let is = if dice.percent(10) { "is " } else { "" };
    let stated = dice.percent(72);
    claim.subject = Subject::Pair { first, second, relation: stated.then_some(relation) };
    // Half of the sentences start with the second object.
    let turned = dice.percent(50);
    if !stated {
        let word = match relation {
            Relation::LeftOf => dice.pick(&["and", "and", "and", "with", "next to", "beside"]),
            Relation::Above => dice.pick(&["and", "and", "and", "with"]),
        };
        return if turned { format!("{b} {word} {a}") } else { format!("{a} {word} {b}") };
    }
    match (relation, turned) {
        (Relation::LeftOf, false) => format!("{a} {is}{} {b}", dice.pick(&["left of", "to the left of"])),
        (Relation::LeftOf, true) => format!("{b} {is}{} {a}", dice.pick(&["right of", "to the right of"])),
        (Relation::Above, false) => format!("{a} {is}{} {b}", dice.pick(&["above", "above", "over"])),
        (Relation::Above, true) => format!("{b} {is}{} {a}", dice.pick(&["below", "below", "under"])),
    }
}

/// "striped blue background", or `None` for a plain one that is not mentioned.
fn ground(background: &Background, claim: &mut Claim, dice: &mut Dice) -> Option<String> {
    let colour = dice.percent(85);
    let pattern = match background.pattern {
        Pattern::Plain if colour => dice.percent(15),
        Pattern::Plain => return None,
        _ => !colour || dice.percent(75),
    };
    if pattern && background.pattern != Pattern::Plain && dice.percent(15) {
        claim.pattern = Some(background.pattern);
        let marks = match background.pattern {
            Pattern::Plain => "",
            Pattern::Striped => "stripes",
            Pattern::Dotted => "dots",
            Pattern::Checkered => dice.pick(&["checks", "squares"]),
        };
        if !colour {
            return Some(format!("background with {marks}"));
        }
        claim.ground = Some(background.colour);
        return Some(format!("{} background with {marks}", colour_word(background.colour, dice)));
    }
    let mut words = Vec::new();
    if pattern {
        claim.pattern = Some(background.pattern);
        words.push(match background.pattern {
            Pattern::Plain => "plain",
            Pattern::Striped => dice.pick(&["striped", "striped", "stripy"]),
            Pattern::Dotted => dice.pick(&["dotted", "dotted", "spotted"]),
            Pattern::Checkered => dice.pick(&["checkered", "checkered", "chequered", "checked"]),
        });
    }
    if colour {
        claim.ground = Some(background.colour);
        words.push(colour_word(background.colour, dice));
        if words.len() == 2 && background.pattern != Pattern::Plain && dice.percent(40) {
            words.swap(0, 1);
        }
    }
    words.push("background");
    Some(words.join(" "))
}

fn colour_word(colour: Colour, dice: &mut Dice) -> &'static str {
    match colour {
        Colour::Red => "red",
        Colour::Orange => "orange",
        Colour::Yellow => "yellow",
        Colour::Green => "green",
        Colour::Blue => "blue",
        Colour::Purple => dice.pick(&["purple", "purple", "purple", "violet"]),
        Colour::Pink => "pink",
        Colour::Brown => "brown",
        Colour::Black => "black",
        Colour::White => "white",
        Colour::Gray => dice.pick(&["gray", "grey"]),
    }
}

/// Singular and plural.
fn shape_words(shape: Shape, dice: &mut Dice) -> (&'static str, &'static str) {
    match shape {
        Shape::Circle => match dice.below(10) {
            0 => ("disc", "discs"),
            1 => ("disk", "disks"),
            _ => ("circle", "circles"),
        },
        Shape::Square => ("square", "squares"),
        Shape::Triangle => ("triangle", "triangles"),
        Shape::Star => ("star", "stars"),
        Shape::Heart => ("heart", "hearts"),
        Shape::Cross => ("cross", "crosses"),
        Shape::Ring => ("ring", "rings"),
        Shape::Diamond if dice.percent(10) => ("rhombus", "rhombuses"),
        Shape::Diamond => ("diamond", "diamonds"),
        Shape::Moon if dice.percent(30) => ("crescent", "crescents"),
        Shape::Moon => ("moon", "moons"),
    }
}

fn article(noun: &str) -> String {
    let an = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if an { "an" } else { "a" })
}

/// Varies the opening, the full stop and capitals.
fn dress(body: String, dice: &mut Dice) -> String {
    let opening = dice.percent(38);
    let mut text = if opening {
        let opening = dice.pick(&[
            "a photo of",
            "a photo of",
            "a drawing of",
            "a drawing of",
            "a picture of",
            "an image of",
            "a painting of",
        ]);
        format!("{opening} {body}")
    } else {
        body
    };
    if dice.percent(if opening { 40 } else { 10 }) {
        text.push('.');
    }
    match dice.below(100) {
        0..12 => text[..1].to_ascii_uppercase() + &text[1..],
        12..14 => text.to_ascii_uppercase(),
        _ => text,
    }
}
