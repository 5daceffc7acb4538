//! Writes NumPy's `.npy`, version 1.0, float32 in C order (numpy/lib/format.py), and a sidecar that names the rows.

use std::io::{self, BufWriter, Write};

use super::destination::{Destination, TempFile};
use super::row::JsonRow;
use super::{Head, Row, RowWriter, plain_json, sidecar};

/// Size of the header in bytes, for any shape: large enough for the longest, and a multiple of 64 as NumPy requires.
const HEADER: usize = 128;

/// Returns the header for an array of this shape, or `None` if the shape does not fit.
fn header(shape: &[usize]) -> Option<[u8; HEADER]> {
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    let dims: String = shape.iter().map(|dim| format!("{dim}, ")).collect();
    let dims = if shape.len() == 1 { dims.trim_end() } else { dims.trim_end_matches(", ") };
    let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({dims}), }}");
    let mut header = [b' '; HEADER];
    let (magic, rest) = header.split_at_mut(MAGIC.len());
    let (len, text) = rest.split_at_mut(2);
    magic.copy_from_slice(MAGIC);
    len.copy_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
    let (end, text) = text.split_last_mut()?;
    *end = b'\n';
    text.get_mut(..dict.len())?.copy_from_slice(dict.as_bytes());
    Some(header)
}

pub(super) fn header_of(shape: &[usize]) -> io::Result<[u8; HEADER]> {
    header(shape).ok_or_else(|| io::Error::other("the array has too many dimensions"))
}

/// Writes an array of a known shape.
pub(in crate::cli) fn write(out: &mut impl Write, shape: &[usize], data: &[f32]) -> io::Result<()> {
    out.write_all(&header_of(shape)?)?;
    write_floats(out, data)
}

pub(super) fn write_floats(out: &mut impl Write, data: &[f32]) -> io::Result<()> {
    data.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}

/// An array `[rows, embed_dim]` that grows row by row.
///
/// The header holds the number of rows, which is known only at the end. So output to a stream goes to a temporary file
/// first.
pub(super) struct Npy {
    rows: usize,
    embed_dim: usize,
    fingerprint: String,
    data: TempFile,
    /// Final destination of the data, if `data` is a temporary file.
    out: Option<Destination>,
    sidecar: Option<BufWriter<TempFile>>,
}

impl Npy {
    pub fn new(head: &Head<'_>, out: Destination) -> io::Result<Self> {
        let (data, out, sidecar) = match out {
            Destination::File(file) => {
                let data = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                let path = sidecar(data.target());
                let sidecar = TempFile::for_target(&path).map_err(|error| {
                    io::Error::new(error.kind(), format!("its list of rows is {}: {error}", path.display()))
                })?;
                (data, None, Some(BufWriter::new(sidecar)))
            }
            out => (TempFile::spool()?, Some(out), None),
        };
        let embed_dim = head.embed_dim;
        let mut npy = Npy { rows: 0, embed_dim, fingerprint: head.fingerprint.to_owned(), data, out, sidecar };
        npy.data.write_all(&header_of(&[0, embed_dim])?)?;
        Ok(npy)
    }
}

impl RowWriter for Npy {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let Ok(embedding) = row.outcome else { return Ok(()) };
        // A row is large enough to be written without a buffer.
        let bytes: Vec<u8> = embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.data.write_all(&bytes)?;
        self.rows += 1;
        let Some(sidecar) = &mut self.sidecar else { return Ok(()) };
        plain_json::write(&mut *sidecar, &JsonRow::of(row.source).with_fingerprint(&self.fingerprint))?;
        sidecar.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.data.rewrite_start(&header_of(&[self.rows, self.embed_dim])?)?;
        if let Some(sidecar) = self.sidecar {
            // Both are on the disk before either gets its name: a signal in between would leave a list beside an older
            // array. The list is first, so that an array never exists without it.
            self.data.sync()?;
            sidecar.into_inner().map_err(io::IntoInnerError::into_error)?.commit()?;
        }
        match self.out {
            None => self.data.commit(),
            Some(mut out) => {
                self.data.copy_to(&mut out)?;
                out.commit()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_readable_by_numpy() {
        for (shape, data) in [
            (&[0, 3][..], &[][..]),
            (&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]),
            (&[1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]),
            (&[2], &[f32::MIN_POSITIVE, -0.0]),
        ] {
            let mut bytes = Vec::new();
            write(&mut bytes, shape, data).unwrap();
            assert_eq!(bytes.len(), HEADER + 4 * data.len());
            let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
            assert_eq!(npy.shape(), shape.iter().map(|&dim| dim as u64).collect::<Vec<_>>());
            assert_eq!(npy.order(), npyz::Order::C);
            assert_eq!(npy.into_vec::<f32>().unwrap(), data);
        }
        assert!(header(&[usize::MAX, usize::MAX]).is_some());
        assert!(header(&[usize::MAX; 9]).is_none());
    }
}
