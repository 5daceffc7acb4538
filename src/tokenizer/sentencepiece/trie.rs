//! A map from byte strings to pieces that is used as it lies in a file: a double array.
//!
//! A state is an offset. The child for byte `b` of a state is the unit at `offset ^ b`, if that unit says that it is a
//! child for `b`; no two states have the same offset, so that it can be nobody else's. Every step checks its bounds, so
//! damaged units give wrong pieces and nothing worse.

/// A unit: the offset of its children (0 without any), and what it is.
///
/// The second number holds, from the lowest bit on: 9 bits for the byte that leads to it plus one (0: unused), 3 bits
/// for the [`Class`] of the string that ends here, 20 bits for the id of its piece.
pub(super) type Unit = [u32; 2];

/// Bits of an id.
pub(super) const ID_BITS: u32 = 20;

/// What a string is. The numbers are part of the stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// No piece, only the beginning of some.
    None = 0,
    /// A piece that texts are made of.
    Normal = 1,
    /// A piece that is taken whole, wherever it is in a text.
    UserDefined = 2,
    /// A piece that no text has: start, end, unknown.
    Control = 3,
    /// A byte of a character that is no piece.
    Byte = 4,
    /// A piece that merges on the way to others but is not given out.
    Unused = 5,
}

/// The string that ends at a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found(u32);

impl Found {
    pub const NOTHING: Found = Found(0);

    pub fn class(self) -> Class {
        match self.0 >> 9 & 7 {
            1 => Class::Normal,
            2 => Class::UserDefined,
            3 => Class::Control,
            4 => Class::Byte,
            5 => Class::Unused,
            _ => Class::None,
        }
    }

    pub fn id(self) -> u32 {
        self.0 >> 12
    }

    /// The second number of a unit.
    #[cfg(any(feature = "import", test))]
    pub fn unit(class: Class, id: u32, byte: u8) -> u32 {
        (id << 12) | ((class as u32) << 9) | (u32::from(byte) + 1)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Trie<'a> {
    units: &'a [Unit],
    root: u32,
}

impl<'a> Trie<'a> {
    /// The root is the first unit. Without units there are no strings.
    pub fn new(units: &'a [Unit]) -> Trie<'a> {
        Trie { units, root: units.first().map_or(0, |root| root[0]) }
    }

    /// The state before the first byte.
    pub fn root(&self) -> u32 {
        self.root
    }

    /// The state after a byte, and the string that ends there.
    pub fn step(&self, state: u32, byte: u8) -> Option<(u32, Found)> {
        let &[offset, what] = self.units.get((state ^ u32::from(byte)) as usize)?;
        (what & 0x1ff == u32::from(byte) + 1).then_some((offset, Found(what)))
    }

    /// The state after several bytes; the string of none is no piece.
    pub fn walk(&self, state: u32, bytes: &[u8]) -> Option<(u32, Found)> {
        bytes.iter().try_fold((state, Found::NOTHING), |(state, _), &byte| self.step(state, byte))
    }

    /// The whole string.
    pub fn get(&self, bytes: &[u8]) -> Found {
        self.walk(self.root, bytes).map_or(Found::NOTHING, |(_, found)| found)
    }

    /// Length and piece of the longest string that `text` begins with.
    pub fn longest(&self, text: &[u8]) -> Option<(usize, Found)> {
        let (mut state, mut best) = (self.root, None);
        for (at, &byte) in text.iter().enumerate() {
            let Some((next, found)) = self.step(state, byte) else { break };
            if found.class() != Class::None {
                best = Some((at + 1, found));
            }
            state = next;
        }
        best
    }

    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}
