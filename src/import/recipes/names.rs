//! Takes the tensors of a layout one by one and records what is missing, wrongly shaped or left over.

use std::collections::{BTreeSet, HashSet};

use super::Target;
use super::source::{Linear, Names, Norm, Order};
use crate::import::checkpoint::{Checkpoint, TensorInfo};
use crate::import::error::{Error, printable};
use crate::import::mismatch::{Mismatch, Misshapen};

/// Hands out tensors of a checkpoint by name.
pub(super) struct Checklist<'a> {
    checkpoint: &'a Checkpoint,
    taken: HashSet<String>,
    missing: Vec<String>,
    misshapen: Vec<Misshapen>,
    /// Shapes that could not be inferred and that others depend on: `misshapen` then lists only consequences.
    misshapen_sources: Vec<Misshapen>,
    inference_failed: bool,
}

impl<'a> Checklist<'a> {
    pub(super) fn new(checkpoint: &'a Checkpoint) -> Self {
        Checklist {
            checkpoint,
            taken: HashSet::new(),
            missing: Vec::new(),
            misshapen: Vec::new(),
            misshapen_sources: Vec::new(),
            inference_failed: false,
        }
    }

    /// Shape of the tensor `name` if it has `N` dimensions, none of them zero. Otherwise records the error and returns
    /// all ones, so that the walk continues and the message is complete.
    pub(super) fn probe<const N: usize>(&mut self, name: &str, expected: [usize; N]) -> [usize; N] {
        let shape = self.checkpoint.info(name).map(|info| info.shape);
        match shape.map(<[usize; N]>::try_from) {
            Some(Ok(shape)) if !shape.contains(&0) => return shape,
            _ => {}
        }
        if let Some(shape) = shape {
            self.record_misshapen(name, &expected, shape);
        }
        self.inference_failed = true;
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

    /// Takes `{prefix}.weight`, `[outputs, inputs]`, and `{prefix}.bias`.
    pub(super) fn take_linear(&mut self, prefix: &str, target: &Target<'_>) -> Linear {
        self.take_stacked(&[prefix.to_owned()], target)
    }

    /// Takes linear layers with equal numbers of outputs and stacks them along the outputs.
    pub(super) fn take_stacked(&mut self, prefixes: &[String], target: &Target<'_>) -> Linear {
        let (k, n) = (target.inputs, target.outputs / prefixes.len().max(1));
        let mut take = |kind: &str, shape: &[usize]| -> Names {
            prefixes.iter().map(|prefix| self.take(format!("{prefix}.{kind}"), shape)).collect()
        };
        Linear { weight: take("weight", &[n, k]), bias: take("bias", &[n]), order: Order::OutIn, k, n: target.outputs }
    }

    /// Takes the weight `{name}`, `[outputs, inputs]`, of a layer without bias.
    pub(super) fn take_unbiased(&mut self, name: &str, target: &Target<'_>) -> Linear {
        let (k, n) = (target.inputs, target.outputs);
        Linear { weight: vec![self.take(name.to_owned(), &[n, k])], order: Order::OutIn, bias: Vec::new(), k, n }
    }

    /// Takes a bare matrix `[inputs, outputs]`.
    pub(super) fn take_matrix(&mut self, name: &str, target: &Target<'_>) -> Linear {
        let (k, n) = (target.inputs, target.outputs);
        Linear { weight: vec![self.take(name.to_owned(), &[k, n])], order: Order::InOut, bias: Vec::new(), k, n }
    }

    /// Takes the convolution that embeds patches, `[width, 3, side, side]` without bias.
    pub(super) fn take_patch(&mut self, name: &str, target: &Target<'_>) -> Linear {
        let [_, _, side, _] = target.size;
        let weight = vec![self.take(name.to_owned(), &[target.outputs, 3, side, side])];
        Linear { weight, order: Order::OutIn, bias: Vec::new(), k: target.inputs, n: target.outputs }
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.checkpoint.info(name).is_some()
    }

    /// Whether any tensor's name starts with `prefix`.
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
    /// Counts distinct numbers: after a gap in the numbers, blocks are reported as missing and left over.
    pub(super) fn count_blocks(&self, prefix: &str) -> usize {
        let number = |info: TensorInfo<'a>| {
            let (number, _) = info.name.strip_prefix(prefix)?.split_once('.')?;
            number.parse::<usize>().ok()
        };
        self.checkpoint.tensors().filter_map(number).collect::<BTreeSet<_>>().len()
    }

    /// Records the wrong shape of a tensor that other shapes depend on.
    pub(super) fn record_misshapen(&mut self, name: &str, expected: &[usize], found: &[usize]) {
        self.misshapen_sources.push(Misshapen::new(name, expected, found));
        self.inference_failed = true;
    }

    /// Reports all errors; without any, returns the names of the ignored tensors.
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
        // Report a tensor of an unreadable type as such, not as missing.
        for name in &self.missing {
            if let Some(reason) = self.checkpoint.why_unreadable(name) {
                return Err(Error::Tensor { path: path(), tensor: printable(name), reason: reason.to_owned() });
            }
        }
        let misshapen = if self.inference_failed { self.misshapen_sources } else { self.misshapen };
        if self.missing.is_empty() && misshapen.is_empty() && unknown.is_empty() {
            return Ok(ignored);
        }
        let mismatch = Mismatch { layout, missing: self.missing, misshapen, unknown };
        Err(Error::Mismatch { path: self.checkpoint.path().to_owned(), mismatch: Box::new(mismatch) })
    }
}

/// Whether a tensor is not a weight of the model: counters, index buffers, the causal mask.
fn is_ignorable(info: &TensorInfo<'_>) -> bool {
    let last = info.name.rsplit('.').next().unwrap_or_default();
    match info.name {
        "input_resolution" | "context_length" | "vocab_size" => true,
        _ => info.element_type.is_integer() || matches!(last, "attn_mask" | "position_ids" | "num_batches_tracked"),
    }
}
