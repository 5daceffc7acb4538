//! One tensor of a checkpoint: a view of bytes with a shape and strides.
//!
//! Reads any range of elements in row-major order as f64, so that callers need no converted copy of the whole tensor.
//! Bounds are checked when a layout is created. Knows no containers or models.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::element::ElementType;
use super::error::{Error, printable};

/// Fewest elements of a tensor that must not be zero throughout.
const MIN_WEIGHTS: usize = 1024;

/// Shape and strides of a tensor in its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Strided {
    /// Dimensions, slowest first; empty for a single number.
    shape: Vec<usize>,
    /// Distance between neighbouring indices of each dimension, in elements.
    strides: Vec<usize>,
    /// Number of elements.
    len: usize,
    /// Number of storage elements from the first to the last that the tensor uses, both included.
    span: usize,
    /// Whether the elements are contiguous in row-major order.
    contiguous: bool,
}

impl Strided {
    /// Creates a contiguous row-major layout. `None` if the number of elements overflows.
    pub(super) fn contiguous(shape: Vec<usize>) -> Option<Strided> {
        let mut strides = vec![1usize; shape.len()];
        let mut step = 1usize;
        for (stride, dim) in strides.iter_mut().zip(&shape).rev() {
            *stride = step;
            step = step.checked_mul((*dim).max(1))?;
        }
        Strided::new(shape, strides)
    }

    /// Creates a layout with any strides. `None` if the ranks differ or a size overflows.
    pub(super) fn new(shape: Vec<usize>, strides: Vec<usize>) -> Option<Strided> {
        if shape.len() != strides.len() {
            return None;
        }
        let len = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim))?;
        let mut span = 0usize;
        let mut contiguous = true;
        if len > 0 {
            let mut step = 1usize;
            for (&dim, &stride) in shape.iter().zip(&strides).rev() {
                span = span.checked_add((dim - 1).checked_mul(stride)?)?;
                contiguous &= dim == 1 || stride == step;
                step = step.checked_mul(dim)?;
            }
            span = span.checked_add(1)?;
        }
        Some(Strided { shape, strides, len, span, contiguous })
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the number of storage elements that the tensor spans.
    pub(super) fn span(&self) -> usize {
        self.span
    }
}

/// The bytes of a tensor, starting at its first element.
#[derive(Clone)]
pub(super) enum Data<'a> {
    /// Bytes of the checkpoint file.
    Borrowed(&'a [u8]),
    /// An inflated entry, and the offset of the tensor in it.
    Shared(Arc<Vec<u8>>, usize),
}

/// A tensor of an open checkpoint.
#[derive(Clone)]
pub struct Tensor<'a> {
    pub(super) path: &'a Path,
    pub(super) name: &'a str,
    pub(super) element: &'a ElementType,
    pub(super) layout: &'a Strided,
    pub(super) data: Data<'a>,
}

impl fmt::Debug for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tensor")
            .field("name", &self.name)
            .field("shape", &self.layout.shape)
            .field("element_type", self.element)
            .finish_non_exhaustive()
    }
}

impl Tensor<'_> {
    /// Returns the tensor's name in the checkpoint.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// Returns the dimensions, slowest first; empty for a single number.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// Returns the element type.
    #[must_use]
    pub fn element_type(&self) -> &ElementType {
        self.element
    }

    /// Returns the number of elements.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.layout.len
    }

    /// Reads `out.len()` elements, starting at element `start` in row-major order. Values may be NaN or infinite.
    ///
    /// # Errors
    /// If the range exceeds the tensor or the element type is unknown.
    pub fn read(&self, start: usize, out: &mut [f64]) -> Result<(), Error> {
        let end = start.checked_add(out.len());
        if end.is_none_or(|end| end > self.layout.len) {
            return Err(self.error(format!("has no elements {start}..+{}", out.len())));
        }
        self.gather(start, out).ok_or_else(|| {
            self.error(format!(
                "has elements of type {}, which are not read; convert it to f16, bf16, f32 or f64",
                printable(&self.element.to_string())
            ))
        })
    }

    /// Reads like [`Tensor::read`] and rejects infinities and NaN.
    ///
    /// # Errors
    /// See [`Tensor::read`]; also if a value is not finite.
    pub fn read_finite(&self, start: usize, out: &mut [f64]) -> Result<(), Error> {
        self.read(start, out)?;
        // Without an early exit the compiler vectorises the check; the position is searched only on failure.
        if out.iter().fold(true, |all, x| all & x.is_finite()) {
            return Ok(());
        }
        let bad = out.iter().position(|x| !x.is_finite()).unwrap_or(0);
        let value = out.get(bad).copied().unwrap_or(f64::NAN);
        Err(self.error(format!("holds {value} at element {}; weights must be finite", start.saturating_add(bad))))
    }

    /// Refuses a matrix, table or kernel that holds zeros alone: no training ends so, but a file does that was not
    /// written to its end. Vectors, such as biases and scales, and small tensors may be zero. Costs one block where
    /// values are.
    ///
    /// # Errors
    /// See [`Tensor::read`]; also if all elements are zero.
    pub(super) fn refuse_zeros(&self) -> Result<(), Error> {
        let is_vector = self.shape().iter().filter(|&&dim| dim > 1).count() < 2;
        if is_vector || self.len() < MIN_WEIGHTS {
            return Ok(());
        }
        let mut block = [0f64; MIN_WEIGHTS];
        for start in (0..self.len()).step_by(MIN_WEIGHTS) {
            let block = &mut block[..MIN_WEIGHTS.min(self.len() - start)];
            self.read(start, block)?;
            if block.iter().any(|&value| value != 0.0) {
                return Ok(());
            }
        }
        let reason = "holds zeros alone, so the file was not written to its end; download or copy it again";
        Err(self.error(reason.to_owned()))
    }

    /// Creates an error about this tensor.
    pub(super) fn error(&self, reason: String) -> Error {
        Error::Tensor { path: self.path.to_owned(), tensor: printable(self.name), reason }
    }

    fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Borrowed(bytes) => bytes,
            Data::Shared(bytes, from) => bytes.get(*from..).unwrap_or_default(),
        }
    }

    /// Reads `start..start + out.len()`, which must be inside the tensor. `None` if the type is unknown.
    fn gather(&self, start: usize, out: &mut [f64]) -> Option<()> {
        let size = self.element.size()?;
        let bytes = self.bytes();
        if self.layout.contiguous {
            return self.element.decode(bytes.get(start.checked_mul(size)?..)?, out);
        }
        // Read run by run along the last dimension. The bounds were checked when the layout was created.
        let (&row, outer) = self.layout.shape.split_last()?;
        let (&step, outer_strides) = self.layout.strides.split_last()?;
        let mut next = start;
        let mut rest = out;
        while !rest.is_empty() {
            let column = next.checked_rem(row)?;
            let mut index = next.checked_div(row)?;
            let mut from = column.checked_mul(step)?;
            for (&dim, &stride) in outer.iter().zip(outer_strides).rev() {
                from = from.checked_add(index.checked_rem(dim)?.checked_mul(stride)?)?;
                index = index.checked_div(dim)?;
            }
            let (run, after) = rest.split_at_mut((row - column).min(rest.len()));
            next += run.len();
            let source = bytes.get(from.checked_mul(size)?..)?;
            if step == 1 {
                self.element.decode(source, run)?;
            } else {
                for (i, to) in run.iter_mut().enumerate() {
                    let at = i.checked_mul(step)?.checked_mul(size)?;
                    self.element.decode(source.get(at..)?, std::slice::from_mut(to))?;
                }
            }
            rest = after;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shape: &[usize], strides: &[usize], start: usize, len: usize) -> Vec<f64> {
        let layout = Strided::new(shape.to_vec(), strides.to_vec()).unwrap();
        let bytes: Vec<u8> = (0..layout.span()).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let tensor = Tensor {
            path: Path::new("x"),
            name: "t",
            element: &ElementType::F32,
            layout: &layout,
            data: Data::Borrowed(&bytes),
        };
        let mut out = vec![f64::NAN; len];
        tensor.read(start, &mut out).unwrap();
        out
    }

    #[test]
    fn reads_every_memory_order() {
        assert_eq!(read(&[], &[], 0, 1), [0.0]);
        assert_eq!(read(&[2, 3], &[3, 1], 1, 4), [1.0, 2.0, 3.0, 4.0]);
        // transposed
        assert_eq!(read(&[2, 3], &[1, 2], 0, 6), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(read(&[2, 3], &[1, 2], 2, 3), [4.0, 1.0, 3.0]);
        // rows with gaps
        assert_eq!(read(&[2, 2], &[5, 1], 0, 4), [0.0, 1.0, 5.0, 6.0]);
        // expanded
        assert_eq!(read(&[2, 3], &[0, 1], 0, 6), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
        assert_eq!(read(&[4], &[0], 1, 3), [0.0, 0.0, 0.0]);
        // channels last: [o, c, y, x] = [1, 2, 2, 2]
        assert_eq!(read(&[1, 2, 2, 2], &[8, 1, 4, 2], 0, 8), [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]);
        assert!(read(&[0, 3], &[3, 1], 0, 0).is_empty());
    }

    #[test]
    fn layouts_compute_their_span_and_reject_overflow() {
        let t = Strided::new(vec![2, 3], vec![1, 2]).unwrap();
        assert_eq!((t.len(), t.span(), t.contiguous), (6, 6, false));
        assert!(Strided::contiguous(vec![2, 1, 3]).unwrap().contiguous);
        assert_eq!(Strided::contiguous(vec![]).unwrap().span(), 1);
        assert_eq!(Strided::contiguous(vec![4, 0]).unwrap().span(), 0);
        assert!(Strided::contiguous(vec![usize::MAX, 2]).is_none());
        assert!(Strided::new(vec![2, 2], vec![usize::MAX, 1]).is_none());
        assert!(Strided::new(vec![2], vec![]).is_none());
    }

    #[test]
    fn whole_weights_of_zeros_are_refused() {
        let refused = |shape: &[usize], last: f32| {
            let layout = Strided::contiguous(shape.to_vec()).unwrap();
            let mut values = vec![0f32; layout.len()];
            *values.last_mut().unwrap() = last;
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            let (path, data) = (Path::new("x.pt"), Data::Borrowed(&bytes[..]));
            let tensor = Tensor { path, name: "t", element: &ElementType::F32, layout: &layout, data };
            tensor.refuse_zeros().err().map(|error| error.to_string())
        };
        let reason = "x.pt: tensor `t` holds zeros alone, so the file was not written to its end; download or copy it \
                      again";
        for shape in [&[32, 32][..], &[50, 1, 70], &[64, 3, 16, 16]] {
            assert_eq!(refused(shape, 0.0).as_deref(), Some(reason), "{shape:?}");
            assert_eq!(refused(shape, 1e-30), None, "{shape:?}");
        }
        for shape in [&[2048][..], &[2048, 1, 1], &[1, 1, 2048], &[31, 33]] {
            assert_eq!(refused(shape, 0.0), None, "{shape:?}");
        }
    }

    #[test]
    fn rejects_ranges_outside_and_values_that_are_not_finite() {
        let layout = Strided::contiguous(vec![3]).unwrap();
        let bytes: Vec<u8> = [1.0, f32::NAN, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let tensor = Tensor {
            path: Path::new("x.pt"),
            name: "t",
            element: &ElementType::F32,
            layout: &layout,
            data: Data::Borrowed(&bytes),
        };
        assert!(tensor.read(2, &mut [0.0; 2]).is_err());
        assert!(tensor.read(usize::MAX, &mut [0.0; 2]).is_err());
        let error = tensor.read_finite(0, &mut [0.0; 3]).unwrap_err().to_string();
        assert_eq!(error, "x.pt: tensor `t` holds NaN at element 1; weights must be finite");
        assert!(tensor.read_finite(2, &mut [0.0]).is_ok());
    }
}
