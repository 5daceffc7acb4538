//! Drawn scenes with true captions: what the demo model learns from and is tested on.
//!
//! A [`Scene`] says what stands where; [`draw`] paints it at any size; [`caption`] describes it in one of many
//! ways; a [`Claim`] is what such a sentence asserts, so that a test can choose sentences that are false of a
//! picture. Everything follows from a seed, by integers and by the arithmetic that IEEE 754 fixes to the bit:
//! the same on every machine. Nothing here knows of models or of this crate.

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
