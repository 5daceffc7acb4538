//! Finds the first frame of a GIF file and passes over what is not known, as Pillow does: bytes between blocks,
//! extensions, and control extensions that are too long. Knows no pixels.

use super::super::decode_error::DecodeError;

/// Length of the file header: magic, size of the canvas, flags, background, aspect.
const HEADER: usize = 13;
/// Offset of the flags of a frame, from the byte that announces it.
const FRAME_FLAGS: usize = 9;
/// Flag of a table of colours. The three bits below the flags state its size.
const TABLE: u8 = 0x80;

/// A file that consists of the first frame.
pub(super) struct FirstFrame<'a> {
    /// The header, with the flag of a table.
    header: [u8; HEADER],
    /// The table of all frames; a grey ramp if the file has no table at all.
    colours: Vec<u8>,
    /// A control extension that states the transparent index.
    control: Option<[u8; 8]>,
    /// The frame and what follows.
    rest: &'a [u8],
    /// The empty block that ends the data, if the file, or its trailer, follows the block before at once.
    terminator: &'static [u8],
}

impl<'a> FirstFrame<'a> {
    /// Finds the frame.
    pub fn of(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (&header, mut rest) = bytes.split_first_chunk::<HEADER>().ok_or(DecodeError::Truncated)?;
        let mut colours: &[u8] = &[];
        if header[10] & TABLE != 0 {
            (colours, rest) = rest.split_at_checked(table_len(header[10])).ok_or(DecodeError::Truncated)?;
        }
        let mut transparent = None;
        loop {
            let (&kind, after) = rest.split_first().ok_or(DecodeError::Truncated)?;
            match kind {
                b',' => break,
                b';' => return Err(DecodeError::damaged("there is no picture")),
                b'!' => {
                    let (&label, mut blocks) = after.split_first().ok_or(DecodeError::Truncated)?;
                    let mut first = None;
                    while let Some((&length, after)) = blocks.split_first() {
                        let Some((block, after)) = after.split_at_checked(length.into()) else {
                            return Err(DecodeError::Truncated);
                        };
                        blocks = after;
                        first = first.or(Some(block));
                        if block.is_empty() {
                            break;
                        }
                    }
                    if label == 0xf9 {
                        match first {
                            Some(&[flags, _, _, index, ..]) if flags & 1 != 0 => transparent = Some(index),
                            Some([_, _, _, ..]) => {}
                            _ => return Err(DecodeError::damaged("a control extension is too short")),
                        }
                    }
                    rest = blocks;
                }
                _ => rest = after,
            }
        }
        Ok(FirstFrame::new(header, colours, transparent, rest))
    }

    fn new(mut header: [u8; HEADER], colours: &[u8], transparent: Option<u8>, rest: &'a [u8]) -> Self {
        let mut colours = colours.to_vec();
        if colours.is_empty() && rest.get(FRAME_FLAGS).is_some_and(|flags| flags & TABLE == 0) {
            header[10] |= TABLE | 7;
            colours = (0..=255).flat_map(|level| [level; 3]).collect();
        }
        let control = transparent.map(|index| [b'!', 0xf9, 4, 1, 0, 0, index, 0]);
        let (rest, terminator): (_, &[u8]) = match unterminated(rest) {
            Some(frame) => (frame, &[0]),
            None => (rest, &[]),
        };
        FirstFrame { header, colours, control, rest, terminator }
    }

    /// Returns the size of the canvas, which grows to hold the frame.
    pub fn size(&self) -> Result<(u32, u32), DecodeError> {
        let number = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]));
        let &[_, l0, l1, t0, t1, w0, w1, h0, h1] = self.rest.first_chunk().ok_or(DecodeError::Truncated)?;
        let [.., c0, c1, r0, r1, _, _, _] = self.header;
        let width = number(c0, c1).max(number(l0, l1) + number(w0, w1));
        Ok((width, number(r0, r1).max(number(t0, t1) + number(h0, h1))))
    }

    /// Returns the bytes of the file.
    pub fn parts(&self) -> [&[u8]; 5] {
        let control = self.control.as_ref().map_or(&[][..], |control| control);
        [&self.header, &self.colours, control, self.rest, self.terminator]
    }
}

/// Returns the frame if the file, or its trailer, ends after a whole block of the frame's data, which another should
/// follow.
fn unterminated(frame: &[u8]) -> Option<&[u8]> {
    let &flags = frame.get(FRAME_FLAGS)?;
    // The flags, a table, the size of codes, blocks.
    let mut at = FRAME_FLAGS + 1 + if flags & TABLE != 0 { table_len(flags) } else { 0 } + 1;
    while let Some(&length) = frame.get(at) {
        if length == 0 {
            return None;
        }
        if length == b';' && at + 1 == frame.len() {
            break;
        }
        at += 1 + usize::from(length);
    }
    frame.get(..at)
}

/// Returns the bytes of a table of colours.
fn table_len(flags: u8) -> usize {
    3 << ((flags & 7) + 1)
}
