//! Tests of what idle threads share.

use std::ops::Range;

use clippie_testkit::jpeg::{self, CAMERA, Kind, Scans};

use crate::photo::{self, Error, RgbBuffer};
use crate::threads::{self, Pool};

/// What one thread makes of a photo, which four threads together must make, too.
fn decoded(bytes: &[u8], enough: Option<usize>) -> Result<RgbBuffer, Error> {
    let decode = || match enough {
        None => photo::decode(bytes, true, "x.jpg"),
        Some(enough) => photo::decode_reduced(bytes, true, enough, "x.jpg"),
    };
    let alone = decode();
    let together = Pool::new(4).install(|| {
        threads::with_idle(true, || {
            assert_eq!(threads::idle(), 4);
            decode()
        })
    });
    assert!(alone == together, "{:?} {:?}", alone.err(), together.err());
    alone
}

const ORDINARY: &[(usize, usize)] = &[(2, 2), (1, 1), (1, 1)];
const WHOLE: &[(usize, usize)] = &[(1, 1), (1, 1), (1, 1)];
const WIDE: &[(usize, usize)] = &[(2, 1), (1, 1), (1, 1)];

/// Restart intervals of half a row, a row, some rows, and lengths that never or seldom begin with one; a last row with little
/// in it; several scans, of which nothing is shared.
#[test]
fn threads_share_a_photo_without_a_trace() {
    for (sampling, restart_interval, scans, (width, height)) in [
        (ORDINARY, 35, Scans::One, (1120, 690)),
        (ORDINARY, 70, Scans::One, (1120, 690)),
        (ORDINARY, 210, Scans::One, (1113, 741)),
        (ORDINARY, 1, Scans::One, (1120, 690)),
        (ORDINARY, 71, Scans::One, (1120, 690)),
        (ORDINARY, 700, Scans::One, (1120, 1003)),
        (WHOLE, 120, Scans::One, (953, 601)),
        (WIDE, 30, Scans::One, (953, 801)),
        (&[(1, 1)], 150, Scans::One, (1200, 1001)),
        (ORDINARY, 0, Scans::Progressive, (1113, 741)),
        (WIDE, 7, Scans::Progressive, (1113, 741)),
        (WHOLE, 9, Scans::Separate, (1113, 741)),
    ] {
        let kind = Kind { sampling, restart_interval, scans, orientation: 6 };
        let bytes = jpeg::encode(width, height, &kind, jpeg::pixel);
        let photo = decoded(&bytes, None).unwrap();
        assert_eq!((photo.width(), photo.height()), (height, width));
        let reduced = decoded(&bytes, Some(300)).unwrap();
        assert_eq!(reduced.width(), height.div_ceil(2));
    }
}

/// Bytes that are changed, left out, put in or cut off, in the data of a photo: the same pixels, or the same error.
#[test]
fn threads_find_the_same_damage() {
    let kind = Kind { restart_interval: 35, ..CAMERA };
    let whole = jpeg::encode(1120, 690, &kind, jpeg::pixel);
    let start = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 14;
    let mut state = 1u64;
    let mut random = |range: Range<usize>| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        range.start + (state >> 33) as usize % range.len()
    };
    let mut errors = std::collections::BTreeMap::new();
    for round in 0..120 {
        let mut bytes = whole.clone();
        let at = random(start..bytes.len());
        match round % 6 {
            0 => bytes[at] ^= 1 << random(0..8),
            1 => _ = bytes.remove(at),
            2 => bytes.insert(at, random(0..256) as u8),
            3 => bytes.truncate(at),
            4 => {
                bytes[at..].iter_mut().take(2).zip([0xff, 0xd0 + random(0..10) as u8]).for_each(|(to, from)| *to = from)
            }
            _ => {
                // A marker or what follows one.
                let markers = bytes[..bytes.len() - 2].windows(2).enumerate().skip(start);
                let markers = markers.filter(|(_, pair)| pair[0] == 0xff && pair[1] & 0xf8 == 0xd0).map(|(at, _)| at);
                let markers: Vec<usize> = markers.collect();
                bytes[markers[random(0..markers.len())] + random(0..3)] = random(0..256) as u8;
            }
        }
        let outcome = decoded(&bytes, None).err().map(|error| error.to_string()).unwrap_or_default();
        *errors.entry(outcome).or_insert(0) += 1;
    }
    assert!(errors.len() >= 4, "{errors:?}");
}
