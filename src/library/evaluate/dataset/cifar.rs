//! CIFAR-10's binary version (Krizhevsky 2009, <https://www.cs.toronto.edu/~kriz/cifar.html>): records of 3,073 bytes,
//! a class and 32 x 32 pixels in three planes.

use std::path::{Path, PathBuf};

use super::{Dataset, Error, Photos, Quota, Raw, Split, read_file};

const SIDE: usize = 32;
/// A class, then the planes.
const RECORD: usize = 1 + 3 * SIDE * SIDE;
/// The folder in the published archive.
const FOLDER: &str = "cifar-10-batches-bin";
const TEST: &str = "test_batch.bin";
const NAMES: &str = "batches.meta.txt";
/// The classes, if the file with their names is missing.
const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The files of a folder.
pub(super) struct Cifar {
    folder: PathBuf,
    test: Option<PathBuf>,
    train: Vec<PathBuf>,
}

/// Finds the files in a folder, or in the folder of the archive in it.
pub(super) fn find(path: &Path) -> Option<Cifar> {
    [path.to_owned(), path.join(FOLDER)].into_iter().find_map(|folder| {
        let file = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        let train: Vec<PathBuf> = (1..=5).filter_map(|number| file(&format!("data_batch_{number}.bin"))).collect();
        let test = file(TEST);
        (test.is_some() || !train.is_empty()).then_some(Cifar { folder, test, train })
    })
}

impl Cifar {
    pub fn read(self, split: Split, limit: usize) -> Result<Dataset, Error> {
        let Cifar { folder, test, train } = self;
        let files: Vec<PathBuf> = match split {
            Split::Test if test.is_some() => test.into_iter().collect(),
            Split::Test | Split::Train => train,
            Split::All => train.into_iter().chain(test).collect(),
        };
        if files.is_empty() {
            return Err(Error::dataset(&folder, "it has no batch for training, such as data_batch_1.bin"));
        }
        let classes = classes(&folder)?;
        let mut quota = Quota::new(limit);
        let (mut truth, mut pixels) = (Vec::new(), Vec::new());
        for file in files {
            let bytes = read_file(&file)?;
            let (records, rest) = bytes.as_chunks::<RECORD>();
            if !rest.is_empty() || records.is_empty() {
                let reason = format!("it has {} bytes, which is no multiple of a record of {RECORD}", bytes.len());
                return Err(Error::dataset(&file, format!("{reason}; it may be cut off, so fetch it again")));
            }
            for (number, [class, planes @ ..]) in records.iter().enumerate() {
                let class = usize::from(*class);
                if class >= classes.len() {
                    let reason = format!("record {number} has the class {class}, and there are {}", classes.len());
                    return Err(Error::dataset(&file, format!("{reason}; it is not of CIFAR-10 or is damaged")));
                }
                if quota.take(class) {
                    truth.push(class);
                    pixels.extend_from_slice(planes);
                }
            }
        }
        let photos = Photos::Raw(Raw { width: SIDE, height: SIDE, planes: 3, bytes: pixels });
        Ok(Dataset { path: folder, kind: "cifar-10", classes, truth, photos, captions: Vec::new() })
    }
}

/// The names of the classes: a line each.
fn classes(folder: &Path) -> Result<Vec<String>, Error> {
    let path = folder.join(NAMES);
    if !path.is_file() {
        return Ok(CLASSES.map(str::to_owned).into());
    }
    let text = String::from_utf8(read_file(&path)?).map_err(|_| Error::dataset(&path, "it is not UTF-8"))?;
    let names: Vec<String> = text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    // A record has one byte for the class.
    if !(2..=256).contains(&names.len()) {
        return Err(Error::dataset(&path, format!("it names {} classes; CIFAR-10 has ten", names.len())));
    }
    Ok(names)
}
