//! Scenes, and random ones.

use super::dice::Dice;
use super::shape::Shape;

/// Colours of objects and backgrounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Red,
    Orange,
    Yellow,
    Green,
    Blue,
    Purple,
    Pink,
    Brown,
    Black,
    White,
    Gray,
}

impl Colour {
    /// All colours; the index is a colour's number.
    pub const ALL: [Colour; 11] = [
        Colour::Red,
        Colour::Orange,
        Colour::Yellow,
        Colour::Green,
        Colour::Blue,
        Colour::Purple,
        Colour::Pink,
        Colour::Brown,
        Colour::Black,
        Colour::White,
        Colour::Gray,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Small,
    Big,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Left,
    Middle,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Top,
    Middle,
    Bottom,
}

/// Position of the first object of a pair relative to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    LeftOf,
    Above,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    Plain,
    Striped,
    Dotted,
    Checkered,
}

/// An object in a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    pub shape: Shape,
    pub colour: Colour,
    pub size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// One object.
    Single { object: Object, column: Column, row: Row },
    /// Two to five equal objects, scattered. Captions do not mention their size.
    Several { shape: Shape, colour: Colour, count: u8 },
    /// Two objects that differ; the first is the left or the upper one.
    Pair { first: Object, second: Object, relation: Relation },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Background {
    pub colour: Colour,
    pub pattern: Pattern,
}

/// A scene: its content, and the seed of details that no caption mentions (exact positions, tones, angles).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    pub content: Content,
    pub background: Background,
    pub seed: u64,
}

impl Scene {
    /// Creates scene number `index` of a seed.
    pub fn random(seed: u64, index: u64) -> Scene {
        let mut dice = Dice::new(seed, index);
        let pattern = if dice.percent(55) {
            Pattern::Plain
        } else {
            dice.pick(&[Pattern::Striped, Pattern::Dotted, Pattern::Checkered])
        };
        let background = Background { colour: dice.pick(&Colour::ALL), pattern };
        let kind = dice.below(100);
        let content = if kind < 42 {
            Content::Single {
                object: object(&mut dice, background),
                column: dice.pick(&[Column::Left, Column::Middle, Column::Right]),
                row: dice.pick(&[Row::Top, Row::Middle, Row::Bottom]),
            }
        } else if kind < 65 {
            let Object { shape, colour, .. } = object(&mut dice, background);
            Content::Several { shape, colour, count: 2 + dice.below(4) as u8 }
        } else {
            let first = object(&mut dice, background);
            let second = loop {
                let second = object(&mut dice, background);
                if (second.shape, second.colour) != (first.shape, first.colour) {
                    break second;
                }
            };
            Content::Pair { first, second, relation: dice.pick(&[Relation::LeftOf, Relation::Above]) }
        };
        Scene { content, background, seed: dice.next_u64() }
    }
}

/// A random object that is distinguishable from its background.
fn object(dice: &mut Dice, background: Background) -> Object {
    let colour = loop {
        let colour = dice.pick(&Colour::ALL);
        if colour != background.colour && !too_close(colour, background) {
            break colour;
        }
    };
    Object { shape: dice.pick(&Shape::ALL), colour, size: dice.pick(&[Size::Small, Size::Big]) }
}

/// Whether the colour is hard to see on the background or on the tone of its pattern.
fn too_close(colour: Colour, background: Background) -> bool {
    use Colour::*;
    match (colour, background.colour) {
        (Black, Brown) | (Brown, Black) => true,
        (Gray, Black | White) | (White, Yellow | Pink | Gray) | (Brown, Red) => background.pattern != Pattern::Plain,
        _ => false,
    }
}
