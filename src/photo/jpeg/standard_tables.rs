//! The typical Huffman tables of ITU-T T.81, annex K.3, which frames cut from a video rely on.

use super::huffman::Table;

const DC_COUNTS: [[u8; 16]; 2] =
    [[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]];
const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

const AC_COUNTS: [[u8; 16]; 2] =
    [[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d], [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77]];

/// The symbols with the shortest codes, in order of their codes.
const AC_SYMBOLS: [&[u8]; 2] = [
    b"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\
      \x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82",
    b"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\
      \xa1\xb1\xc1\x09\x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1",
];

/// Returns the DC (class 0) or AC (class 1) table of slot 0 (luminance) or 1 (chrominance).
pub(super) fn get(class: usize, slot: usize) -> Option<Table> {
    if class == 0 {
        return Table::new(DC_COUNTS.get(slot)?, &DC_SYMBOLS).ok();
    }
    let mut symbols = AC_SYMBOLS.get(slot)?.to_vec();
    // All other symbols have codes of 16 bits, in order of their value.
    for symbol in 1..=0xfau8 {
        if (1..=10).contains(&(symbol & 15)) && !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    Table::new(&AC_COUNTS[slot], &symbols).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn tables_are_complete() {
        for class in 0..2 {
            assert_eq!([0, 1, 2].map(|slot| super::get(class, slot).is_some()), [true, true, false]);
        }
    }
}
