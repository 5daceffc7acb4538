//! Counter-based random numbers: element `i` of stream `name` needs no other element.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014) started from an
//! FNV-1a hash of the name, so that any part of any tensor can be computed anywhere, in any order, by any
//! number of threads, in any language. This module knows names and indices, not tensors.

/// 2^64 divided by the golden ratio, the step of SplitMix64.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The random numbers of one name under one seed.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    start: u64,
}

impl Stream {
    /// The stream `name` of `seed`.
    pub fn new(name: &str, seed: u64) -> Self {
        Stream { start: fnv1a64(name.as_bytes()) ^ seed.wrapping_mul(GOLDEN_GAMMA) }
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(self, index: u64) -> u64 {
        finalise(self.start.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN_GAMMA)))
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    #[inline]
    pub fn unit(self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `[centre - half, centre + half)`, computed in f64 and rounded once.
    #[inline]
    pub fn uniform(self, index: u64, centre: f64, half: f64) -> f32 {
        (centre + half * (2.0 * self.unit(index) - 1.0)) as f32
    }

    /// Uniform in `0..bound`, for bounds far below 2^32.
    pub fn below(self, index: u64, bound: u32) -> u32 {
        (((self.bits(index) >> 32) * u64::from(bound)) >> 32) as u32
    }
}

/// 64-bit FNV-1a (Fowler, Noll, Vo).
fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// The output function of SplitMix64.
#[inline]
fn finalise(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
