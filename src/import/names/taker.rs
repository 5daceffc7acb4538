//! Takes the tensors of a layout one by one and keeps account: what is missing, wrongly shaped, left over.

use std::collections::{BTreeSet, HashSet};

use super::parts::{Linear, Names, Norm, Order};
use crate::import::checkpoint::{Checkpoint, TensorInfo};
use crate::import::error::{Error, printable};
use crate::import::mismatch::{Mismatch, Misshapen};

/// Hands out tensors of a checkpoint by name.
pub(super) struct Taker<'a> {
    checkpoint: &'a Checkpoint,
    taken: HashSet<String>,
    missing: Vec<String>,
    misshapen: Vec<Misshapen>,
    /// Shapes that others are derived from and that could not be told: `misshapen` then lists consequences.
    misprobed: Vec<Misshapen>,
    blind: bool,
}

impl<'a> Taker<'a> {
    pub(super) fn new(checkpoint: &'a Checkpoint) -> Self {
        Taker {
            checkpoint,
            taken: HashSet::new(),
            missing: Vec::new(),
            misshapen: Vec::new(),
            misprobed: Vec::new(),
            blind: false,
        }
    }

    /// Shape of the tensor `name`, if it has `N` dimensions, none of them empty; otherwise it is put on record
    /// and the answer is all ones, so that the search goes on and the message is complete.
    pub(super) fn probe<const N: usize>(&mut self, name: &str, expected: [usize; N]) -> [usize; N] {
        let shape = self.checkpoint.info(name).map(|info| info.shape);
        match shape.map(<[usize; N]>::try_from) {
            Some(Ok(shape)) if !shape.contains(&0) => return shape,
            _ => {}
        }
        if let Some(shape) = shape {
            self.misprobe(name, &expected, shape);
        }
        self.blind = true;
        [1; N]
    }

    /// Takes the tensor `name`, which must have `shape`.
    pub(super) fn take(&mut self, name: String, shape: &[usize]) -> String {
        match self.checkpoint.info(&name) {
            None => self.missing.push(name.clone()),
            Some(info) if info.shape != shape => {
                self.misshapen.push(Misshapen::new(&name, shape, info.shape));
            }
            Some(_) => {}
        }
        self.taken.insert(name.clone());
        name
    }

    /// Takes a number, stored with no dimension or with one of length 1.
    pub(super) fn take_number(&mut self, name: &str) -> String {
        let shape = self.checkpoint.info(name).map_or(&[][..], |info| info.shape);
        self.take(name.to_owned(), if shape == [1] { &[1] } else { &[] })
    }

    /// Takes `{prefix}.weight` and `{prefix}.bias`.
    pub(super) fn take_norm(&mut self, prefix: &str, width: usize) -> Norm {
        Norm {
            weight: self.take(format!("{prefix}.weight"), &[width]),
            bias: self.take(format!("{prefix}.bias"), &[width]),
        }
    }

    /// Takes `{prefix}.weight`, `[n, k]`, and `{prefix}.bias`.
    pub(super) fn take_linear(&mut self, prefix: &str, k: usize, n: usize) -> Linear {
        self.take_stacked(&[prefix.to_owned()], k, n)
    }

    /// Takes linear layers of `k` inputs and `n` outputs each and stacks their outputs.
    pub(super) fn take_stacked(&mut self, prefixes: &[String], k: usize, n: usize) -> Linear {
        let mut take = |kind: &str, shape: &[usize]| -> Names {
            prefixes.iter().map(|prefix| self.take(format!("{prefix}.{kind}"), shape)).collect()
        };
        Linear {
            weight: take("weight", &[n, k]),
            bias: take("bias", &[n]),
            order: Order::OutIn,
            k,
            n: n.saturating_mul(prefixes.len()),
        }
    }

    /// Whether any tensor's name starts so.
    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        self.checkpoint.tensors().any(|info| info.name.starts_with(prefix))
    }

    /// Whether `{prefix}{i}{part}` starts the name of any tensor, for any number `i`.
    pub(super) fn has_within(&self, prefix: &str, part: &str) -> bool {
        let rest = |info: TensorInfo<'a>| {
            let rest = info.name.strip_prefix(prefix)?;
            Some(rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        };
        self.checkpoint.tensors().filter_map(rest).any(|rest| rest.starts_with(part))
    }

    /// Number of blocks named `{prefix}{i}.`.
    ///
    /// Counts the different numbers: with a gap among them, blocks turn out missing and left over.
    pub(super) fn count_blocks(&self, prefix: &str) -> usize {
        let number = |info: TensorInfo<'a>| {
            let (number, _) = info.name.strip_prefix(prefix)?.split_once('.')?;
            number.parse::<usize>().ok()
        };
        self.checkpoint.tensors().filter_map(number).collect::<BTreeSet<_>>().len()
    }

    /// Puts the wrong shape of a tensor that others are derived from on record.
    pub(super) fn misprobe(&mut self, name: &str, expected: &[usize], found: &[usize]) {
        self.misprobed.push(Misshapen::new(name, expected, found));
        self.blind = true;
    }

    /// Reports what does not fit; otherwise gives the names that were ignored.
    pub(super) fn finish(self, layout: &'static str) -> Result<Vec<String>, Error> {
        let path = || self.checkpoint.path().to_owned();
        let mut unknown = Vec::new();
        let mut ignored = Vec::new();
        for info in self.checkpoint.tensors() {
            if self.taken.contains(info.name) {
                if !info.element_type.is_float() {
                    let reason = format!(
                        "has elements of type {}; weights must be f16, bf16, f32 or f64",
                        printable(&info.element_type.to_string())
                    );
                    return Err(Error::Tensor { path: path(), tensor: printable(info.name), reason });
                }
            } else if is_ignorable(&info) {
                ignored.push(info.name.to_owned());
            } else {
                unknown.push(info.name.to_owned());
            }
        }
        // A tensor that is there but cannot be read tells more than that it is missing.
        for name in &self.missing {
            if let Some(reason) = self.checkpoint.why_unreadable(name) {
                return Err(Error::Tensor { path: path(), tensor: printable(name), reason: reason.to_owned() });
            }
        }
        let misshapen = if self.blind { self.misprobed } else { self.misshapen };
        if self.missing.is_empty() && misshapen.is_empty() && unknown.is_empty() {
            return Ok(ignored);
        }
        let mismatch = Mismatch { layout, missing: self.missing, misshapen, unknown };
        Err(Error::Mismatch { path: self.checkpoint.path().to_owned(), mismatch: Box::new(mismatch) })
    }
}

/// Whether a tensor is none of the model's weights: counters, index buffers, the causal mask.
fn is_ignorable(info: &TensorInfo<'_>) -> bool {
    let last = info.name.rsplit('.').next().unwrap_or_default();
    match info.name {
        "input_resolution" | "context_length" | "vocab_size" => true,
        _ => info.element_type.is_integer() || matches!(last, "attn_mask" | "position_ids" | "num_batches_tracked"),
    }
}
