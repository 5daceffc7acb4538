//! The directories of an EXIF block: a TIFF structure. Knows types and places of values, not the meaning of tags.
//!
//! Accepts what Pillow accepts: a magic number with swapped bytes, numbers of every type, and directories that are cut
//! short. Each directory is read once from its start, so the work is bounded by the length of the block.

/// An EXIF block.
#[derive(Clone, Copy)]
pub(in crate::photo) struct Block<'a> {
    bytes: &'a [u8],
    order: Order,
}

impl<'a> Block<'a> {
    /// Opens a block: a TIFF structure, optionally prefixed with `Exif\0\0`.
    pub fn of(exif: &'a [u8]) -> Option<Self> {
        const PREFIX: &[u8] = b"Exif\0\0";
        // Some files have the prefix twice.
        let bytes = exif.strip_prefix(PREFIX).unwrap_or(exif);
        let bytes = bytes.strip_prefix(PREFIX).unwrap_or(bytes);
        let order = match bytes.get(..4)? {
            // Some writers swap the bytes of the magic number too.
            b"II*\0" | b"II\0*" => Order::Little,
            b"MM\0*" | b"MM*\0" | b"MM\0+" => Order::Big,
            // Raw files of Olympus and Panasonic.
            b"IIRO" | b"IIRS" | b"IIU\0" => Order::Little,
            b"MMOR" => Order::Big,
            _ => return None,
        };
        Some(Block { bytes, order })
    }

    /// A block without the header of TIFF, as some makers' notes are.
    pub fn bare(bytes: &'a [u8], little: bool) -> Self {
        Block { bytes, order: if little { Order::Little } else { Order::Big } }
    }

    /// The block without its prefix; offsets count from its start.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first directory, which describes the photo.
    pub fn first(&self) -> Option<Entries<'a>> {
        self.directory(self.first_offset()?)
    }

    /// Where the first directory is.
    pub fn first_offset(&self) -> Option<usize> {
        self.order.four(self.bytes, 4).map(|at| at as usize)
    }

    /// Where the directory after the one at an offset is.
    pub fn next_offset(&self, at: usize) -> Option<usize> {
        let directory = self.bytes.get(at..)?;
        let count = usize::from(self.order.two(directory, 0)?);
        self.order.four(directory, 2 + 12 * count).filter(|&at| at != 0).map(|at| at as usize)
    }

    /// The directory after the first, which describes the embedded thumbnail.
    pub fn second(&self) -> Option<Entries<'a>> {
        self.directory(self.next_offset(self.first_offset()?)?)
    }

    /// The directory at an offset.
    pub fn directory(&self, at: usize) -> Option<Entries<'a>> {
        let directory = self.bytes.get(at..)?;
        let count = usize::from(self.order.two(directory, 0)?);
        let entries = directory.get(2..)?.as_chunks().0;
        Some(Entries { block: *self, entries: entries.get(..count).unwrap_or(entries).iter(), claimed: 0 })
    }
}

/// Iterates over the entries of a directory that have a known type. A value outside of the block ends the directory.
pub(in crate::photo) struct Entries<'a> {
    block: Block<'a>,
    entries: std::slice::Iter<'a, [u8; 12]>,
    /// Bytes that the values of all entries claim.
    claimed: u64,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let Block { bytes, order } = self.block;
        loop {
            let entry = self.entries.next()?;
            let (tag, kind) = (order.two(entry, 0)?, order.two(entry, 2)?);
            let Some(each) = value_size(kind) else {
                continue;
            };
            let size = u64::from(order.four(entry, 4)?) * each;
            let value = if size <= 4 {
                &entry[8..8 + size as usize]
            } else {
                self.claimed += size;
                if self.claimed > bytes.len() as u64 {
                    continue;
                }
                let at = order.four(entry, 8)? as usize;
                let Some(value) = at.checked_add(size as usize).and_then(|end| bytes.get(at..end)) else {
                    self.entries = [].iter();
                    return None;
                };
                value
            };
            return Some(Entry { tag, kind, value, order });
        }
    }
}

/// An entry of a directory.
#[derive(Clone, Copy)]
pub(in crate::photo) struct Entry<'a> {
    pub tag: u16,
    kind: u16,
    /// All values.
    pub value: &'a [u8],
    order: Order,
}

impl<'a> Entry<'a> {
    /// Returns a number; `None` for texts, bytes and missing values.
    pub fn number(&self, index: usize) -> Option<f64> {
        let each = value_size(self.kind)? as usize;
        self.order.number(self.kind, self.value.get(index.checked_mul(each)?..)?)
    }

    /// Returns a whole number that is not negative and fits in 32 bits.
    pub fn whole(&self) -> Option<u32> {
        let number = self.number(0)?;
        (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
    }

    /// Returns a text: its bytes up to the first zero.
    pub fn text(&self) -> Option<&'a [u8]> {
        matches!(self.kind, 1 | 2 | 7).then(|| self.value.split(|&byte| byte == 0).next().unwrap_or_default())
    }
}

/// Returns the size of a value of a TIFF type in bytes.
fn value_size(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 => Some(8),
        _ => None,
    }
}

/// The order of the bytes of a number.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    /// Returns the bytes at `at`, most significant first.
    fn bytes<const N: usize>(self, bytes: &[u8], at: usize) -> Option<[u8; N]> {
        let mut bytes = *bytes.get(at..)?.first_chunk::<N>()?;
        if matches!(self, Order::Little) {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn two(self, bytes: &[u8], at: usize) -> Option<u16> {
        self.bytes(bytes, at).map(u16::from_be_bytes)
    }

    fn four(self, bytes: &[u8], at: usize) -> Option<u32> {
        self.bytes(bytes, at).map(u32::from_be_bytes)
    }

    /// Reads the first number of a value of a TIFF type; `None` for texts and bytes.
    fn number(self, kind: u16, value: &[u8]) -> Option<f64> {
        Some(match kind {
            3 => self.two(value, 0)?.into(),
            4 | 13 => self.four(value, 0)?.into(),
            5 => f64::from(self.four(value, 0)?) / f64::from(self.four(value, 4)?),
            6 => f64::from(*value.first()? as i8),
            8 => (self.two(value, 0)? as i16).into(),
            9 => (self.four(value, 0)? as i32).into(),
            10 => f64::from(self.four(value, 0)? as i32) / f64::from(self.four(value, 4)? as i32),
            11 => f32::from_bits(self.four(value, 0)?).into(),
            12 => f64::from_bits(u64::from_be_bytes(self.bytes(value, 0)?)),
            16 => u64::from_be_bytes(self.bytes(value, 0)?) as f64,
            _ => return None,
        })
    }
}
