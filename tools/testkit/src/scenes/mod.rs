//! Drawn scenes with true captions, for training and testing the demo model.
//!
//! A [`Scene`] describes the objects and their positions; [`draw`] renders it at any size; [`caption`] describes it in
//! one of many ways; a [`Claim`] is what such a sentence asserts, so a test can choose sentences that are false of a
//! picture. Everything follows from a seed, with integers and arithmetic that IEEE 754 defines to the bit, so it is the
//! same on every machine. Independent of models and of the engine.

mod caption;
mod claim;
mod dice;
mod draw;
mod scene;
mod shape;

pub use caption::{Caption, caption};
pub use claim::{Claim, Described, FACTS, Subject, facts};
pub use dice::Dice;
pub use draw::{cells, draw};
pub use scene::{Background, Colour, Column, Content, Object, Pattern, Relation, Row, Scene, Size};
pub use shape::Shape;
