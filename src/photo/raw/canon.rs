//! Canon's CR3: boxes with the metadata, two previews, and the tracks of a film, one of which is a JPEG file of full size.
//! The layout is as Laurent Clévy and ExifTool describe it.

use super::super::boxes::{Boxes, take};

/// The boxes that hold metadata and thumbnail, and the larger preview.
const METADATA: [u8; 16] = 0x85c0_b687_820f_11e0_8111_f4ce_462b_6a48_u128.to_be_bytes();
const PREVIEW: [u8; 16] = 0xeaf4_2b5e_1c98_4b88_b9fb_b7dc_406e_4d16_u128.to_be_bytes();

/// Most tracks that are looked at.
const MAX_TRACKS: usize = 16;

/// Most bytes of each of the blocks that the metadata is put together from.
const MAX_BLOCK: usize = 1 << 20;

/// Returns the content of Canon's box of this kind.
fn canon(boxes: Boxes<'_>, kind: [u8; 16]) -> Option<&[u8]> {
    boxes.filter(|found| found.kind == *b"uuid").find_map(|found| found.content.strip_prefix(&kind[..]))
}

/// Returns the parts of the file that may be JPEG files.
pub(super) fn pictures(bytes: &[u8]) -> Vec<&[u8]> {
    let mut pictures = Vec::new();
    let film = Boxes(bytes).find(b"moov").unwrap_or_default();
    let thumbnail = canon(Boxes(film), METADATA).and_then(|content| Boxes(content).find(b"THMB"));
    // Eight bytes come before the box.
    let large = canon(Boxes(bytes), PREVIEW).and_then(|content| Boxes(content.get(8..)?).find(b"PRVW"));
    // A header of sixteen bytes: version, width, height, length.
    pictures.extend([thumbnail, large].into_iter().flatten().filter_map(|content| content.get(16..)));
    for track in Boxes(film).filter(|found| found.kind == *b"trak").take(MAX_TRACKS) {
        pictures.extend(sample(bytes, track.content));
    }
    pictures
}

/// Returns the first sample of a track.
fn sample<'a>(bytes: &'a [u8], track: &[u8]) -> Option<&'a [u8]> {
    let media = Boxes(track).find(b"mdia")?;
    let table = Boxes(Boxes(Boxes(media).find(b"minf")?).find(b"stbl")?);
    let mut sizes = table.find(b"stsz")?.get(4..)?;
    let all = take(&mut sizes, 4)?;
    let count = take(&mut sizes, 4)?;
    let length = if all == 0 && count > 0 { take(&mut sizes, 4)? } else { all };
    let (chunks, width) =
        table.find(b"co64").map(|chunks| (chunks, 8)).or(table.find(b"stco").map(|chunks| (chunks, 4)))?;
    let offset = take(&mut chunks.get(8..)?, width)?;
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    Some(&rest[..rest.len().min(usize::try_from(length).ok()?)])
}

/// Puts the metadata together as one EXIF block. The file has a block for the first directory, one for that of EXIF, and one
/// for the place.
pub(super) fn exif(bytes: &[u8]) -> Option<Vec<u8>> {
    let metadata = canon(Boxes(Boxes(bytes).find(b"moov")?), METADATA)?;
    let block =
        |kind| Boxes(metadata).find(kind).filter(|block| block.len() <= MAX_BLOCK && block.starts_with(b"II*\0"));
    let main = block(b"CMT1")?;
    let mut out = main.to_vec();
    let mut entries = entries(main)?.to_vec();
    for (tag, kind) in [(0x8769_u16, b"CMT2"), (0x8825, b"CMT4")] {
        let Some(directory) = block(kind) else { continue };
        let Some(inner) = self::entries(directory) else { continue };
        out.resize(out.len().next_multiple_of(2), 0);
        let start = out.len() as u32;
        out.extend_from_slice(directory);
        // Its offsets count from its own start.
        let at = out.len() as u32;
        let moved: Vec<[u8; 12]> = inner.iter().map(|entry| moved(entry, start)).collect();
        append(&mut out, &moved);
        let mut pointer = [0; 12];
        pointer[..2].copy_from_slice(&tag.to_le_bytes());
        pointer[2..8].copy_from_slice(&[4, 0, 1, 0, 0, 0]);
        pointer[8..].copy_from_slice(&at.to_le_bytes());
        entries.retain(|entry| entry[..2] != tag.to_le_bytes());
        entries.push(pointer);
    }
    let at = out.len() as u32;
    append(&mut out, &entries);
    out.get_mut(4..8)?.copy_from_slice(&at.to_le_bytes());
    Some(out)
}

/// Writes a directory.
fn append(out: &mut Vec<u8>, entries: &[[u8; 12]]) {
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend(entries.as_flattened());
    out.extend([0; 4]);
}

/// The entries of the first directory of a block.
fn entries(block: &[u8]) -> Option<&[[u8; 12]]> {
    let at = u32::from_le_bytes(*block.get(4..)?.first_chunk()?) as usize;
    let directory = block.get(at..)?;
    let count = usize::from(u16::from_le_bytes(*directory.first_chunk()?));
    directory.get(2..)?.as_chunks().0.get(..count)
}

/// An entry whose value, if it is elsewhere, is `by` bytes further.
fn moved(entry: &[u8; 12], by: u32) -> [u8; 12] {
    let mut entry = *entry;
    let [_, _, kind, _, count @ .., a, b, c, d] = entry;
    let size = match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        _ => 8,
    };
    if u64::from(u32::from_le_bytes(count)) * size > 4 {
        let offset = u32::from_le_bytes([a, b, c, d]).saturating_add(by);
        entry[8..].copy_from_slice(&offset.to_le_bytes());
    }
    entry
}
