//! Renders a scene with 4 x 4 sample points per pixel, for smooth edges.

use super::dice::Dice;
use super::scene::{Colour, Content, Pattern, Relation, Scene, Size};
use super::shape::Shape;

/// Sample points per side of a pixel.
const POINTS: usize = 4;

/// A positioned shape; lengths are fractions of the side of the picture.
struct Figure {
    shape: Shape,
    rgb: [i32; 3],
    x: f64,
    y: f64,
    radius: f64,
    cos: f64,
    sin: f64,
}

/// Renders the scene as `[side, side, 3]` bytes, RGB.
pub fn draw(scene: &Scene, side: usize) -> Vec<u8> {
    let mut dice = Dice::new(scene.seed, 1);
    let mut picture = background(scene, &mut dice, side);
    for figure in figures(scene) {
        figure.paint(&mut picture, side);
    }
    picture
}

/// The object that covers the centre of each cell of an 8 x 8 grid: 0 none, 1 the first (or one of several), 2 the
/// second of a pair.
pub fn cells(scene: &Scene) -> [u8; 64] {
    let mut cells = [0; 64];
    let pair = matches!(scene.content, Content::Pair { .. });
    for (index, figure) in figures(scene).iter().enumerate() {
        for (place, cell) in cells.iter_mut().enumerate() {
            let (x, y) = ((place % 8) as f64 / 8.0 + 0.0625 - figure.x, (place / 8) as f64 / 8.0 + 0.0625 - figure.y);
            let reach = figure.radius + 0.03;
            if x * x + y * y < reach * reach {
                *cell = if pair { index as u8 + 1 } else { 1 };
            }
        }
    }
    cells
}

/// Two tones between which a colour varies.
fn tones(colour: Colour) -> [[i32; 3]; 2] {
    match colour {
        Colour::Red => [[195, 20, 25], [255, 35, 35]],
        Colour::Orange => [[255, 125, 0], [245, 155, 45]],
        Colour::Yellow => [[255, 232, 0], [248, 215, 60]],
        Colour::Green => [[0, 122, 20], [65, 190, 75]],
        Colour::Blue => [[0, 0, 225], [50, 110, 228]],
        Colour::Purple => [[108, 25, 145], [152, 60, 195]],
        Colour::Pink => [[255, 120, 175], [255, 182, 205]],
        Colour::Brown => [[105, 60, 25], [145, 88, 45]],
        Colour::Black => [[0, 0, 0], [40, 40, 40]],
        Colour::White => [[238, 238, 238], [255, 255, 255]],
        Colour::Gray => [[110, 110, 110], [160, 160, 160]],
    }
}

/// The second tone of a background pattern, which still has the same colour name.
fn pattern_tone(colour: Colour) -> [i32; 3] {
    match colour {
        Colour::Red => [120, 0, 10],
        Colour::Orange => [255, 205, 130],
        Colour::Yellow => [255, 250, 170],
        Colour::Green => [150, 225, 150],
        Colour::Blue => [140, 180, 250],
        Colour::Purple => [200, 150, 230],
        Colour::Pink => [255, 225, 235],
        Colour::Brown => [70, 38, 12],
        Colour::Black => [90, 90, 90],
        Colour::White => [200, 200, 200],
        Colour::Gray => [195, 195, 195],
    }
}

fn tone(colour: Colour, dice: &mut Dice) -> [i32; 3] {
    let [a, b] = tones(colour);
    let t = dice.below(257) as i32;
    std::array::from_fn(|c| (a[c] + (b[c] - a[c]) * t / 256 + dice.below(13) as i32 - 6).clamp(0, 255))
}

/// The shapes of a scene, without its background.
fn figures(scene: &Scene) -> Vec<Figure> {
    let mut dice = Dice::new(scene.seed, 2);
    let mut figures = Vec::new();
    let mut put = |dice: &mut Dice, shape, rgb, x, y, radius| {
        // A half-angle tangent gives an exact rotation without trigonometry: up to 11 degrees.
        let t = dice.between(-0.1, 0.1);
        let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        figures.push(Figure { shape, rgb, x, y, radius, cos, sin });
    };
    match scene.content {
        Content::Single { object, column, row } => {
            let radius = radius(object.size, &mut dice);
            let x = [0.26, 0.5, 0.74][column as usize] + dice.between(-0.035, 0.035);
            let y = [0.26, 0.5, 0.74][row as usize] + dice.between(-0.035, 0.035);
            let rgb = tone(object.colour, &mut dice);
            put(&mut dice, object.shape, rgb, x, y, radius);
        }
        Content::Several { shape, colour, count } => {
            let radius = dice.between(0.105, 0.14);
            let rgb = tone(colour, &mut dice);
            for (x, y) in scatter(count as usize, &mut dice) {
                put(&mut dice, shape, rgb, x, y, radius);
            }
        }
        Content::Pair { first, second, relation } => {
            for (object, along) in [(first, 0.26), (second, 0.74)] {
                let radius = radius(object.size, &mut dice);
                let along = along + dice.between(-0.03, 0.03);
                let across = 0.5 + dice.between(-0.07, 0.07);
                let (x, y) = if relation == Relation::LeftOf { (along, across) } else { (across, along) };
                let rgb = tone(object.colour, &mut dice);
                put(&mut dice, object.shape, rgb, x, y, radius);
            }
        }
    }
    figures
}

fn radius(size: Size, dice: &mut Dice) -> f64 {
    match size {
        Size::Small => dice.between(0.1, 0.125),
        Size::Big => dice.between(0.19, 0.235),
    }
}

/// Positions for some shapes, apart from each other.
fn scatter(count: usize, dice: &mut Dice) -> Vec<(f64, f64)> {
    loop {
        let mut places: Vec<(f64, f64)> = Vec::new();
        for _ in 0..60 {
            let (x, y) = (dice.between(0.17, 0.83), dice.between(0.17, 0.83));
            if places.iter().all(|p| (p.0 - x) * (p.0 - x) + (p.1 - y) * (p.1 - y) > 0.3 * 0.3) {
                places.push((x, y));
                if places.len() == count {
                    return places;
                }
            }
        }
    }
}

fn background(scene: &Scene, dice: &mut Dice, side: usize) -> Vec<u8> {
    let base = tone(scene.background.colour, dice);
    let other = pattern_tone(scene.background.colour);
    let pattern = scene.background.pattern;
    let period = match pattern {
        Pattern::Striped => dice.between(0.15, 0.21),
        Pattern::Dotted => dice.between(0.125, 0.16),
        _ => dice.between(0.21, 0.27),
    };
    let (dx, dy) = (dice.between(0.0, 1.0), dice.between(0.0, 1.0));
    let direction = dice.pick(&[(1.0, 0.0), (0.0, 1.0), (0.7, 0.7), (0.7, -0.7)]);
    // `x`, `y` in periods; the two-tone patterns fill half of the picture, dots less.
    let marked = |x: f64, y: f64| match pattern {
        Pattern::Plain => false,
        Pattern::Striped => fraction(x * direction.0 + y * direction.1 + dx) < 0.5,
        Pattern::Dotted => {
            let row = y + dy;
            let shift = if fraction(row * 0.5) < 0.5 { 0.0 } else { 0.5 };
            let (u, v) = (fraction(x + dx + shift) - 0.5, fraction(row) - 0.5);
            u * u + v * v < 0.3 * 0.3
        }
        Pattern::Checkered => (fraction(x + dx) < 0.5) != (fraction(y + dy) < 0.5),
    };
    let mut picture = Vec::with_capacity(side * side * 3);
    for y in 0..side {
        for x in 0..side {
            let covered = match pattern {
                Pattern::Plain => 0,
                _ => coverage(x, y, side, |x, y| marked(x / period, y / period)),
            };
            picture.extend(base.iter().zip(other).map(|(&a, b)| blend(a, b, covered)));
        }
    }
    picture
}

fn fraction(x: f64) -> f64 {
    x - x.floor()
}

/// Number of sample points of a pixel inside the shape.
fn coverage(x: usize, y: usize, side: usize, inside: impl Fn(f64, f64) -> bool) -> i32 {
    let step = 1.0 / (side * POINTS) as f64;
    let at = |pixel: usize, point: usize| ((pixel * POINTS + point) as f64 + 0.5) * step;
    (0..POINTS * POINTS).filter(|i| inside(at(x, i % POINTS), at(y, i / POINTS))).count() as i32
}

/// `a`, or `b` where all points are covered.
fn blend(a: i32, b: i32, covered: i32) -> u8 {
    const ALL: i32 = (POINTS * POINTS) as i32;
    ((a * (ALL - covered) + b * covered + ALL / 2) / ALL).clamp(0, 255) as u8
}

impl Figure {
    fn paint(&self, picture: &mut [u8], side: usize) {
        // No shape extends farther than 1.3 from its centre, at any rotation.
        let reach = 1.3 * self.radius;
        let pixel = |at: f64| (at * side as f64).clamp(0.0, side as f64) as usize;
        for y in pixel(self.y - reach)..(pixel(self.y + reach) + 1).min(side) {
            for x in pixel(self.x - reach)..(pixel(self.x + reach) + 1).min(side) {
                let covered = coverage(x, y, side, |x, y| {
                    let (x, y) = ((x - self.x) / self.radius, (y - self.y) / self.radius);
                    self.shape.contains(x * self.cos + y * self.sin, y * self.cos - x * self.sin)
                });
                if covered > 0 {
                    let at = (y * side + x) * 3;
                    for (old, new) in picture[at..at + 3].iter_mut().zip(self.rgb) {
                        *old = blend(i32::from(*old), new, covered);
                    }
                }
            }
        }
    }
}
