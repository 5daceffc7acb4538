//! Embeddings have the same bits for every batch size, place in the batch, thread count and number of callers.
#![cfg(feature = "import")]

#[path = "common/converted.rs"]
mod converted;

use std::path::PathBuf;
use std::sync::OnceLock;

use clippie_rs::import::TokenTable;
use clippie_rs::weights::{Dtype, WeightsFile};
use clippie_rs::{CancelToken, Clip, Error, Isa, Options};
use clippie_testkit::checkpoint::model::{TowerSize, VitSize};
use clippie_testkit::checkpoint::{Layout, Model, golden};
use ndarray::{Array2, Array4, ArrayView1, Axis, s};

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

/// All rows of the token table of a file.
fn token_table(file: &WeightsFile) -> Array2<f32> {
    let entry = file.header().tensors.iter().find(|entry| entry.spec.name == "text.token_embedding").unwrap();
    let [rows, width] = entry.spec.shape[..] else { panic!("{:?}", entry.spec) };
    let view = file.table("text.token_embedding", rows, width).unwrap();
    let mut table = Array2::zeros((rows, width));
    table.outer_iter_mut().enumerate().for_each(|(row, mut out)| view.read(row, out.as_slice_mut().unwrap()));
    table
}

/// Length of the difference of two rows, relative to the length of the first.
fn difference(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f64 {
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let off = length(&mut a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    if off == 0.0 { 0.0 } else { off / length(&mut a.iter().map(|&a| f64::from(a))) }
}

/// An embedding may be off by so many times what the rows of its token table are off by, relative to their lengths. The
/// errors of the rows of a text are independent, so most texts are below one time.
const TIMES_OF_A_ROW: f64 = 4.0;

#[test]
fn token_tables_in_8_bits_give_texts_near_the_exact_ones_and_the_same_bits_always() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str| Model::named(name).unwrap();
    for model in [model(), named("tiny-xlm-roberta"), named("tiny-nllb"), named("tiny-worldwide")] {
        let name = &model.name;
        let open = |table, options: Options| {
            let path = folder.path().join(format!("{name}-{:?}-{table:?}.clippie", Layout::OpenClip));
            if !path.exists() {
                converted::weights_with(&model, Layout::OpenClip, 7, folder.path(), table);
            }
            options.open(&path).unwrap()
        };
        let exact = open(TokenTable::Exact, Options::new());
        let small = open(TokenTable::Int8, Options::new());
        let dtypes = |clip: &Clip| clip.weights().header().tensors.iter().filter(|t| t.spec.dtype == Dtype::I8).count();
        assert_eq!((dtypes(&exact), dtypes(&small)), (0, 1), "{name}");
        assert!(small.weights().verify().unwrap().is_intact());
        assert_ne!(exact.weights().content_hash(), small.weights().content_hash());
        assert_ne!(exact.fingerprint(), small.fingerprint());

        let (rows, stored) = (token_table(exact.weights()), token_table(small.weights()));
        let largest = rows.outer_iter().zip(stored.outer_iter()).map(|(a, b)| difference(a, b)).fold(0.0, f64::max);
        assert!(largest > 1e-4 && largest < 0.02, "{name}: {largest}");
        let ids = golden::all_ids(&model);
        let wanted = exact.text().encode_ids(&ids).unwrap();
        let expected = small.text().encode_ids(&ids).unwrap();
        for (a, b) in wanted.outer_iter().zip(expected.outer_iter()) {
            let off = difference(a, b);
            println!("{name}: {off:.2e} with rows off by up to {largest:.2e}");
            assert!(off > 0.0 && off < largest * TIMES_OF_A_ROW, "{name}: {off} {largest}");
        }
        let pixels = golden::pixels_of(&model, 0);
        let side = ((pixels.len() / 3) as f64).sqrt() as usize;
        let pixels = Array4::from_shape_vec((1, 3, side, side), pixels).unwrap();
        let photo = |clip: &Clip| clip.image().encode_pixels(pixels.view()).unwrap();
        assert_eq!(photo(&exact), photo(&small), "{name}: photos are the same");

        for isa in Isa::available() {
            let one = open(TokenTable::Int8, Options::new().isa(isa).threads(1).batch_size(1));
            let expected = one.text().encode_ids(&ids).unwrap();
            for (threads, batch_size) in [(1, 4), (2, 1), (3, 3), (4, 4)] {
                let clip = open(TokenTable::Int8, Options::new().isa(isa).threads(threads).batch_size(batch_size));
                assert_eq!(clip.text().encode_ids(&ids).unwrap(), expected, "{name} {isa:?} {threads} {batch_size}");
            }
        }
    }
}

/// Whoever writes a scale that no row has, with the right checksum, gets no embedding of texts with this row.
#[test]
fn impossible_scales_give_no_embedding() {
    let folder = tempfile::tempdir().unwrap();
    let path = converted::weights_with(&model(), Layout::OpenClip, 7, folder.path(), TokenTable::Int8);
    let file = WeightsFile::open(&path).unwrap();
    let table = file.header().tensors.iter().find(|entry| entry.spec.dtype == Dtype::I8).unwrap();
    let (start, row_len) = (table.bytes.start as usize, 4 + table.spec.shape[1]);
    let whole = std::fs::read(&path).unwrap();
    for scale in [f32::NAN, f32::INFINITY, -1.0] {
        let mut bytes = whole.clone();
        bytes[start + 1000 * row_len..][..4].copy_from_slice(&scale.to_le_bytes());
        let clip = Options::new().open_weights(WeightsFile::from_bytes(bytes, "hostile.clippie").unwrap()).unwrap();
        let error = clip.text().encode_ids([[49406, 320, 1000, 49407]]).unwrap_err().to_string();
        assert!(error.contains("finite") || error.contains("damaged"), "{error}");
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
