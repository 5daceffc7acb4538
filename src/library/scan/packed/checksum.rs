//! A checksum that is as fast as memory is read, against damage, not against forgery.
//!
//! Eight 64-bit states take a word each in turn, by steps that are invertible in the word: any change within one word
//! changes the result. Not specified elsewhere; a change is a new version of the format.

/// An odd number with bits all over: 2⁶⁴ divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The checksum of byte strings one after the other, each with its length.
#[derive(Clone, Debug)]
pub(super) struct Checksum([u64; 8]);

impl Checksum {
    pub(super) fn new() -> Checksum {
        Checksum(std::array::from_fn(|i| (i as u64 + 1).wrapping_mul(FACTOR)))
    }

    pub(super) fn of(bytes: &[u8]) -> u64 {
        Checksum::new().and(bytes).finish()
    }

    pub(super) fn and(mut self, bytes: &[u8]) -> Checksum {
        let (chunks, rest) = bytes.as_chunks::<64>();
        // In registers meanwhile.
        let mut states = self.0;
        for chunk in chunks {
            step(&mut states, chunk);
        }
        let mut last = [0; 64];
        last[..rest.len()].copy_from_slice(rest);
        step(&mut states, &last);
        states[0] ^= bytes.len() as u64;
        self.0 = states;
        self
    }

    /// Under fuzzing all files have the same checksum, so that more than their headers is reached.
    pub(super) fn finish(self) -> u64 {
        if cfg!(fuzzing) {
            return 0;
        }
        let folded = self.0.into_iter().fold(FACTOR, mixed);
        (folded ^ folded >> 32).wrapping_mul(FACTOR)
    }
}

#[inline(always)]
fn step(states: &mut [u64; 8], chunk: &[u8; 64]) {
    for (state, word) in states.iter_mut().zip(chunk.as_chunks().0) {
        *state = mixed(*state, u64::from_le_bytes(*word));
    }
}

#[inline(always)]
fn mixed(state: u64, word: u64) -> u64 {
    let product = (state ^ word).wrapping_mul(FACTOR);
    // Brings the upper bits down, which the next product would only move up.
    product ^ product >> 32
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_byte_and_length_counts() {
        let bytes: Vec<u8> = (0..200).map(|i| (i * 7) as u8).collect();
        let mut seen = HashSet::new();
        for len in 0..bytes.len() {
            assert!(seen.insert(Checksum::of(&bytes[..len])));
            assert!(seen.insert(Checksum::new().and(&bytes[..len]).and(&bytes[len..]).finish()));
        }
        assert!(seen.insert(Checksum::of(&bytes)));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                assert!(seen.insert(Checksum::of(&other)));
            }
        }
        let zeros = [0; 300];
        assert_eq!((0..300).map(|len| Checksum::of(&zeros[..len])).collect::<HashSet<_>>().len(), 300);
    }
}
