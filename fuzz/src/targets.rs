//! One function for each fuzz target.

use std::path::Path;
use std::sync::{Arc, Once, OnceLock};

use clippie_rs::import::Checkpoint;
use clippie_rs::library::evaluate::{Dataset, Split};
use clippie_rs::library::scan::packed::Packed;
use clippie_rs::library::scan::{self, Threads};
use clippie_rs::library::{Query, What};
use clippie_rs::photo;
use clippie_rs::pixels::PictureHash;
use clippie_rs::preprocess::{PreprocessConfig, pixels_into};
use clippie_rs::tables::{Error, Reader};
use clippie_rs::tokenizer::{Overflow, Tokenizer, TokenizerFile};
use clippie_rs::walk::Archive;
use clippie_rs::weights::WeightsFile;
use clippie_rs::{Options, RgbBuffer, TextCache, decode_pixels_into};
use clippie_testkit::pickles;

use crate::files;
use crate::memory;
use crate::tiff;

/// Memory for the largest photo that the fuzzed crate accepts, in bytes for each pixel.
const PER_PIXEL: usize = 24;
/// Pixels of the largest photo that the fuzzed crate accepts (`photo::MAX_PIXELS` under `cfg(fuzzing)`).
const MAX_PIXELS: usize = 1 << 20;

/// Memory that a photo file may need.
fn photo_memory(bytes: &[u8]) -> usize {
    (64 << 20) + 8 * bytes.len() + PER_PIXEL * MAX_PIXELS
}

/// Memory that a checkpoint or weights file may need.
fn file_memory(bytes: &[u8]) -> usize {
    (256 << 20) + 16 * bytes.len()
}

fn decoded(bytes: &[u8]) -> Option<RgbBuffer> {
    let photo = memory::within(photo_memory(bytes), || photo::decode(bytes, true, "photo")).ok()?;
    assert_eq!(photo.data().len(), photo.width() * photo.height() * 3);
    Some(photo)
}

/// Decodes `bytes` with this signature; returns the file and the photo.
fn with_signature(signature: &[u8], bytes: &[u8]) -> (Vec<u8>, Option<RgbBuffer>) {
    let mut file = signature.to_vec();
    file.extend(bytes.get(signature.len()..).unwrap_or_default());
    let photo = decoded(&file);
    (file, photo)
}

/// A JPEG file: reduced, it is a photo of the size that is expected, or refused like the whole one.
pub fn photo_jpeg(bytes: &[u8]) {
    let (file, photo) = with_signature(b"\xff\xd8\xff", bytes);
    let shorter = photo.as_ref().map_or(8, |photo| photo.width().min(photo.height()));
    for by in [2, 4, 8].into_iter().filter(|by| shorter >= *by) {
        let reduced = memory::within(photo_memory(&file), || photo::decode_reduced(&file, true, shorter / by, "photo"));
        let sizes = |photo: &RgbBuffer, by: usize| (photo.width().div_ceil(by), photo.height().div_ceil(by));
        assert_eq!(photo.as_ref().map(|whole| sizes(whole, by)), reduced.ok().map(|small| sizes(&small, 1)));
    }
}

pub fn photo_png(bytes: &[u8]) {
    with_signature(b"\x89PNG\r\n\x1a\n", bytes);
}

pub fn photo_webp(bytes: &[u8]) {
    let mut file = bytes.to_vec();
    if file.len() >= 12 {
        file[..4].copy_from_slice(b"RIFF");
        file[8..12].copy_from_slice(b"WEBP");
    }
    decoded(&file);
}

pub fn photo_gif(bytes: &[u8]) {
    with_signature(b"GIF89a", bytes);
}

pub fn photo_bmp(bytes: &[u8]) {
    with_signature(b"BM", bytes);
}

pub fn photo_tiff(bytes: &[u8]) {
    if bytes.first() == Some(&b'M') {
        with_signature(b"MM\0*", bytes);
    } else {
        with_signature(b"II*\0", bytes);
    }
}

pub fn photo_heic(bytes: &[u8]) {
    let mut file = bytes.to_vec();
    if file.len() >= 12 {
        file[4..12].copy_from_slice(b"ftypheic");
    }
    decoded(&file);
}

pub fn photo_avif(bytes: &[u8]) {
    let mut file = bytes.to_vec();
    if file.len() >= 12 {
        file[4..12].copy_from_slice(b"ftypavif");
    }
    decoded(&file);
}

/// A JPEG XL file; the first byte chooses whether it is in boxes.
pub fn photo_jxl(bytes: &[u8]) {
    let signature: &[u8] = match bytes.first() {
        Some(0) => b"\0\0\0\x0cJXL \r\n\x87\n",
        _ => b"\xff\x0a",
    };
    with_signature(signature, bytes);
}

/// A raw file, whose kind the first byte chooses.
pub fn photo_raw(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let magics: [&[u8]; 8] = [
        b"II*\0\x10\0\0\0CR\x02\0",
        b"II*\0",
        b"MM\0*",
        b"IIRO",
        b"MMOR",
        b"IIU\0",
        b"FUJIFILMCCD-RAW ",
        b"\0\0\0\x18ftypcrx ",
    ];
    with_signature(magics[usize::from(*kind) % magics.len()], rest);
}

pub fn tiff_structure(file: &tiff::File) {
    decoded(&file.bytes());
}

/// Any photo: resizing while decoding equals decoding first.
pub fn photo_rows(bytes: &[u8]) {
    let config = PreprocessConfig::openai(8);
    let mut rows = vec![0.0; config.pixel_len()];
    let orient = bytes.len() % 2 == 0;
    let streamed = memory::within(photo_memory(bytes) + (64 << 20), || {
        decode_pixels_into(bytes, orient, "photo", &config, &mut rows)
    });
    match photo::decode(bytes, orient, "photo") {
        Ok(photo) => {
            let mut whole = vec![0.0; config.pixel_len()];
            let result = pixels_into(photo.view(), &config, &mut whole);
            assert_eq!(streamed.is_ok(), result.is_ok());
            assert!(streamed.is_err() || rows == whole);
        }
        Err(error) => assert_eq!(streamed.unwrap_err().to_string(), error.to_string()),
    }
}

/// An EXIF block in the smallest JPEG file.
pub fn exif(block: &[u8]) {
    let block = &block[..block.len().min(65_000)];
    let mut file = b"\xff\xd8\xff\xe1".to_vec();
    file.extend((block.len() as u16 + 8).to_be_bytes());
    file.extend(b"Exif\0\0");
    file.extend(block);
    file.extend(&PIXEL[2..]);
    let photo = decoded(&file).expect("the photo is sound whatever its EXIF says");
    assert_eq!((photo.width(), photo.height()), (1, 1));
}

/// An ICC profile in the smallest JPEG file: it has a description, and is applied or ignored.
pub fn profile(profile: &[u8]) {
    let profile = &profile[..profile.len().min(65_000)];
    let mut file = b"\xff\xd8\xff\xe2".to_vec();
    file.extend((profile.len() as u16 + 16).to_be_bytes());
    file.extend(b"ICC_PROFILE\0\x01\x01");
    file.extend(profile);
    file.extend(&PIXEL[2..]);
    let photo = memory::within(photo_memory(&file), || photo::decode_srgb(&file, true, "photo"));
    let photo = photo.expect("the photo is sound whatever its profile says");
    assert_eq!((photo.width(), photo.height()), (1, 1));
    let stated = photo::metadata(&file, "photo").expect("it has been decoded").colours;
    assert!(stated.profile.is_some_and(|name| name.chars().count() <= 128));
}

/// Any photo: what is read of its metadata makes sense, and its thumbnail has the size that was asked for.
pub fn metadata(bytes: &[u8]) {
    let found = memory::within(photo_memory(bytes), || photo::metadata(bytes, "photo"));
    let small = memory::within(photo_memory(bytes), || photo::thumbnail(bytes, 40, "photo"));
    let photo = decoded(bytes);
    let Ok(found) = found else {
        assert!(small.is_err() && photo.is_none());
        return;
    };
    if let Some(photo) = photo {
        // A progressive JPEG may state its orientation after its first scan.
        let sides = |width: usize, height: usize| (width.min(height), width.max(height));
        assert_eq!(sides(found.width, found.height), sides(photo.width(), photo.height()));
    }
    assert!(found.width > 0 && found.height > 0 && (1..=8).contains(&found.orientation));
    assert!(found.place.is_none_or(|place| place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0));
    if let Some(date) = found.taken {
        let text = date.to_string();
        assert!(text.len() >= 19 && date.to_unix(0).abs() < 1 << 40, "{text}");
    }
    if let Some(range) = found.thumbnail {
        assert!(bytes[range].starts_with(b"\xff\xd8\xff"));
    }
    if let Ok(small) = small {
        assert!(small.width().max(small.height()) <= 40);
        let hash = PictureHash::of(&small);
        assert!(hash.matches(&hash).is_some() && PictureHash::from_bytes(&hash.to_bytes()) == Some(hash));
    }
}

/// A grey JPEG of one pixel.
const PIXEL: &[u8] = include_bytes!("../pixel.jpg");

pub fn weights(bytes: &[u8]) {
    let Ok(file) = memory::within(file_memory(bytes), || WeightsFile::from_bytes(bytes.to_vec(), "weights")) else {
        return;
    };
    let _ = file.verify();
    let _ = file.content_hash();
    let _ = memory::within(file_memory(bytes), || Options::new().threads(1).open_weights(file));
}

fn checkpoint(bytes: Vec<u8>) {
    let limit = file_memory(&bytes);
    memory::within(limit, || {
        let Ok(checkpoint) = Checkpoint::from_bytes(bytes, "checkpoint") else { return };
        let names: Vec<String> = checkpoint.tensors().map(|info| info.name.to_owned()).collect();
        for name in names.iter().take(100) {
            let _ = checkpoint.tensor(name);
        }
    });
}

pub fn safetensors(bytes: &[u8]) {
    checkpoint(bytes.to_vec());
}

/// A ZIP container; its start is fixed, so that the container is recognised.
pub fn zip(bytes: &[u8]) {
    let mut file = bytes.to_vec();
    if file.len() >= 4 {
        file[..4].copy_from_slice(b"PK\x03\x04");
    }
    checkpoint(file);
}

pub fn pickle(bytes: &[u8]) {
    checkpoint(pickles::archive(bytes));
    // The same pickle as the legacy container.
    checkpoint(bytes.to_vec());
}

/// A pickle of mostly sound instructions, each chosen by a byte.
pub fn pickle_structure(choices: &[u8]) {
    let pickle = pickles::chosen(choices);
    checkpoint(pickles::archive(&pickle));
    checkpoint(pickles::legacy(&pickle));
}

pub fn tokenizer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let tokenizer = Tokenizer::clip();
    let limit = (64 << 20) + 200 * bytes.len();
    let ids = memory::within(limit, || tokenizer.encode(&text)).unwrap();
    assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    let cut = tokenizer.tokenize(&text, 77, Overflow::Truncate).unwrap();
    assert!((2..=77).contains(&cut.len()));
    assert_eq!((cut.first().copied(), cut.last().copied()), (tokenizer.start_id(), tokenizer.end_id()));
    assert_eq!(cut[1..cut.len() - 1], ids[..cut.len() - 2]);
}

/// A configuration file; its first byte chooses the name.
pub fn config(bytes: &[u8]) {
    const NAMES: [&str; 8] = [
        "open_clip_config.json",
        "config.json",
        "preprocessor_config.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "vocab.json",
        "merges.txt",
    ];
    let Some((first, text)) = bytes.split_first() else { return };
    let name = NAMES[usize::from(*first) % NAMES.len()];
    let read = || clippie_rs::import::fuzz_config(name, text);
    if let Err(error) = memory::within((16 << 20) + 100 * bytes.len(), read) {
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// A published tokenizer; then a text, after the last byte 0xff. The stored form, damaged by the text, gives ids as well.
pub fn tokenizer_file(bytes: &[u8]) {
    let at = bytes.iter().rposition(|&byte| byte == 0xff).unwrap_or(bytes.len());
    let (file, text) = bytes.split_at(at);
    let text = String::from_utf8_lossy(text);
    let path = std::path::Path::new("tokenizer");
    // The largest id of a JSON file says how long the list of pieces is.
    let limit = (128 << 20) + 200 * bytes.len();
    let Ok(read) = memory::within(limit, || TokenizerFile::from_bytes(file, path)) else { return };
    let Ok((mut stored, config)) = memory::within(limit, || read.store()) else { return };
    let ids = |stored: &[u8]| {
        let mut words = vec![0_u32; stored.len().div_ceil(4)];
        for (word, bytes) in words.iter_mut().zip(stored.chunks(4)) {
            *word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        }
        let Ok(tokenizer) = Tokenizer::stored(Arc::new(Words(words)), &config) else { return };
        let ids = memory::within(limit, || tokenizer.encode(&text)).unwrap();
        assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    };
    ids(&stored);
    for (at, byte) in text.bytes().enumerate() {
        let at = (at * 0x9e37_79b1 + usize::from(byte)) % stored.len();
        stored[at] ^= byte;
    }
    ids(&stored);
}

/// Bytes at a multiple of 4.
struct Words(Vec<u32>);

impl AsRef<[u8]> for Words {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

pub fn hub(bytes: &[u8]) {
    memory::within((16 << 20) + 100 * bytes.len(), || clippie_rs::hub::fuzzing::answer(bytes));
}

pub fn request(bytes: &[u8]) {
    memory::within((16 << 20) + 100 * bytes.len(), || clippie_rs::server::fuzzing::request(bytes));
}

/// A file of text embeddings: what is read is written and read again. Its checksum is not compared.
pub fn text_cache(bytes: &[u8]) {
    let path = files::write("texts.cache", bytes);
    let cache = TextCache::new(1000, 1 << 20);
    let read = memory::within((16 << 20) + 100 * bytes.len(), || cache.load(&path));
    let Ok(count) = read else {
        assert!(cache.is_empty());
        return;
    };
    assert!(cache.len() <= count && cache.bytes() <= 1 << 20);
    cache.save(&path).unwrap();
    let again = TextCache::new(1000, 1 << 20);
    assert_eq!(again.load(&path).unwrap(), cache.len());
    assert!(again.iter().eq(cache.iter()));
}

/// A data set, whose kind the first byte chooses: the next two are the length of its first file.
pub fn dataset(bytes: &[u8]) {
    let &[kind, low, high, ref rest @ ..] = bytes else { return };
    let (first, second) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes([low, high]))));
    let path = match kind % 4 {
        0 => {
            files::write("cifar/batches.meta.txt", first);
            files::write("cifar/test_batch.bin", second)
        }
        1 => {
            files::write("idx/t10k-labels-idx1-ubyte", first);
            files::write("idx/t10k-images-idx3-ubyte", second)
        }
        2 => {
            files::write("gz/t10k-labels-idx1-ubyte.gz", first);
            files::write("gz/t10k-images-idx3-ubyte.gz", second)
        }
        _ => files::write("captions.csv", rest),
    };
    let path = if kind % 4 == 3 { &path } else { path.parent().unwrap_or(Path::new("")) };
    let limit = (kind & 0x80 != 0).then_some(usize::from(kind >> 2 & 31));
    // A byte of gzip becomes 1032 at most, and a buffer grows by doubling.
    let read = memory::within((16 << 20) + 3000 * bytes.len(), || Dataset::open(path, Split::Test, limit));
    let Ok(dataset) = read else { return };
    let (photos, classes) = (dataset.len(), dataset.classes().len());
    assert!(photos > 0 && dataset.picture(photos).is_none());
    assert!(
        dataset.truth().iter().all(|&class| class < classes) && dataset.captions().iter().all(|c| c.photo < photos)
    );
    assert!(dataset.truth().len() == if classes == 0 { 0 } else { photos });
    for photo in (0..photos).take(20) {
        assert!(dataset.picture(photo).is_some() && !dataset.name(photo).is_empty());
    }
}

/// A mapped file of vectors: opened, searched, verified. Its checksums are not compared.
pub fn packed(bytes: &[u8]) {
    static THREADS: OnceLock<Threads> = OnceLock::new();
    let path = files::write("vectors.scan", bytes);
    memory::within((64 << 20) + 100 * bytes.len(), || {
        let Ok(packed) = Packed::open(&path) else { return };
        let options = scan::Options::new().threads(THREADS.get_or_init(|| Threads::new(1)));
        let _ = packed.verify(&options);
        let rows = packed.rows();
        assert_eq!(rows.vectors().len(), packed.len() * rows.dim());
        for row in (0..packed.len()).take(10) {
            // Sums that are not zero are damage.
            let _ = (packed.id(row), packed.tag(row), rows.row(row));
        }
        let query: Vec<f32> = (0..rows.dim()).map(|at| (at % 7) as f32 - 3.0).collect();
        if let Ok(found) = rows.top_k(&query, 5, &options) {
            assert!(found.len() == 1 && found[0].len() <= packed.len().min(5));
            assert!(found[0].iter().all(|hit| hit.row < packed.len()));
        }
    });
}

/// A Parquet table: all its columns are read. Panics of the decoder are contained by the library and no findings.
pub fn table(bytes: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // libFuzzer's own hook aborts, wherever a panic comes from.
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let decoder = info.location().is_some_and(|at| at.file().contains("/parquet-"));
            if !decoder {
                abort(info);
            }
        }));
    });
    let path = files::write("table.parquet", bytes);
    // Four million values of a list need no justification: their levels, their numbers, and both again while they grow.
    memory::within((256 << 20) + 16_384 * bytes.len(), || {
        let Ok(table) = Reader::open(&path) else { return };
        let columns: Vec<String> = table.columns().map(str::to_owned).collect();
        for column in columns {
            let mut rows = 0;
            let read = table.read(&[&column], |cells| {
                assert_eq!(cells.len(), 1);
                rows += 1;
                Ok::<(), Error>(())
            });
            assert!(read.is_err() || rows == table.rows());
        }
    });
}

/// A tar archive: its photos are listed and read.
pub fn tar(bytes: &[u8]) {
    let path = files::write("photos.tar", bytes);
    memory::within((4 << 20) + 8 * bytes.len(), || {
        let mut photos = Archive::list(&path);
        // Nothing comes after an error of the archive, and every photo is within it.
        for photo in photos.by_ref().flatten() {
            assert!(photo.len() <= bytes.len() as u64 && photo.archive() == path);
            assert_eq!(photo.read().map(|read| read.len() as u64).ok(), Some(photo.len()));
        }
    });
}

/// A query: words on lines of their own.
pub fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split('\n').collect();
    let parsed = memory::within((1 << 20) + 200 * bytes.len(), || Query::parse(&words));
    if let Ok(query) = parsed {
        assert!(!query.terms().is_empty() && !query.to_string().contains(char::is_control));
        for term in query.terms() {
            assert!(term.weight.is_finite() && term.weight != 0.0);
            assert!(!matches!(&term.what, What::Text(text) if text.trim().is_empty()));
        }
    }
    let _ = Query::parse_term(&text);
}
