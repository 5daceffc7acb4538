//! Tests of duplicates on made-up rows: files of given sizes, embeddings on a circle.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::store::{Calibration, FileRow, PhotoRow, Root};
use super::*;
use crate::pixels::{PictureHash, RgbBuffer};

/// A library whose photos have embeddings of two values.
struct Made {
    folder: TempDir,
    library: Library,
    root: Root,
    model: i64,
}

/// A photo to be made.
#[derive(Clone)]
struct Photo<'a> {
    name: &'a str,
    /// Sizes of files are contents here: photos with the same one have the same bytes.
    bytes: usize,
    width: u32,
    taken: Option<&'a str>,
    /// Degrees, of the embedding.
    angle: f64,
    /// A grey level that is the picture.
    picture: Option<u8>,
}

const PHOTO: Photo<'_> = Photo { name: "", bytes: 0, width: 100, taken: None, angle: 0.0, picture: None };

impl Made {
    /// Two dated photos are of one scene from a cosine of 0.8 on, which is 36.9 degrees.
    fn new(photos: &[Photo<'_>]) -> Made {
        let folder = TempDir::new().unwrap();
        let library = Library::create(folder.path().join("library.sqlite")).unwrap();
        let photos_folder = folder.path().join("photos");
        fs::create_dir(&photos_folder).unwrap();
        let store = library.store().unwrap();
        let root = store.add_root(&fs::canonicalize(photos_folder).unwrap()).unwrap().0;
        let model = store.add_model("00112233445566778899aabbccddeeff", "circle", 2).unwrap().id;
        store.set_calibration(model, None, Some(Calibration { median: 0.0, high: 0.6 })).unwrap();
        drop(store);
        let made = Made { folder, library, root, model };
        made.add(photos);
        made
    }

    fn add(&self, photos: &[Photo<'_>]) {
        let store = self.library.store().unwrap();
        store
            .write(|store| {
                for photo in photos {
                    let path = self.root.path.join(photo.name);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(&path, vec![0; photo.bytes]).unwrap();
                    let grey = |level| RgbBuffer::new(32, 32, vec![level; 32 * 32 * 3]).unwrap();
                    let id = store.put_photo(&PhotoRow {
                        hash: *blake3::hash(&photo.bytes.to_le_bytes()).as_bytes(),
                        bytes: photo.bytes as u64,
                        width: photo.width,
                        height: 100,
                        orientation: 1,
                        taken: photo.taken.map(str::to_owned),
                        picture: photo.picture.map(|level| PictureHash::of(&grey(level)).to_bytes().to_vec()),
                        ..PhotoRow::default()
                    })?;
                    let (sin, cos) = photo.angle.to_radians().sin_cos();
                    store.add_embedding(self.model, id, &[cos as f32, sin as f32])?;
                    store.put_file(
                        self.root.id,
                        &FileRow {
                            path: photo.name.as_bytes().to_vec(),
                            bytes: photo.bytes as u64,
                            modified: 0,
                            photo: Ok(id),
                            missing: false,
                        },
                    )?;
                }
                Ok(())
            })
            .unwrap();
    }

    /// The groups as names, those to keep first.
    fn groups(&self, classes: &[DuplicateClass]) -> Vec<Vec<String>> {
        let groups = Duplicates::new(&self.library).classes(classes).run().unwrap();
        groups.iter().map(|group| self.names(group)).collect()
    }

    fn names(&self, group: &DuplicateGroup) -> Vec<String> {
        group.photos.iter().map(|photo| self.name(&photo.path)).collect()
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root.path).unwrap().to_str().unwrap().to_owned()
    }
}

#[test]
fn a_chain_of_similar_photos_is_not_one_scene() {
    let shots = |widths: [u32; 3], angles: [f64; 3], minutes: [&'static str; 3]| {
        let shot = |i: usize| Photo {
            name: ["a.jpg", "b.jpg", "c.jpg"][i],
            bytes: 10 + i,
            width: widths[i],
            angle: angles[i],
            taken: Some(minutes[i]),
            ..PHOTO
        };
        let made = Made::new(&[shot(0), shot(1), shot(2)]);
        made.groups(&[DuplicateClass::Scene])
    };
    let now = ["2024-05-06T07:08:00"; 3];
    // b resembles both, a and c do not resemble each other.
    assert_eq!(shots([300, 200, 100], [0.0, 30.0, 60.0], now), [["a.jpg", "b.jpg"]]);
    assert_eq!(shots([200, 300, 100], [0.0, 30.0, 60.0], now), [["b.jpg", "a.jpg", "c.jpg"]]);
    // c resembles both, and b most.
    assert_eq!(shots([300, 200, 100], [0.0, 45.0, 35.0], now), [["b.jpg", "c.jpg"]]);
    // The same with time.
    let later = ["2024-05-06T23:55:00", "2024-05-07T00:04:00", "2024-05-07T00:13:00"];
    assert_eq!(shots([300, 200, 100], [0.0; 3], later), [["a.jpg", "b.jpg"]]);
    assert_eq!(shots([200, 300, 100], [0.0; 3], later), [["b.jpg", "a.jpg", "c.jpg"]]);
    let month = ["2024-05-06T07:08:00", "2024-06-06T07:08:00", "2025-05-06T07:08:00"];
    assert!(shots([100; 3], [0.0; 3], month).is_empty());
}

#[test]
fn photos_without_a_date_are_scenes_by_their_names() {
    let photos = |names: &[&'static str], angle: f64| {
        let photo = |(i, &name)| Photo { name, bytes: 10 + i, angle: angle * i as f64, ..PHOTO };
        let mut groups =
            Made::new(&names.iter().enumerate().map(photo).collect::<Vec<_>>()).groups(&DuplicateClass::ALL);
        groups.iter_mut().for_each(|group| group.sort());
        groups.sort();
        groups
    };
    assert_eq!(photos(&["IMG_1.jpg", "IMG_3.jpg"], 5.0), [["IMG_1.jpg", "IMG_3.jpg"]]);
    // Alike enough if they had dates.
    assert!(photos(&["IMG_1.jpg", "IMG_3.jpg"], 35.0).is_empty());
    assert!(photos(&["IMG_1.jpg", "IMG_30.jpg"], 0.0).is_empty());
    assert!(photos(&["a/IMG_1.jpg", "b/IMG_2.jpg"], 0.0).is_empty());
    assert!(photos(&["beach.jpg", "sea.jpg"], 0.0).is_empty());
}

#[test]
fn a_pair_is_in_one_class() {
    let now = Some("2024-05-06T07:08:00");
    // Undated, with more pixels than its dated copy; both files of one content; a shot of the same moment.
    let photos = [
        Photo { name: "large.jpg", bytes: 10, width: 400, picture: Some(90), ..PHOTO },
        Photo { name: "small.jpg", bytes: 11, picture: Some(90), taken: now, ..PHOTO },
        Photo { name: "copy.jpg", bytes: 11, picture: Some(90), taken: now, ..PHOTO },
        Photo { name: "next.jpg", bytes: 12, picture: Some(200), taken: now, ..PHOTO },
    ];
    let made = Made::new(&photos);
    let groups = Duplicates::new(&made.library).run().unwrap();
    let found: Vec<_> = groups.iter().map(|group| (group.class.name(), made.names(group), group.bytes)).collect();
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    assert_eq!(
        found,
        [
            ("file", names(["copy.jpg", "small.jpg"]), 11),
            ("picture", names(["large.jpg", "copy.jpg"]), 11),
            ("scene", names(["large.jpg", "next.jpg"]), 12),
        ]
    );
    assert_eq!(groups[0].photos[1].likeness, Likeness::Bytes);
    assert_eq!(groups[1].photos[1].likeness, Likeness::Picture { turned: 1, distance: 0.0 });
    assert_eq!(made.name(&groups[1].photos[1].copies[0]), "small.jpg");
    assert_eq!(groups[2].photos[1].likeness, Likeness::Scene { cosine: 1.0, seconds: Some(0) });
    // Each class alone finds the same groups.
    for (class, group) in DuplicateClass::ALL.iter().zip(&groups) {
        assert_eq!(Duplicates::new(&made.library).classes(&[*class]).run().unwrap(), std::slice::from_ref(group));
    }
    // What is kept is gone: the others are still the same.
    fs::remove_file(made.root.path.join("large.jpg")).unwrap();
    assert_eq!(made.groups(&[DuplicateClass::Picture]), Vec::<Vec<String>>::new());
    assert_eq!(made.groups(&[DuplicateClass::Scene]), [["next.jpg", "copy.jpg"]]);
    // A file that has changed is no copy any more.
    fs::write(made.root.path.join("copy.jpg"), "other").unwrap();
    assert!(made.groups(&[DuplicateClass::File]).is_empty());
    assert_eq!(made.groups(&[DuplicateClass::Scene]), [["next.jpg", "small.jpg"]]);
}

#[cfg(unix)]
#[test]
fn links_are_not_copies() {
    let photo = |name| Photo { name, bytes: 10, ..PHOTO };
    let made = Made::new(&[photo("b.jpg"), photo("c.jpg"), photo("d.jpg")]);
    let path = |name: &str| made.root.path.join(name);
    fs::remove_file(path("c.jpg")).unwrap();
    fs::hard_link(path("b.jpg"), path("c.jpg")).unwrap();
    assert_eq!(made.groups(&[DuplicateClass::File]), [["b.jpg", "d.jpg"]]);
    made.add(&[photo("a.jpg")]);
    fs::remove_file(path("a.jpg")).unwrap();
    std::os::unix::fs::symlink("d.jpg", path("a.jpg")).unwrap();
    // The file is kept and not the link that would lead nowhere without it.
    assert_eq!(made.groups(&[DuplicateClass::File]), [["b.jpg", "d.jpg"]]);
    fs::remove_file(path("b.jpg")).unwrap();
    fs::remove_file(path("c.jpg")).unwrap();
    assert!(made.groups(&[DuplicateClass::File]).is_empty());
    fs::hard_link(path("d.jpg"), path("c.jpg")).unwrap();
    assert!(made.groups(&[DuplicateClass::File]).is_empty());
}

#[test]
fn long_series_give_the_groups_of_short_ones() {
    // So many that a scan lists the pairs, and so many pairs that it cannot.
    for (count, spread) in [(600u32, 360.0), (2100, 20.0)] {
        let names: Vec<String> = (0..count).map(|i| format!("{i:04}.jpg")).collect();
        let mut state = 1u32;
        let mut photos = Vec::new();
        for (i, name) in names.iter().enumerate() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let angle = f64::from(state >> 8) / f64::from(1 << 24) * spread;
            let taken = Some("2024-05-06T07:08:00");
            photos.push(Photo { name, bytes: i + 1, width: 100 + (state >> 20) % 50, angle, taken, ..PHOTO });
        }
        let made = Made::new(&photos);
        let found = made.groups(&[DuplicateClass::Scene]);
        // Straight from the definition.
        photos.sort_by_key(|photo| std::cmp::Reverse((photo.width, photo.bytes)));
        let mut groups: Vec<Vec<&Photo<'_>>> = Vec::new();
        for photo in &photos {
            let cosine = |group: &Vec<&Photo<'_>>| (group[0].angle - photo.angle).to_radians().cos();
            let nearest = groups.iter_mut().max_by(|a, b| cosine(a).total_cmp(&cosine(b)));
            match nearest {
                Some(group) if cosine(group) >= 0.8 => group.push(photo),
                _ => groups.push(vec![photo]),
            }
        }
        groups.retain(|group| group.len() > 1);
        let bytes = |group: &Vec<&Photo<'_>>| group[1..].iter().map(|photo| photo.bytes).sum::<usize>();
        groups.sort_by_key(|group| std::cmp::Reverse(bytes(group)));
        let names: Vec<Vec<&str>> = groups.iter().map(|group| group.iter().map(|photo| photo.name).collect()).collect();
        assert!(names.len() <= 10 && names.iter().map(Vec::len).sum::<usize>() > 500);
        assert_eq!(found, names);
    }
}

#[test]
fn filters_models_and_cancelling() {
    let now = Some("2024-05-06T07:08:00");
    let made = Made::new(&[
        Photo { name: "a/1.jpg", bytes: 10, taken: now, ..PHOTO },
        Photo { name: "b/2.jpg", bytes: 10, taken: now, ..PHOTO },
        Photo { name: "b/3.jpg", bytes: 10, taken: now, ..PHOTO },
        Photo { name: "b/4.jpg", bytes: 11, taken: now, ..PHOTO },
    ]);
    let below = Filter::new().folder(made.root.path.join("b")).unwrap();
    let groups = Duplicates::new(&made.library).filter(below).run().unwrap();
    let names: Vec<_> = groups.iter().map(|group| made.names(group)).collect();
    assert_eq!(names, [["b/2.jpg", "b/3.jpg"], ["b/4.jpg", "b/2.jpg"]]);
    let scenes = |seconds| {
        let scene = [DuplicateClass::Scene];
        Duplicates::new(&made.library).classes(&scene).within(Duration::from_secs(seconds)).run().unwrap().len()
    };
    assert_eq!((scenes(0), scenes(u64::MAX)), (1, 1));

    let token = CancelToken::new();
    token.cancel();
    assert!(matches!(Duplicates::new(&made.library).cancel(&token).run(), Err(Error::Cancelled)));
    let error = Duplicates::new(&made.library).fingerprint("00").run().unwrap_err().to_string();
    assert!(error.contains("fingerprint 00; its models are: circle"), "{error}");
    made.library.store().unwrap().add_model("ff112233445566778899aabbccddeeff", "square", 2).unwrap();
    let error = Duplicates::new(&made.library).run().unwrap_err().to_string();
    assert!(error.contains("circle and square"), "{error}");
    assert!(!made.groups(&[DuplicateClass::File]).is_empty());
    assert!(made.folder.path().exists());
}
