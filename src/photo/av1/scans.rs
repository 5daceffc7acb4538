//! The order of coefficients (section 5.11.41), with what depends on a place alone: where its level is kept, and its parts of
//! contexts (section 8.3.2, `coeff_base` and `coeff_br`).

use std::cmp::Ordering;
use std::sync::LazyLock;

use super::sizes::TxSize;

/// Levels are kept in rows that are longer by this: no neighbour that a context looks at lies outside.
pub const PADDING: usize = 4;

/// Which neighbours decide contexts (`get_tx_class`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Both,
    Horizontal,
    Vertical,
}

/// A place in the order.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// In the coded coefficients, row by row.
    pub position: u16,
    /// In the padded levels.
    pub level: u16,
    /// Added to the context of `coeff_base` that follows from its neighbours.
    pub base: u8,
    /// Added to the context of `coeff_br`.
    pub range: u8,
}

/// Orders by class and the logarithms of width and height, less two: of transforms with a side of 64 samples, that of their
/// coded part, but with the contexts of their own shape.
static SCANS: LazyLock<[[[Vec<Place>; 5]; 5]; 3]> = LazyLock::new(|| {
    [Class::Both, Class::Horizontal, Class::Vertical].map(|class| {
        std::array::from_fn(|width| {
            std::array::from_fn(|height| {
                let allowed = width.abs_diff(height) <= 2 && (class == Class::Both || width.max(height) <= 2);
                if allowed { places(class, width + 2, height + 2) } else { Vec::new() }
            })
        })
    })
});

/// The order of the coded part of a transform; transforms of one direction have at most 16 samples a side.
pub fn scan(class: Class, size: TxSize) -> &'static [Place] {
    &SCANS[class as usize][usize::from(size.log2_width) - 2][usize::from(size.log2_height) - 2]
}

fn places(class: Class, log2_width: usize, log2_height: usize) -> Vec<Place> {
    let shape = log2_width.cmp(&log2_height);
    let (width, height) = (1usize << log2_width.min(5), 1usize << log2_height.min(5));
    let mut cells = Vec::new();
    match class {
        Class::Both => {
            for diagonal in 0..width + height - 1 {
                // From the left in a wide block, from above in a tall one, in turns in a square.
                let from_left = width > height || width == height && diagonal % 2 == 0;
                let first = diagonal.saturating_sub(height - 1);
                let last = diagonal.min(width - 1);
                let columns = first..=last;
                let cell = |column: usize| (diagonal - column, column);
                if from_left {
                    cells.extend(columns.map(cell));
                } else {
                    cells.extend(columns.rev().map(cell));
                }
            }
        }
        Class::Horizontal => cells.extend((0..width).flat_map(|column| (0..height).map(move |row| (row, column)))),
        Class::Vertical => cells.extend((0..height).flat_map(|row| (0..width).map(move |column| (row, column)))),
    }
    let place = |(row, column): (usize, usize)| Place {
        position: (row * width + column) as u16,
        level: (row * (width + PADDING) + column) as u16,
        base: base_context(class, row, column, shape),
        range: range_context(class, row, column),
    };
    cells.into_iter().map(place).collect()
}

/// `Coeff_Base_Ctx_Offset` and `Coeff_Base_Pos_Ctx_Offset`.
fn base_context(class: Class, row: usize, column: usize, shape: Ordering) -> u8 {
    match class {
        Class::Horizontal => 26 + 5 * column.min(2) as u8,
        Class::Vertical => 26 + 5 * row.min(2) as u8,
        Class::Both if row + column == 0 => 0,
        Class::Both if shape == Ordering::Less && row < 2 => 11,
        Class::Both if shape == Ordering::Greater && column < 2 => 16,
        Class::Both if row + column < 2 => 1,
        Class::Both if row + column < 4 => 6,
        Class::Both => 21,
    }
}

fn range_context(class: Class, row: usize, column: usize) -> u8 {
    let near = match class {
        Class::Both => row < 2 && column < 2,
        Class::Horizontal => column == 0,
        Class::Vertical => row == 0,
    };
    match near {
        _ if row + column == 0 => 0,
        true => 7,
        false => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(class: Class, log2_width: u8, log2_height: u8) -> Vec<u16> {
        scan(class, TxSize::new(log2_width, log2_height)).iter().map(|place| place.position).collect()
    }

    #[test]
    fn orders_are_those_of_the_specification() {
        assert_eq!(positions(Class::Both, 2, 2), [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15]);
        assert_eq!(positions(Class::Both, 2, 3)[..10], [0, 1, 4, 2, 5, 8, 3, 6, 9, 12]);
        assert_eq!(positions(Class::Both, 3, 2)[..10], [0, 8, 1, 16, 9, 2, 24, 17, 10, 3]);
        assert_eq!(positions(Class::Horizontal, 3, 2)[..6], [0, 8, 16, 24, 1, 9]);
        assert_eq!(positions(Class::Vertical, 3, 2)[..6], [0, 1, 2, 3, 4, 5]);
        assert_eq!((positions(Class::Both, 6, 6).len(), positions(Class::Both, 4, 6).len()), (1024, 512));
    }

    #[test]
    fn contexts_of_places() {
        let contexts = |log2_width, log2_height| -> Vec<_> {
            let places = scan(Class::Both, TxSize::new(log2_width, log2_height));
            places[..6].iter().map(|place| (place.base, place.range)).collect()
        };
        assert_eq!(contexts(3, 3), [(0, 0), (1, 7), (1, 7), (6, 14), (6, 7), (6, 14)]);
        assert_eq!(contexts(2, 4), [(0, 0), (11, 7), (11, 7), (11, 14), (11, 7), (6, 14)]);
        assert_eq!(contexts(5, 6), [(0, 0), (11, 7), (11, 7), (6, 14), (11, 7), (11, 14)]);
        assert_eq!(contexts(4, 2), [(0, 0), (16, 7), (16, 7), (16, 14), (16, 7), (6, 14)]);
    }
}
