//! Embeddings of texts, kept because texts are asked for again: in memory, and in the library for later processes.

use std::sync::Arc;

use super::error::Error;
use super::store::{ModelRow, Store};
use crate::clip::{TextCache, TextEncoder};

/// Texts and bytes that a library keeps in memory: the texts of 2,048 searches at a length of 512 take 4.6 MB.
pub(super) const IN_MEMORY: (usize, usize) = (2048, 8 << 20);

/// The unit embedding of a text: the one in memory, else the one in the library, else a new one, which is kept in both;
/// in the library only where it can be written. The library keeps nothing of a model in another precision than `model`,
/// whose own texts would be taken for its.
pub(super) fn embedding(
    cache: &TextCache,
    store: &Store,
    model: &ModelRow,
    encoder: &TextEncoder,
    text: &str,
) -> Result<Arc<[f32]>, Error> {
    let known_as = encoder.cached_as(text);
    let is_its_own = encoder.fingerprint().as_str() == model.fingerprint;
    let keep = |vector: &[f32]| {
        if store.is_read_only() || !is_its_own {
            return Ok(());
        }
        match store.put_text(model, &known_as, vector) {
            // A search goes on where only keeping fails.
            Err(Error::Full { .. } | Error::ReadOnly { .. } | Error::Busy { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    };
    let stored = || if is_its_own { store.text(model, &known_as) } else { Ok(None) };
    cache.through(encoder, text, stored, keep)
}

#[cfg(all(test, feature = "demo"))]
mod tests {
    use super::*;
    use crate::clip::Clip;
    use crate::library::Library;

    #[test]
    fn texts_are_encoded_once_for_all_processes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library.sqlite");
        let clip = Clip::demo().unwrap();
        let expected = clip.encode_texts(["a star"]).unwrap();
        let find = |library: &Library| {
            let store = library.store().unwrap();
            let model = store.add_model(clip.fingerprint().as_str(), "demo", clip.embed_dim()).unwrap();
            embedding(library.texts(), &store, &model, clip.text(), "a star").unwrap()
        };
        let library = Library::create(&path).unwrap();
        for hits in 0..3 {
            assert_eq!(*find(&library), *expected.as_slice().unwrap());
            assert_eq!((library.texts().hits(), library.texts().misses(), library.texts().len()), (hits, 1, 1));
        }
        assert!((library.clone().texts().rate() - 2.0 / 3.0).abs() < 1e-9);
        // As in another process, and once more after the file lost it.
        let other = Library::open(&path).unwrap();
        for hits in 1..3 {
            assert_eq!((*find(&other)).to_vec(), expected.row(0).to_vec());
            assert_eq!((other.texts().hits(), other.texts().misses()), (hits, 0));
            other.store().unwrap().run(|connection| connection.execute("DELETE FROM text", [])).unwrap();
        }
        // While another process writes for long, a new text does not wait for it.
        let model = other.store().unwrap().model(clip.fingerprint().as_str()).unwrap().unwrap();
        let (writer, store) = (other.store().unwrap(), library.store().unwrap());
        let started = std::time::Instant::now();
        let busy = writer.write(|_| embedding(library.texts(), &store, &model, clip.text(), "a moon"));
        assert!(busy.is_ok() && started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
        // What cannot be kept in the file is found all the same.
        let model = other.store().unwrap().model(clip.fingerprint().as_str()).unwrap().unwrap();
        let reader = Library::open_read_only(&path).unwrap();
        let store = reader.store().unwrap();
        let found = embedding(reader.texts(), &store, &model, clip.text(), "a star").unwrap();
        assert_eq!((found.to_vec(), reader.texts().misses()), (expected.row(0).to_vec(), 1));
        assert_eq!(store.text_count(&[]).unwrap(), 0);
    }
}
