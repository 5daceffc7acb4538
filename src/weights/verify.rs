//! Reading a whole weights file to find damage that its header cannot show.

use rayon::prelude::*;

use super::error::{Error, Reason};
use super::format::Layout;
use super::hash;
use super::read::{WeightsFile, read_header};

/// What [`WeightsFile::verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct VerifyReport {
    /// Bytes of the whole file, all of which were read.
    pub bytes: u64,
    /// Tensors checked.
    pub tensors: usize,
    /// Names of the tensors whose bytes differ from their checksum, in the order of the file.
    pub damaged: Vec<String>,
    /// Whether every byte between the tensors is zero, as it must be.
    pub padding_intact: bool,
}

impl VerifyReport {
    /// Whether every byte of the file is as it was written.
    pub fn is_intact(&self) -> bool {
        self.damaged.is_empty() && self.padding_intact
    }
}

impl WeightsFile {
    /// Reads the whole file, on all threads of the current rayon pool, and holds every byte against the checksums
    /// and rules of the format.
    ///
    /// # Errors
    /// If the file changed its length since it was opened, or its header since then is another one. Damaged tensors
    /// and padding are no error but the content of the report.
    pub fn verify(&self) -> Result<VerifyReport, Error> {
        let (map, described) = (self.map(), self.file_len());
        // Touching pages that a shrunken file no longer has would end the process.
        match map.len_now().map_err(|error| self.error(Reason::Read(error)))? {
            Some(found) if found != described => return Err(self.error(Reason::Changed { found, described })),
            _ => {}
        }
        let bytes = map.bytes();
        let (header, _) = read_header(&mut &*bytes, described).map_err(|reason| self.error(reason))?;
        if header != *self.header() {
            return Err(self.error(Reason::HeaderDamaged));
        }

        let damaged = header
            .tensors
            .par_iter()
            .filter(|entry| {
                let range = entry.bytes.start as usize..entry.bytes.end as usize;
                let padded = entry.spec.layout == Layout::Panels16; // and so `f32`
                hash::sha256(&bytes[range.clone()]) != entry.sha256
                    || padded && !entry.spec.has_zero_padding(map.floats(range))
            })
            .map(|entry| entry.spec.name.clone())
            .collect();

        let mut padding_intact = true;
        let mut end = self.head_len();
        for entry in &header.tensors {
            padding_intact &= bytes[end..entry.bytes.start as usize].iter().all(|&byte| byte == 0);
            end = entry.bytes.end as usize;
        }
        // Everything was touched once: hand it back rather than leave a whole model counted as this process's.
        self.release_pages();
        Ok(VerifyReport { bytes: described, tensors: header.tensors.len(), damaged, padding_intact })
    }
}
