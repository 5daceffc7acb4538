//! The checksums of the pixels.
//!
//! Pillow reads a file whose chunk has a wrong checksum, and so do others: tools that edit files forget it. But it refuses
//! pixels that differ from the checksum of their compressed stream. That one is compared only where a chunk's is wrong:
//! bytes that were damaged on the way are wrong in both.

use flate2::{Decompress, FlushDecompress, Status};

use super::chunks::{Contents, checksum};
use crate::budget::Budget;
use crate::photo::decode_error::DecodeError;

/// Refuses pixels that differ from both of their checksums.
pub(super) fn verify_pixels(contents: &Contents<'_>, bytes: &[u8], budget: &Budget) -> Result<(), DecodeError> {
    if contents.pixels(bytes).all(|(chunk, stored)| stored.is_none_or(|stored| stored == checksum(chunk))) {
        return Ok(());
    }
    let mut stream = Decompress::new(true);
    let mut out = vec![0; 1 << 15];
    for (kind_and_content, _) in contents.pixels(bytes) {
        let mut rest = kind_and_content.get(4..).unwrap_or_default();
        while !rest.is_empty() {
            let (before_in, before_out) = (stream.total_in(), stream.total_out());
            let status = stream
                .decompress(rest, &mut out, FlushDecompress::None)
                .map_err(|_| DecodeError::damaged("its pixels do not match their checksum"))?;
            let (read, written) = (stream.total_in() - before_in, stream.total_out() - before_out);
            budget.work(read + written)?;
            if status == Status::StreamEnd {
                return Ok(());
            }
            if read + written == 0 {
                break;
            }
            rest = rest.get(read as usize..).unwrap_or_default();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::chunks::append;
    use super::*;
    use crate::cancel::CancelToken;
    use crate::photo;

    /// A grey PNG of 8 x 8 pixels whose only chunk of pixels has this content and checksum.
    fn file(content: &[u8], right: bool) -> Vec<u8> {
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        append(&mut out, b"IHDR", &[0, 0, 0, 8, 0, 0, 0, 8, 8, 0, 0, 0, 0]);
        append(&mut out, b"IDAT", content);
        if !right {
            out.iter_mut().rev().take(4).for_each(|byte| *byte = !*byte);
        }
        append(&mut out, b"IEND", b"");
        out
    }

    #[test]
    fn only_pixels_that_differ_from_both_checksums_are_damaged() {
        // Stored, so that any byte can change without breaking the stream.
        let rows: Vec<u8> = (0..8u8).flat_map(|y| [[0].to_vec(), vec![y * 9; 8]].concat()).collect();
        let mut stream = vec![0x78, 0x01, 1, 72, 0, !72, 0xff];
        stream.extend(&rows);
        let mut adler = (1u32, 0u32);
        rows.iter().for_each(|&byte| {
            adler.0 = (adler.0 + u32::from(byte)) % 65521;
            adler.1 = (adler.1 + adler.0) % 65521;
        });
        stream.extend((adler.1 << 16 | adler.0).to_be_bytes());
        let decode = |stream: &[u8], right: bool| photo::decode(&file(stream, right), true, "x.png");
        assert_eq!(decode(&stream, true).unwrap().data()[..3], [0, 0, 0]);
        // Only the chunk's checksum is wrong: somebody edited the file.
        assert_eq!(decode(&stream, false).unwrap(), decode(&stream, true).unwrap());
        // A pixel changed on the way.
        let mut flipped = stream.clone();
        flipped[20] ^= 4;
        let message = decode(&flipped, false).unwrap_err().to_string();
        assert!(message.contains("its pixels do not match their checksum"), "{message}");

        let budget = Budget::photo(0, &crate::budget::Limits::new(), &CancelToken::new());
        let whole = file(&flipped, false);
        assert!(verify_pixels(&Contents::of(&whole).unwrap(), &whole, &budget).is_err());
    }
}
