//! Drawn scenes with true captions: training and test data of the demo model.
//!
//! A [`Scene`] lists objects and positions; [`draw`] rasterises it at any size; [`caption`] describes it in one of many
//! ways; a [`Claim`] is the meaning of such a sentence, so that a test can choose sentences that are false for an image.
//! Everything is determined by a seed, with integers and IEEE 754 arithmetic only, and is the same on every machine.
//! Knows no models and nothing of this crate.

// Each user (the example, the tests) needs only a part.
#![allow(dead_code, unused_imports)]

mod caption;
mod claim;
mod dice;
mod draw;
mod scene;
mod shape;

pub use caption::{Caption, caption};
pub use claim::{Claim, FACTS, facts};
pub use dice::Dice;
pub use draw::{cells, draw};
pub use scene::{Background, Colour, Column, Content, Object, Pattern, Relation, Row, Scene, Size};
pub use shape::Shape;
