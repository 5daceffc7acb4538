//! AV1 still pictures (AV1 Bitstream & Decoding Process Specification): key frames, decoded to planes of samples.
//!
//! Knows no containers and no colours.

#![allow(dead_code)]

mod filter;
mod grain;
mod plane;
mod predict;
mod transform;
