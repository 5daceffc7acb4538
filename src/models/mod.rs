//! The towers: model descriptions in terms of layers.

pub mod config;
