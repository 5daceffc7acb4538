//! Pictures and sentences whose embeddings are compared: the same on every machine, and different from each other.

use super::super::messages::Failure;
use crate::{Error, RgbBuffer};

/// Number of pictures, and of sentences.
pub(super) const SAMPLES: usize = 40;

/// Shapes of a picture.
const SHAPES: usize = 5;

const COLOURS: [&str; 5] = ["red", "blue", "green", "yellow", "white"];
const THINGS: [&str; 8] = ["dog", "bicycle", "house", "flower", "boat", "child with a kite", "old car", "cup of tea"];
const PLACES: [&str; 7] = [
    "on a beach",
    "in the snow",
    "at night",
    "in front of a mountain",
    "on a wooden table",
    "in a busy street",
    "under a cloudy sky",
];

/// The sentences.
pub(super) fn sentences() -> Vec<String> {
    let sentence = |at: usize| {
        let (colour, thing) = (COLOURS[at % COLOURS.len()], THINGS[at % THINGS.len()]);
        format!("a photo of a {colour} {thing} {}", PLACES[at % PLACES.len()])
    };
    (0..SAMPLES).map(sentence).collect()
}

/// The pictures, of `side` by `side` pixels: a gradient of two colours with discs and rectangles on it.
pub(super) fn pictures(side: usize) -> Result<Vec<RgbBuffer>, Failure> {
    (0..SAMPLES).map(|at| picture(side, at as u32 + 1)).collect::<Result<_, Error>>().map_err(Failure::from)
}

fn picture(side: usize, seed: u32) -> Result<RgbBuffer, Error> {
    let mut dice = Dice(seed.wrapping_mul(2_654_435_761));
    let (top, bottom) = (dice.colour(), dice.colour());
    let shapes: Vec<Shape> = (0..SHAPES).map(|_| Shape::random(side, &mut dice)).collect();
    let mut bytes = Vec::with_capacity(3 * side * side);
    for y in 0..side {
        for x in 0..side {
            let shown = shapes.iter().rev().find(|shape| shape.covers(x, y));
            let gradient = || [0, 1, 2].map(|channel| mix(top[channel], bottom[channel], y, side));
            bytes.extend(shown.map_or_else(gradient, |shape| shape.colour));
        }
    }
    Ok(RgbBuffer::new(side, side, bytes)?)
}

/// What is `y` of `side` on the way from one value to the other.
fn mix(from: u8, to: u8, y: usize, side: usize) -> u8 {
    ((usize::from(from) * (side - y) + usize::from(to) * y) / side) as u8
}

/// A disc or a rectangle.
struct Shape {
    is_disc: bool,
    /// Column and row of the middle.
    middle: [usize; 2],
    /// Half of the width and of the height; the first is the radius of a disc.
    half: [usize; 2],
    colour: [u8; 3],
}

impl Shape {
    fn random(side: usize, dice: &mut Dice) -> Shape {
        let mut half = || side / 12 + dice.below(side / 5 + 1);
        let half = [half(), half()];
        let middle = [dice.below(side), dice.below(side)];
        Shape { is_disc: dice.below(2) == 0, middle, half, colour: dice.colour() }
    }

    fn covers(&self, x: usize, y: usize) -> bool {
        let [dx, dy] = [x.abs_diff(self.middle[0]), y.abs_diff(self.middle[1])];
        match self.is_disc {
            true => dx * dx + dy * dy <= self.half[0] * self.half[0],
            false => dx <= self.half[0] && dy <= self.half[1],
        }
    }
}

/// The linear congruential generator of Knuth and Lewis ("Numerical Recipes", 7.1).
struct Dice(u32);

impl Dice {
    /// A number below `end`, 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(self.0) * end as u64) >> 32) as usize
    }

    fn colour(&mut self) -> [u8; 3] {
        [0; 3].map(|_| self.below(256) as u8)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn samples_differ() {
        let sentences: HashSet<String> = sentences().into_iter().collect();
        assert_eq!(sentences.len(), SAMPLES);
        for side in [1, 32, 224] {
            let pictures: HashSet<Vec<u8>> =
                pictures(side).unwrap().iter().map(|picture| picture.data().to_vec()).collect();
            assert!(pictures.len() > SAMPLES / 2 && (side == 1 || pictures.len() == SAMPLES), "{side}");
        }
    }
}
