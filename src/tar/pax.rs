//! Records of pax: `LENGTH KEY=VALUE` and a newline each, by which an entry has a long name or a large size.

/// What records say of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub name: Option<Vec<u8>>,
    pub size: Option<u64>,
    /// Whether holes are left out of the file.
    pub sparse: bool,
}

impl Records {
    /// Adds records; later ones have precedence, and an empty value takes one back. `None` if they make no sense.
    pub fn add(&mut self, mut bytes: &[u8]) -> Option<()> {
        // Some programs fill the block with zeros.
        while bytes.iter().any(|&byte| byte != 0) {
            let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
            let len: usize = decimal(bytes.get(..space)?)?;
            let record = bytes.get(space + 1..len)?.strip_suffix(b"\n")?;
            bytes = bytes.get(len..)?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
            match key {
                b"path" if value.contains(&0) => return None,
                b"path" => self.name = (!value.is_empty()).then(|| value.to_vec()),
                b"size" if value.is_empty() => self.size = None,
                b"size" => self.size = Some(decimal(value)?),
                key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
        }
        Some(())
    }
}

fn decimal<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Records> {
        let mut records = Records::default();
        records.add(bytes).map(|()| records)
    }

    #[test]
    fn records_are_read() {
        let found = read(b"13 path=a=\n.\n22 mtime=1234567890.5\n13 size=1000\n\0\0").unwrap();
        assert_eq!(found, Records { name: Some(b"a=\n.".to_vec()), size: Some(1000), sparse: false });
        assert_eq!(read(b"10 path=a\n8 path=\n"), Some(Records::default()));
        assert!(read(b"22 GNU.sparse.major=1\n").unwrap().sparse);
        assert_eq!(read(b""), Some(Records::default()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            &b"path=a\n"[..],
            b"11 path=a\n",
            b"8 path=a\n",
            b"10 path=a ",
            b"0 a=b\n",
            b"2 \n",
            b"99999999999999999999 a=b\n",
            b"18446744073709551615 a=b\n",
            b"+10 path=a\n",
            b"10 pathaa\n",
            b"9 size=-\n",
            b"29 size=99999999999999999999\n",
            b"11 path=\0a\n",
        ] {
            assert_eq!(read(wrong), None, "{:?}", String::from_utf8_lossy(wrong));
        }
    }
}
