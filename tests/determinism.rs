//! Embeddings have the same bits for every batch size, place in the batch, thread count and number of callers.
#![cfg(feature = "import")]

#[path = "common/converted.rs"]
mod converted;

use std::path::PathBuf;
use std::sync::OnceLock;

use clippie_rs::{CancelToken, Clip, Error, Isa, Options};
use clippie_testkit::checkpoint::model::{TowerSize, VitSize};
use clippie_testkit::checkpoint::{Layout, Model, golden};
use ndarray::{Array2, Array4, Axis, s};

/// Large enough that every operation is split among threads: 65 tokens of 192 channels.
fn model() -> Model {
    let size = VitSize {
        embed_dim: 96,
        image_size: 64,
        patch_size: 8,
        image: TowerSize::openai(192, 3),
        context_length: 77,
        vocab_size: 49408,
        causal: true,
        text: TowerSize::openai(128, 2),
    };
    Model::custom("determinism", size, false)
}

fn path() -> &'static PathBuf {
    static PATH: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = PATH.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = converted::weights(&model(), Layout::OpenClip, 7, folder.path());
        (folder, path)
    });
    path
}

fn pixels(images: usize) -> Array4<f32> {
    let all: Vec<f32> = (0..images).flat_map(|i| golden::pixels(i, 64)).collect();
    Array4::from_shape_vec((images, 3, 64, 64), all).unwrap()
}

const TEXTS: [&str; 19] = [
    "a photo of a cat",
    "",
    "two dogs on a beach at sunset",
    "snow",
    "an old red bicycle leaning on a wall",
    "Ein Hund im Park",
    "犬",
    "a",
    "the quick brown fox jumps over the lazy dog and then some more words follow",
    "birthday cake with candles",
    "mountains",
    "my grandmother's kitchen",
    "x",
    "blue",
    "green",
    "a drawing",
    "street at night in the rain",
    "food",
    "people",
];

#[test]
fn images_by_batch_size_and_threads_on_every_instruction_set() {
    let pixels = pixels(19);
    for isa in Isa::available() {
        let one = Options::new().isa(isa).threads(1).batch_size(1).open(path()).unwrap();
        let expected = one.image().encode_pixels(pixels.view()).unwrap();
        for row in expected.outer_iter() {
            let length: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            assert!((length - 1.0).abs() < 1e-6);
        }
        for threads in [1, 2, 3, 4] {
            for batch_size in [1, 3, 8, 19] {
                let clip = Options::new().isa(isa).threads(threads).batch_size(batch_size).open(path()).unwrap();
                for images in [1, 2, 3, 8, 19] {
                    let got = clip.image().encode_pixels(pixels.slice(s![..images, .., .., ..])).unwrap();
                    assert_eq!(
                        got,
                        expected.slice(s![..images, ..]),
                        "{isa:?} {threads} threads, batches of {batch_size}"
                    );
                }
            }
        }
    }
}

#[test]
fn texts_by_batch_size_and_threads_on_every_instruction_set() {
    for isa in Isa::available() {
        let one = Options::new().isa(isa).threads(1).batch_size(1).open(path()).unwrap();
        let expected = one.encode_texts(&TEXTS).unwrap();
        for threads in [1, 2, 3, 4] {
            for batch_size in [1, 3, 8, 19] {
                let clip = Options::new().isa(isa).threads(threads).batch_size(batch_size).open(path()).unwrap();
                assert_eq!(clip.encode_texts(&TEXTS).unwrap(), expected, "{isa:?} {threads} threads of {batch_size}");
                let mut turned = TEXTS;
                turned.reverse();
                let mut got = clip.encode_texts(&turned).unwrap();
                got.invert_axis(Axis(0));
                assert_eq!(got, expected, "{isa:?} reversed");
            }
        }
    }
}

#[test]
fn many_callers_at_once_get_the_same_bits() {
    fn shared<T: Send + Sync + Clone + 'static>(value: &T) -> T {
        value.clone()
    }
    let clip = Clip::open(path()).unwrap();
    let expected = clip.encode_texts(&TEXTS).unwrap();
    let images = clip.image().encode_pixels(pixels(3).view()).unwrap();
    let callers: Vec<_> = (0..6)
        .map(|i| {
            let clip = shared(&clip);
            let (expected, images) = (expected.clone(), images.clone());
            std::thread::spawn(move || {
                for _ in 0..5 {
                    if i % 2 == 0 {
                        assert_eq!(clip.encode_texts(&TEXTS).unwrap(), expected);
                    } else {
                        assert_eq!(clip.image().encode_pixels(pixels(3).view()).unwrap(), images);
                    }
                    clip.release(); // while others encode
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
}

#[test]
fn raw_rows_are_the_unit_rows_before_scaling() {
    let clip = Clip::open(path()).unwrap();
    let raw = Options::new().normalize(false).open(path()).unwrap();
    assert_ne!(clip.fingerprint(), raw.fingerprint());
    let unit: Array2<f32> = clip.encode_texts(&TEXTS).unwrap();
    let long = raw.encode_texts(&TEXTS).unwrap();
    for (unit, long) in unit.outer_iter().zip(long.outer_iter()) {
        let length = long.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() > 1e-3, "a random model gives no unit rows by itself");
        for (u, l) in unit.iter().zip(long) {
            assert_eq!(*u, (f64::from(*l) / length) as f32);
        }
    }
}

#[test]
fn cancelled_calls_stop_and_others_continue() {
    let clip = Clip::open(path()).unwrap();
    let token = CancelToken::new();
    let watched = clip.with_cancel(&token);
    assert_eq!(watched.encode_texts(&TEXTS).unwrap(), clip.encode_texts(&TEXTS).unwrap());
    token.cancel();
    assert!(matches!(watched.encode_texts(&TEXTS), Err(Error::Cancelled)));
    assert!(matches!(watched.image().encode_pixels(pixels(1).view()), Err(Error::Cancelled)));
    assert!(clip.encode_texts(&TEXTS).is_ok());
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let clip = Clip::open(path()).unwrap();
    assert_eq!(clip.encode_texts(&[""; 0]).unwrap().shape(), [0, 96]);
    assert_eq!(clip.image().encode_pixels(Array4::zeros((0, 3, 64, 64)).view()).unwrap().shape(), [0, 96]);
    let wrong = clip.image().encode_pixels(Array4::zeros((1, 3, 64, 63)).view()).unwrap_err();
    assert!(wrong.to_string().contains("[1, 3, 64, 63]"), "{wrong}");
    let long = vec![1u32; 78];
    for (ids, word) in [(&[][..], "0 token ids"), (&long[..], "78 token ids"), (&[49408][..], "49408")] {
        let error = clip.text().encode_ids(&[ids]).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    let nan = Array4::from_elem((2, 3, 64, 64), f32::NAN);
    let error = clip.image().encode_pixels(nan.view()).unwrap_err();
    assert!(error.to_string().contains("not finite"), "{error}");
    let words = "word ".repeat(100);
    assert!(clip.encode_texts(&[&words]).is_ok());
    let strict = Options::new().refuse_long_texts(true).open(path()).unwrap();
    assert!(strict.encode_texts(&[&words]).is_err());
}
