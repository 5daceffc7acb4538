//! Reads vectors from NumPy's `.npy` files (numpy/lib/format.py): two dimensions, float32 or float16, little-endian, C
//! order. Knows nothing of who wrote them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::files::open_regular;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Largest header; NumPy's own reader refuses more than 10,000 bytes.
const MAX_HEADER: usize = 1 << 16;
/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// Vectors of a file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Vectors {
    /// `[rows, dim]`
    pub values: Vec<f32>,
    /// Number of vectors.
    pub rows: usize,
    /// Length of each.
    pub dim: usize,
}

impl Vectors {
    /// Vectors of `dim` values each.
    #[must_use]
    pub fn new(values: Vec<f32>, dim: usize) -> Vectors {
        Vectors { rows: values.len().checked_div(dim).unwrap_or(0), values, dim }
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system cannot read it.
    #[error("cannot read {}: {}", path.display(), crate::files::reason(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It is no such array.
    #[error("{}: {reason}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// Reads the vectors of `path`. Half-precision values become floats of the same value.
///
/// # Errors
/// If it cannot be read, or is no array of two dimensions of such numbers.
pub fn read(path: &Path) -> Result<Vectors, Error> {
    with(path, |mut file, len| {
        let layout = Layout::read(&mut file, len)?;
        read_from(file, &layout)
    })
}

/// Number and length of the vectors of `path`, which are not read.
///
/// # Errors
/// As [`read`].
pub fn shape(path: &Path) -> Result<(usize, usize), Error> {
    with(path, |mut file, len| Layout::read(&mut file, len).map(|layout| (layout.rows, layout.dim)))
}

fn with<T>(path: &Path, read: impl FnOnce(File, u64) -> Result<T, Fault>) -> Result<T, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = open_regular(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    match read(file, len) {
        Ok(value) => Ok(value),
        Err(Fault::Read(source)) => Err(failed(source)),
        Err(Fault::Array(reason)) => Err(Error::Array { path: path.to_owned(), reason }),
    }
}

enum Fault {
    Read(io::Error),
    Array(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Read(error)
    }
}

fn fault<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Array(reason.into()))
}

/// What the values of a file are.
struct Layout {
    rows: usize,
    dim: usize,
    bytes_each: u64,
}

impl Layout {
    /// Reads what is before the values.
    fn read(file: &mut File, len: u64) -> Result<Layout, Fault> {
        let mut start = [0; 8];
        if len < 10 || file.read_exact(&mut start).is_err() || start[..6] != *MAGIC {
            return fault("it is no NumPy array; write one with numpy.save");
        }
        let (size, width) = match start[6] {
            1 => {
                let mut bytes = [0; 2];
                file.read_exact(&mut bytes)?;
                (usize::from(u16::from_le_bytes(bytes)), 2)
            }
            2 | 3 => {
                let mut bytes = [0; 4];
                file.read_exact(&mut bytes)?;
                (u32::from_le_bytes(bytes) as usize, 4)
            }
            version => return fault(format!("version {version} of the format is unknown; write it with numpy.save")),
        };
        if size > MAX_HEADER || 8 + width + size as u64 > len {
            return fault("its header is longer than the file or than any header; write it again with numpy.save");
        }
        let mut header = vec![0; size];
        file.read_exact(&mut header)?;
        let Some(header) = std::str::from_utf8(&header).ok().and_then(Header::parse) else {
            return fault("its header cannot be read; write it again with numpy.save");
        };
        let bytes_each = match header.descr {
            "<f4" => 4,
            "<f2" => 2,
            other => {
                let other: String = other.chars().filter(|c| !c.is_control()).take(20).collect();
                return fault(format!("it holds values of type {other}; write float32 with .astype(\"<f4\")"));
            }
        };
        let [rows, dim] = header.shape[..] else {
            return fault(format!("it has {} dimensions; write two, [vectors, values]", header.shape.len()));
        };
        if header.fortran && rows > 1 && dim > 1 {
            return fault("it is in Fortran order; write numpy.ascontiguousarray of it");
        }
        let data = len - (8 + width + size as u64);
        let expected = rows.checked_mul(dim).and_then(|count| count.checked_mul(bytes_each));
        if expected != Some(data) {
            return fault(format!(
                "it has {data} bytes of values where its header says {rows} x {dim}; write it again"
            ));
        }
        let (Ok(rows), Ok(dim)) = (usize::try_from(rows), usize::try_from(dim)) else {
            return fault("it is too large for this machine");
        };
        Ok(Layout { rows, dim, bytes_each })
    }
}

fn read_from(mut file: File, layout: &Layout) -> Result<Vectors, Fault> {
    let &Layout { rows, dim, bytes_each } = layout;
    let data = (rows * dim) as u64 * bytes_each;
    let mut values = Vec::new();
    if values.try_reserve_exact(rows * dim).is_err() {
        return fault("there is no memory for it; split it");
    }
    let mut buffer = vec![0; CHUNK.min(usize::try_from(data).unwrap_or(CHUNK)).max(4)];
    let mut left = data;
    while left > 0 {
        let part = (left.min(buffer.len() as u64)) as usize;
        let part = &mut buffer[..part];
        file.read_exact(part)?;
        match bytes_each {
            4 => values.extend(part.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))),
            _ => values.extend(part.as_chunks().0.iter().map(|&bytes| half::f16::from_le_bytes(bytes).to_f32())),
        }
        left -= part.len() as u64;
    }
    Ok(Vectors { values, rows, dim })
}

/// The header: a Python dictionary of three entries.
struct Header<'a> {
    descr: &'a str,
    fortran: bool,
    shape: Vec<u64>,
}

impl<'a> Header<'a> {
    fn parse(text: &'a str) -> Option<Header<'a>> {
        let mut left = Left(text);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        left.skip("{")?;
        while left.skip("}").is_none() {
            let key = left.quoted()?;
            left.skip(":")?;
            match key {
                "descr" => descr = Some(left.quoted()?),
                "fortran_order" if left.skip("True").is_some() => fortran = Some(true),
                "fortran_order" => fortran = left.skip("False").map(|()| false),
                "shape" => shape = Some(left.tuple()?),
                _ => return None,
            }
            if left.skip(",").is_none() && !left.0.starts_with('}') {
                return None;
            }
        }
        left.0.trim().is_empty().then_some(())?;
        Some(Header { descr: descr?, fortran: fortran?, shape: shape? })
    }
}

/// What is left of a text. Every step passes over spaces first.
struct Left<'a>(&'a str);

impl<'a> Left<'a> {
    fn skip(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start();
        self.0 = self.0.strip_prefix(token)?;
        self.0 = self.0.trim_start();
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a str> {
        self.0 = self.0.trim_start();
        let quote = self.0.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (text, rest) = self.0[1..].split_once(quote)?;
        self.0 = rest;
        Some(text)
    }

    fn tuple(&mut self) -> Option<Vec<u64>> {
        self.skip("(")?;
        let mut values = Vec::new();
        while self.skip(")").is_none() {
            let digits = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            values.push(self.0[..digits].parse().ok()?);
            self.0 = &self.0[digits..];
            // Python 2 wrote long numbers with an L.
            self.0 = self.0.strip_prefix('L').unwrap_or(self.0);
            if self.skip(",").is_none() && !self.0.starts_with(')') {
                return None;
            }
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<Vectors, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.npy");
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn vectors_of_both_types_and_all_versions_are_read() {
        let floats: Vec<u8> = [1.0f32, -2.5, 0.0, 1e-40, f32::NAN, 7.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n";
        let vectors = read_bytes(&file(header, &floats)).unwrap();
        assert_eq!((vectors.rows, vectors.dim), (2, 3));
        assert_eq!(vectors.values[..4], [1.0, -2.5, 0.0, 1e-40]);
        let halves: Vec<u8> = [0x3c00u16, 0xc100].iter().flat_map(|v| v.to_le_bytes()).collect();
        for shape in ["(1, 2)", "(1L,2L,)", "( 2 , 1 )"] {
            let header = format!("{{\"shape\":{shape},'descr':'<f2','fortran_order':False}}");
            assert_eq!(read_bytes(&file(&header, &halves)).unwrap().values, [1.0, -2.5]);
        }
        let mut longer = MAGIC.to_vec();
        longer.extend([2, 0]);
        longer.extend((header.len() as u32).to_le_bytes());
        longer.extend(header.as_bytes());
        longer.extend(&floats);
        assert_eq!(read_bytes(&longer).unwrap().values[..2], [1.0, -2.5]);
        let empty = file("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", &[]);
        assert_eq!(read_bytes(&empty).unwrap(), Vectors { values: vec![], rows: 0, dim: 3 });
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let with = |descr: &str, fortran: &str, shape: &str| {
            file(&format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"), &[0; 24])
        };
        for (bytes, part) in [
            (b"not an array".to_vec(), "no NumPy array"),
            (vec![], "no NumPy array"),
            (with("<f8", "False", "(1, 3)"), "type <f8"),
            (with(">f4", "False", "(2, 3)"), "type >f4"),
            (with("<f4\u{1b}[2J", "False", "(2, 3)"), "type <f4[2J"),
            (with("<f4", "True", "(2, 3)"), "Fortran"),
            (with("<f4", "Maybe", "(2, 3)"), "header cannot be read"),
            (with("<f4", "False", "(6,)"), "1 dimensions"),
            (with("<f4", "False", "(2, 4)"), "24 bytes"),
            (with("<f4", "False", "(18446744073709551615, 18446744073709551615)"), "24 bytes"),
            (with("<f4", "False", "(99999999999999999999, 1)"), "header cannot be read"),
            (with("<f4", "False", "(-1, 3)"), "header cannot be read"),
            (file("{}", &[]), "header cannot be read"),
            (file("{'x': 1}", &[]), "header cannot be read"),
            (file("\u{fffd}", &[]), "header cannot be read"),
            (b"\x93NUMPY\x09\x00\x00\x00\x00\x00".to_vec(), "version 9"),
            (b"\x93NUMPY\x01\x00\xff\xff{}".to_vec(), "header is longer"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}".to_vec(), "header is longer"),
        ] {
            let error = read_bytes(&bytes).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("v.npy: "), "{part}: {error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("it is a folder"));
    }

    proptest! {
        #[test]
        fn no_header_panics(header in "[{}'a-z:, ()0-9L<\\n]{0,60}", shape in "[(), 0-9L]{0,20}") {
            Header::parse(&header);
            Header::parse(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"));
        }
    }
}
