//! Decompresses one part of an image: none, PackBits, LZW, deflate and facsimile; JPEG is elsewhere.
//!
//! Each decoder writes the bytes that the part must have and stops; what follows is ignored. Work is drawn while data
//! is consumed, so that a part cannot cost more than a share of its size and of its pixels.

use flate2::{Decompress, FlushDecompress, Status};
use weezl::{BitOrder, LzwStatus};

use super::super::decode_error::DecodeError;
use super::directory::{Directory, tag};
use super::fax::{self, Coding};
use crate::budget::Budget;

/// Compressed bytes handed to a decoder at a time, between two draws on the budget.
const PIECE: usize = 1 << 16;

/// Work to start a decoder: allocating its tables.
const START: u64 = 6_000;

/// Work of a call of the LZW decoder, which returns after each code that clears the table.
const LZW_CALL: u64 = 200;

/// Codes that the LZW decoder may hold back, so that it does not read in a call that decodes one of them.
const LZW_CODES: usize = 64 / 9;

/// How the parts of an image are compressed.
pub(super) enum Codec {
    None,
    PackBits,
    Lzw,
    Deflate(Box<Decompress>),
    Fax(Coding),
    Jpeg,
}

impl Codec {
    /// Reads the compression of an image.
    pub fn read(directory: &Directory<'_>) -> Result<Codec, DecodeError> {
        let option = |bit: u64| Ok::<_, DecodeError>(directory.number(tag::T4_OPTIONS)?.unwrap_or(0) & bit != 0);
        let name = match directory.number(tag::COMPRESSION)?.unwrap_or(1) {
            1 => return Ok(Codec::None),
            2 => return Ok(Codec::Fax(Coding::Runs { align: 8 })),
            3 if option(2)? => return Err(DecodeError::unsupported("uncompressed parts of facsimile data")),
            3 => return Ok(Codec::Fax(Coding::Group3 { two_dimensional: option(1)? })),
            4 => return Ok(Codec::Fax(Coding::Group4)),
            5 => return Ok(Codec::Lzw),
            7 => return Ok(Codec::Jpeg),
            8 | 32946 => return Ok(Codec::Deflate(Box::new(Decompress::new(true)))),
            32771 => return Ok(Codec::Fax(Coding::Runs { align: 16 })),
            32773 => return Ok(Codec::PackBits),
            6 => "old-style jpeg".to_owned(),
            32809 => "thunderscan".to_owned(),
            34676 | 34677 => "sgi log".to_owned(),
            34712 => "jpeg 2000".to_owned(),
            34887 => "lerc".to_owned(),
            34925 => "lzma".to_owned(),
            50000 => "zstandard".to_owned(),
            50001 => "webp".to_owned(),
            50002 | 52546 => "jpeg xl".to_owned(),
            number => format!("an unknown kind, number {number}"),
        };
        Err(DecodeError::unsupported(format_args!("its pixels are compressed with {name}")))
    }

    /// Whether the predictor applies: libtiff knows it for these alone.
    pub fn predicts(&self) -> bool {
        matches!(self, Codec::Lzw | Codec::Deflate(_))
    }

    /// Decompresses `data` to `out`; rows have `width` samples, for facsimile.
    pub fn decode(&mut self, data: &[u8], width: usize, out: &mut [u8], budget: &Budget) -> Result<(), DecodeError> {
        match self {
            Codec::None => {
                budget.work(out.len() as u64 / 8 + 20)?;
                let plain = data.get(..out.len()).ok_or(DecodeError::Truncated)?;
                out.copy_from_slice(plain);
                Ok(())
            }
            Codec::PackBits => pack_bits(data, out, budget),
            Codec::Lzw => lzw(data, out, budget),
            Codec::Deflate(decoder) => deflate(decoder, data, out, budget),
            Codec::Fax(coding) => fax::decode(data, *coding, width, out, budget),
            Codec::Jpeg => Err(DecodeError::damaged("jpeg data where there can be none")),
        }
    }
}

/// Decodes runs of bytes: a count, then literal bytes or a byte to repeat.
fn pack_bits(mut data: &[u8], mut out: &mut [u8], budget: &Budget) -> Result<(), DecodeError> {
    let mut unpaid = 0;
    while !out.is_empty() {
        let (&head, rest) = data.split_first().ok_or(DecodeError::Truncated)?;
        let length = match head {
            0..=127 => usize::from(head) + 1,
            // No operation.
            128 => 0,
            129.. => 257 - usize::from(head),
        };
        // A run may go on after the end of the part.
        let written = length.min(out.len());
        let (now, later) = std::mem::take(&mut out).split_at_mut(written);
        data = match head {
            0..=127 => {
                now.copy_from_slice(rest.get(..written).ok_or(DecodeError::Truncated)?);
                rest.get(length..).unwrap_or_default()
            }
            128 => rest,
            129.. => {
                let (&byte, rest) = rest.split_first().ok_or(DecodeError::Truncated)?;
                now.fill(byte);
                rest
            }
        };
        out = later;
        unpaid += 4 + written as u64;
        if unpaid > PIECE as u64 {
            budget.work(std::mem::take(&mut unpaid))?;
        }
    }
    Ok(budget.work(unpaid)?)
}

/// Decodes LZW: codes with the most significant bit first, or, in the oldest files, as in GIF.
fn lzw(mut data: &[u8], mut out: &mut [u8], budget: &Budget) -> Result<(), DecodeError> {
    budget.work(START)?;
    // The first code, 256, clears the table; it has nine bits.
    let mut decoder = match data {
        [0, second, ..] if second & 1 == 1 => weezl::decode::Decoder::new(BitOrder::Lsb, 8),
        _ => weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8),
    };
    let mut idle = 0;
    while !out.is_empty() {
        let result = decoder.decode_bytes(&data[..data.len().min(PIECE)], out);
        let (read, written) = (result.consumed_in, result.consumed_out);
        budget.work(LZW_CALL + 8 * read as u64 + 2 * written as u64)?;
        data = data.get(read..).unwrap_or_default();
        out = std::mem::take(&mut out).get_mut(written..).unwrap_or_default();
        idle = if read == 0 && written == 0 { idle + 1 } else { 0 };
        match result.status {
            _ if out.is_empty() => {}
            Ok(LzwStatus::Done) => return Err(DecodeError::Truncated),
            Ok(_) if idle > LZW_CODES => return Err(DecodeError::Truncated),
            Ok(_) => {}
            Err(_) => return Err(DecodeError::damaged("an lzw code is not valid")),
        }
    }
    Ok(())
}

/// Decodes deflate data in a zlib wrapper.
fn deflate(decoder: &mut Decompress, mut data: &[u8], mut out: &mut [u8], budget: &Budget) -> Result<(), DecodeError> {
    budget.work(START)?;
    decoder.reset(true);
    while !out.is_empty() {
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let piece = out.len().min(4 * PIECE);
        let status = decoder
            .decompress(&data[..data.len().min(PIECE)], &mut out[..piece], FlushDecompress::None)
            .map_err(|_| DecodeError::damaged("its deflate data is not valid"))?;
        // At most the lengths of the slices.
        let read = (decoder.total_in() - before_in) as usize;
        let written = (decoder.total_out() - before_out) as usize;
        budget.work(4 * read as u64 + written as u64)?;
        data = data.get(read..).unwrap_or_default();
        out = std::mem::take(&mut out).get_mut(written..).unwrap_or_default();
        if !out.is_empty() && (status == Status::StreamEnd || read == 0 && written == 0) {
            return Err(DecodeError::Truncated);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::budget::Exhausted;
    use crate::cancel::CancelToken;

    fn decoded(codec: &mut Codec, data: &[u8], length: usize) -> Result<Vec<u8>, DecodeError> {
        let mut out = vec![0xaa; length];
        codec
            .decode(data, 8, &mut out, &Budget::photo(data.len(), &crate::budget::Limits::new(), &CancelToken::new()))
            .map(|()| out)
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate_codec() -> Codec {
        Codec::Deflate(Box::new(Decompress::new(true)))
    }

    #[test]
    fn pack_bits_of_every_head() {
        let data = [2, 1, 2, 3, 128, 254, 9, 0, 7, 129, 5];
        let expected = [&[1, 2, 3, 9, 9, 9, 7][..], &[5; 128]].concat();
        for length in 0..=expected.len() {
            // A run may go on after the end of the part.
            assert_eq!(decoded(&mut Codec::PackBits, &data, length), Ok(expected[..length].to_vec()));
        }
        assert_eq!(decoded(&mut Codec::PackBits, &data, expected.len() + 1), Err(DecodeError::Truncated));
        for end in 0..data.len() {
            assert!(decoded(&mut Codec::PackBits, &data[..end], expected.len()).is_err());
        }
    }

    #[test]
    fn every_codec_stops_at_the_end_of_the_part_and_notices_missing_data() {
        let plain: Vec<u8> = (0..70_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let lzw = weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(&plain).unwrap();
        // As in the oldest files: with the least significant bit first.
        let old = weezl::encode::Encoder::new(BitOrder::Lsb, 8).encode(&plain).unwrap();
        for (mut codec, data) in
            [(Codec::Lzw, lzw), (Codec::Lzw, old), (deflate_codec(), zlib(&plain)), (Codec::None, plain.clone())]
        {
            for length in [0, 1, 2, 1000, plain.len()] {
                assert!(decoded(&mut codec, &data, length) == Ok(plain[..length].to_vec()), "{length}");
            }
            assert_eq!(decoded(&mut codec, &data, plain.len() + 1), Err(DecodeError::Truncated));
            for end in [0, 1, 2, 3, 100, data.len() / 2] {
                assert!(decoded(&mut codec, &data[..end], plain.len()).is_err(), "{end}");
            }
        }
    }

    /// Decodes a part again and again, as files do that name the same bytes for many parts; returns how often.
    fn until_exhausted(mut codec: Codec, data: &[u8]) -> usize {
        let budget = Budget::photo(data.len(), &crate::budget::Limits::new(), &CancelToken::new());
        for round in 0.. {
            match codec.decode(data, 8, &mut [0; 4], &budget) {
                Ok(()) => {}
                Err(DecodeError::Exhausted(Exhausted::Work)) => return round,
                Err(other) => panic!("{other:?}"),
            }
        }
        unreachable!("the loop ends by return")
    }

    #[test]
    fn data_without_pixels_costs_work() {
        const LENGTH: usize = 1 << 20;
        let mut no_operations = vec![128; LENGTH];
        no_operations.extend([3, 1, 2, 3, 4]);
        assert!(until_exhausted(Codec::PackBits, &no_operations) < 400);
        // Stored blocks of no bytes, then one of four.
        let mut empty = vec![0x78, 0x01];
        (0..LENGTH / 5).for_each(|_| empty.extend([0, 0, 0, 0xff, 0xff]));
        empty.extend([1, 4, 0, 0xfb, 0xff, 1, 2, 3, 4]);
        assert!(until_exhausted(deflate_codec(), &empty) < 400);
        // Some encoders clear the table twice.
        let twice = [0x80, 0x40, 0x00, 0x20, 0x20, 0x18, 0x10];
        assert_eq!(decoded(&mut Codec::Lzw, &twice, 4), Ok(vec![1, 2, 3, 4]));
        // Codes that clear the table, of nine bits each: eight of them in nine bytes; then four literals.
        let mut clear = [0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0x00].repeat(LENGTH / 9);
        clear.extend([0x80, 0x00, 0x40, 0x40, 0x30, 0x20]);
        assert!(until_exhausted(Codec::Lzw, &clear) < 400);
    }
}
