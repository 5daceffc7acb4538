//! The public API: every kind of input, single items, slices, errors, comparison, names.
#![cfg(all(feature = "demo", feature = "walk"))]

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clippie_rs::ndarray::{Array2, aview1};
use clippie_rs::photo::decode;
use clippie_rs::weights::WeightsFile;
use clippie_rs::{
    CancelToken, Clip, Encoded, Error, ErrorKind, Fingerprint, ImageEncoder, ImageInput, Options, TextEncoder,
    query_similarity, similarity,
};
use clippie_rs::{RgbBuffer, RgbView};

const DRAWING: &str = "examples/drawings/01.png";

fn demo() -> Clip {
    Options::new().threads(2).open_weights(WeightsFile::demo().unwrap()).unwrap()
}

fn drawings() -> Vec<PathBuf> {
    (1..=9).map(|i| PathBuf::from(format!("examples/drawings/{i:02}.png"))).collect()
}

/// A picture type of the caller.
struct Frame(RgbBuffer);

impl<'a> From<&'a Frame> for ImageInput<'a> {
    fn from(frame: &'a Frame) -> Self {
        ImageInput::from(&frame.0)
    }
}

#[test]
fn every_kind_of_input_gives_the_same_bits() {
    let clip = demo();
    let bytes = std::fs::read(DRAWING).unwrap();
    let buffer = decode(&bytes, true, DRAWING).unwrap();
    let (width, height) = (buffer.width(), buffer.height());
    let view = RgbView::new(width, height, buffer.data()).unwrap();
    let path = PathBuf::from(DRAWING);

    let expected = clip.encode_image(DRAWING).unwrap();
    assert_eq!(clip.encode_image(&path).unwrap(), expected);
    assert_eq!(clip.encode_image(path.as_path()).unwrap(), expected);
    assert_eq!(clip.encode_image(&DRAWING.to_owned()).unwrap(), expected);
    assert_eq!(clip.encode_image(&bytes).unwrap(), expected);
    assert_eq!(clip.encode_image(bytes.as_slice()).unwrap(), expected);
    assert_eq!(clip.encode_image(&Arc::<[u8]>::from(&*bytes)).unwrap(), expected);
    assert_eq!(clip.encode_image(&bytes.clone().into_boxed_slice()).unwrap(), expected);
    assert_eq!(clip.encode_image(view).unwrap(), expected);
    assert_eq!(clip.encode_image(&buffer).unwrap(), expected);
    assert_eq!(clip.encode_image(&Frame(buffer.clone())).unwrap(), expected);

    let one =
        |rows: Result<Array2<f32>, Error>| assert_eq!(rows.unwrap().outer_iter().next().unwrap(), aview1(&expected));
    one(clip.encode_images(&[DRAWING]));
    one(clip.encode_images([&path]));
    one(clip.encode_images(&[&path]));
    one(clip.encode_images(&vec![path.clone()]));
    one(clip.encode_images(std::slice::from_ref(&bytes)));
    one(clip.encode_images(&[bytes.as_slice()]));
    one(clip.encode_images(&[Arc::<[u8]>::from(&*bytes)]));
    one(clip.encode_images([view].iter()));
    one(clip.encode_images([view]));
    one(clip.encode_images(&[view]));
    one(clip.encode_images(&[&view]));
    one(clip.encode_images(&[&buffer]));
    one(clip.encode_images(&[&ImageInput::from(&buffer)]));
    let name = path.clone().into_os_string();
    assert_eq!(clip.encode_image(&name).unwrap(), expected);
    assert_eq!(clip.encode_image(name.as_os_str()).unwrap(), expected);
    assert_eq!(clip.encode_image(&path.clone().into_boxed_path()).unwrap(), expected);
    one(clip.encode_images(&[Arc::<Path>::from(path.as_path())]));
    one(clip.encode_images(&[Cow::Borrowed(path.as_path())]));
    one(clip.encode_images(&[&Cow::<Path>::Owned(path.clone())]));
    one(clip.encode_images(&[Cow::Borrowed(DRAWING)]));
    one(clip.encode_images(&[Cow::<[u8]>::Owned(bytes.clone())]));
    let streamed: Vec<_> = clip.image().stream([Cow::<Path>::Owned(path.clone())]).collect();
    assert_eq!(streamed[0].1.as_ref().unwrap(), &expected);
    one(clip.encode_images([&path].into_iter().filter(|path| path.exists())));
    #[cfg(feature = "image")]
    {
        use clippie_rs::image::{DynamicImage, RgbImage};
        let rgb = RgbImage::from_raw(width as u32, height as u32, buffer.data().to_vec()).unwrap();
        let decoded = DynamicImage::from(rgb.clone());
        assert_eq!(clip.encode_image(&decoded).unwrap(), expected);
        assert_eq!(clip.encode_image(&rgb).unwrap(), expected);
        assert_eq!(clip.encode_image(ImageInput::from(&rgb)).unwrap(), expected);
        one(clip.encode_images(&[&rgb]));
        one(clip.encode_images(std::slice::from_ref(&rgb)));
        one(clip.encode_images(&[ImageInput::from(&decoded)]));
    }
    let nothing: [&str; 0] = [];
    assert_eq!(clip.encode_images(nothing).unwrap().dim(), (0, clip.embed_dim()));
}

#[test]
fn one_item_and_a_slice_of_the_caller_equal_a_batch() {
    let clip = demo();
    let (photos, texts) = (drawings(), ["a red star", "", "two blue circles"]);
    let rows = clip.encode_images(&photos).unwrap();
    for (photo, row) in photos.iter().zip(rows.outer_iter()) {
        assert_eq!(aview1(&clip.encode_image(photo).unwrap()), row);
    }
    let mut out = vec![f32::NAN; rows.len()];
    clip.encode_images_into(&photos, &mut out).unwrap();
    assert_eq!(out, rows.as_slice().unwrap());
    let words = clip.encode_texts(texts).unwrap();
    for (text, row) in texts.iter().zip(words.outer_iter()) {
        assert_eq!(aview1(&clip.encode_text(text).unwrap()), row);
    }
    let mut out = vec![f32::NAN; words.len()];
    clip.encode_texts_into(texts.map(String::from), &mut out).unwrap();
    assert_eq!(out, words.as_slice().unwrap());

    let dim = clip.embed_dim();
    let error = clip.encode_images_into(&photos, &mut out[..dim]).unwrap_err();
    assert_eq!(error.to_string(), format!("the slice for embeddings has {dim} values; 9 inputs need {}", 9 * dim));
    assert_eq!(error.kind(), ErrorKind::Option);
    assert!(clip.encode_texts_into(texts, &mut []).is_err());
}

#[test]
fn errors_say_which_input_it_was() {
    let clip = demo();
    let good = std::fs::read(DRAWING).unwrap();
    let buffers = [&good, &good[..good.len() / 2].to_vec(), &good];
    let error = clip.encode_images(buffers).unwrap_err();
    assert!(error.to_string().starts_with("image 1 is a truncated PNG image"), "{error}");
    assert!(error.reason().to_string().starts_with("the image is a truncated"), "{error}");
    assert_eq!((error.index(), error.path(), error.kind()), (Some(1), None, ErrorKind::Image));

    let error = clip.encode_images(&[DRAWING, DRAWING, "no/such.jpg"]).unwrap_err();
    assert!(error.to_string().starts_with("cannot read no/such.jpg: "), "{error}");
    assert_eq!((error.index(), error.path()), (Some(2), Some(Path::new("no/such.jpg"))));
    assert_eq!((error.kind(), error.kind().to_string()), (ErrorKind::Io, "file system error".into()));
    let error = clip.encode_images(&[DRAWING, "Cargo.toml"]).unwrap_err();
    assert!(error.to_string().starts_with("Cargo.toml is not an image"), "{error}");
    assert_eq!((error.index(), error.path()), (Some(1), Some(Path::new("Cargo.toml"))));

    let error = clip.encode_images(&[good.as_slice(), b"no photo"]).unwrap_err();
    assert!(error.to_string().starts_with("image 1 is not in a readable image format (JPEG, "), "{error}");
    // A single input has no index.
    let error = clip.encode_image(b"no photo".as_slice()).unwrap_err();
    assert!(error.to_string().starts_with("the image is not in a readable image format (JPEG, "), "{error}");
    assert_eq!((error.index(), error.path()), (None, None));
    let error = clip.encode_image("Cargo.toml").unwrap_err();
    assert_eq!((error.index(), error.path()), (None, Some(Path::new("Cargo.toml"))));
    let error = clip.image().preprocess_image("Cargo.toml").unwrap_err();
    assert_eq!((error.index(), error.path()), (None, Some(Path::new("Cargo.toml"))));

    let strict = Options::new().refuse_long_texts(true).open_weights_text(WeightsFile::demo().unwrap()).unwrap();
    let long = "star ".repeat(100);
    let error = strict.encode(["a star", &long]).unwrap_err();
    assert!(error.to_string().starts_with("text 1: "), "{error}");
    assert_eq!((error.index(), error.kind()), (Some(1), ErrorKind::Text));
    assert_eq!(strict.encode_one(&long).unwrap_err().index(), None);
    let error = strict.encode_ids([&[1u32][..], &[]]).unwrap_err();
    assert_eq!((error.index(), error.kind()), (Some(1), ErrorKind::Text));
    let encoded = strict.encode_each(["a", &long, &long, "b"]);
    assert_eq!(
        encoded.errors.iter().map(|(place, error)| (*place, error.index())).collect::<Vec<_>>(),
        [(1, Some(1)), (2, Some(2))]
    );
    assert_eq!(encoded.rows.row(3), strict.encode(["b"]).unwrap().row(0));
    let mut rows = vec![f32::NAN; encoded.rows.len()];
    let errors = strict.encode_each_into(["a", &long, &long, "b"], &mut rows).unwrap();
    assert_eq!(
        errors.iter().map(|(place, error)| (*place, error.index())).collect::<Vec<_>>(),
        [(1, Some(1)), (2, Some(2))]
    );
    assert_eq!(encoded.rows.as_slice().unwrap(), rows);
    assert!(matches!(strict.encode_each_into(["a"], &mut rows), Err(Error::OutputLength { inputs: 1, .. })));
}

/// The system's error among the sources of an error.
fn system_error(error: &Error) -> Option<&std::io::Error> {
    let first = std::error::Error::source(error);
    std::iter::successors(first, |error| error.source()).find_map(|error| error.downcast_ref())
}

#[test]
fn sources_of_errors_lead_to_the_system_error() {
    let clip = demo();
    let missing = Some(std::io::ErrorKind::NotFound);
    let found = |error: &Error| system_error(error).map(std::io::Error::kind);
    assert_eq!(found(&clip.encode_image("no/such.jpg").unwrap_err()), missing);
    assert_eq!(found(&clip.encode_images(&["no/such.jpg"]).unwrap_err()), missing);
    let (_, listed) = clip.image().stream(clippie_rs::walk::photos("no/such/folder")).next().unwrap();
    assert_eq!(found(&listed.unwrap_err()), missing);
    // A photo that cannot be decoded and a wrong number of values have no system error.
    assert_eq!(found(&clip.encode_images(&["Cargo.toml"]).unwrap_err()), None);
    assert_eq!(found(&clip.encode_images_into(&[DRAWING], &mut []).unwrap_err()), None);
}

#[test]
fn failed_inputs_do_not_affect_others() {
    let photos = drawings();
    for threads in [1, 2, 5] {
        for batch_size in [1, 3, 8] {
            let options = Options::new().threads(threads).batch_size(batch_size);
            let clip = options.open_weights(WeightsFile::demo().unwrap()).unwrap();
            let rows = clip.encode_images(&photos).unwrap();
            for broken in
                [&[][..], &[0], &[8], &[1, 2], &[0, 4, 8], &[0, 1, 2, 3, 4, 5, 6, 7], &[0, 1, 2, 3, 4, 5, 6, 7, 8]]
            {
                let mut inputs = photos.clone();
                broken.iter().for_each(|&i| inputs[i] = "Cargo.toml".into());
                let encoded = clip.image().encode_each(&inputs);
                check(&encoded, &rows, broken);
                let mut out = vec![f32::NAN; rows.len()];
                let errors = clip.image().encode_each_into(&inputs, &mut out).unwrap();
                assert_eq!(errors.iter().map(|(place, _)| *place).collect::<Vec<_>>(), broken);
                assert_eq!(encoded.rows.as_slice().unwrap(), out);
                let error = clip.image().encode_each_into(&inputs[1..], &mut out).unwrap_err();
                assert!(matches!(error, Error::OutputLength { inputs: 8, .. }), "{error}");
                let results = encoded.into_results();
                for (i, result) in results.iter().enumerate() {
                    match result {
                        Ok(row) => assert_eq!(aview1(row), rows.row(i)),
                        Err(error) => assert_eq!(error.index(), Some(i)),
                    }
                }
                assert_eq!(clip.encode_images(&inputs).is_ok(), broken.is_empty());
            }
        }
    }
}

fn check(encoded: &Encoded, rows: &Array2<f32>, broken: &[usize]) {
    assert_eq!((encoded.len(), encoded.is_complete(), encoded.is_empty()), (rows.nrows(), broken.is_empty(), false));
    assert_eq!(encoded.errors.iter().map(|(place, _)| *place).collect::<Vec<_>>(), broken);
    assert_eq!(encoded.iter().len(), rows.nrows());
    for (i, row) in encoded.iter().enumerate() {
        assert_eq!(row.is_err(), broken.contains(&i));
        match (row, encoded.get(i).unwrap()) {
            (Ok(row), Ok(same)) => assert_eq!((row, same), (rows.row(i), rows.row(i))),
            (Err(error), Err(same)) => {
                assert!(std::ptr::eq(error, same) && error.index() == Some(i));
                assert!(encoded.rows.row(i).iter().all(|&value| value == 0.0));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(encoded.get(rows.nrows()).is_none());
}

#[test]
fn a_cancelled_batch_keeps_the_rows_that_are_done() {
    let clip = demo();
    let photos: Vec<PathBuf> = drawings().into_iter().cycle().take(200).collect();
    let rows = clip.encode_images(&photos).unwrap();
    for microseconds in [0, 500, 5000, 20_000] {
        let token = CancelToken::new();
        let watched = clip.with_cancel(&token);
        let encoded = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_micros(microseconds));
                token.cancel();
            });
            watched.image().encode_each(&photos)
        });
        for (i, row) in encoded.iter().enumerate() {
            match row {
                Ok(row) => assert_eq!(row, rows.row(i)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
            }
        }
        // After the cancellation nothing is encoded.
        let encoded = watched.image().encode_each(&photos);
        assert_eq!(encoded.errors.len(), photos.len());
        assert!(matches!(encoded.into_rows(), Err(Error::Cancelled)));
        assert_eq!(watched.text().encode_each(["a", "b"]).errors.len(), 2);
        assert!(matches!(watched.encode_image(DRAWING), Err(Error::Cancelled)));
    }
}

/// The message for a model name that could not be opened says what to do in this build.
fn check_remedy(name: &str, error: &Error) {
    let error = error.to_string();
    if cfg!(feature = "hub") {
        let start = format!("`{name}` is a model name, not a file; open it with `Clip::from_name`");
        assert!(error.starts_with(&start), "{error}");
    } else {
        let start = format!("`{name}` is a model name, and this build of clippie-rs has no network (feature `hub`): ");
        assert!(error.starts_with(&start), "{error}");
        assert!(error.contains(" from https://huggingface.co/"), "{error}");
        assert!(error.contains("`clippie-rs convert FOLDER OUT.clippie"), "{error}");
    }
}

#[test]
fn load_takes_paths_and_names() {
    let expected = demo();
    for model in ["demo", "weights/demo.clippie", "./weights/demo.clippie"] {
        assert_eq!(Clip::load(model).unwrap().fingerprint(), expected.fingerprint(), "{model}");
    }
    let text = Options::new().model(PathBuf::from("demo")).cancel(&CancelToken::new()).open_text().unwrap();
    assert_eq!(text.encode_one("a star").unwrap(), expected.encode_text("a star").unwrap());
    assert!(Options::new().model("demo").open_image().unwrap().encode_one(DRAWING).is_ok());
    // Names take precedence over files.
    let error = Clip::load("./demo").unwrap_err();
    assert!(error.to_string().starts_with("./demo: no such file"), "{error}");
    let error = Clip::load("mobileclip2-s9").unwrap_err();
    assert!(error.to_string().starts_with("there is no file mobileclip2-s9, and no model is called "), "{error}");
    assert_eq!((error.kind(), error.path()), (ErrorKind::Option, None));
    #[cfg(not(feature = "hub"))]
    for name in ["vit-b-32-openai", "hf-hub:apple/MobileCLIP2-S2"] {
        let error = Clip::load(name).unwrap_err();
        check_remedy(name, &error);
        assert_eq!((error.kind(), error.path()), (ErrorKind::Option, None));
    }
}

#[test]
fn a_name_given_as_a_path_has_its_own_error() {
    for name in ["vit-b-32-openai", "hf-hub:apple/MobileCLIP2-S2"] {
        for error in [
            Clip::open(name).unwrap_err(),
            ImageEncoder::open(name).unwrap_err(),
            TextEncoder::open(PathBuf::from(name)).unwrap_err(),
        ] {
            check_remedy(name, &error);
            assert_eq!((error.kind(), error.path()), (ErrorKind::Option, None));
        }
    }
    let error = Clip::open("demo").unwrap_err();
    assert!(error.to_string().ends_with("open it with `Clip::demo()`"), "{error}");
    assert_eq!((error.kind(), error.path()), (ErrorKind::Option, None));
    let error = Clip::open("missing.clippie").unwrap_err();
    assert!(error.to_string().starts_with("missing.clippie: no such file"), "{error}");
    assert_eq!((error.kind(), error.path()), (ErrorKind::Io, Some(Path::new("missing.clippie"))));
}

#[test]
fn weights_may_be_bytes() {
    let bytes = std::fs::read("weights/demo.clippie").unwrap();
    let (expected, clip) = (demo(), Options::new().open_bytes(bytes.clone(), "from memory").unwrap());
    assert_eq!(clip.encode_images(drawings().iter()).unwrap(), expected.encode_images(&drawings()).unwrap());
    assert_eq!(clip.encode_text("a star").unwrap(), expected.encode_text("a star").unwrap());
    assert_eq!(clip.fingerprint(), expected.fingerprint());
    clip.release();
    assert!(clip.encode_text("a star").is_ok() && clip.weights().verify().unwrap().is_intact());
    for len in [0, 1, 100, bytes.len() - 1] {
        let error = Options::new().open_bytes(bytes[..len].to_vec(), "from memory").unwrap_err();
        assert!(error.to_string().starts_with("from memory: "), "{error}");
        assert_eq!(error.kind(), ErrorKind::Weights);
    }
}

#[test]
fn embeddings_are_compared_as_the_model_does() {
    let clip = demo();
    let photos = clip.encode_images(&drawings()).unwrap();
    let words = clip.encode_texts(["a red star", "two blue circles"]).unwrap();
    let cosines = similarity(&photos, &words).unwrap();
    assert!((&cosines - &photos.dot(&words.t())).iter().all(|difference| difference.abs() < 1e-6));
    let of_first = query_similarity(words.row(0).as_slice().unwrap(), &photos.view()).unwrap();
    assert!(of_first.iter().zip(cosines.column(0)).all(|(a, b)| (a - b).abs() < 1e-6));
    let probabilities = clip.probabilities(&photos.view(), &words.view()).unwrap();
    for (row, cosines) in probabilities.outer_iter().zip(cosines.outer_iter()) {
        assert!((row.sum() - 1.0).abs() < 1e-6);
        let odds = ((cosines[0] - cosines[1]) * clip.logit_scale()).exp();
        assert!((row[0] / row[1] / odds - 1.0).abs() < 1e-3, "{row} {odds}");
    }
    assert!(matches!(clip.probabilities(&photos, &Array2::zeros((1, 3))), Err(Error::EmbedDim { right: 3, .. })));
}

#[test]
fn values_describe_themselves_and_cross_threads() {
    fn checked<T: std::fmt::Debug + Send + Sync + Clone>(value: &T, parts: &[&str]) {
        let text = format!("{value:?}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
    let clip = demo();
    let fingerprint = clip.fingerprint().to_string();
    checked(&clip, &["Clip", "demo", "embed_dim", &fingerprint]);
    checked(clip.image(), &["ImageEncoder", "demo", &fingerprint]);
    checked(clip.text(), &["TextEncoder", "demo", &fingerprint]);
    checked(&Options::new(), &["Options", "batch_size: 8"]);
    checked(&CancelToken::new(), &["CancelToken"]);
    assert_eq!(&fingerprint.parse::<Fingerprint>().unwrap(), clip.fingerprint());
    assert_eq!(format!("{:?}", clip.image().stream([DRAWING])).split(' ').next(), Some("Stream"));
}

#[cfg(feature = "hub")]
mod names {
    use super::*;
    use clippie_rs::hub::Hub;

    #[test]
    fn models_are_opened_by_name() {
        let clip = Clip::from_name("demo").unwrap();
        assert_eq!(clip.fingerprint(), demo().fingerprint());
        assert!(Options::new().named("demo").open_image().unwrap().encode_one(DRAWING).is_ok());
        let text = Options::new().named(String::from("demo")).open_text().unwrap();
        assert_eq!(text.encode_one("a star").unwrap(), clip.encode_text("a star").unwrap());

        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::builder(folder.path()).offline(true).build().unwrap();
        let mut events = 0;
        let named = Options::new().named("mobileclip2-s2").hub(&hub).progress(|_| events += 1);
        assert!(format!("{named:?}").contains("mobileclip2-s2"));
        let error = named.open().unwrap_err();
        assert!(error.to_string().starts_with("mobileclip2-s2 is not on this computer"), "{error}");
        assert_eq!((error.kind(), events), (ErrorKind::Option, 0));
        let error = Clip::from_name("mobileclip2-s9").unwrap_err();
        assert!(error.to_string().contains("mobileclip2-s9"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Option);

        // An installed model is opened without network. Its name is the file's.
        std::fs::create_dir(folder.path().join("models")).unwrap();
        let file = folder.path().join("models/mobileclip2-s2-0123456789abcdef.clippie");
        std::fs::copy("weights/demo.clippie", file).unwrap();
        let installed = Options::new().named("mobileclip2-s2").hub(&hub).open().unwrap();
        assert_eq!(installed.fingerprint(), clip.fingerprint());
        let installed = Options::new().model("mobileclip2-s2").hub(&hub).open().unwrap();
        assert_eq!(installed.fingerprint(), clip.fingerprint());
    }
}
