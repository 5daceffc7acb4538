//! Undoes the predictor: samples stored as differences from the sample to the left, or floating-point samples split
//! into planes of bytes.

use super::super::decode_error::{DecodeError, try_filled};
use super::directory::{ByteOrder, Directory, tag};

/// How samples are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// Differences of samples of this many bytes.
    Difference(usize),
    /// Differences of bytes; all most significant bytes of a row first. Floating-point samples of this many bytes.
    Float(usize),
}

impl Predictor {
    /// Reads the predictor for samples of `bits` bits.
    pub fn read(directory: &Directory<'_>, bits: u32, float: bool) -> Result<Predictor, DecodeError> {
        match (directory.number(tag::PREDICTOR)?.unwrap_or(1), bits) {
            (1, _) => Ok(Predictor::None),
            (2, 8 | 16 | 32) => Ok(Predictor::Difference(bits as usize / 8)),
            (3, 32) if float => Ok(Predictor::Float(4)),
            (number @ (2 | 3), bits) => {
                Err(DecodeError::unsupported(format_args!("predictor {number} for samples of {bits} bits")))
            }
            (number, _) => Err(DecodeError::damaged(format_args!("its predictor is {number}"))),
        }
    }

    /// Restores rows of `row_bytes` bytes whose pixels have `step` samples.
    pub fn undo(self, data: &mut [u8], row_bytes: usize, step: usize, order: ByteOrder) -> Result<(), DecodeError> {
        let rows = data.chunks_exact_mut(row_bytes);
        match self {
            Predictor::None => {}
            Predictor::Difference(1) => rows.for_each(|row| add_bytes(row, step)),
            Predictor::Difference(2) => rows.for_each(|row| {
                add(row, step, |a: [u8; 2], b| {
                    let sum = order.two(a).wrapping_add(order.two(b));
                    if order == ByteOrder::Little { sum.to_le_bytes() } else { sum.to_be_bytes() }
                });
            }),
            Predictor::Difference(_) => rows.for_each(|row| {
                add(row, step, |a: [u8; 4], b| {
                    let sum = order.four(a).wrapping_add(order.four(b));
                    if order == ByteOrder::Little { sum.to_le_bytes() } else { sum.to_be_bytes() }
                });
            }),
            Predictor::Float(size) => {
                let mut planes = try_filled(row_bytes, 1, 1, 0u8)?;
                for row in rows {
                    add_bytes(row, step);
                    planes.copy_from_slice(row);
                    let count = row.len() / size;
                    for (i, sample) in row.chunks_exact_mut(size).enumerate() {
                        for (byte, out) in sample.iter_mut().enumerate() {
                            let plane = if order == ByteOrder::Big { byte } else { size - 1 - byte };
                            *out = planes[plane * count + i];
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn add_bytes(row: &mut [u8], step: usize) {
    for i in step..row.len() {
        row[i] = row[i].wrapping_add(row[i - step]);
    }
}

/// Adds to each sample of `N` bytes the one `step` samples before it.
fn add<const N: usize>(row: &mut [u8], step: usize, sum: impl Fn([u8; N], [u8; N]) -> [u8; N]) {
    let samples = row.as_chunks_mut().0;
    for i in step..samples.len() {
        samples[i] = sum(samples[i], samples[i - step]);
    }
}
