//! Open bitstream units (sections 5.3 and 6.2): the parts of a stream.

use super::super::decode_error::DecodeError;
use super::bits::take_leb128;
use super::header::Layer;

/// Kinds of units that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sequence,
    FrameHeader,
    TileGroup,
    Frame,
    /// Delimiters, metadata, padding, repeated headers, and what is not known.
    Other,
}

/// A unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Obu<'a> {
    pub kind: Kind,
    /// The layer that it belongs to, if it says so.
    pub layer: Option<Layer>,
    pub content: &'a [u8],
}

/// Iterates over the units of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Obus<'a>(pub &'a [u8]);

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let unit = self.take().ok_or(DecodeError::Truncated);
        if unit.is_err() {
            self.0 = &[];
        }
        Some(unit)
    }
}

impl<'a> Obus<'a> {
    fn take(&mut self) -> Option<Obu<'a>> {
        let (&header, mut rest) = self.0.split_first()?;
        let kind = match header >> 3 & 15 {
            1 => Kind::Sequence,
            3 => Kind::FrameHeader,
            4 => Kind::TileGroup,
            6 => Kind::Frame,
            _ => Kind::Other,
        };
        let mut layer = None;
        if header & 4 != 0 {
            let (&extension, after) = rest.split_first()?;
            rest = after;
            layer = Some(Layer { temporal: u32::from(extension >> 5), spatial: u32::from(extension >> 3 & 3) });
        }
        // Without a size the unit takes everything.
        let size = match header & 2 != 0 {
            true => usize::try_from(take_leb128(&mut rest)?).ok()?,
            false => rest.len(),
        };
        let (content, after) = rest.split_at_checked(size)?;
        self.0 = after;
        Some(Obu { kind, layer, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_with_and_without_size_and_layer() {
        let bytes = [0b0001_0010, 0, 0b0000_1110, 0b0010_1000, 1, 7, 0b0011_0000, 8, 9];
        let units: Vec<_> = Obus(&bytes).map(Result::unwrap).collect();
        let kinds = units.iter().map(|unit| unit.kind).collect::<Vec<_>>();
        assert_eq!(kinds, [Kind::Other, Kind::Sequence, Kind::Frame]);
        assert_eq!(units.iter().map(|unit| unit.content).collect::<Vec<_>>(), [&[][..], &[7], &[8, 9]]);
        let layer = units[1].layer.unwrap();
        assert_eq!((layer.temporal, layer.spatial), (1, 1));
        assert!(layer.is_in(0) && layer.is_in(0x202) && !layer.is_in(0x102) && !layer.is_in(0x201));
    }

    #[test]
    fn cut_units_end_the_walk() {
        let cut: Vec<_> = Obus(&[0b0011_0010, 5, 1]).map(|unit| unit.map(drop)).collect();
        assert_eq!(cut, [Err(DecodeError::Truncated)]);
    }
}
