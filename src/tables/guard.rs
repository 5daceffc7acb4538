//! Checks what a Parquet file claims before the decoder allocates memory for it.
//!
//! The decoder trusts the numbers of a file: a schema's group of 2^31 fields, a page of 2 GB, a dictionary of 2^31 texts
//! in ten bytes are all allocated when they are read. Here the footer and the headers of pages are looked through first,
//! and what the length of the file does not justify is refused. Encodings that no usual writer chooses and whose
//! decoders have lengths of their own are refused as well.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::ops::Range;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::thrift::{Compact, Field};

/// Largest footer. A thousand row groups of ten columns have one of 1 MB.
const MAX_FOOTER: u64 = 16 << 20;
/// Most columns, groups of columns included.
const MAX_COLUMNS: u64 = 10_000;
/// Deepest nesting of columns; the decoder calls itself for each level.
const MAX_DEPTH: usize = 32;
/// Largest page when decompressed: DuckDB writes the largest, up to 100 MB.
const MAX_PAGE: u64 = 256 << 20;
/// Size of a decompressed page that needs no justification.
const FREE_PAGE: u64 = 1 << 20;
/// Most decompressed bytes per compressed one, above [`FREE_PAGE`]; deflate cannot have more than 1032.
const MAX_RATIO: u64 = 4096;
/// Number of values that need no justification.
const FREE_VALUES: u64 = 4 << 20;
/// Most values per byte of the file, above [`FREE_VALUES`].
const VALUES_PER_BYTE: u64 = 64;
/// Bytes at which a page's header is looked for; statistics can make it longer.
const HEADERS: [u64; 3] = [1 << 12, 1 << 16, 1 << 22];

/// Encodings of values, by their number: plain, by dictionary (old and new) and plain with the bytes apart.
const ENCODINGS: [i64; 4] = [0, 2, 8, 9];

/// Why a file is refused.
#[derive(Debug)]
pub(super) enum Fault {
    Read(io::Error),
    Refused(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Read(error)
    }
}

fn refused<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Refused(reason.into()))
}

/// A file from which no more is read than it has.
#[derive(Debug)]
pub(super) struct Chunks {
    pub file: File,
    pub len: u64,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Take<File>>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(file.take(self.len.saturating_sub(start))))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(ParquetError::EOF("it ends too early".into()));
        }
        self.read(start, length).map(Bytes::from).map_err(ParquetError::from)
    }
}

impl Chunks {
    /// Bytes that the file has.
    fn read(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// What the pages of a file may still claim.
#[derive(Debug)]
pub(super) struct Allowance {
    values: u64,
}

impl Allowance {
    pub fn of(len: u64) -> Allowance {
        Allowance { values: FREE_VALUES.saturating_add(len.saturating_mul(VALUES_PER_BYTE)) }
    }
}

/// Checks the schema and the lists of the footer.
pub(super) fn footer(chunks: &Chunks) -> Result<(), Fault> {
    const TAIL: u64 = 8;
    if chunks.len < 4 + TAIL || chunks.read(0, 4)? != *b"PAR1" {
        return refused("it is no Parquet file");
    }
    let tail = chunks.read(chunks.len - TAIL, TAIL as usize)?;
    let (len, magic) = tail.split_at(4);
    match magic {
        b"PAR1" => {}
        b"PARE" => return refused("it is encrypted; write it without encryption"),
        _ => return refused("it is no Parquet file, or only the beginning of one; write it again"),
    }
    let len = u64::from(u32::from_le_bytes(len.try_into().unwrap_or_default()));
    if len > chunks.len - 4 - TAIL {
        return refused("its footer is longer than the file; write it again");
    }
    if len > MAX_FOOTER {
        return refused(format!("its footer has {len} bytes, more than any table needs; write larger row groups"));
    }
    let bytes = chunks.read(chunks.len - TAIL - len, len as usize)?;
    match schema_fits(&mut Compact::new(&bytes)) {
        Some(true) => Ok(()),
        Some(false) => refused("its columns are too many or nested too deeply; write those that are needed"),
        None => refused("its footer is damaged; write it again"),
    }
}

/// Passes over a footer (`FileMetaData`). Returns whether its schema is a tree of bounded size.
fn schema_fits(footer: &mut Compact<'_>) -> Option<bool> {
    let (mut last, mut fits) = (0, false);
    while let Some(field) = next(footer, &mut last)? {
        if field.id != 2 {
            footer.skip(field)?;
            continue;
        }
        // Elements in depth first order; `open` has the number of children to come of each group.
        let count = footer.structs(field)?;
        let mut open: Vec<i64> = Vec::new();
        fits = (1..=MAX_COLUMNS).contains(&count);
        for at in 0..count {
            let children = children(footer)?;
            while open.last() == Some(&0) {
                open.pop();
            }
            match open.last_mut() {
                Some(left) => *left -= 1,
                // One root.
                None => fits &= at == 0,
            }
            // Beyond that, the tree does not matter any more.
            fits &= open.len() < MAX_DEPTH && (0..=MAX_COLUMNS as i64).contains(&children);
            if fits && children > 0 {
                open.push(children);
            }
        }
        fits &= open.iter().all(|&left| left == 0);
    }
    Some(fits)
}

/// The number of children of a column (`SchemaElement`).
fn children(footer: &mut Compact<'_>) -> Option<i64> {
    let (mut last, mut children) = (0, 0);
    while let Some(field) = next(footer, &mut last)? {
        match field.id {
            5 => children = footer.number(field)?,
            _ => footer.skip(field)?,
        }
    }
    Some(children)
}

/// The next field of a struct, whose numbers have to ascend, so that none comes twice.
fn next(bytes: &mut Compact<'_>, last: &mut i16) -> Option<Option<Field>> {
    let field = bytes.field(*last)?;
    if let Some(field) = field {
        if field.id <= *last {
            return None;
        }
        *last = field.id;
    }
    Some(field)
}

/// A page as its header describes it (`PageHeader`).
#[derive(Debug, Default)]
struct Page {
    header: u64,
    decompressed: i64,
    compressed: i64,
    dictionary: bool,
    values: i64,
    encoding: i64,
    /// Bytes of levels before the values, which are not compressed.
    levels: i64,
}

/// Checks the pages of a column chunk. Returns the bytes of its largest one that has values of rows.
pub(super) fn pages(chunks: &Chunks, range: Range<u64>, allowance: &mut Allowance) -> Result<u64, Fault> {
    const DAMAGED: &str = "a header of its pages is damaged; write it again";
    if range.end > chunks.len {
        return refused("it is shorter than its footer says; write it again");
    }
    let (mut at, mut largest) = (range.start, 0);
    while at < range.end {
        let Some(page) = page(chunks, at..range.end)? else { return refused(DAMAGED) };
        let (Ok(decompressed), Ok(compressed), Ok(values)) =
            (u64::try_from(page.decompressed), u64::try_from(page.compressed), u64::try_from(page.values))
        else {
            return refused(DAMAGED);
        };
        let start = at + page.header;
        let end = start.saturating_add(compressed);
        if end > range.end {
            return refused("a page is longer than its column; write it again");
        }
        if decompressed > MAX_PAGE || decompressed > FREE_PAGE + MAX_RATIO * compressed {
            return refused(format!("a page of {compressed} bytes claims to have {decompressed}; write smaller pages"));
        }
        if !ENCODINGS.contains(&page.encoding) {
            return refused(
                "its values are encoded as differences; write it with DuckDB's parquet_version v1 or pandas' defaults",
            );
        }
        let values_at = start.saturating_add(u64::try_from(page.levels).unwrap_or(0));
        if !inflates_to(chunks, values_at..end, decompressed)? {
            return refused("a page has more bytes than it claims when decompressed; write it again");
        }
        // Texts begin with their length, of four bytes, and floats have four.
        if page.dictionary && values > decompressed / 4 {
            return refused(DAMAGED);
        }
        if !page.dictionary {
            let Some(left) = allowance.values.checked_sub(values) else {
                return refused("it claims to have more values than its length allows");
            };
            allowance.values = left;
            largest = largest.max(decompressed).max(compressed);
        }
        at = end;
    }
    Ok(largest)
}

/// Whether a page that is compressed by gzip, as its first bytes say, has `most` bytes at most. The decoder inflates it to
/// its end, whatever it claims; all others end where they claim to. One that is damaged is left to the decoder.
fn inflates_to(chunks: &Chunks, page: Range<u64>, most: u64) -> io::Result<bool> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let len = page.end.saturating_sub(page.start);
    if len < GZIP.len() as u64 || chunks.read(page.start, GZIP.len())? != GZIP {
        return Ok(true);
    }
    let mut file = &chunks.file;
    file.seek(SeekFrom::Start(page.start))?;
    let mut inflated = MultiGzDecoder::new(file.take(len)).take(most.saturating_add(1));
    Ok(io::copy(&mut inflated, &mut io::sink()).map_or(true, |bytes| bytes <= most))
}

/// Reads the header of a page.
fn page(chunks: &Chunks, range: Range<u64>) -> io::Result<Option<Page>> {
    for most in HEADERS {
        let len = most.min(range.end - range.start);
        let bytes = chunks.read(range.start, len as usize)?;
        let mut header = Compact::new(&bytes);
        if let Some(page) = page_of(&mut header) {
            return Ok(Some(Page { header: len - header.left() as u64, ..page }));
        }
        if len < most {
            break;
        }
    }
    Ok(None)
}

fn page_of(header: &mut Compact<'_>) -> Option<Page> {
    let (mut last, mut page) = (0, Page::default());
    while let Some(field) = next(header, &mut last)? {
        match field.id {
            2 => page.decompressed = header.number(field)?,
            3 => page.compressed = header.number(field)?,
            // Data pages of both versions, and dictionaries; the encoding has a number of its own in the second.
            5 => values(header, field, 2, &mut page)?,
            7 => {
                page.dictionary = true;
                values(header, field, 2, &mut page)?;
            }
            8 => values(header, field, 4, &mut page)?,
            _ => header.skip(field)?,
        }
    }
    Some(page)
}

/// The number of values of a page, and their encoding.
fn values(header: &mut Compact<'_>, field: Field, encoding: i16, page: &mut Page) -> Option<()> {
    // A page is of one kind.
    (Compact::is_struct(field) && page.values == 0).then_some(())?;
    let mut last = 0;
    while let Some(field) = next(header, &mut last)? {
        match field.id {
            1 => page.values = header.number(field)?,
            id if id == encoding => page.encoding = header.number(field)?,
            // The second kind of data pages has levels of these lengths.
            5 | 6 if encoding == 4 => page.levels = page.levels.checked_add(header.number(field)?)?,
            _ => header.skip(field)?,
        }
    }
    Some(())
}
