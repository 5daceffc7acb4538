//! An open checkpoint in any container, of one file or several: lists names, types and shapes of the tensors and reads
//! each of them.
//!
//! Opening reads only the directory; tensor data stays in the mapped files. Knows no model.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::bytes::Bytes;
use super::element::ElementType;
use super::error::{Error, printable};
use super::listing::{Container, Entry, Listing};
use super::locate::locate;
use super::part::Part;
use super::shards::Located;
use super::tensor::Tensor;
use crate::budget::Budget;
use crate::cancel::CancelToken;

/// Longest directory for which a budget is granted, in bytes. Those of published checkpoints take up to 2 MiB.
const MAX_DIRECTORY: u64 = 64 << 20;

/// Name, type and shape of a tensor in a checkpoint.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TensorInfo<'a> {
    /// Name in the checkpoint, with every prefix that it has there.
    pub name: &'a str,
    /// Type of the elements.
    pub element_type: &'a ElementType,
    /// Dimensions, slowest first; empty for a single number.
    pub shape: &'a [usize],
}

/// An open checkpoint.
pub struct Checkpoint {
    path: PathBuf,
    parts: Vec<Part>,
    /// Every tensor, and the part that holds it.
    entries: Vec<(Entry, usize)>,
    by_name: BTreeMap<String, usize>,
    unreadable: HashMap<String, String>,
    budget: Budget,
    /// Whether an entry with another checksum than declared was met. One warning is enough.
    warned: AtomicBool,
}

impl Checkpoint {
    /// Opens the checkpoint at `path`: a file, whose content determines the container; the index of a checkpoint in
    /// several files, such as `model.safetensors.index.json`, or one of them; or a folder with any of these.
    ///
    /// # Errors
    /// If a file cannot be read, is not a checkpoint, or is inconsistent; if a part is missing; if the folder does not
    /// hold exactly one checkpoint.
    pub fn open(path: &Path) -> Result<Checkpoint, Error> {
        Checkpoint::open_located(&locate(path)?, &CancelToken::new())
    }

    /// Opens a checkpoint in memory. Error messages refer to it as `name`.
    ///
    /// # Errors
    /// See [`Checkpoint::open`].
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Checkpoint, Error> {
        let path = PathBuf::from(name);
        let located = Located { path: path.clone(), parts: vec![path], index: None };
        Checkpoint::read(&located, vec![Bytes::Owned(bytes)], &CancelToken::new())
    }

    pub(super) fn open_located(located: &Located, cancel: &CancelToken) -> Result<Checkpoint, Error> {
        let bytes = located.parts.iter().map(|part| Bytes::map(part)).collect::<Result<_, _>>()?;
        Checkpoint::read(located, bytes, cancel)
    }

    fn read(located: &Located, bytes: Vec<Bytes>, cancel: &CancelToken) -> Result<Checkpoint, Error> {
        let len = bytes.iter().fold(0u64, |len, bytes| len.saturating_add(bytes.len() as u64));
        let budget = Budget::checkpoint(len.min(MAX_DIRECTORY), cancel);
        let mut checkpoint = Checkpoint {
            path: located.path.clone(),
            parts: Vec::new(),
            entries: Vec::new(),
            by_name: BTreeMap::new(),
            unreadable: HashMap::new(),
            budget,
            warned: AtomicBool::new(false),
        };
        for (path, bytes) in located.parts.iter().zip(bytes) {
            let (part, listing) = Part::read(path, bytes, &checkpoint.budget)?;
            checkpoint.add(part, listing)?;
        }
        if let Some(index) = &located.index {
            checkpoint.check_index(index, &located.parts)?;
        }
        Ok(checkpoint)
    }

    /// Adds the tensors of a file.
    fn add(&mut self, part: Part, listing: Listing) -> Result<(), Error> {
        let number = self.parts.len();
        for entry in listing.entries {
            if let Some(&(_, other)) = self.by_name.get(&entry.name).and_then(|&i| self.entries.get(i)) {
                let first = self.parts.get(other).unwrap_or(&part).path.display();
                let reason = format!("is also in {first}; download the checkpoint again");
                return Err(Error::Tensor { path: part.path, tensor: printable(&entry.name), reason });
            }
            self.by_name.insert(entry.name.clone(), self.entries.len());
            self.entries.push((entry, number));
        }
        self.unreadable.extend(listing.unreadable);
        self.parts.push(part);
        Ok(())
    }

    /// Checks that every tensor of the index is in the part that the index names.
    fn check_index(&self, index: &BTreeMap<String, usize>, parts: &[PathBuf]) -> Result<(), Error> {
        for (name, part) in index {
            let found = self.by_name.get(name).and_then(|&i| self.entries.get(i)).map(|(_, part)| part);
            if found != Some(part) && !self.unreadable.contains_key(name) {
                let path = parts.get(*part).cloned().unwrap_or_default();
                let reason = "is missing, although the index says that it is there; download the file again".to_owned();
                return Err(Error::Tensor { path, tensor: printable(name), reason });
            }
        }
        Ok(())
    }

    /// Leaves out the parts of names that wrappers around parts of a model have put there: `_orig_mod` of a compiled
    /// one, and `module` of a parallel one, which before a whole name is a prefix like any other. Returns whether names
    /// have changed; none do if two would become equal.
    pub(super) fn leave_out_wrappers(&mut self) -> bool {
        let plain = |name: &str| -> String {
            let parts = name.split('.').enumerate();
            let kept = parts.filter(|&(i, part)| part != "_orig_mod" && (i == 0 || part != "module"));
            kept.map(|(_, part)| part).collect::<Vec<_>>().join(".")
        };
        let names: Vec<String> = self.entries.iter().map(|(entry, _)| plain(&entry.name)).collect();
        let by_name: BTreeMap<String, usize> = names.iter().enumerate().map(|(i, name)| (name.clone(), i)).collect();
        let changed = self.entries.iter().zip(&names).any(|((entry, _), name)| entry.name != *name);
        if !changed || by_name.len() < names.len() {
            return false;
        }
        self.by_name = by_name;
        for ((entry, _), name) in self.entries.iter_mut().zip(names) {
            entry.name = name;
        }
        self.unreadable = self.unreadable.drain().map(|(name, why)| (plain(&name), why)).collect();
        true
    }

    /// Creates a checkpoint of names and shapes without data.
    #[cfg(test)]
    pub(super) fn of_shapes(shapes: impl IntoIterator<Item = (String, ElementType, Vec<usize>)>) -> Self {
        let entry = |(name, element, shape)| Entry {
            name,
            element,
            layout: super::tensor::Strided::contiguous(shape).unwrap(),
            location: super::listing::Location::Stored(0..0),
        };
        let path = PathBuf::from("shapes.pt");
        let located = Located { path: path.clone(), parts: Vec::new(), index: None };
        let mut checkpoint = Checkpoint::read(&located, Vec::new(), &CancelToken::new()).unwrap();
        let listing = Listing { entries: shapes.into_iter().map(entry).collect(), ..Listing::default() };
        checkpoint.add(Part::empty("shapes.pt"), listing).unwrap();
        checkpoint
    }

    /// Returns the path of the file or of the index, or the name given to [`Checkpoint::from_bytes`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the container format; of a checkpoint in several files, that of the first.
    #[must_use]
    pub fn container(&self) -> Container {
        self.parts.first().map_or(Container::Safetensors, |part| part.container)
    }

    /// Returns the bytes of each file, in the order of their names.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| &part.bytes[..])
    }

    /// Refuses files that changed since they were opened.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        self.parts.iter().try_for_each(|part| part.bytes.check_unchanged())
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Iterates over all tensors in the order of the files.
    pub fn tensors(&self) -> impl Iterator<Item = TensorInfo<'_>> {
        self.entries.iter().map(|(entry, _)| entry.info())
    }

    /// Iterates over the tensors whose names start with `prefix`, in the order of their names. Costs no look at others.
    pub(super) fn starting_with<'a>(&'a self, prefix: &str) -> impl Iterator<Item = TensorInfo<'a>> + use<'a> {
        let prefix = prefix.to_owned();
        let from = self.by_name.range(prefix.clone()..);
        let inside = from.take_while(move |(name, _)| name.starts_with(&prefix));
        inside.filter_map(|(_, &i)| Some(self.entries.get(i)?.0.info()))
    }

    /// Returns type and shape of the tensor `name`, if there is one.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<TensorInfo<'_>> {
        Some(self.entries.get(*self.by_name.get(name)?)?.0.info())
    }

    /// Returns why the value `name` of the file is not listed as a tensor.
    #[must_use]
    pub fn why_unreadable(&self, name: &str) -> Option<&str> {
        self.unreadable.get(name).map(String::as_str)
    }

    /// Returns the tensor `name` for reading. Warns, once for a checkpoint, if its entry of an archive has another
    /// checksum than declared: PyTorch does not check them and can write wrong ones, so it is no error.
    ///
    /// # Errors
    /// If there is no such tensor or its compressed entry is damaged.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, Error> {
        let found = self.by_name.get(name).and_then(|&i| self.entries.get(i));
        let Some((entry, part)) = found.and_then(|(entry, part)| Some((entry, self.parts.get(*part)?))) else {
            let reason = self.why_unreadable(name).unwrap_or("is missing").to_owned();
            return Err(Error::Tensor { path: self.path.clone(), tensor: printable(name), reason });
        };
        if !self.warned.load(Ordering::Relaxed)
            && let Some(sum) = part.differing(&entry.location)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "{} has another checksum in its entry `{}` than it declares, so it may be damaged and give wrong \
                 embeddings; download or copy it again",
                part.path.display(),
                printable(&sum.name)
            );
        }
        let data = part.data(&entry.location, &self.budget)?;
        Ok(Tensor { path: &part.path, name: &entry.name, element: &entry.element, layout: &entry.layout, data })
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("path", &self.path)
            .field("container", &self.container())
            .field("tensors", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn info(&self) -> TensorInfo<'_> {
        TensorInfo { name: &self.name, element_type: &self.element, shape: self.layout.shape() }
    }
}
