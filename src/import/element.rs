//! Element types of checkpoint tensors and their conversion to f64.
//!
//! Bytes are little-endian and need no alignment. Knows no shapes or containers.

use std::fmt;
use std::sync::Arc;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// Element type of a tensor in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementType {
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of an IEEE 754 binary32.
    Bf16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 16-bit signed integer.
    I16,
    /// 8-bit signed integer.
    I8,
    /// 8-bit unsigned integer.
    U8,
    /// Boolean, a byte of 0 or 1.
    Bool,
    /// Any other type, by its name in the container. Such tensors are listed but cannot be read.
    Other(Arc<str>),
}

impl ElementType {
    /// Returns the size of an element in bytes, or `None` for [`ElementType::Other`].
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        match self {
            ElementType::F64 | ElementType::I64 => Some(8),
            ElementType::F32 | ElementType::I32 => Some(4),
            ElementType::F16 | ElementType::Bf16 | ElementType::I16 => Some(2),
            ElementType::I8 | ElementType::U8 | ElementType::Bool => Some(1),
            ElementType::Other(_) => None,
        }
    }

    /// Whether this is one of the floating-point types that weights may have.
    #[must_use]
    pub fn is_float(&self) -> bool {
        matches!(self, ElementType::F16 | ElementType::Bf16 | ElementType::F32 | ElementType::F64)
    }

    /// Whether this is an integer or boolean type, which weights never have.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        !self.is_float() && !matches!(self, ElementType::Other(_))
    }

    /// Converts the first `out.len()` elements of `bytes`.
    ///
    /// The conversion is exact, except for large i64. Returns `None` if `bytes` is too short or the type is unknown.
    pub(super) fn decode(&self, bytes: &[u8], out: &mut [f64]) -> Option<()> {
        let bytes = bytes.get(..out.len().checked_mul(self.size()?)?)?;
        match self {
            ElementType::F16 => halves::<f16>(bytes, out, f16::from_le_bytes),
            ElementType::Bf16 => halves::<bf16>(bytes, out, bf16::from_le_bytes),
            ElementType::F32 => each(bytes, out, |b| f64::from(f32::from_le_bytes(b))),
            ElementType::F64 => each(bytes, out, f64::from_le_bytes),
            ElementType::I64 => each(bytes, out, |b| i64::from_le_bytes(b) as f64),
            ElementType::I32 => each(bytes, out, |b| f64::from(i32::from_le_bytes(b))),
            ElementType::I16 => each(bytes, out, |b| f64::from(i16::from_le_bytes(b))),
            ElementType::I8 => each(bytes, out, |b| f64::from(i8::from_le_bytes(b))),
            ElementType::U8 | ElementType::Bool => each(bytes, out, |[b]| f64::from(b)),
            ElementType::Other(_) => return None,
        }
        Some(())
    }
}

/// Converts elements of `N` bytes each. The compiler vectorises this loop.
fn each<const N: usize>(bytes: &[u8], out: &mut [f64], convert: impl Fn([u8; N]) -> f64) {
    let (chunks, _) = bytes.as_chunks::<N>();
    for (to, from) in out.iter_mut().zip(chunks) {
        *to = convert(*from);
    }
}

/// Converts 16-bit floats through f32 in blocks, with the instructions that `half` detects.
fn halves<T: Copy + Default>(bytes: &[u8], out: &mut [f64], from: impl Fn([u8; 2]) -> T)
where
    [T]: HalfFloatSliceExt,
{
    const BLOCK: usize = 256;
    let mut narrow = [T::default(); BLOCK];
    let mut wide = [0f32; BLOCK];
    for (to, chunk) in out.chunks_mut(BLOCK).zip(bytes.chunks(2 * BLOCK)) {
        let narrow = &mut narrow[..to.len()];
        let wide = &mut wide[..to.len()];
        for (n, b) in narrow.iter_mut().zip(chunk.as_chunks::<2>().0) {
            *n = from(*b);
        }
        narrow.convert_to_f32_slice(wide);
        for (to, from) in to.iter_mut().zip(&*wide) {
            *to = f64::from(*from);
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ElementType::F16 => "f16",
            ElementType::Bf16 => "bf16",
            ElementType::F32 => "f32",
            ElementType::F64 => "f64",
            ElementType::I64 => "i64",
            ElementType::I32 => "i32",
            ElementType::I16 => "i16",
            ElementType::I8 => "i8",
            ElementType::U8 => "u8",
            ElementType::Bool => "bool",
            ElementType::Other(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_every_type_and_checks_lengths() {
        fn one(element: &ElementType, bytes: &[u8]) -> f64 {
            let mut out = [f64::NAN];
            element.decode(bytes, &mut out).unwrap();
            out[0]
        }
        assert_eq!(one(&ElementType::F64, &0.1f64.to_le_bytes()), 0.1);
        assert_eq!(one(&ElementType::F32, &0.1f32.to_le_bytes()), f64::from(0.1f32));
        assert_eq!(one(&ElementType::F16, &0x3555u16.to_le_bytes()), 0.333251953125);
        assert_eq!(one(&ElementType::F16, &0x0001u16.to_le_bytes()), 2f64.powi(-24));
        assert_eq!(one(&ElementType::Bf16, &0xc049u16.to_le_bytes()), -3.140625);
        assert_eq!(one(&ElementType::I64, &(-7i64).to_le_bytes()), -7.0);
        assert_eq!(one(&ElementType::I32, &(-7i32).to_le_bytes()), -7.0);
        assert_eq!(one(&ElementType::I16, &(-7i16).to_le_bytes()), -7.0);
        assert_eq!(one(&ElementType::I8, &[0xf9]), -7.0);
        assert_eq!(one(&ElementType::U8, &[0xf9]), 249.0);
        assert_eq!(one(&ElementType::Bool, &[1]), 1.0);
        assert!(one(&ElementType::F16, &0x7c00u16.to_le_bytes()).is_infinite());

        assert!(ElementType::F32.decode(&[0; 7], &mut [0.0; 2]).is_none());
        assert!(ElementType::Other("f8".into()).decode(&[0; 8], &mut [0.0]).is_none());
    }

    #[test]
    fn decodes_halves_across_blocks() {
        let values: Vec<f16> = (0..1000).map(|i| f16::from_f32(i as f32 - 500.0)).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut out = vec![0.0; values.len()];
        ElementType::F16.decode(&bytes, &mut out).unwrap();
        assert!(out.iter().zip(&values).all(|(o, v)| *o == v.to_f64()));
    }
}
