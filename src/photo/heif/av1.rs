//! Pictures coded with AV1: an item's units, decoded by `av1`, and the tiles of a picture put together.

use super::super::av1;
use super::super::decode_error::{DecodeError, try_filled};
use super::colour::{Colours, Planes};
use super::meta::Meta;
use super::picture::Picture;
use crate::budget::Budget;

/// Work for a byte of the stream.
const BYTE_WORK: u64 = 16;

/// What precedes the units in the property `av1C`: version, profile, level, flags.
const CONFIGURATION: usize = 4;

/// A coded picture may be larger than what is shown of it: by less than a superblock, and no smaller than this.
const BLOCK: usize = 128;

/// Decodes all tiles of a picture and puts them together.
pub(super) fn decode(
    meta: &Meta<'_>,
    picture: &Picture,
    colours: impl Fn(u32) -> Option<Colours>,
    budget: &Budget,
) -> Result<Planes, DecodeError> {
    let decode = |item: u32| -> Result<Planes, DecodeError> {
        let mut planes = decode_item(meta, item, picture.tile, budget)?;
        // What the container states comes before what the coded picture states.
        if let Some(colours) = colours(item) {
            planes.colours = colours;
        }
        Ok(planes)
    };
    if let &[item] = &picture.tiles[..] {
        return decode(item);
    }
    let mut whole: Option<Planes> = None;
    for (index, &item) in picture.tiles.iter().enumerate() {
        let tile = decode(item)?;
        let whole = match &mut whole {
            Some(whole) if whole.kind() != tile.kind() => {
                return Err(DecodeError::damaged("its tiles are of several kinds"));
            }
            Some(whole) => whole,
            None => whole.insert(empty(&tile, picture.size, budget)?),
        };
        place(whole, &tile, picture.tile, (index % picture.columns, index / picture.columns));
    }
    whole.ok_or_else(|| DecodeError::damaged("a picture is missing"))
}

/// Planes of a size, of the kind of a tile.
fn empty(tile: &Planes, size: (usize, usize), budget: &Budget) -> Result<Planes, DecodeError> {
    let [across, down] = tile.halved.map(usize::from);
    let chroma = match tile.planes[1].is_empty() {
        true => (0, 0),
        false => (size.0.div_ceil(1 + across), size.1.div_ceil(1 + down)),
    };
    budget.memory(2 * (size.0 * size.1 + 2 * chroma.0 * chroma.1) as u64)?;
    let plane = |(width, height): (usize, usize)| try_filled(width, height, 1, 0);
    Ok(Planes { planes: [plane(size)?, plane(chroma)?, plane(chroma)?], size, strides: [size.0, chroma.0], ..*tile })
}

/// Copies a tile to its place; the last ones reach beyond the picture.
fn place(whole: &mut Planes, tile: &Planes, size: (usize, usize), (column, row): (usize, usize)) {
    for (plane, source) in tile.planes.iter().enumerate() {
        let [across, down] = if plane == 0 { [0, 0] } else { tile.halved.map(usize::from) };
        let [from, to] = [tile.strides, whole.strides].map(|strides| strides[usize::from(plane > 0)]);
        if from == 0 || to == 0 {
            continue;
        }
        let (left, top) = ((column * size.0) >> across, (row * size.1) >> down);
        let width = size.0.div_ceil(1 + across).min(to.saturating_sub(left));
        let rows = whole.planes[plane].chunks_exact_mut(to).skip(top);
        for (target, source) in rows.zip(source.chunks_exact(from)).take(size.1.div_ceil(1 + down)) {
            target[left..left + width].copy_from_slice(&source[..width]);
        }
    }
}

/// Returns primaries, transfer characteristics and matrix coefficients that the stream of an item states.
pub(super) fn colours(meta: &Meta<'_>, item: u32, budget: &Budget) -> Option<[u8; 3]> {
    let content = meta.content(item, budget).unwrap_or_default();
    av1::colours(&[configuration(meta, item), &content], budget)
}

/// Returns the units in the property `av1C` of an item.
fn configuration<'a>(meta: &Meta<'a>, item: u32) -> &'a [u8] {
    let configuration = meta.property(item, b"av1C").and_then(|content| content.get(CONFIGURATION..));
    configuration.unwrap_or_default()
}

/// Decodes an item whose pixels are `size`.
fn decode_item(meta: &Meta<'_>, item: u32, size: (usize, usize), budget: &Budget) -> Result<Planes, DecodeError> {
    if meta.kind(item) != Some(*b"av01") {
        return Err(DecodeError::damaged("its tiles are of several kinds"));
    }
    let configuration = configuration(meta, item);
    let content = meta.content(item, budget)?;
    budget.work(BYTE_WORK * (configuration.len() + content.len()) as u64)?;
    let most_pixels = (size.0.next_multiple_of(BLOCK) * size.1.next_multiple_of(BLOCK)) as u64;
    let decoded = av1::decode(&[configuration, &content], most_pixels, budget)?;
    let av1::Decoded { frame, matrix, full_range } = decoded;
    let halved = frame.subsampling;
    let bits = frame.bits as u8;
    let mut planes = frame.planes.into_iter();
    let luma = planes.next().ok_or_else(|| DecodeError::damaged("a picture has no samples"))?;
    if luma.width < size.0 || luma.height < size.1 {
        return Err(DecodeError::damaged("a coded picture is smaller than its size says"));
    }
    let (cb, cr) = (planes.next(), planes.next());
    let strides = [luma.stride, cb.as_ref().map_or(0, |plane| plane.stride)];
    let samples = |plane: Option<av1::Plane>| plane.map(|plane| plane.samples).unwrap_or_default();
    Ok(Planes {
        planes: [luma.samples, samples(cb), samples(cr)],
        size,
        strides,
        halved,
        bits: [bits; 2],
        colours: Colours { matrix, full_range },
    })
}
