//! The photos of a tar archive, such as a shard of WebDataset: listed as those of a folder are, and read where they are.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::iter::FusedIterator;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::captions::{Captions, sample};
use super::known::{is_hidden, side_label};
use super::unpacked::Unpacked;
use super::{PassedOver, WalkError, is_photo};
use crate::files::{open_regular, path_of};
use crate::tar::{Member, Members};

/// Whether the name of `path` is that of a tar archive: its ending is `tar`, `tar.gz` or `tgz`, in any case.
#[must_use]
pub fn is_archive(path: impl AsRef<Path>) -> bool {
    let ends = |path: &Path, ending: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    let path = path.as_ref();
    let inner = path.file_stem().map(Path::new).filter(|_| ends(path, "gz"));
    ends(path, "tar") || ends(path, "tgz") || inner.is_some_and(|inner| ends(inner, "tar"))
}

/// A photo in a tar archive. Its bytes are read when they are needed.
#[derive(Clone, Debug)]
pub struct ArchivedPhoto {
    archive: Arc<Path>,
    /// Of a compressed archive.
    unpacked: Option<Arc<Unpacked>>,
    /// The archive, `#` and the name in it.
    path: PathBuf,
    start: u64,
    len: u64,
    /// Shared by the photos of a sample.
    caption: Option<Arc<str>>,
}

impl ArchivedPhoto {
    /// The path of the archive, `#`, and the photo's name in it: `shard-000.tar#0001.jpg`. No file has this path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> &Path {
        &self.archive
    }

    /// The caption of the photo: see [`Archive::list_with_captions`].
    #[must_use]
    pub fn caption(&self) -> Option<&str> {
        self.caption.as_deref()
    }

    /// Number of bytes of the photo.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "the length of a file")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reads the photo. Photos of a compressed archive are to be read in about their order: it is decompressed from its start
    /// again where a photo far before the last one is asked for.
    ///
    /// # Errors
    /// The archive cannot be read, or is shorter than it was.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        if let Some(unpacked) = &self.unpacked {
            return unpacked.read(&self.archive, self.start);
        }
        let mut file: File = open_regular(&self.archive)?;
        file.seek(SeekFrom::Start(self.start))?;
        let mut bytes = Vec::new();
        file.take(self.len).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != self.len {
            return Err(io::Error::other("the archive is shorter than when it was listed"));
        }
        Ok(bytes)
    }
}

/// The photos of a tar archive, in its order: those files whose names have one of the [`EXTENSIONS`](super::EXTENSIONS),
/// and are not hidden or in a folder that other programs keep beside photos. The list is in memory, the photos are not.
///
/// A photo that the archive has only as a link, or without its zeros (sparse), is an error at its place. Where the archive
/// is damaged or ends early, or something follows its end, the list ends with an error.
///
/// ```no_run
/// use clippie_rs::{ImageEncoder, walk::Archive};
///
/// let encoder = ImageEncoder::open("mobileclip2-s2.clippie")?;
/// for (photo, embedding) in encoder.stream(Archive::list("shard-000.tar")) {
///     match (photo, embedding) {
///         (Ok(photo), Ok(embedding)) => println!("{}: {} numbers", photo.path().display(), embedding.len()),
///         (_, Err(error)) => eprintln!("{error}"),
///         (Err(_), Ok(_)) => unreachable!("what cannot be listed has no embedding"),
///     }
/// }
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct Archive {
    found: std::vec::IntoIter<Result<ArchivedPhoto, WalkError>>,
    passed_over: PassedOver,
}

impl Archive {
    /// Lists the photos of the tar archive `path`. An archive that cannot be read is a list of one error.
    pub fn list(path: impl AsRef<Path>) -> Archive {
        Archive::read(path.as_ref(), None)
    }

    /// Lists the photos as [`Archive::list`] does, with their captions, as WebDataset stores them: the text of the file
    /// whose name is the photo's up to its first dot and `.txt`, or, without one, the string `caption`, else `text`, of the
    /// object in `.json`. Captions are in memory. One that is no UTF-8, not of this form or longer than a mebibyte is none.
    pub fn list_with_captions(path: impl AsRef<Path>) -> Archive {
        Archive::read(path.as_ref(), Some(Captions::default()))
    }

    fn read(path: &Path, mut captions: Option<Captions>) -> Archive {
        let (mut found, mut passed_over) = (Vec::new(), PassedOver::default());
        // The sample of each photo that was found.
        let mut samples: Vec<Vec<u8>> = Vec::new();
        let archive: Arc<Path> = path.into();
        match Members::open(path) {
            Err(error) => found.push(Err(WalkError::new(path, error))),
            Ok(mut members) => {
                let is_compressed = members.is_compressed();
                while let Some(member) = members.next() {
                    let Ok(member) = member.map_err(|error| found.push(Err(WalkError::new(path, error)))) else {
                        break;
                    };
                    if let Some(captions) = &mut captions {
                        captions.add(&mut members, &member);
                    }
                    let sample = captions.as_ref().map(|_| sample(&member.name).to_vec());
                    if let Some(photo) = listed(member, &archive, &mut passed_over) {
                        samples.extend(sample.filter(|_| photo.is_ok()));
                        found.push(photo);
                    }
                }
                if let Some(captions) = &captions {
                    for (photo, sample) in found.iter_mut().flatten().zip(&samples) {
                        photo.caption = captions.of(sample);
                    }
                }
                if is_compressed {
                    let photos = found.iter().flatten().map(|photo| (photo.start, photo.len)).collect();
                    let unpacked = Arc::new(Unpacked::new(photos));
                    found.iter_mut().flatten().for_each(|photo| photo.unpacked = Some(Arc::clone(&unpacked)));
                }
            }
        }
        Archive { found: found.into_iter(), passed_over }
    }

    /// The numbers of files of the archive that were passed over.
    #[must_use]
    pub fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }
}

/// A file of an archive, if it is a photo.
fn listed(
    member: Member,
    archive: &Arc<Path>,
    passed_over: &mut PassedOver,
) -> Option<Result<ArchivedPhoto, WalkError>> {
    let bytes = member.name.strip_prefix(b"./").unwrap_or(&member.name);
    let name = path_of(bytes).unwrap_or_else(|| PathBuf::from(String::from_utf8_lossy(bytes).into_owned()));
    if let Some(label) = name.ancestors().find_map(side_label) {
        *passed_over.side.entry(label).or_default() += 1;
        return None;
    }
    if name.ancestors().any(is_hidden) {
        passed_over.hidden += 1;
        return None;
    }
    let mut path = archive.as_os_str().to_owned();
    path.push("#");
    path.push(&name);
    let path = PathBuf::from(path);
    if !is_photo(&name) {
        passed_over.file(&path);
        return None;
    }
    Some(match member.unusable {
        Some(reason) => Err(WalkError::new(path, io::Error::other(reason))),
        None => Ok(ArchivedPhoto {
            archive: Arc::clone(archive),
            unpacked: None,
            caption: None,
            path,
            start: member.start,
            len: member.len,
        }),
    })
}

impl Iterator for Archive {
    type Item = Result<ArchivedPhoto, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.found.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.found.size_hint()
    }
}

impl ExactSizeIterator for Archive {}
impl FusedIterator for Archive {}
