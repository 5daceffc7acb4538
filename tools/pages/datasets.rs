//! Data sets of drawn shapes for `clippie-rs evaluate`: classes and captions under odd names, and more classes than a
//! heat map shows.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use clippie_rs::RgbBuffer;
use clippie_rs::library::sheet::thumbnail_jpeg;
use clippie_testkit::scenes::{self, Background, Colour, Column, Content, Object, Pattern, Row, Scene, Shape, Size};

const SHAPES: [Shape; 6] = [Shape::Circle, Shape::Heart, Shape::Moon, Shape::Square, Shape::Star, Shape::Triangle];
const COLOURS: [(Colour, &str); 2] = [(Colour::Red, "red"), (Colour::Blue, "blue")];
/// What classes are called, and how labels describe them.
const NAMES: [(&str, &str); 6] = [
    ("circle", "circle | disc"),
    ("<b>heart & \"soul\"", "heart"),
    ("قمر منخفض", "moon | crescent"),
    ("a square that somebody described at length and without any need", "square"),
    ("星形", "star"),
    ("tri_angle", "triangle"),
];

/// Writes the data sets into `out`.
pub fn write(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let (mut labels, mut captions) = (String::new(), "path,caption\n".to_owned());
    for (shape, (name, words)) in SHAPES.into_iter().zip(NAMES) {
        for (colour, called) in COLOURS {
            let class = format!("{called} {name}");
            let wordings: Vec<String> = words.split(" | ").map(|word| format!("{called} {word}")).collect();
            writeln!(labels, "{class}: {}", wordings.join(" | "))?;
            for seed in 0..4 {
                draw(out, &format!("shapes/{class}/{seed}.jpg"), shape, colour, seed)?;
            }
            let path = format!("captions/{}-{called}.jpg", shape as usize);
            draw(out, &path, shape, colour, 9)?;
            writeln!(captions, "{path},a {}", wordings[0])?;
        }
    }
    fs::write(out.join("labels.txt"), labels)?;
    fs::write(out.join("captions.csv"), captions)?;
    fs::write(out.join("shapes/red circle/<broken>\u{1b}[31m.jpg"), "no photo")?;
    for class in 0..100 {
        let name = NAMES[class % NAMES.len()].0;
        let (shape, colour) = (SHAPES[class % SHAPES.len()], COLOURS[class % COLOURS.len()].0);
        draw(out, &format!("many/{name} {class}/1.jpg"), shape, colour, class as u64)?;
    }
    Ok(())
}

fn draw(out: &Path, path: &str, shape: Shape, colour: Colour, seed: u64) -> io::Result<()> {
    let object = Object { shape, colour, size: Size::Big };
    let scene = Scene {
        content: Content::Single { object, column: Column::Middle, row: Row::Middle },
        background: Background { colour: Colour::White, pattern: Pattern::Plain },
        seed,
    };
    let side = 96;
    let photo = RgbBuffer::new(side, side, scenes::draw(&scene, side)).map_err(io::Error::other)?;
    let path = out.join(path);
    fs::create_dir_all(path.parent().unwrap_or(out))?;
    fs::write(path, thumbnail_jpeg(&photo)?)
}
