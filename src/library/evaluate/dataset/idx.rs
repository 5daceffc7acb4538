//! MNIST's idx files (LeCun et al. 1998): big-endian sizes, then bytes. Photos in one file, their classes in another;
//! published with gzip.

use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{Dataset, Error, Photos, Quota, Raw, Split, read_at_most, read_file};

/// Longest side of a photo; MNIST's have 28 pixels.
const MAX_SIDE: usize = 4096;
/// Most classes: those of EMNIST by class, the largest set in this format.
const MAX_CLASSES: usize = 62;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The pairs of files of a folder.
pub(super) struct Idx {
    folder: PathBuf,
    test: Option<Pair>,
    train: Option<Pair>,
}

struct Pair {
    photos: PathBuf,
    classes: PathBuf,
}

/// Finds the files in a folder, or in the folder `raw` in it, where torchvision puts them.
pub(super) fn find(path: &Path) -> Option<Idx> {
    [path.to_owned(), path.join("raw")].into_iter().find_map(|folder| {
        let (test, train) = (pair(&folder, "t10k"), pair(&folder, "train"));
        (test.is_some() || train.is_some()).then_some(Idx { folder, test, train })
    })
}

fn pair(folder: &Path, prefix: &str) -> Option<Pair> {
    let file = |kind: &str| {
        let names = ["-", "."]
            .into_iter()
            .flat_map(|dot| ["", ".gz"].map(|gz| format!("{prefix}-{}", kind.replace('/', dot) + gz)));
        names.map(|name| folder.join(name)).find(|path| path.is_file())
    };
    Some(Pair { photos: file("images/idx3-ubyte")?, classes: file("labels/idx1-ubyte")? })
}

impl Idx {
    pub fn read(self, split: Split, limit: usize) -> Result<Dataset, Error> {
        let Idx { folder, test, train } = self;
        let pairs: Vec<Pair> = match split {
            Split::Test => test.or(train).into_iter().collect(),
            Split::Train => train.into_iter().collect(),
            Split::All => train.into_iter().chain(test).collect(),
        };
        if pairs.is_empty() {
            return Err(Error::dataset(&folder, "it has no files for training, such as train-images-idx3-ubyte.gz"));
        }
        let mut quota = Quota::new(limit);
        let (mut truth, mut all): (Vec<usize>, Option<Raw>) = (Vec::new(), None);
        for Pair { photos, classes } in pairs {
            let (sizes, pixels) = read::<3>(&photos)?;
            let (numbers, labels) = read::<1>(&classes)?;
            let [count, height, width] = sizes;
            if numbers != [count] {
                let reason =
                    format!("it has the classes of {} photos, and {} has {count}", numbers[0], photos.display());
                return Err(Error::dataset(&classes, reason));
            }
            let sides = 1..=MAX_SIDE;
            if !sides.contains(&width) || !sides.contains(&height) {
                return Err(Error::dataset(&photos, format!("its photos have {width} x {height} pixels")));
            }
            let raw = all.get_or_insert_with(|| Raw { width, height, planes: 1, bytes: Vec::new() });
            if (raw.width, raw.height) != (width, height) {
                return Err(Error::dataset(&photos, "its photos have another size than those of the other file"));
            }
            for (number, (class, pixels)) in labels.iter().zip(pixels.chunks_exact(width * height)).enumerate() {
                let class = usize::from(*class);
                if class >= MAX_CLASSES {
                    let reason = format!("label {number} is {class}, and no set has more than {MAX_CLASSES} classes");
                    return Err(Error::dataset(&classes, format!("{reason}; it is damaged, so fetch it again")));
                }
                if quota.take(class) {
                    truth.push(class);
                    raw.bytes.extend_from_slice(pixels);
                }
            }
        }
        // The digits, or as many classes as there are.
        let classes = truth.iter().max().map_or(0, |&last| last + 1).max(10);
        let classes = (0..classes).map(|class| class.to_string()).collect();
        let photos = all.map_or(Photos::Files(Vec::new()), Photos::Raw);
        Ok(Dataset { path: folder, kind: "mnist", classes, truth, photos, captions: Vec::new() })
    }
}

/// Reads a file of unsigned bytes with `N` sizes.
fn read<const N: usize>(path: &Path) -> Result<([usize; N], Vec<u8>), Error> {
    let mut bytes = read_file(path)?;
    if bytes.starts_with(&GZIP) {
        bytes = read_at_most(MultiGzDecoder::new(&bytes[..])).map_err(|source| Error::read(path, source))?;
    }
    let damaged = |reason: String| Error::dataset(path, reason);
    // Two zeros, the type (8 for unsigned bytes), the number of sizes.
    let (head, mut rest) = bytes.split_at_checked(4).unwrap_or_default();
    if head != [0, 0, 8, N as u8] {
        return Err(damaged(format!("it is no idx file of bytes in {N} dimensions, as MNIST's are")));
    }
    let mut sizes = [0; N];
    for size in &mut sizes {
        let (number, left) = rest.split_at_checked(4).ok_or_else(|| damaged("it ends early; fetch it again".into()))?;
        *size = number.iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
        rest = left;
    }
    let total = sizes.iter().try_fold(1usize, |total, &size| total.checked_mul(size));
    if total != Some(rest.len()) {
        return Err(damaged(format!("its sizes are {sizes:?}, and it has {} bytes; fetch it again", rest.len())));
    }
    let head = bytes.len() - rest.len();
    bytes.drain(..head);
    Ok((sizes, bytes))
}
