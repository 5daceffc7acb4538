//! Writes packed files: rows as they come, their codes at the end, in bounded memory but for 24 bytes and a tag a row.

use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::super::exact::is_finite;
use super::super::quantise::stride;
use super::super::workers::BLOCK;
use super::super::{Error, Options};
use super::PackedError;
use super::checksum::Checksum;
use super::format::Head;
use crate::files::Partial;
use crate::kernels::isa::Isa;
use crate::kernels::scan::encode;
use crate::threads;

/// Blocks whose codes are made at the same time.
const TOGETHER: usize = 8;

/// What a file is of.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// Values of a row, 1 to [`MAX_DIM`](super::super::MAX_DIM).
    pub dim: usize,
    /// Bytes of each row's tag, at most 4096.
    pub tag_len: usize,
    /// Which vectors may be compared with these; at most 4000 bytes.
    pub fingerprint: &'a str,
    /// The state of what the vectors are taken from, by which the file is known to be up to date.
    pub generation: [u8; 32],
}

/// Writes a packed file. Nothing is at its place before [`Writer::finish`].
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    head: Head,
    file: BufWriter<Partial>,
    /// [values] sums over all rows.
    sums: Vec<f64>,
    row_checks: Vec<u64>,
    ids: Vec<u64>,
    tags: Vec<u8>,
}

impl Writer {
    /// Begins the file that will be at `path`.
    ///
    /// # Errors
    /// If the description does not fit the format, or the folder cannot be written to.
    pub fn create(path: &Path, description: &Description<'_>) -> Result<Writer, PackedError> {
        let Description { dim, tag_len, fingerprint, generation } = *description;
        let head = Head::new(0, dim, tag_len, fingerprint, generation);
        let head = head.ok_or_else(|| PackedError::Limits { path: path.to_owned() })?;
        let begin = || {
            let mut file = BufWriter::with_capacity(1 << 18, Partial::create(path)?);
            file.seek(SeekFrom::Start(head.at.vectors.start as u64))?;
            Ok(file)
        };
        let file = begin().map_err(|source| PackedError::Write { path: path.to_owned(), source })?;
        let (path, sums) = (path.to_owned(), vec![0.0; dim]);
        Ok(Writer { path, head, file, sums, row_checks: Vec::new(), ids: Vec::new(), tags: Vec::new() })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If it has another length, a value that is not finite, or cannot be written.
    pub fn push(&mut self, id: u64, vector: &[f32], tag: &[u8]) -> Result<(), PackedError> {
        let row = self.ids.len();
        let (dim, tag_len) = (self.head.dim, self.head.tag_len);
        if vector.len() != dim || tag.len() != tag_len {
            let (values, tag, path) = (vector.len(), tag.len(), self.path.clone());
            return Err(PackedError::Row { path, row, values, tag, dim, tag_len });
        }
        if !is_finite(vector) {
            return Err(Error::NotFinite { what: "row", row }.into());
        }
        let bytes = bytemuck::cast_slice(vector);
        self.file.write_all(bytes).map_err(|source| PackedError::Write { path: self.path.clone(), source })?;
        self.sums.iter_mut().zip(vector).for_each(|(sum, &value)| *sum += f64::from(value));
        self.row_checks.push(Checksum::of(bytes));
        self.ids.push(id);
        self.tags.extend_from_slice(tag);
        Ok(())
    }

    /// Makes the codes, on the threads of `options`, and puts the file at its place.
    ///
    /// It is not synced: if the machine loses its power, the file may be found damaged, and is made again.
    ///
    /// # Errors
    /// If it is cancelled, is too large, or cannot be written.
    pub fn finish(self, options: &Options<'_>) -> Result<(), PackedError> {
        let Writer { path, head, file, sums, row_checks, ids, tags } = self;
        let rows = ids.len();
        let head = Head::new(rows, head.dim, head.tag_len, &head.fingerprint, head.generation);
        let mut head = head.ok_or_else(|| PackedError::Limits { path: path.clone() })?;
        let centre: Vec<f32> = sums.iter().map(|sum| (sum / rows.max(1) as f64) as f32).collect();
        let failed = |source| PackedError::Write { path: path.clone(), source };
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed)?;
        let made = Codes::write(&mut file, &head, &centre, options).map_err(|error| match error {
            Failed::Io(source) => failed(source),
            Failed::Scan(error) => error.into(),
        })?;
        let tag_checks: Vec<u64> = (0..rows.div_ceil(BLOCK))
            .map(|block| {
                let rows = block * BLOCK..rows.min((block + 1) * BLOCK);
                let tags = &tags[rows.start * head.tag_len..rows.end * head.tag_len];
                Checksum::new().and(bytemuck::cast_slice(&ids[rows])).and(tags).finish()
            })
            .collect();
        head.small = Checksum::new()
            .and(bytemuck::cast_slice(&made.checks))
            .and(bytemuck::cast_slice(&tag_checks))
            .and(bytemuck::cast_slice(&centre))
            .finish();
        let mut finish = || -> io::Result<()> {
            let at = &head.at;
            for (range, bytes) in [
                (&at.scales, bytemuck::cast_slice(&made.scales)),
                (&at.residuals, bytemuck::cast_slice(&made.residuals)),
                (&at.row_checks, bytemuck::cast_slice(&row_checks)),
                (&at.ids, bytemuck::cast_slice(&ids)),
                (&at.tags, &tags[..]),
                (&at.code_checks, bytemuck::cast_slice(&made.checks)),
                (&at.tag_checks, bytemuck::cast_slice(&tag_checks)),
                (&at.centre, bytemuck::cast_slice(&centre)),
            ] {
                file.seek(SeekFrom::Start(range.start as u64))?;
                file.write_all(bytes)?;
            }
            // The header is last: without it, the file is none.
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&head.bytes())?;
            file.rename(&path)
        };
        finish().map_err(|source| PackedError::Write { path: path.clone(), source })
    }
}

enum Failed {
    Io(io::Error),
    Scan(Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed::Io(error)
    }
}

/// What is kept of the codes, which are in the file.
#[derive(Default)]
struct Codes {
    scales: Vec<f32>,
    residuals: Vec<f32>,
    checks: Vec<u64>,
}

impl Codes {
    /// Reads the vectors back and writes their codes, some blocks at a time.
    fn write(file: &mut Partial, head: &Head, centre: &[f32], options: &Options<'_>) -> Result<Codes, Failed> {
        let isa = Isa::detect().map_err(|error| Failed::Scan(error.into()))?;
        let (dim, stride) = (head.dim, stride(head.dim));
        let mut made = Codes::default();
        for start in (0..head.rows).step_by(TOGETHER * BLOCK) {
            options.check_cancelled().map_err(Failed::Scan)?;
            let rows = (head.rows - start).min(TOGETHER * BLOCK);
            let mut vectors = vec![0.0f32; rows * dim];
            file.seek(SeekFrom::Start((head.at.vectors.start + start * dim * 4) as u64))?;
            file.read_exact(bytemuck::cast_slice_mut(&mut vectors))?;
            let mut codes = vec![0i8; rows * stride];
            let block = |(codes, vectors): (&mut [i8], &[f32])| {
                let (mut scales, mut residuals) = (Vec::new(), Vec::new());
                for (codes, vector) in codes.chunks_exact_mut(stride).zip(vectors.chunks_exact(dim)) {
                    let encoded = encode(isa, vector, centre, codes);
                    scales.push(encoded.scale);
                    residuals.push(encoded.residual);
                }
                let check = Checksum::new()
                    .and(bytemuck::cast_slice(codes))
                    .and(bytemuck::cast_slice(&scales))
                    .and(bytemuck::cast_slice(&residuals))
                    .finish();
                (scales, residuals, check)
            };
            let blocks: Vec<_> = options.threads.run(|threads| match threads {
                1 => codes.chunks_mut(BLOCK * stride).zip(vectors.chunks(BLOCK * dim)).map(block).collect(),
                _ => threads::map(codes.par_chunks_mut(BLOCK * stride).zip(vectors.par_chunks(BLOCK * dim)), block),
            });
            for (scales, residuals, check) in blocks {
                made.scales.extend(scales);
                made.residuals.extend(residuals);
                made.checks.push(check);
            }
            file.seek(SeekFrom::Start((head.at.codes.start + start * stride) as u64))?;
            file.write_all(bytemuck::cast_slice(&codes))?;
        }
        Ok(made)
    }
}
