//! Tests of picture hashes.

use super::*;
use crate::pixels::RgbBuffer;

/// A picture of some soft blobs, which depends on `seed`.
fn picture(width: usize, height: usize, seed: u32, contrast: f64, bright: f64) -> RgbBuffer {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    let blobs: Vec<[f64; 7]> = (0..12).map(|_| std::array::from_fn(|_| random())).collect();
    let mut data = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (x, y) = (x as f64 / width as f64, y as f64 / height as f64);
            let mut colour = [bright; 3];
            for [bx, by, size, red, green, blue, sign] in &blobs {
                let distance = ((x - bx).powi(2) + (y - by).powi(2)) / (0.02 + 0.05 * size);
                let weight = (-distance).exp() * contrast * (if *sign > 0.5 { 1.0 } else { -1.0 });
                colour.iter_mut().zip([red, green, blue]).for_each(|(out, part)| *out += weight * (0.5 + part));
            }
            data.extend(colour.map(|level| level.clamp(0.0, 255.0) as u8));
        }
    }
    RgbBuffer::new(width, height, data).unwrap()
}

fn turned(photo: &RgbBuffer, orientation: u32) -> RgbBuffer {
    let (width, height, data) =
        Orientation::from_exif(orientation).apply(photo.width(), photo.height(), photo.data().to_vec()).unwrap();
    RgbBuffer::new(width, height, data).unwrap()
}

/// Half the size, and a change of each pixel by up to a level.
fn saved_again(photo: &RgbBuffer) -> RgbBuffer {
    let (width, height) = (photo.width() / 2, photo.height() / 2);
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let level = |x: usize, y: usize| u32::from(photo.data()[(y * photo.width() + x) * 3 + channel]);
                let sum = level(2 * x, 2 * y) + level(2 * x + 1, 2 * y) + level(2 * x, 2 * y + 1);
                let mean = (sum + level(2 * x + 1, 2 * y + 1) + 2) / 4;
                let noise = (x * 7 + y * 13) % 3;
                data.push((mean as u8).saturating_add(noise as u8).saturating_sub(1));
            }
        }
    }
    RgbBuffer::new(width, height, data).unwrap()
}

#[test]
fn bytes_are_read_back_and_only_of_this_version() {
    let hash = PictureHash::of(&picture(60, 40, 1, 60.0, 128.0));
    let bytes = hash.to_bytes();
    assert_eq!((PictureHash::from_bytes(&bytes), bytes.len()), (Some(hash), PictureHash::LEN));
    assert_eq!(PictureHash::from_bytes(&bytes[1..]), None);
    for version in [0, 2, 255] {
        let mut other = bytes;
        other[0] = version;
        assert_eq!(PictureHash::from_bytes(&other), None);
    }
    // Whatever the bytes are, nothing overflows.
    for byte in [0, 1, 127, 128, 255] {
        let mut any = [byte; PictureHash::LEN];
        (any[0], any[1]) = (VERSION, byte & 7);
        let any = PictureHash::from_bytes(&any).unwrap();
        assert_eq!(any.matches(&any).map(|found| (found.turned, found.distance)), Some((1, 0.0)));
        assert_eq!(any.matches(&hash), None);
        assert_eq!(same_pictures(&[any, hash, any]).len(), 1);
    }
}

#[test]
fn bits_are_the_same_everywhere() {
    use sha2::{Digest, Sha256};
    let hash = PictureHash::of(&RgbBuffer::new(50, 30, (0..4500u32).map(|i| ((i * i) >> 7) as u8).collect()).unwrap());
    let digest: String = Sha256::digest(hash.to_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(&digest[..16], "0622c477df67458d");
}

#[test]
fn a_turned_photo_has_the_turned_hash() {
    let photo = picture(90, 50, 3, 50.0, 120.0);
    let hash = PictureHash::of(&photo);
    for orientation in 1..=8 {
        let other = PictureHash::of(&turned(&photo, orientation));
        // The orientation that turns the stored photo gives the other; so it also turns `hash` like `other`.
        let found = other.matches(&hash).unwrap();
        assert_eq!((u32::from(found.turned), found.distance), (orientation, 0.0));
        let stored = Orientation::from_exif(orientation);
        let mut sums = AreaSums::new(90, 50, SIDE, SIDE).unwrap();
        sums.rows(photo.data(), 270);
        assert_eq!(PictureHash::finish(&sums, stored), other);
    }
}

#[test]
fn copies_match_and_others_do_not() {
    for (contrast, bright) in [(60.0, 128.0), (20.0, 30.0), (20.0, 220.0)] {
        let photos: Vec<RgbBuffer> = (0..12).map(|seed| picture(160, 120, seed, contrast, bright)).collect();
        let hashes: Vec<PictureHash> = photos.iter().map(PictureHash::of).collect();
        for (i, photo) in photos.iter().enumerate() {
            for orientation in [1, 2, 6, 8] {
                let copy = PictureHash::of(&turned(&saved_again(photo), orientation));
                for (k, hash) in hashes.iter().enumerate() {
                    let found = copy.matches(hash);
                    assert_eq!(found.is_some(), i == k, "{i} {k} {orientation} {contrast}: {found:?}");
                    assert!(found.is_none_or(|found| u32::from(found.turned) == orientation));
                }
            }
        }
    }
}

#[test]
fn flat_pictures_match_only_if_their_levels_and_colours_agree() {
    let flat = |colour: [u8; 3]| PictureHash::of(&RgbBuffer::new(40, 30, colour.repeat(1200)).unwrap());
    let grey = flat([100; 3]);
    assert!(grey.matches(&flat([100; 3])).is_some());
    for other in [[104, 104, 104], [96, 96, 96], [112, 94, 100], [0, 0, 0], [255, 255, 255]] {
        assert_eq!(grey.matches(&flat(other)), None, "{other:?}");
    }
}

#[test]
fn groups_are_found_among_many() {
    let mut hashes = Vec::new();
    let photos: Vec<RgbBuffer> = (0..60).map(|seed| picture(64, 48, seed, 50.0, 128.0)).collect();
    hashes.extend(photos.iter().map(PictureHash::of));
    let originals = hashes.len();
    let orientations = [1, 3, 5, 7, 8];
    for (i, photo) in photos.iter().enumerate().step_by(3) {
        hashes.push(PictureHash::of(&turned(&saved_again(photo), orientations[i / 3 % 5])));
    }
    let found = same_pictures(&hashes);
    assert_eq!(found.len(), hashes.len() - originals);
    for (at, same) in found.iter().enumerate() {
        assert_eq!((same.first, same.other), (3 * at, originals + at));
        assert_eq!(hashes[same.first].matches(&hashes[same.other]), Some(same.found));
    }
    // All of one group match its first.
    let copies = vec![hashes[0]; 5000];
    assert!(same_pictures(&copies).iter().enumerate().all(|(at, same)| (same.first, same.other) == (0, at + 1)));
    assert!(same_pictures(&[]).is_empty());
}
