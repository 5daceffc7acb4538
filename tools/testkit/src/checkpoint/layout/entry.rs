//! A tensor as a file stores it: with another name or element type, or as a part of a canonical tensor.
//!
//! Knows how to split and transpose canonical tensors and how to store numbers; no names, no containers.

use std::sync::Arc;

use half::f16;
use rayon::prelude::*;

use super::super::tensor::{Element, Tensor};
use super::fold::Convolution;

/// Elements per parallel task.
const CHUNK: usize = 1 << 15;

/// A stored tensor.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name in the file.
    pub name: String,
    /// Shape in the file.
    pub shape: Vec<usize>,
    /// Element type in the file.
    pub element: Element,
    source: Source,
}

/// Where the values come from.
#[derive(Clone, Debug)]
enum Source {
    /// Consecutive values from index `first` on.
    Part { tensor: Tensor, first: usize },
    /// Several tensors, one after the other.
    Stacked(Vec<Tensor>),
    /// The transpose of a matrix with `columns` columns.
    Transposed { tensor: Tensor, columns: usize },
    /// The kernel or the bias of a convolution folded from several branches.
    Folded { convolution: Arc<Convolution>, bias: bool },
    /// One number.
    Integer(i64),
}

impl Entry {
    /// A whole tensor under its own name.
    pub fn whole(tensor: Tensor, element: Element) -> Self {
        Entry {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            element,
            source: Source::Part { tensor, first: 0 },
        }
    }

    /// Part `part` of a tensor cut into `parts` equal ones along its first dimension, in single precision.
    pub fn part(name: String, tensor: &Tensor, part: usize, parts: usize) -> Self {
        let mut shape = tensor.shape.clone();
        if let Some(rows) = shape.first_mut() {
            *rows /= parts;
        }
        Entry {
            name,
            shape,
            element: Element::F32,
            source: Source::Part { tensor: tensor.clone(), first: tensor.elements() / parts * part },
        }
    }

    /// Tensors of equal rows, one after the other, in single precision.
    pub fn stacked(name: String, tensors: &[Tensor]) -> Self {
        let mut shape = tensors.first().map(|tensor| tensor.shape.clone()).unwrap_or_default();
        if let Some(rows) = shape.first_mut() {
            *rows = tensors.iter().filter_map(|tensor| tensor.shape.first()).sum();
        }
        Entry { name, shape, element: Element::F32, source: Source::Stacked(tensors.to_vec()) }
    }

    /// The transpose of a matrix, in single precision.
    pub fn transposed(name: String, tensor: &Tensor) -> Self {
        Entry {
            name,
            shape: tensor.shape.iter().rev().copied().collect(),
            element: Element::F32,
            source: Source::Transposed { tensor: tensor.clone(), columns: tensor.shape.last().copied().unwrap_or(1) },
        }
    }

    /// The kernel or the bias of a folded convolution, in single precision.
    pub fn folded(name: String, shape: &[usize], convolution: Arc<Convolution>, bias: bool) -> Self {
        Entry { name, shape: shape.to_vec(), element: Element::F32, source: Source::Folded { convolution, bias } }
    }

    /// The entry under another name.
    pub fn renamed(self, name: String) -> Self {
        Entry { name, ..self }
    }

    /// The canonical tensor whose values are stored, unless they are transposed, folded or an integer.
    pub fn tensor(&self) -> Option<&Tensor> {
        match &self.source {
            Source::Part { tensor, .. } => Some(tensor),
            Source::Stacked(_) | Source::Transposed { .. } | Source::Folded { .. } | Source::Integer(_) => None,
        }
    }

    /// A scalar integer.
    pub fn integer(name: &str, value: i64) -> Self {
        Entry { name: name.to_owned(), shape: vec![], element: Element::I64, source: Source::Integer(value) }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of bytes of all elements.
    pub fn byte_len(&self) -> usize {
        self.elements() * self.element.size()
    }

    /// All elements, row-major and little-endian.
    pub fn bytes(&self, seed: u64) -> Vec<u8> {
        match &self.source {
            Source::Part { tensor, first } => {
                let value = tensor.values_at(seed);
                self.fill(|index| value(first + index))
            }
            Source::Stacked(tensors) => {
                let values: Vec<f32> = tensors.iter().flat_map(|tensor| tensor.values(seed)).collect();
                self.fill(|index| values[index])
            }
            Source::Transposed { tensor, columns } => {
                let value = tensor.values_at(seed);
                let rows = tensor.elements() / columns;
                self.fill(|index| value(index % rows * columns + index / rows))
            }
            Source::Folded { convolution, bias } => {
                let values = convolution.values(seed, *bias);
                self.fill(|index| values[index])
            }
            Source::Integer(value) => value.to_le_bytes().to_vec(),
        }
    }

    fn fill(&self, value: impl Fn(usize) -> f32 + Sync) -> Vec<u8> {
        let size = self.element.size();
        let mut bytes = vec![0; self.byte_len()];
        bytes.par_chunks_mut(CHUNK * size).enumerate().for_each(|(chunk, out)| {
            let first = chunk * CHUNK;
            let elements = out.chunks_exact_mut(size).enumerate();
            if self.element == Element::F16 {
                for (i, out) in elements {
                    out.copy_from_slice(&f16::from_f32(value(first + i)).to_le_bytes());
                }
            } else {
                for (i, out) in elements {
                    out.copy_from_slice(&value(first + i).to_le_bytes());
                }
            }
        });
        bytes
    }
}
