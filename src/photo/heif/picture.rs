//! Which coded pictures a HEIF file is put together from, one or the tiles of a grid, and how the result is cropped and
//! turned (ISO/IEC 23008-12, 6.5 and 6.6). Reads no coded picture.

use super::super::boxes::{full, take};
use super::super::decode_error::{DecodeError, checked_size};
use super::meta::Meta;
use crate::budget::Budget;
use crate::pixels::Orientation;

/// The primary picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// Width and height of all of it.
    pub size: (usize, usize),
    /// Its coded pictures, row by row.
    pub tiles: Vec<u32>,
    /// Coded pictures in a row.
    pub columns: usize,
    /// Width and height of each coded picture.
    pub tile: (usize, usize),
    /// The part that is shown: first column and row, width and height.
    pub shown: [usize; 4],
    /// Turns the shown part upright.
    pub orientation: Orientation,
}

impl Picture {
    /// Finds the primary picture and checks its size.
    pub fn of(meta: &Meta<'_>, budget: &Budget) -> Result<Picture, DecodeError> {
        let item = meta.primary;
        let size = size(meta, item, budget)?;
        let (shown, orientation) = transformed(meta, item, size)?;
        let (tiles, columns, tile) = match meta.kind(item).as_ref() {
            Some(b"grid") => tiles(meta, item, size, budget)?,
            Some(b"iovl" | b"iden") => return Err(DecodeError::unsupported("a picture that is made from other ones")),
            Some(_) => (vec![item], 1, size),
            None => return Err(DecodeError::damaged("its main picture is missing")),
        };
        Ok(Picture { size, tiles, columns, tile, shown, orientation })
    }
}

/// Reads the size that an item states.
fn size(meta: &Meta<'_>, item: u32, budget: &Budget) -> Result<(usize, usize), DecodeError> {
    let stated = meta.property(item, b"ispe").and_then(full).and_then(|(_, _, mut sides)| {
        let sides = &mut sides;
        Some((take(sides, 4)?, take(sides, 4)?))
    });
    let (width, height) = stated.ok_or_else(|| DecodeError::damaged("it does not state its size"))?;
    checked_size(width, height, budget)
}

/// Coded pictures, how many are in a row, and the width and height of each.
type Tiles = (Vec<u32>, usize, (usize, usize));

/// Reads a grid: its tiles, how many are in a row, and their size.
fn tiles(meta: &Meta<'_>, item: u32, (width, height): (usize, usize), budget: &Budget) -> Result<Tiles, DecodeError> {
    let wrong = || DecodeError::damaged("its grid contradicts its size");
    let content = meta.content(item, budget)?;
    let mut fields = &content[..];
    let mut grid = || {
        let (_, flags) = (take(&mut fields, 1)?, take(&mut fields, 1)?);
        let (rows, columns) = (take(&mut fields, 1)? as usize + 1, take(&mut fields, 1)? as usize + 1);
        let side = if flags & 1 == 0 { 2 } else { 4 };
        Some((rows, columns, take(&mut fields, side)?, take(&mut fields, side)?))
    };
    let (rows, columns, across, down) = grid().ok_or(DecodeError::Truncated)?;
    let tiles: Vec<u32> = meta.references(item, b"dimg").collect();
    let &first = tiles.first().ok_or_else(wrong)?;
    let tile = size(meta, first, budget)?;
    // The tiles cover the picture, and none is beyond it.
    let covers = |count: usize, side: usize, whole: usize| (count - 1) * side < whole && whole <= count * side;
    if (across, down) != (width as u64, height as u64)
        || tiles.len() != rows * columns
        || !covers(columns, tile.0, width)
        || !covers(rows, tile.1, height)
    {
        return Err(wrong());
    }
    Ok((tiles, columns, tile))
}

/// Reads which part of an item is shown, and how it is turned. Each property applies to the result of those before it.
fn transformed(
    meta: &Meta<'_>,
    item: u32,
    (width, height): (usize, usize),
) -> Result<([usize; 4], Orientation), DecodeError> {
    let mut shown = [0, 0, width, height];
    let mut orientation = Orientation::Upright;
    for (kind, content) in meta.properties(item) {
        let turned = match (&kind, content.first()) {
            (b"irot", Some(turns)) => match turns & 3 {
                0 => Orientation::Upright,
                1 => Orientation::Left,
                2 => Orientation::UpsideDown,
                _ => Orientation::Right,
            },
            (b"imir", Some(axis)) if axis & 1 == 0 => Orientation::Flipped,
            (b"imir", Some(_)) => Orientation::Mirrored,
            (b"clap", _) if orientation != Orientation::Upright => {
                return Err(DecodeError::unsupported("a picture that is cropped after it is turned"));
            }
            (b"clap", _) => {
                shown = aperture(content, (width, height))
                    .ok_or_else(|| DecodeError::damaged("its crop is outside of it"))?;
                continue;
            }
            _ => continue,
        };
        orientation = orientation.then(turned);
    }
    Ok((shown, orientation))
}

/// Reads a clean aperture: width, height and the distance of its centre from the picture's, each as a fraction. Returns
/// the whole pixels of it, as libheif does.
fn aperture(mut content: &[u8], (width, height): (usize, usize)) -> Option<[usize; 4]> {
    let mut fraction = || {
        let (above, below) = (take(&mut content, 4)? as u32 as i32, take(&mut content, 4)? as u32 as i32);
        (below > 0).then(|| f64::from(above) / f64::from(below))
    };
    let (across, down, right, below) = (fraction()?, fraction()?, fraction()?, fraction()?);
    let span = |length: f64, offset: f64, whole: usize| {
        let start = (offset + (whole as f64 - length) / 2.0).round();
        let end = start + length.round();
        (length >= 1.0 && start >= 0.0 && end <= whole as f64).then_some((start as usize, (end - start) as usize))
    };
    let ((left, across), (top, down)) = (span(across, right, width)?, span(down, below, height)?);
    Some([left, top, across, down])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clap(fields: [u32; 8]) -> Vec<u8> {
        fields.iter().flat_map(|field| field.to_be_bytes()).collect()
    }

    #[test]
    fn crops() {
        let minus = |value: i32| value as u32;
        assert_eq!(aperture(&clap([60, 1, 40, 1, 0, 1, 0, 1]), (100, 80)), Some([20, 20, 60, 40]));
        assert_eq!(aperture(&clap([60, 1, 40, 1, minus(-20), 1, 40, 2]), (100, 80)), Some([0, 40, 60, 40]));
        assert_eq!(aperture(&clap([100, 1, 80, 1, 0, 1, 0, 1]), (100, 80)), Some([0, 0, 100, 80]));
        for wrong in [[60, 1, 40, 1, 21, 1, 0, 1], [0, 1, 40, 1, 0, 1, 0, 1], [60, 0, 40, 1, 0, 1, 0, 1]] {
            assert_eq!(aperture(&clap(wrong), (100, 80)), None, "{wrong:?}");
        }
        assert_eq!(aperture(&clap([60, 1, 40, 1, 0, 1, 0, 1])[..31], (100, 80)), None);
    }
}
