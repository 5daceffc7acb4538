//! Files that hold more than one picture, or more than pictures: the first one is read, what follows is not looked at.

use clippie_rs::photo::{decode, metadata};

use super::read;
use super::sloppy::{assert_equal, files};

/// Animations (GIF, PNG, WebP) whose frames are smaller than the canvas, lie anywhere on it, are transparent and cleared in
/// every way; TIFF files of pages of several sizes and kinds; a photo with a second one. tools/first_pictures.py makes
/// them, and the digests of Pillow's pixels.
#[test]
fn first_pictures_equal_pillow() {
    let files = files("first.json");
    assert!(files.len() >= 30);
    assert_equal(&files);
}

/// Photos of phones with a film behind them, several photos in one file (MPO), pictures with anything appended.
#[test]
fn what_follows_a_jpeg_is_ignored() {
    let (first, other) = (read("64x48-2.jpg"), read("orientation-6.jpg"));
    let expected = decode(&first, true, "x").unwrap();
    let film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x10mdat12345678";
    for rest in [&other[..], film, b"\0\0\0", b"MotionPhoto_Data", &[0xff; 100], b"\xff\xd8\xff"] {
        let bytes = [&first[..], rest].concat();
        assert!(decode(&bytes, true, "x.mpo").unwrap() == expected);
        assert_eq!(metadata(&bytes, "x.mpo").unwrap().upright_size(), (expected.width(), expected.height()));
    }
    // The index of an MPO file is in a segment that other readers skip.
    let index = [&b"\xff\xe2\0\x14MPF\0II*\0\x08\0\0\0\0\0"[..], &[0; 4]].concat();
    let bytes = [&first[..2], &index, &first[2..], &other].concat();
    assert!(decode(&bytes, true, "x.mpo").unwrap() == expected);
}
