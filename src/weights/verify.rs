//! Verifies every byte of a weights file.

use rayon::prelude::*;

use super::error::{Error, Reason};
use super::format::{Dtype, Layout};
use super::hash;
use super::header::TensorEntry;
use super::map::Map;
use super::read::{WeightsFile, range, read_header};
use super::{quads, scaled_rows};
use crate::tensor::Half;
use crate::threads;

/// Result of [`WeightsFile::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct VerifyReport {
    /// Length of the file in bytes; all of them were read.
    pub bytes: u64,
    /// Number of tensors checked.
    pub tensors: usize,
    /// Names of the tensors that differ from their checksum, have nonzero padding, impossible scales or gains, or wrong sums,
    /// in file order.
    pub damaged: Vec<String>,
    /// Whether every byte between the tensors is zero.
    pub padding_intact: bool,
}

impl VerifyReport {
    /// Whether every byte of the file is as it was written.
    pub fn is_intact(&self) -> bool {
        self.damaged.is_empty() && self.padding_intact
    }
}

impl WeightsFile {
    /// Reads the whole file, on all threads of the current rayon pool, and checks every byte against the checksums and
    /// rules of the format.
    ///
    /// # Errors
    /// If the length or the header of the file changed since it was opened. Damaged tensors and padding are reported,
    /// not returned as errors.
    pub fn verify(&self) -> Result<VerifyReport, Error> {
        let (map, described) = (self.map(), self.file_len());
        let stamp = self.stamp().map_err(|refusal| self.error(refusal.into()))?;
        // Touching a page past the end of a truncated file would end the process.
        if let Some(found) = stamp.map(|stamp| stamp.len).filter(|&found| found != described) {
            return Err(self.error(Reason::Changed { found, described }));
        }
        let bytes = map.bytes();
        let (header, _) = read_header(&mut &*bytes, described).map_err(|reason| self.error(reason))?;
        if header != *self.header() {
            return Err(self.error(Reason::HeaderDamaged));
        }

        let is_wrong =
            |entry: &TensorEntry| is_damaged(map, entry) || self.is_impossible(entry) || self.has_wrong_sums(entry);
        let name = |entry: &TensorEntry| is_wrong(entry).then(|| entry.spec.name.clone());
        let damaged = threads::map(header.tensors.par_iter(), name).into_iter().flatten().collect();

        let mut padding_intact = true;
        let mut end = self.head_len();
        for entry in &header.tensors {
            padding_intact &= bytes[end..entry.bytes.start as usize].iter().all(|&byte| byte == 0);
            end = entry.bytes.end as usize;
        }
        // Every page was touched once; release them, or the whole model counts as this process's memory.
        self.release_pages();
        if map.is_lost() {
            return Err(self.error(Reason::Lost));
        }
        let report = VerifyReport { bytes: described, tensors: header.tensors.len(), damaged, padding_intact };
        if report.is_intact() && self.stamp().is_ok_and(|now| now == stamp) {
            self.verified(stamp);
        }
        Ok(report)
    }
}

/// Whether the bytes of a tensor differ from their checksum, the padding of its panels is not zero, or a scaled row or quads
/// have numbers that no writer stores.
pub(super) fn is_damaged(map: &Map, entry: &TensorEntry) -> bool {
    let range = range(entry);
    if hash::sha256(&map.bytes()[range.clone()]) != entry.sha256 {
        return true;
    }
    match (entry.spec.layout, entry.spec.dtype) {
        (Layout::Rows, _) => false,
        (Layout::ScaledRows, _) => {
            !scaled_rows::are_valid(map.elements::<i8>(range), entry.spec.shape.last().copied().unwrap_or(0))
        }
        (Layout::Quads16, _) => match entry.spec.shape[..] {
            [k, n] => !quads::are_valid(map.elements::<i8>(range), k, n),
            _ => true,
        },
        (Layout::Panels16, Dtype::F32) => !entry.spec.has_zero_padding(map.elements::<f32>(range)),
        (Layout::Panels16, Dtype::F16) => !entry.spec.has_zero_padding(map.elements::<Half>(range)),
        (Layout::Panels16, Dtype::I8) => !entry.spec.has_zero_padding(map.elements::<i8>(range)),
        (Layout::Panels16, Dtype::U32) => !entry.spec.has_zero_padding(map.elements::<u32>(range)),
    }
}
