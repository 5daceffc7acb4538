//! Tests of the cache with the compiled-in model.

use std::fs;

use super::*;
use crate::weights::WeightsFile;
use crate::{Clip, ErrorKind, Options};

fn encoder(options: Options) -> TextEncoder {
    options.open_weights_text(WeightsFile::demo().unwrap()).unwrap()
}

#[test]
fn cached_rows_have_the_bits_of_encoded_ones() {
    let encoder = encoder(Options::new());
    let cache = TextCache::new(100, 1 << 20);
    let texts = ["a star", "", "a star", "a red circle", " a star"];
    let expected = encoder.encode(texts).unwrap();
    assert_eq!(cache.get_or_encode(&encoder, texts).unwrap(), expected);
    assert_eq!((cache.hits(), cache.misses(), cache.len()), (1, 4, 4));
    assert_eq!(cache.get_or_encode(&encoder, texts).unwrap(), expected);
    assert_eq!((cache.hits(), cache.misses(), cache.len()), (6, 4, 4));
    assert_eq!(cache.rate(), 0.6);
    // One that is there and one that is not, in another order.
    let mixed = cache.get_or_encode(&encoder, ["new", "a red circle", "new"]).unwrap();
    assert_eq!(mixed, encoder.encode(["new", "a red circle", "new"]).unwrap());
    assert_eq!((cache.hits(), cache.misses(), cache.len()), (8, 5, 5));
    assert_eq!(cache.get_or_encode(&encoder, [""; 0]).unwrap().dim(), (0, encoder.embed_dim()));
    assert_eq!(cache.get(encoder.fingerprint(), "new").as_deref(), mixed.row(0).as_slice());
    assert!(cache.get(encoder.fingerprint(), "new ").is_none() && cache.bytes() > 5 * 4 * encoder.embed_dim());
    cache.clear();
    assert_eq!((cache.hits(), cache.misses(), cache.len(), cache.bytes(), cache.rate()), (0, 0, 0, 0, 0.0));
    assert!(cache.is_empty());
}

#[test]
fn bounds_hold_and_the_last_used_stay() {
    let encoder = encoder(Options::new());
    let cache = TextCache::new(3, usize::MAX);
    for text in ["a", "b", "c", "a", "d"] {
        cache.get_or_encode(&encoder, [text]).unwrap();
    }
    let texts: Vec<String> = cache.iter().map(|entry| entry.text).collect();
    assert_eq!(texts, ["c", "a", "d"]);
    // A batch larger than the cache.
    let many: Vec<String> = (0..20).map(|i| format!("{i} stars")).collect();
    assert_eq!(cache.get_or_encode(&encoder, &many).unwrap(), encoder.encode(&many).unwrap());
    assert_eq!(cache.iter().map(|entry| entry.text).collect::<Vec<_>>(), many[17..]);
    for cache in [TextCache::new(0, usize::MAX), TextCache::new(9, 100)] {
        assert_eq!(cache.get_or_encode(&encoder, ["a"]).unwrap(), encoder.encode(["a"]).unwrap());
        assert_eq!((cache.len(), cache.misses()), (0, 1));
    }
}

#[test]
fn models_do_not_share_entries() {
    let unit = encoder(Options::new());
    let raw = encoder(Options::new().normalize(false));
    let cache = TextCache::new(100, 1 << 20);
    let rows = cache.get_or_encode(&unit, ["a star"]).unwrap();
    assert_ne!(cache.get_or_encode(&raw, ["a star"]).unwrap(), rows);
    assert_eq!((cache.hits(), cache.misses()), (0, 2));
    assert_eq!(cache.get_or_encode(&raw, ["a star"]).unwrap(), raw.encode(["a star"]).unwrap());
    // An entry of another length, which somebody inserted, is not used.
    cache.insert(unit.fingerprint(), "a star", vec![1.0]);
    assert_eq!(cache.get_or_encode(&unit, ["a star"]).unwrap(), rows);
}

#[test]
fn errors_count_all_texts_and_long_ones_are_refused_again() {
    let long = "a star ".repeat(500);
    let (lenient, strict) = (encoder(Options::new()), encoder(Options::new().refuse_long_texts(true)));
    assert_eq!(lenient.fingerprint(), strict.fingerprint());
    let cache = TextCache::new(100, 1 << 20);
    cache.get_or_encode(&strict, ["a", "b"]).unwrap();
    let error = cache.get_or_encode(&strict, ["a", "c", "b", &long]).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::Text, Some(3)));
    assert_eq!(error.to_string(), strict.encode(["a", "c", "b", &long]).unwrap_err().to_string());
    assert_eq!(cache.len(), 2);
    // It is there now, but not for an encoder that refuses it.
    cache.get_or_encode(&lenient, [&long]).unwrap();
    assert_eq!(cache.get_or_encode(&strict, [&long]).unwrap_err().index(), Some(0));
}

#[test]
fn threads_use_it_at_once() {
    let encoder = encoder(Options::new());
    let texts: Vec<String> = (0..30).map(|i| format!("{i} red circles")).collect();
    let expected = encoder.encode(&texts).unwrap();
    let cache = TextCache::new(10, 1 << 20);
    std::thread::scope(|scope| {
        for offset in 0..4 {
            let (cache, encoder, texts, expected) = (&cache, &encoder, &texts, &expected);
            scope.spawn(move || {
                for step in 0..40 {
                    let at = (offset * 7 + step) % 28;
                    let rows = cache.get_or_encode(encoder, &texts[at..at + 2]).unwrap();
                    assert_eq!(rows, expected.slice(ndarray::s![at..at + 2, ..]));
                    assert!(cache.len() <= 10);
                }
            });
        }
    });
    assert_eq!(cache.hits() + cache.misses(), 4 * 40 * 2);
}

#[test]
fn files_keep_entries_and_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.cache");
    let (clip, raw) = (Clip::demo().unwrap(), encoder(Options::new().normalize(false)));
    let cache = TextCache::new(100, 1 << 20);
    assert_eq!(cache.load(&path).unwrap(), 0);
    cache.get_or_encode(clip.text(), ["a star", "é\0\n", ""]).unwrap();
    cache.get_or_encode(&raw, ["a star"]).unwrap();
    cache.get_or_encode(clip.text(), ["a star"]).unwrap();
    cache.save(&path).unwrap();
    let other = TextCache::new(100, 1 << 20);
    assert_eq!(other.load(&path).unwrap(), 4);
    assert_eq!(other.iter().collect::<Vec<_>>(), cache.iter().collect::<Vec<_>>());
    let rows = other.get_or_encode(clip.text(), ["", "a star"]).unwrap();
    assert_eq!((rows, other.misses()), (clip.encode_texts(["", "a star"]).unwrap(), 0));
    // Saving replaces; loading adds, within the bounds.
    other.save(&path).unwrap();
    let small = TextCache::new(2, 1 << 20);
    small.insert(clip.fingerprint(), "old", vec![0.5]);
    assert_eq!((small.load(&path).unwrap(), small.len()), (4, 2));
    assert_eq!(small.iter().map(|entry| entry.text).collect::<Vec<_>>(), ["", "a star"]);
    assert_eq!(crate::files::names(folder.path()), ["texts.cache"]);
}

#[test]
fn files_that_cannot_be_used_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.cache");
    let cache = TextCache::new(100, 1 << 20);
    let fingerprint = "00112233445566778899aabbccddeeff".parse().unwrap();
    cache.insert(&fingerprint, "a", vec![1.0]);
    cache.save(&path).unwrap();
    let good = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let fresh = TextCache::new(100, 1 << 20);
        let error = fresh.load(&path).unwrap_err();
        assert_eq!((fresh.len(), error.path()), (0, path.as_path()));
        error.to_string().replace(&path.display().to_string(), "FILE")
    };
    assert_eq!(refused(b"no cache"), "FILE is not a cache of text embeddings; name another file");
    assert_eq!(
        refused(&good[..good.len() - 1]),
        "FILE is damaged: its checksum does not fit; delete it and let it be written again"
    );
    let mut newer = good.clone();
    newer[8] = 2;
    assert_eq!(
        refused(&newer),
        "FILE is a cache of text embeddings of version 2 and this build of clippie-rs reads version 1; update \
         clippie-rs, or delete the file and let it be written again"
    );
    assert!(cache.load(folder.path()).unwrap_err().to_string().starts_with("cannot read "));
    let error = cache.save(folder.path().join("none/texts.cache")).unwrap_err();
    assert!(matches!(error, TextCacheError::Write { .. }) && error.to_string().starts_with("cannot write "), "{error}");
}
