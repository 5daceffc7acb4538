//! Takes the tensors of a layout one by one and records what is missing, wrongly shaped or left over.

use std::collections::{BTreeSet, HashSet};

use super::Target;
use super::source::{Linear, Names, Norm, Order};
use crate::import::checkpoint::{Checkpoint, TensorInfo};
use crate::import::error::{Error, printable};
use crate::import::mismatch::{Mismatch, Misshapen};

/// Maximum number of blocks of a tower or stage that are counted; further ones are left over.
const MAX_BLOCKS: usize = 1024;

/// Hands out the tensors of a checkpoint whose names start with a prefix, by the rest of their names. What it returns
/// are full names.
pub(super) struct Checklist<'a> {
    checkpoint: &'a Checkpoint,
    prefix: String,
    taken: HashSet<String>,
    /// Starts of full names of tensors that the layout has and the model does not use.
    unused: Vec<String>,
    missing: Vec<String>,
    misshapen: Vec<Misshapen>,
    /// Shapes that could not be inferred and that others depend on: `misshapen` then lists only consequences.
    misshapen_sources: Vec<Misshapen>,
    inference_failed: bool,
}

/// Tensors of a checkpoint that a model does not use.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Counters, index buffers and the like.
    pub ignored: Vec<String>,
    /// In a tower, where anything unknown may change embeddings.
    pub unknown: Vec<String>,
    /// In no tower, but with the prefix.
    pub extra: Vec<String>,
    /// Without the prefix.
    pub outside: Vec<String>,
}

impl<'a> Checklist<'a> {
    pub(super) fn new(checkpoint: &'a Checkpoint, prefix: &str) -> Self {
        Checklist {
            checkpoint,
            prefix: prefix.to_owned(),
            taken: HashSet::new(),
            unused: Vec::new(),
            missing: Vec::new(),
            misshapen: Vec::new(),
            misshapen_sources: Vec::new(),
            inference_failed: false,
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn info(&self, name: &str) -> Option<TensorInfo<'a>> {
        self.checkpoint.info(&self.full(name))
    }

    /// The rests of the names that start with `start`, in order.
    fn starting_with(&self, start: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let start = self.full(start);
        self.checkpoint.starting_with(&start).filter_map(move |info| info.name.get(start.len()..))
    }

    /// Shape of the tensor `name` if it has `N` dimensions, none of them zero. Otherwise records the error and returns
    /// all ones, so that the walk continues and the message is complete.
    pub(super) fn probe<const N: usize>(&mut self, name: &str, expected: [usize; N]) -> [usize; N] {
        let shape = self.info(name).map(|info| info.shape);
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
        let name = self.full(&name);
        // Reported once, however many layers are made of it.
        if !self.taken.insert(name.clone()) {
            return name;
        }
        match self.checkpoint.info(&name) {
            None => self.missing.push(name.clone()),
            Some(info) if info.shape != shape => {
                self.misshapen.push(Misshapen::new(&name, shape, info.shape));
            }
            Some(_) => {}
        }
        name
    }

    /// Leaves out the tensors whose names start with `start`: the layout has them, and the model does not use them.
    pub(super) fn leave_out(&mut self, start: &str) {
        let start = self.full(start);
        self.unused.push(start);
    }

    /// Takes a number, stored with no dimension or with one of length 1.
    pub(super) fn take_number(&mut self, name: &str) -> String {
        let shape = self.info(name).map_or(&[][..], |info| info.shape);
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
        Linear {
            weight: take("weight", &[n, k]),
            bias: take("bias", &[n]),
            order: Order::OutIn,
            k,
            n: target.outputs,
            skip: 0,
        }
    }

    /// Takes the weight `{name}`, `[outputs, inputs]`, of a layer without bias.
    pub(super) fn take_unbiased(&mut self, name: &str, target: &Target<'_>) -> Linear {
        let (k, n) = (target.inputs, target.outputs);
        Linear {
            weight: vec![self.take(name.to_owned(), &[n, k])],
            order: Order::OutIn,
            bias: Vec::new(),
            k,
            n,
            skip: 0,
        }
    }

    /// Takes a bare matrix `[inputs, outputs]`.
    pub(super) fn take_matrix(&mut self, name: &str, target: &Target<'_>) -> Linear {
        let (k, n) = (target.inputs, target.outputs);
        Linear {
            weight: vec![self.take(name.to_owned(), &[k, n])],
            order: Order::InOut,
            bias: Vec::new(),
            k,
            n,
            skip: 0,
        }
    }

    /// Takes the convolution that embeds patches, `[width, 3, side, side]` without bias.
    pub(super) fn take_patch(&mut self, name: &str, target: &Target<'_>) -> Linear {
        let [_, _, side, _] = target.size;
        let weight = vec![self.take(name.to_owned(), &[target.outputs, 3, side, side])];
        Linear { weight, order: Order::OutIn, bias: Vec::new(), k: target.inputs, n: target.outputs, skip: 0 }
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.info(name).is_some()
    }

    /// Whether any tensor's name starts with `start`.
    pub(super) fn has_prefix(&self, start: &str) -> bool {
        self.starting_with(start).next().is_some()
    }

    /// Whether `{prefix}{i}{part}` starts the name of any tensor, for any number `i`.
    pub(super) fn has_within(&self, prefix: &str, part: &str) -> bool {
        let mut rests = self.starting_with(prefix);
        rests.any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(part))
    }

    /// Number of blocks named `{prefix}{i}.`.
    ///
    /// Counts distinct numbers: after a gap in the numbers, blocks are reported as missing and left over.
    pub(super) fn count_blocks(&self, prefix: &str) -> usize {
        let number = |rest: &'a str| rest.split_once('.')?.0.parse::<usize>().ok();
        let numbers: BTreeSet<usize> = self.starting_with(prefix).filter_map(number).collect();
        numbers.len().min(MAX_BLOCKS)
    }

    /// Records the wrong shape of a tensor that other shapes depend on.
    pub(super) fn record_misshapen(&mut self, name: &str, expected: &[usize], found: &[usize]) {
        self.misshapen_sources.push(Misshapen::new(&self.full(name), expected, found));
        self.inference_failed = true;
    }

    /// Whether every tensor that was taken is there, in its shape.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.misshapen.is_empty() && !self.inference_failed
    }

    /// The taken tensors that the checkpoint has, by their full names.
    pub(super) fn found(&self) -> HashSet<&str> {
        let missing: HashSet<&str> = self.missing.iter().map(String::as_str).collect();
        self.taken.iter().map(String::as_str).filter(|name| !missing.contains(name)).collect()
    }

    /// Sorts the tensors that were not taken.
    pub(super) fn rest(&self) -> Rest {
        // Whatever shares its first part with a tensor of the model is in a tower.
        let first = |name: &'a str| name.split('.').next().unwrap_or_default();
        let inside = |name: &'a str| name.strip_prefix(self.prefix.as_str());
        let mut towers = HashSet::new();
        for info in self.checkpoint.tensors().filter(|info| self.taken.contains(info.name)) {
            towers.extend(inside(info.name).map(first));
        }
        let mut rest = Rest::default();
        for info in self.checkpoint.tensors().filter(|info| !self.taken.contains(info.name)) {
            let list = match inside(info.name) {
                _ if self.unused.iter().any(|start| info.name.starts_with(start)) => &mut rest.ignored,
                _ if is_ignorable(&info, inside(info.name).unwrap_or(info.name)) => &mut rest.ignored,
                Some(name) if towers.contains(first(name)) => &mut rest.unknown,
                Some(_) => &mut rest.extra,
                None => &mut rest.outside,
            };
            list.push(info.name.to_owned());
        }
        rest
    }

    /// Fails if a taken tensor is missing, wrongly shaped or of a type that weights do not have, or if `unknown` or
    /// `extra` tensors are left over.
    pub(super) fn finish(self, layout: &'static str, unknown: Vec<String>, extra: Vec<String>) -> Result<(), Error> {
        let path = || self.checkpoint.path().to_owned();
        for info in self.checkpoint.tensors().filter(|info| self.taken.contains(info.name)) {
            if !info.element_type.is_float() {
                let reason = format!(
                    "has elements of type {}; weights must be f16, bf16, f32 or f64",
                    printable(&info.element_type.to_string())
                );
                return Err(Error::Tensor { path: path(), tensor: printable(info.name), reason });
            }
        }
        // Report a tensor of an unreadable type as such, not as missing.
        for name in &self.missing {
            if let Some(reason) = self.checkpoint.why_unreadable(name) {
                return Err(Error::Tensor { path: path(), tensor: printable(name), reason: reason.to_owned() });
            }
        }
        let misshapen = if self.inference_failed { self.misshapen_sources } else { self.misshapen };
        if self.missing.is_empty() && misshapen.is_empty() && unknown.is_empty() && extra.is_empty() {
            return Ok(());
        }
        let mismatch = Mismatch { layout, missing: self.missing, misshapen, unknown, extra };
        Err(Error::Mismatch { path: self.checkpoint.path().to_owned(), mismatch: Box::new(mismatch) })
    }
}

/// Whether a tensor is not a weight of the model: counters, index buffers, the causal mask. `name` is without prefix.
fn is_ignorable(info: &TensorInfo<'_>, name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    match name {
        "input_resolution" | "context_length" | "vocab_size" => true,
        _ => info.element_type.is_integer() || matches!(last, "attn_mask" | "position_ids" | "num_batches_tracked"),
    }
}
