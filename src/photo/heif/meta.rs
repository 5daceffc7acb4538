//! The items of a HEIF file (ISO/IEC 14496-12, 8.11): their types, places, properties and references. Knows no codec.

use std::borrow::Cow;

use super::super::boxes::{Boxes, full, take};
use super::super::decode_error::DecodeError;
use crate::budget::Budget;

/// Most items, properties, or references of a file: a grid has at most 65,536 tiles.
const MAX_ENTRIES: usize = 70_000;

/// The items of a file, each list sorted by item.
pub(super) struct Meta<'a> {
    file: &'a [u8],
    pub primary: u32,
    items: Vec<(u32, Item<'a>)>,
    places: Vec<(u32, Place<'a>)>,
    /// Type and content of each property.
    properties: Vec<([u8; 4], &'a [u8])>,
    /// The numbers of an item's properties.
    associations: Vec<(u32, Numbers<'a>)>,
    /// By the item that refers: the type of a reference, and the items to which it leads.
    references: Vec<(u32, ([u8; 4], Numbers<'a>))>,
    /// Content that is not in the file at large.
    data: &'a [u8],
}

/// An item.
#[derive(Clone, Copy)]
struct Item<'a> {
    kind: [u8; 4],
    /// The media type of an item of the type `mime`.
    media: &'a [u8],
}

/// Where an item is.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// 0: in the file, 1: in `idat`, 2: in another item.
    method: u64,
    base: u64,
    /// Sizes of the fields of an extent: index, offset, length.
    sizes: [usize; 3],
    extents: &'a [u8],
}

/// A list of numbers.
#[derive(Clone, Copy)]
struct Numbers<'a> {
    size: usize,
    bytes: &'a [u8],
}

impl<'a> Numbers<'a> {
    fn iter(self) -> impl Iterator<Item = u32> + 'a {
        self.bytes.chunks_exact(self.size).map(|number| number.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
    }
}

/// Sorts by item; of an item that is listed twice, the first entry counts.
fn sorted<T>(mut list: Vec<(u32, T)>) -> Vec<(u32, T)> {
    list.sort_by_key(|(item, _)| *item);
    list
}

/// Finds the first entry of an item.
fn find<T>(list: &[(u32, T)], item: u32) -> Option<&T> {
    list.get(list.partition_point(|(other, _)| *other < item))
        .filter(|(other, _)| *other == item)
        .map(|(_, entry)| entry)
}

/// Appends to a list that is limited.
fn push<T>(list: &mut Vec<T>, entry: T, budget: &Budget) -> Result<(), DecodeError> {
    if list.len() == MAX_ENTRIES {
        return Err(DecodeError::unsupported(format_args!("it has more than {MAX_ENTRIES} items")));
    }
    budget.work(100)?;
    list.push(entry);
    Ok(())
}

impl<'a> Meta<'a> {
    /// Reads the box `meta` of a file.
    pub fn read(file: &'a [u8], budget: &Budget) -> Result<Meta<'a>, DecodeError> {
        budget.work(file.len() as u64)?;
        let Some(meta) = Boxes(file).find(b"meta") else {
            // `moov` without `meta` holds moving pictures.
            return Err(match Boxes(file).find(b"moov") {
                Some(_) => DecodeError::unsupported("a sequence of pictures without a still one"),
                None => DecodeError::Truncated,
            });
        };
        let cut = || DecodeError::damaged("its list of items is cut short");
        let (_, _, content) = full(meta).ok_or_else(cut)?;
        let boxes = Boxes(content);
        let mut meta = Meta {
            file,
            primary: 0,
            items: Vec::new(),
            places: Vec::new(),
            properties: Vec::new(),
            associations: Vec::new(),
            references: Vec::new(),
            data: boxes.find(b"idat").unwrap_or_default(),
        };
        let required = |kind: &[u8; 4]| boxes.find(kind).and_then(full).ok_or_else(cut);
        let (version, _, mut primary) = required(b"pitm")?;
        meta.primary = take(&mut primary, if version == 0 { 2 } else { 4 }).ok_or_else(cut)? as u32;
        meta.read_items(required(b"iinf")?, budget)?;
        meta.read_places(required(b"iloc")?, budget)?;
        meta.read_properties(boxes.find(b"iprp").ok_or_else(cut)?, budget)?;
        if let Some(references) = boxes.find(b"iref").and_then(full) {
            meta.read_references(references, budget)?;
        }
        Ok(meta)
    }

    fn read_items(&mut self, (version, _, content): (u8, u32, &'a [u8]), budget: &Budget) -> Result<(), DecodeError> {
        let entries = content.get(if version == 0 { 2 } else { 4 }..).unwrap_or_default();
        for entry in Boxes(entries).filter(|entry| entry.kind == *b"infe") {
            let Some((version @ 2.., _, mut fields)) = full(entry.content) else { continue };
            let id = take(&mut fields, if version == 2 { 2 } else { 4 });
            let (Some(id), Some(_)) = (id, take(&mut fields, 2)) else { continue };
            let Some((&kind, texts)) = fields.split_first_chunk() else { continue };
            // After the name.
            let media = texts.split(|&byte| byte == 0).nth(1).unwrap_or_default();
            push(&mut self.items, (id as u32, Item { kind, media }), budget)?;
        }
        self.items = sorted(std::mem::take(&mut self.items));
        Ok(())
    }

    fn read_places(&mut self, (version, _, mut rest): (u8, u32, &'a [u8]), budget: &Budget) -> Result<(), DecodeError> {
        let rest = &mut rest;
        let id_size = if version < 2 { 2 } else { 4 };
        let Some(sizes) = take(rest, 2).map(|sizes| [12, 8, 4, 0].map(|shift| (sizes >> shift & 15) as usize)) else {
            return Ok(());
        };
        let [offset, length, base, index] = sizes;
        let index = if version == 0 { 0 } else { index };
        if sizes.iter().any(|&size| size > 8) {
            return Err(DecodeError::damaged("the places of its items have no valid size"));
        }
        let Some(count) = take(rest, id_size) else { return Ok(()) };
        for _ in 0..count {
            let mut place = || -> Option<(u32, Place<'a>)> {
                let id = take(rest, id_size)? as u32;
                let method = if version == 0 { 0 } else { take(rest, 2)? & 15 };
                // Whether the content is in another file is not looked at: that file is not here.
                take(rest, 2)?;
                let base = take(rest, base)?;
                let count = take(rest, 2)? as usize;
                let (extents, after) = rest.split_at_checked(count * (index + offset + length))?;
                *rest = after;
                Some((id, Place { method, base, sizes: [index, offset, length], extents }))
            };
            // A list that is cut short may hold the items that matter.
            let Some(place) = place() else { break };
            push(&mut self.places, place, budget)?;
        }
        self.places = sorted(std::mem::take(&mut self.places));
        Ok(())
    }

    fn read_properties(&mut self, content: &'a [u8], budget: &Budget) -> Result<(), DecodeError> {
        for property in Boxes(Boxes(content).find(b"ipco").unwrap_or_default()) {
            push(&mut self.properties, (property.kind, property.content), budget)?;
        }
        for association in Boxes(content).filter(|found| found.kind == *b"ipma") {
            let Some((version, flags, mut rest)) = full(association.content) else { continue };
            let size = if flags & 1 == 0 { 1 } else { 2 };
            let Some(count) = take(&mut rest, 4) else { continue };
            for _ in 0..count {
                let id = take(&mut rest, if version == 0 { 2 } else { 4 });
                let (Some(id), Some(count)) = (id, take(&mut rest, 1)) else { break };
                let Some((bytes, after)) = rest.split_at_checked(count as usize * size) else { break };
                rest = after;
                push(&mut self.associations, (id as u32, Numbers { size, bytes }), budget)?;
            }
        }
        self.associations = sorted(std::mem::take(&mut self.associations));
        Ok(())
    }

    fn read_references(
        &mut self,
        (version, _, content): (u8, u32, &'a [u8]),
        budget: &Budget,
    ) -> Result<(), DecodeError> {
        let size = if version == 0 { 2 } else { 4 };
        for reference in Boxes(content) {
            let mut rest = reference.content;
            let (Some(from), Some(count)) = (take(&mut rest, size), take(&mut rest, 2)) else { continue };
            let bytes = rest.get(..count as usize * size).unwrap_or_default();
            push(&mut self.references, (from as u32, (reference.kind, Numbers { size, bytes })), budget)?;
        }
        self.references = sorted(std::mem::take(&mut self.references));
        Ok(())
    }

    /// Returns the type of an item.
    pub fn kind(&self, item: u32) -> Option<[u8; 4]> {
        find(&self.items, item).map(|item| item.kind)
    }

    /// Returns the content of an item's first property of a type.
    pub fn property(&self, item: u32, kind: &[u8; 4]) -> Option<&'a [u8]> {
        self.properties(item).find(|(found, _)| found == kind).map(|(_, content)| content)
    }

    /// Returns the properties of an item, in the order in which they apply.
    pub fn properties(&self, item: u32) -> impl Iterator<Item = ([u8; 4], &'a [u8])> {
        let numbers = find(&self.associations, item);
        numbers.into_iter().flat_map(move |numbers| {
            // The first bit says whether a reader has to know the property.
            let bits = 8 * numbers.size as u32 - 1;
            numbers.iter().filter_map(move |number| {
                let index = (number & !(1 << bits)).checked_sub(1)?;
                self.properties.get(index as usize).copied()
            })
        })
    }

    /// Returns the items to which an item's references of a type lead.
    pub fn references(&self, item: u32, kind: &[u8; 4]) -> impl Iterator<Item = u32> {
        let start = self.references.partition_point(|(from, _)| *from < item);
        let own = self.references[start..].iter().take_while(move |(from, _)| *from == item);
        let first = own.map(|(_, reference)| *reference).find(|(found, _)| found == kind);
        first.into_iter().flat_map(|(_, numbers)| numbers.iter())
    }

    /// Returns the content of the first item of a type, and for `mime` of a media type, that describes the primary item.
    pub fn description(&self, kind: &[u8; 4], media: &[u8]) -> Option<u32> {
        let mut items = self.items.iter().filter(|(_, item)| item.kind == *kind && item.media.starts_with(media));
        items.find(|(id, _)| self.references(*id, b"cdsc").any(|to| to == self.primary)).map(|(id, _)| *id)
    }

    /// Returns the parts of an item's content.
    pub fn parts(&self, item: u32) -> Result<impl Iterator<Item = Result<&'a [u8], DecodeError>>, DecodeError> {
        let place = *find(&self.places, item).ok_or_else(|| DecodeError::damaged("an item has no place"))?;
        let source = match place.method {
            0 => self.file,
            1 => self.data,
            _ => return Err(DecodeError::unsupported("an item is a part of another one")),
        };
        let [index, offset, length] = place.sizes;
        // Without fields, an extent is everything.
        let each = (index + offset + length).max(1);
        let whole: &[u8] = if index + offset + length == 0 { &[0] } else { place.extents };
        Ok(whole.chunks_exact(each).map(move |mut extent| {
            let extent = &mut extent;
            take(extent, index).ok_or(DecodeError::Truncated)?;
            let at = take(extent, offset).and_then(|at| at.checked_add(place.base)).ok_or(DecodeError::Truncated)?;
            let rest = usize::try_from(at).ok().and_then(|at| source.get(at..)).ok_or(DecodeError::Truncated)?;
            match take(extent, length).unwrap_or(0) {
                // To the end.
                0 => Ok(rest),
                length => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    rest.get(..length).ok_or(DecodeError::Truncated)
                }
            }
        }))
    }

    /// Returns the content of an item, put together if it is split.
    pub fn content(&self, item: u32, budget: &Budget) -> Result<Cow<'a, [u8]>, DecodeError> {
        let mut parts = self.parts(item)?;
        let Some(first) = parts.next() else { return Ok(Cow::Borrowed(&[])) };
        let mut content = Cow::Borrowed(first?);
        for part in parts {
            let part = part?;
            budget.memory(part.len() as u64)?;
            budget.work(part.len() as u64 + 100)?;
            content.to_mut().extend_from_slice(part);
        }
        Ok(content)
    }
}
