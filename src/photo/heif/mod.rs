//! HEIF: the main picture of a file, one coded picture or a grid of them, cropped and turned as the file states. Pictures
//! are coded with HEVC (HEIC) or AV1 (AVIF).
//!
//! The pixels of HEVC are those of libheif, which Pillow's plugin for HEIF has, those of AV1 are libavif's, which Pillow has.
//! The file's own rotation is applied and that of EXIF ignored. Thumbnails, depth, gain maps and transparency are passed over.

#[cfg(feature = "avif")]
mod av1;
#[cfg_attr(not(feature = "heic"), allow(dead_code, reason = "no picture is decoded"))]
mod colour;
#[cfg(feature = "heic")]
mod hevc;
#[cfg(feature = "avif")]
mod levels;
mod meta;
mod picture;

use std::borrow::Cow;

use super::decode_error::DecodeError;
use super::headers::{self, Headers};
use super::icc::Description;
use super::metadata::Cicp;
use crate::budget::Budget;
use crate::pixels::{RowSink, STRIP};
use colour::{Colours, Planes, Row};
use meta::Meta;
use picture::Picture;

/// Reads what a file states besides its pixels.
pub(super) fn headers<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    let meta = Meta::read(bytes, budget)?;
    let picture = Picture::of(&meta, budget)?;
    let Picture { shown: [_, _, width, height], orientation, .. } = picture;
    let description = |kind: &[u8; 4], media: &[u8]| {
        // Damaged metadata does not make the pixels unreadable.
        meta.content(meta.description(kind, media)?, budget).ok()
    };
    let exif = description(b"Exif", b"").map(exif_block);
    let xmp = description(b"mime", b"application/rdf+xml");
    Ok(Headers {
        width,
        height,
        orientation,
        exif,
        exif_part: &[],
        xmp,
        colours: stated_colours(&meta, &picture, budget),
    })
}

/// Returns what the main picture states about its colours: its container, else that of its first tile, else what is coded. A
/// profile comes before code points (MIAF, ISO/IEC 23000-22).
fn stated_colours<'a>(meta: &Meta<'a>, picture: &Picture, budget: &Budget) -> headers::Colours<'a> {
    let of = |item: u32| meta.properties(item).filter(|(kind, _)| kind == b"colr").map(|(_, content)| content);
    let coded_item = picture.tiles.first().copied();
    let item = if of(meta.primary).next().is_some() { meta.primary } else { coded_item.unwrap_or(meta.primary) };
    let stated = || of(item);
    let profile = |content: &'a [u8]| content.strip_prefix(b"prof").or_else(|| content.strip_prefix(b"rICC"));
    let (profile, cicp) = (stated().find_map(profile).map(Into::into), stated().find_map(colour::cicp));
    // Code points that are reserved count as absent.
    let described = cicp.and_then(Description::of);
    let coded = match (&profile, described) {
        (None, None) => coded_item.and_then(|item| coded_colours(meta, item, budget)),
        _ => None,
    };
    let levels = match (&profile, described.or_else(|| coded.and_then(Description::of))) {
        (Some(_), _) => headers::Levels::Profile,
        (None, Some(described)) => headers::Levels::Described(described),
        (None, None) if stated().any(|content| !content.starts_with(b"nclx")) => {
            headers::Levels::Lost("it is of a kind that is not known")
        }
        (None, None) => headers::Levels::Profile,
    };
    headers::Colours { profile, cicp: coded.or(cicp), levels }
}

/// Returns the code points that a coded picture states itself.
#[cfg_attr(not(any(feature = "avif", feature = "heic")), allow(unused_variables))]
fn coded_colours(meta: &Meta<'_>, item: u32, budget: &Budget) -> Option<Cicp> {
    let codes: Option<[u8; 3]> = match &meta.kind(item)? {
        #[cfg(feature = "avif")]
        b"av01" => av1::colours(meta, item, budget),
        #[cfg(feature = "heic")]
        b"hvc1" | b"hev1" => hevc::colours(meta, item, budget),
        _ => None,
    };
    let codes = codes?;
    let [primaries, transfer, matrix] = codes.map(u16::from);
    // Nothing but unknown ones is no statement.
    (codes != [2; 3]).then_some(Cicp { primaries, transfer, matrix })
}

/// Removes what comes before the TIFF structure: its offset, and as many bytes.
fn exif_block(mut content: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let start = content.first_chunk().and_then(|&offset| (u32::from_be_bytes(offset) as usize).checked_add(4));
    let start = start.filter(|&start| start <= content.len()).unwrap_or(content.len());
    match &mut content {
        Cow::Borrowed(block) => Cow::Borrowed(&block[start..]),
        Cow::Owned(block) => Cow::Owned(block.split_off(start)),
    }
}

/// Decodes a HEIF file to `sink`.
pub(super) fn decode(bytes: &[u8], budget: &Budget, sink: &mut dyn RowSink) -> Result<(), DecodeError> {
    let meta = Meta::read(bytes, budget)?;
    let picture = Picture::of(&meta, budget)?;
    let Picture { tile, shown: [left, top, width, height], orientation, .. } = picture;
    budget.grant_pixels((picture.size.0 * picture.size.1) as u64);
    let colours = colours(&meta, meta.primary);
    #[cfg(feature = "avif")]
    if picture.tiles.first().and_then(|&item| meta.kind(item)) == Some(*b"av01") {
        return decode_av1(&meta, &picture, colours, budget, sink);
    }
    let (mut begun, mut line) = (false, Row::default());
    for (row, tiles) in picture.tiles.chunks(picture.columns).enumerate() {
        // The rows of this row of tiles that are shown.
        let first = row * tile.1;
        let rows = top.max(first)..(top + height).min(first + tile.1);
        if rows.is_empty() {
            continue;
        }
        let mut planes: Vec<Planes> = Vec::new();
        for &item in tiles {
            let mut decoded = decode_item(&meta, item, tile, budget)?;
            // What the container states comes before what the coded picture states.
            if let Some(colours) = colours.or_else(|| self::colours(&meta, item)) {
                decoded.colours = colours;
            }
            if planes.first().is_some_and(|first: &Planes| first.kind() != decoded.kind()) {
                return Err(DecodeError::damaged("its tiles are of several kinds"));
            }
            planes.push(decoded);
        }
        if !std::mem::replace(&mut begun, true) {
            sink.begin(width, height, orientation)?;
        }
        for start in rows.clone().step_by(STRIP) {
            let count = STRIP.min(rows.end - start);
            budget.work((count * width) as u64)?;
            let strip = sink.rows_mut(count).as_chunks_mut::<3>().0;
            for (y, pixels) in (start - first..).zip(strip.chunks_exact_mut(width)) {
                line.convert(&planes, (left, y), orientation.swaps(), pixels);
            }
            sink.commit();
        }
    }
    Ok(())
}

/// Decodes a picture coded with AV1 to `sink`. All of it is held: chroma is interpolated across tiles.
#[cfg(feature = "avif")]
fn decode_av1(
    meta: &Meta<'_>,
    picture: &Picture,
    colours: Option<Colours>,
    budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<(), DecodeError> {
    let stated = |item: u32| colours.or_else(|| self::colours(meta, item));
    let planes = av1::decode(meta, picture, stated, budget)?;
    let [left, top, width, height] = picture.shown;
    sink.begin(width, height, picture.orientation)?;
    let mut converter = levels::Converter::new(&planes);
    for start in (top..top + height).step_by(STRIP) {
        let count = STRIP.min(top + height - start);
        budget.work((count * width) as u64)?;
        let strip = sink.rows_mut(count).as_chunks_mut::<3>().0;
        for (y, pixels) in (start..).zip(strip.chunks_exact_mut(width)) {
            converter.convert((left, y), pixels);
        }
        sink.commit();
    }
    Ok(())
}

/// Returns the colours that an item states.
fn colours(meta: &Meta<'_>, item: u32) -> Option<Colours> {
    meta.properties(item).filter(|(kind, _)| kind == b"colr").find_map(|(_, content)| Colours::of(content))
}

/// Decodes a coded picture.
#[cfg_attr(not(feature = "heic"), allow(unused_variables))]
fn decode_item(meta: &Meta<'_>, item: u32, size: (usize, usize), budget: &Budget) -> Result<Planes, DecodeError> {
    let coded_with = |codec: &str| DecodeError::unsupported(format_args!("its picture is coded with {codec}"));
    let kind = meta.kind(item).ok_or_else(|| DecodeError::damaged("a picture is missing"))?;
    Err(match &kind {
        #[cfg(feature = "heic")]
        b"hvc1" | b"hev1" => return hevc::decode(meta, item, size, budget),
        #[cfg(not(feature = "heic"))]
        b"hvc1" | b"hev1" => DecodeError::unsupported("this build has no decoder of HEVC, the feature heic"),
        #[cfg(feature = "avif")]
        b"av01" => DecodeError::damaged("its tiles are of several kinds"),
        #[cfg(not(feature = "avif"))]
        b"av01" => DecodeError::unsupported("this build has no decoder of AV1, the feature avif"),
        b"avc1" => coded_with("H.264"),
        b"vvc1" | b"evc1" => coded_with("a successor of HEVC"),
        b"jpeg" => coded_with("JPEG"),
        b"j2k1" => coded_with("JPEG 2000"),
        b"unci" => DecodeError::unsupported("its picture is not coded"),
        _ => coded_with("an unknown format"),
    })
}
