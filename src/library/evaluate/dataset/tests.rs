//! Tiny data sets in the published formats, and damaged ones.

use std::fs;
use std::io::Write;

use super::*;

fn open(path: &Path, split: Split, limit: Option<usize>) -> Result<Dataset, String> {
    Dataset::open(path, split, limit).map_err(|error| {
        let text = error.to_string();
        text.replace(&path.display().to_string(), "DIR").replace(std::path::MAIN_SEPARATOR, "/")
    })
}

fn pixels(dataset: &Dataset, index: usize) -> RgbBuffer {
    match dataset.picture(index) {
        Some(Picture::Pixels(pixels)) => pixels,
        other => panic!("{other:?}"),
    }
}

fn file(dataset: &Dataset, index: usize) -> PathBuf {
    match dataset.picture(index) {
        Some(Picture::File(path)) => path,
        other => panic!("{other:?}"),
    }
}

/// Records of these classes, whose planes hold their number, and twice and three times it.
fn cifar(classes: &[u8]) -> Vec<u8> {
    let record = |(number, class): (usize, &u8)| {
        let plane = |times: usize| vec![(number * times) as u8; 1024];
        [vec![*class], plane(1), plane(2), plane(3)].concat()
    };
    classes.iter().enumerate().flat_map(record).collect()
}

#[test]
fn cifar_batches_are_read_as_published() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let inner = path.join("cifar-10-batches-bin");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("test_batch.bin"), cifar(&[3, 9, 3, 0])).unwrap();
    fs::write(inner.join("data_batch_1.bin"), cifar(&[1])).unwrap();
    fs::write(inner.join("data_batch_2.bin"), cifar(&[2, 2])).unwrap();
    for path in [path, &inner] {
        let dataset = open(path, Split::Test, None).unwrap();
        assert_eq!((dataset.kind(), dataset.len(), dataset.truth()), ("cifar-10", 4, &[3, 9, 3, 0][..]));
        assert_eq!((dataset.classes().len(), dataset.classes()[3].as_str()), (10, "cat"));
        let third = pixels(&dataset, 2);
        assert_eq!((third.width(), third.height(), &third.data()[..6]), (32, 32, &[2, 4, 6, 2, 4, 6][..]));
        assert!(dataset.picture(4).is_none() && dataset.captions().is_empty());
    }
    assert_eq!(open(path, Split::Train, None).unwrap().truth(), [1, 2, 2]);
    assert_eq!(open(path, Split::All, None).unwrap().truth(), [1, 2, 2, 3, 9, 3, 0]);
    let limited = open(path, Split::All, Some(1)).unwrap();
    assert_eq!((limited.truth(), pixels(&limited, 2).data()[0]), (&[1, 2, 3, 9, 0][..], 0));

    fs::write(inner.join("batches.meta.txt"), "plane\ncar\nbird\ncat\n\n").unwrap();
    let error = "record 1 has the class 9, and there are 4; it is not of CIFAR-10 or is damaged";
    assert_eq!(open(&inner, Split::Test, None).unwrap_err(), format!("DIR/test_batch.bin: {error}"));
    fs::write(inner.join("batches.meta.txt"), "one\n").unwrap();
    assert!(open(&inner, Split::Test, None).unwrap_err().contains("it names 1 classes"));
    fs::remove_file(inner.join("batches.meta.txt")).unwrap();
    for bad in [&cifar(&[1])[..3072], b""] {
        fs::write(inner.join("test_batch.bin"), bad).unwrap();
        let error = open(&inner, Split::Test, None).unwrap_err();
        assert!(error.contains("bytes, which is no multiple of a record of 3073; it may be cut off"), "{error}");
    }
    // Only the batch for testing.
    fs::write(inner.join("test_batch.bin"), cifar(&[1])).unwrap();
    for number in [1, 2] {
        fs::remove_file(inner.join(format!("data_batch_{number}.bin"))).unwrap();
    }
    assert!(open(&inner, Split::Train, None).unwrap_err().contains("no batch for training"));
}

fn idx(kind: [u8; 4], sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    [&kind[..], &sizes.iter().flat_map(|size| size.to_be_bytes()).collect::<Vec<u8>>(), bytes].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

const PHOTOS: [u8; 4] = [0, 0, 8, 3];
const LABELS: [u8; 4] = [0, 0, 8, 1];

#[test]
fn idx_files_are_read_as_published() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let photos = idx(PHOTOS, &[3, 2, 3], &(0..18).collect::<Vec<u8>>());
    let labels = idx(LABELS, &[3], &[7, 0, 7]);
    fs::write(path.join("t10k-images-idx3-ubyte.gz"), gzip(&photos)).unwrap();
    fs::write(path.join("t10k-labels-idx1-ubyte.gz"), gzip(&labels)).unwrap();
    fs::write(path.join("train-images.idx3-ubyte"), idx(PHOTOS, &[1, 2, 3], &[9; 6])).unwrap();
    fs::write(path.join("train-labels.idx1-ubyte"), idx(LABELS, &[1], &[12])).unwrap();
    let dataset = open(path, Split::Test, None).unwrap();
    assert_eq!((dataset.kind(), dataset.len(), dataset.truth()), ("mnist", 3, &[7, 0, 7][..]));
    assert_eq!((dataset.classes().len(), dataset.classes()[7].as_str()), (10, "7"));
    let second = pixels(&dataset, 1);
    assert_eq!((second.width(), second.height()), (3, 2));
    assert_eq!(second.data(), [6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 11]);
    assert_eq!(open(path, Split::Test, Some(1)).unwrap().truth(), [7, 0]);
    let all = open(path, Split::All, None).unwrap();
    assert_eq!((all.truth(), all.classes().len(), pixels(&all, 0).data()[0]), (&[12, 7, 0, 7][..], 13, 9));
    assert_eq!(open(path, Split::Train, None).unwrap().len(), 1);

    let write = |photos: &[u8], labels: &[u8]| {
        fs::write(path.join("t10k-images-idx3-ubyte.gz"), photos).unwrap();
        fs::write(path.join("t10k-labels-idx1-ubyte.gz"), labels).unwrap();
        open(path, Split::Test, None).unwrap_err()
    };
    for (photos, labels, reason) in [
        (&b""[..], &labels[..], "it is no idx file of bytes in 3 dimensions"),
        (&labels, &labels, "it is no idx file of bytes in 3 dimensions"),
        (&photos, &photos, "it is no idx file of bytes in 1 dimensions"),
        (&photos[..9], &labels, "it ends early"),
        (&photos[..33], &labels, "its sizes are [3, 2, 3], and it has 17 bytes"),
        (&photos, &idx(LABELS, &[2], &[7, 0]), "it has the classes of 2 photos, and "),
        (&idx(PHOTOS, &[u32::MAX, u32::MAX, u32::MAX], &[1]), &labels, "its sizes are [4294967295"),
        (&idx(PHOTOS, &[0, 0, 0], &[]), &idx(LABELS, &[0], &[]), "its photos have 0 x 0 pixels"),
        (&idx(PHOTOS, &[0, 2, 5000], &[]), &idx(LABELS, &[0], &[]), "its photos have 5000 x 2 pixels"),
        (&idx(PHOTOS, &[0, 2, 2], &[]), &idx(LABELS, &[0], &[]), "there are no photos in it"),
        (&gzip(&photos)[..20], &labels, "cannot read"),
        (
            &photos,
            &idx(LABELS, &[3], &[61, 62, 0]),
            "label 1 is 62, and no set has more than 62 classes; it is damaged",
        ),
    ] {
        let error = write(photos, labels);
        assert!(error.contains(reason), "{error}");
    }
    fs::write(path.join("t10k-images-idx3-ubyte.gz"), idx(PHOTOS, &[1, 3, 2], &[9; 6])).unwrap();
    fs::write(path.join("t10k-labels-idx1-ubyte.gz"), idx(LABELS, &[1], &[0])).unwrap();
    assert!(open(path, Split::All, None).unwrap_err().contains("another size than those of the other file"));
}

#[test]
fn folders_are_classes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for file in ["b_c/2.png", "b_c/1.JPG", "a/x/3.png", "a/notes.txt", ".hidden/4.png", "@eaDir/5.png", "empty/x.txt"] {
        let file = path.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    let dataset = open(path, Split::Test, None).unwrap();
    assert_eq!((dataset.kind(), dataset.classes()), ("folders", &["a".to_owned(), "b_c".to_owned()][..]));
    assert_eq!(dataset.truth(), [0, 1, 1]);
    let files: Vec<_> = (0..3).map(|index| file(&dataset, index)).collect();
    assert_eq!(files, ["a/x/3.png", "b_c/1.JPG", "b_c/2.png"].map(|file| path.join(file)));
    assert_eq!(dataset.name(1), path.join("b_c/1.JPG").display().to_string());
    assert_eq!(open(path, Split::Test, Some(1)).unwrap().truth(), [0, 1]);
    for class in 0..MAX_CLASSES {
        let file = path.join(format!("many/{class}/x.png"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    assert_eq!(open(&path.join("many"), Split::Test, None).unwrap().classes().len(), MAX_CLASSES);
    fs::create_dir(path.join("many/more")).unwrap();
    fs::write(path.join("many/more/x.png"), "").unwrap();
    let error = open(&path.join("many"), Split::Test, None).unwrap_err();
    assert_eq!(error, "DIR: it has 4097 classes; 4096 at most can be evaluated at a time");
    fs::remove_dir_all(path.join("a")).unwrap();
    fs::remove_dir_all(path.join("many")).unwrap();
    let error = open(path, Split::Test, None).unwrap_err();
    assert!(error.starts_with("DIR: it has no data set: it needs two folders of photos"), "{error}");
    assert!(open(&path.join("none"), Split::Test, None).unwrap_err().starts_with("cannot read DIR: "));
}

#[cfg(unix)]
#[test]
fn what_cannot_be_listed_is_a_photo_that_fails() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["a/1.png", "a/3.png", "b/4.png"] {
        fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
        fs::write(path.join(name), "").unwrap();
    }
    symlink("nowhere", path.join("a/2.png")).unwrap();
    symlink("nowhere", path.join("c")).unwrap();
    let dataset = open(path, Split::Test, None).unwrap();
    assert_eq!((dataset.truth(), dataset.classes().len()), (&[0, 0, 0, 1][..], 2));
    let Some(Picture::Unlisted(error)) = dataset.picture(1) else { panic!("{dataset:?}") };
    assert_eq!((error.path(), dataset.name(1)), (&*path.join("a/2.png"), path.join("a/2.png").display().to_string()));
    // It takes the place of no photo.
    assert_eq!(open(path, Split::Test, Some(1)).unwrap().truth(), [0, 1]);
    assert_eq!(open(path, Split::Test, Some(2)).unwrap().truth(), [0, 0, 0, 1]);
}

#[test]
fn captions_are_lines_of_csv() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("captions.csv");
    let open = |bytes: &[u8], limit| {
        fs::write(&path, bytes).unwrap();
        open(&path, Split::Test, limit)
    };
    let text = "\u{feff}caption, Path ,more\r\n\"a dog, big\",x/1.jpg,\r\n cat ,2.jpg,z\r\n\"two\nlines\",x/1.jpg,\r\n";
    let dataset = open(text.as_bytes(), None).unwrap();
    assert_eq!((dataset.kind(), dataset.len(), dataset.classes().len(), dataset.truth().len()), ("captions", 2, 0, 0));
    assert_eq!(file(&dataset, 0), folder.path().join("x/1.jpg"));
    let captions: Vec<_> = dataset.captions().iter().map(|caption| (caption.photo, caption.text.as_str())).collect();
    assert_eq!(captions, [(0, "a dog, big"), (1, "cat"), (0, "two\nlines")]);
    let limited = open(text.as_bytes(), Some(1)).unwrap();
    assert_eq!((limited.len(), limited.captions().len()), (1, 2));
    for (bytes, reason) in [
        (&b""[..], "its first line does not name the columns path and caption"),
        (b"path,text\na,b\n", "its first line does not name the columns path and caption"),
        (b"path,caption\n", "there are no photos in it"),
        (b"path,caption\na.jpg\n", "it is no valid CSV"),
        (b"path,caption\na.jpg,\n", "line 2 has no path or no caption"),
        (b"path,caption\n\"\",b\n", "line 2 has no path or no caption"),
        (b"path,caption\na.jpg,a\nb.jpg,\xff\n", "the caption on line 3 is not UTF-8; save the file as UTF-8"),
    ] {
        let error = open(bytes, None).unwrap_err();
        assert!(error.starts_with("DIR: ") && error.contains(reason), "{error}");
    }
    let other = folder.path().join("photo.jpg");
    fs::write(&other, "").unwrap();
    let error = Dataset::open(&other, Split::Test, None).unwrap_err().to_string();
    assert!(error.contains("no folder, and no .csv file"), "{error}");
}
