//! Tests of the store: roots, files, contents, embeddings, texts, and files that are no library.

use std::path::{Path, PathBuf};

use rusqlite::OptionalExtension;

use super::*;
use crate::weights::Precision;

fn library() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("data/library.sqlite"), Access::Create).unwrap();
    (folder, store)
}

fn photo(hash: u8) -> PhotoRow {
    PhotoRow {
        hash: [hash; 32],
        bytes: 1000 + u64::from(hash),
        format: Some("jpeg".into()),
        width: 40,
        height: 30,
        orientation: 6,
        taken: Some("2024-05-06T07:08:09".into()),
        taken_offset: Some(-90),
        place: Some((48.5, -3.25)),
        camera: Some("A camera".into()),
        picture: Some(vec![1, 2, 3]),
    }
}

/// The files of a root.
fn files_of(store: &Store, root: i64, prefix: &str, last: Option<&str>) -> Vec<FileRow> {
    let known = store.known_files(root, prefix.as_bytes(), last.map(str::as_bytes), 1000, 0).unwrap();
    known.into_iter().map(|known| known.file).collect()
}

fn file(path: &str, photo: Result<i64, &str>) -> FileRow {
    FileRow { path: path.into(), bytes: 7, modified: -5, photo: photo.map_err(str::to_owned), missing: false }
}

#[test]
fn what_is_written_is_read_again() {
    let (folder, store) = library();
    let (root, part) = store.add_root(Path::new("/photos")).unwrap();
    assert_eq!((root.path.as_path(), part.as_os_str().len()), (Path::new("/photos"), 0));
    let id = store.put_photo(&photo(1)).unwrap();
    assert_eq!(store.put_photo(&photo(1)).unwrap(), id);
    assert_eq!(store.photo(id).unwrap(), Some(photo(1)));
    assert_eq!(store.photo_of_hash(&[1; 32]).unwrap(), Some(id));
    assert_eq!(store.photo_of_hash(&[2; 32]).unwrap(), None);

    let files = [file("a.jpg", Ok(id)), file("b/a\u{fe}.jpg", Err("it is no photo")), file("b/z.jpg", Ok(id))];
    for file in &files {
        store.put_file(root.id, file).unwrap();
    }
    let all = |prefix: &str, last: Option<&str>| files_of(&store, root.id, prefix, last);
    assert_eq!(all("", None), files);
    assert_eq!(all("b/", None), files[1..]);
    assert_eq!(all("", Some("a.jpg")), files[1..]);
    assert_eq!(all("b0", None), []);
    assert_eq!(all("a.jpg", None), files[..1]);
    assert_eq!(store.failures().unwrap(), [(PathBuf::from("/photos/b/a\u{fe}.jpg"), "it is no photo".to_owned())]);
    let roots = store.roots().unwrap();
    let paths = |photo| {
        let mut paths = Vec::new();
        store
            .found(photo, &roots, |found| {
                paths.push(found.path.clone());
                Ok(())
            })
            .unwrap();
        paths
    };
    assert_eq!(paths(Some(id)), ["/photos/a.jpg", "/photos/b/z.jpg"].map(PathBuf::from));
    let mut all = Vec::new();
    store
        .found(None, &roots, |found| {
            all.push(found);
            Ok(())
        })
        .unwrap();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    let expected = FoundFile {
        path: "/photos/a.jpg".into(),
        photo: id,
        taken: "2024-05-06T07:08:09".into(),
        dated: true,
        place: Some((48.5, -3.25)),
        bytes: 1001,
        width: 30,
        height: 40,
    };
    assert_eq!(all[0], expected);
    store.set_missing(root.id, b"a.jpg", true).unwrap();
    assert_eq!(paths(Some(id)), [PathBuf::from("/photos/b/z.jpg")]);

    let model = store.add_model("00112233445566778899aabbccddeeff", "a model", 3).unwrap();
    assert_eq!(store.add_model(&model.fingerprint, "another name", 3).unwrap().id, model.id);
    let text = Calibration { median: 0.125, high: 0.5 };
    store.set_calibration(model.id, Some(text), None).unwrap();
    assert_eq!(store.model(&model.fingerprint).unwrap().map(|row| (row.text, row.photo)), Some((Some(text), None)));
    assert!(matches!(store.add_model(&model.fingerprint, "a model", 4), Err(Error::Damaged { .. })));
    store.add_embedding(model.id, id, &[0.5, -1.0, 2.0]).unwrap();
    store.add_embedding(model.id, id, &[9.0, 9.0, 9.0]).unwrap();
    assert_eq!(store.embedding(&model, id).unwrap(), Some(vec![0.5, -1.0, 2.0]));
    let mut seen = Vec::new();
    store
        .embeddings_after(&model, 0, |row| {
            seen.push(row);
            Ok(())
        })
        .unwrap();
    let expected = EmbeddingRow { id: 1, photo: id, vector: vec![0.5, -1.0, 2.0] };
    assert_eq!(seen, [expected]);
    assert_eq!(store.embedding_extent(model.id).unwrap(), (1, 1));
    store.put_text(&model, "a dog", &[1.0, 2.0, 3.0]).unwrap();
    assert_eq!(store.text(&model, "a dog").unwrap(), Some(vec![1.0, 2.0, 3.0]));
    assert_eq!(store.text(&model, "a cat").unwrap(), None);

    // Another connection, for reading, sees the same.
    let reader = Store::open(store.path(), Access::Read).unwrap();
    assert!(reader.is_read_only() && !store.is_read_only());
    assert_eq!(reader.identity().unwrap(), store.identity().unwrap());
    assert!(matches!(reader.put_text(&model, "x", &[0.0; 3]), Err(Error::ReadOnly { .. })));

    // Pruning removes what is missing, and contents that no file has.
    store.set_missing(root.id, b"b/z.jpg", true).unwrap();
    let missing = store.missing_files(root.id, b"", None, 10).unwrap();
    assert_eq!(store.missing_files(root.id, b"", Some(&missing[0]), 10).unwrap(), missing[1..]);
    assert_eq!(store.remove_missing(root.id, &missing).unwrap(), 2);
    assert_eq!(store.write(Store::remove_unused).unwrap(), 1);
    assert_eq!(store.models().unwrap()[0].epoch, 1);
    assert_eq!((store.photo(id).unwrap(), store.embedding_extent(model.id).unwrap()), (None, (0, 0)));
    drop(folder);
}

#[test]
fn texts_in_use_are_kept() {
    let (_folder, store) = library();
    let model = store.add_model("00112233445566778899aabbccddeeff", "a model", 1).unwrap();
    store.put_text(&model, "often", &[1.0]).unwrap();
    store.put_text(&model, "once", &[2.0]).unwrap();
    let used = |text: &str| {
        let sql = "SELECT used FROM text WHERE text = ?1";
        store.run(|connection| connection.query_row(sql, [text], |row| row.get::<_, i64>(0)).optional()).unwrap()
    };
    // A use is noted only if the last one was long ago, so that most searches write nothing.
    for _ in 0..3 {
        assert_eq!((store.text(&model, "often").unwrap(), used("often")), (Some(vec![1.0]), Some(1)));
    }
    let all = "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
               INSERT INTO text SELECT ?1, 'text ' || i, x'00000000', i FROM n";
    store.run(|connection| connection.execute(all, [model.id])).unwrap();
    assert_eq!((store.text(&model, "often").unwrap(), used("often")), (Some(vec![1.0]), Some(10_001)));
    assert_eq!(store.text_count(&[]).unwrap(), 10_000);
    store.put_text(&model, "new", &[3.0]).unwrap();
    assert_eq!((used("once"), used("often"), store.text_count(&[]).unwrap()), (None, Some(10_001), 10_000));
}

#[test]
fn a_transaction_that_fails_changes_nothing() {
    let (_folder, store) = library();
    let failed = store.write(|store| {
        store.put_photo(&photo(1))?;
        Err::<(), _>(Error::Cancelled)
    });
    assert!(matches!(failed, Err(Error::Cancelled)));
    assert_eq!(store.photo_of_hash(&[1; 32]).unwrap(), None);
}

#[test]
fn nested_roots_are_one() {
    let (_folder, store) = library();
    let (inner, _) = store.add_root(Path::new("/photos/2024")).unwrap();
    let (other, _) = store.add_root(Path::new("/photos/20")).unwrap();
    store.put_file(inner.id, &file("a.jpg", Err("x"))).unwrap();
    let rules = Rules { exclude: vec!["raw".into(), "!/a*".into()], ignore_files: true, raw_twins: true };
    store.set_rules(inner.id, &rules).unwrap();
    assert_eq!(store.rules(inner.id).unwrap(), rules);
    let (outer, part) = store.add_root(Path::new("/photos")).unwrap();
    assert_eq!(part, Path::new(""));
    assert_eq!(store.roots().unwrap(), std::slice::from_ref(&outer));
    assert_ne!(outer.id, other.id);
    let rules = Rules { exclude: vec!["/2024/**/raw".into(), "!/2024/a*".into()], ignore_files: true, raw_twins: true };
    assert_eq!(store.rules(outer.id).unwrap(), rules);
    assert_eq!(files_of(&store, outer.id, "", None), [file("2024/a.jpg", Err("x"))]);
    assert_eq!(store.add_root(Path::new("/photos/2024/may")).unwrap(), (outer, PathBuf::from("2024/may")));
}

#[test]
fn exclusions_longer_than_any_list_are_refused() {
    let (_folder, store) = library();
    let (root, _) = store.add_root(Path::new("/photos")).unwrap();
    for (count, len) in [(100, 20_000), (1, 20_000), (200, 8_000)] {
        let rules = Rules { exclude: vec!["a".repeat(len); count], ignore_files: false, raw_twins: false };
        assert!(matches!(store.set_rules(root.id, &rules), Err(Error::Query(_))), "{count} {len}");
        assert_eq!(store.rules(root.id).unwrap(), Rules::default());
        store
            .write(|store| {
                store.run(|connection| {
                    for (place, pattern) in rules.exclude.iter().enumerate() {
                        connection
                            .execute("INSERT INTO exclusion VALUES (?1, ?2, ?3)", (root.id, place as i64, pattern))?;
                    }
                    Ok(())
                })
            })
            .unwrap();
        assert!(matches!(store.rules(root.id), Err(Error::Damaged { .. })), "{count} {len}");
        store.run(|connection| connection.execute("DELETE FROM exclusion", [])).unwrap();
    }
}

#[test]
fn a_library_beside_its_photos_can_be_carried() {
    let place = tempfile::tempdir().unwrap();
    let place = std::fs::canonicalize(place.path()).unwrap();
    let drive = place.join("drive");
    let store = Store::open(&drive.join("photos.sqlite"), Access::Create).unwrap();
    store.add_root(&drive.join("a/b")).unwrap();
    store.add_root(&place.join("elsewhere")).unwrap();
    drop(store);
    let moved = place.join("moved");
    std::fs::rename(&drive, &moved).unwrap();
    let roots = Store::open(&moved.join("photos.sqlite"), Access::Read).unwrap().roots().unwrap();
    let paths: Vec<PathBuf> = roots.into_iter().map(|root| root.path).collect();
    assert_eq!(paths, [place.join("elsewhere"), moved.join("a/b")]);
    // The folder itself may be the root.
    let store = Store::open(&moved.join("photos.sqlite"), Access::Write).unwrap();
    store.add_root(&moved).unwrap();
    assert!(store.roots().unwrap().iter().any(|root| root.path == moved));
}

#[test]
fn files_that_are_no_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    assert!(matches!(Store::open(&path, Access::Read), Err(Error::Missing { .. })));
    assert!(matches!(Store::open(&path, Access::Write), Err(Error::Missing { .. })));
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    assert!(matches!(Store::open(&path, Access::Write), Err(Error::Missing { .. })));
    assert!(matches!(Store::open(&path, Access::Read), Err(Error::Missing { .. })));
    assert_eq!(Store::open(&path, Access::Create).unwrap().roots().unwrap(), []);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "no database, but long enough to be one".repeat(100)).unwrap();
    for access in [Access::Read, Access::Write, Access::Create] {
        let error = Store::open(&path, access).unwrap_err();
        assert!(matches!(error, Error::NotALibrary { .. }), "{error}");
        assert!(matches!(Store::open(folder.path(), access), Err(Error::NotALibrary { .. })));
    }
    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE photo (id)").unwrap();
    assert!(matches!(Store::open(&path, Access::Create), Err(Error::NotALibrary { .. })));
    std::fs::remove_file(&path).unwrap();
    let store = Store::open(&path, Access::Create).unwrap();
    store.run(|connection| connection.pragma_update(None, "user_version", 99)).unwrap();
    drop(store);
    let error = Store::open(&path, Access::Create).unwrap_err().to_string();
    assert!(error.contains("schema 99") && error.ends_with("update clippie-rs"), "{error}");
}

/// The family and precision of a model are noted once it is used, and a library of an earlier version has neither.
#[test]
fn forms_of_models_are_noted() {
    let (_folder, store) = library();
    let model = store.add_model("00112233445566778899aabbccddeeff", "a model", 3).unwrap();
    assert_eq!(model.form, None);
    let form = |precision| Form { family: "ffeeddccbbaa99887766554433221100".parse().unwrap(), precision };
    for precision in [Precision::F32, Precision::F16] {
        store.note_form(&model, &form(precision)).unwrap();
        assert_eq!(store.models().unwrap()[0].form, Some(form(precision)));
        assert_eq!(store.add_model(&model.fingerprint, "a model", 3).unwrap().form, Some(form(precision)));
    }
    for edit in [
        "UPDATE model SET family = NULL",
        "UPDATE model SET family = 'no digits'",
        "UPDATE model SET precision = 'of a later version'",
        "ALTER TABLE model DROP COLUMN family; ALTER TABLE model DROP COLUMN precision; PRAGMA user_version = 4",
    ] {
        store.note_form(&model, &form(Precision::F32)).unwrap();
        store.run(|connection| connection.execute_batch(edit)).unwrap();
        assert_eq!(store.model(&model.fingerprint).unwrap(), Some(model.clone()), "{edit}");
    }
}

/// File names are made of fingerprints.
#[test]
fn fingerprints_that_are_none_are_damage() {
    let (_folder, store) = library();
    store.add_model("00112233445566778899aabbccddeeff", "a model", 64).unwrap();
    for fingerprint in
        ["", "/../../x", "0011223\u{e9}", "00112233445566778899AABBCCDDEEFF", "00112233/5566778899aabbccddeeff"]
    {
        store.run(|connection| connection.execute("UPDATE model SET fingerprint = ?1", [fingerprint])).unwrap();
        let error = store.models().unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{fingerprint:?} {error}");
        assert!(matches!(store.model(fingerprint), Err(Error::Damaged { .. })), "{fingerprint:?}");
    }
}

#[test]
fn a_schema_that_is_not_that_of_its_version_is_damage() {
    for edit in [
        "PRAGMA user_version = 2",
        "ALTER TABLE model DROP COLUMN file; ALTER TABLE model RENAME TO m; CREATE VIEW model AS SELECT * FROM m;
         PRAGMA user_version = 2",
        "PRAGMA user_version = 1",
    ] {
        let (_folder, store) = library();
        let path = store.path().to_owned();
        drop(store);
        Connection::open(&path).unwrap().execute_batch(edit).unwrap();
        let error = Store::open(&path, Access::Write).unwrap_err();
        assert!(
            matches!(&error, Error::Damaged { reason, .. } if reason.contains("of its version")),
            "{edit}: {error}"
        );
    }
}

#[test]
fn damaged_libraries_are_errors() {
    let (_folder, store) = library();
    let model = store.add_model("00112233445566778899aabbccddeeff", "a model", 64).unwrap();
    store.add_root(Path::new("/photos")).unwrap();
    for hash in 0..200 {
        let id = store.put_photo(&photo(hash)).unwrap();
        store.add_embedding(model.id, id, &[f32::from(hash); 64]).unwrap();
        store.put_file(1, &file(&format!("{hash}.jpg"), Ok(id))).unwrap();
    }
    let path = store.path().to_owned();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(997).chain(0..100) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        if at % 5 == 0 {
            bytes.truncate(at);
        }
        std::fs::write(&path, bytes).unwrap();
        let used = Store::open(&path, Access::Create).and_then(|store| {
            store.roots()?;
            store.known_files(1, b"", None, 1000, model.id)?;
            store.embeddings_after(&model, 0, |_| Ok(()))?;
            store.put_photo(&photo(250))?;
            let missing = store.missing_files(1, b"", None, 1000)?;
            store.remove_missing(1, &missing)?;
            store.write(Store::remove_unused)
        });
        refused += usize::from(used.is_err());
        let _ = std::fs::remove_file(path.with_extension("sqlite-wal"));
        let _ = std::fs::remove_file(path.with_extension("sqlite-shm"));
    }
    assert!(refused > 20, "{refused}");
}

#[cfg(unix)]
#[test]
fn what_is_no_file_beside_a_library_is_refused() {
    let (folder, store) = library();
    let path = store.path().to_owned();
    drop(store);
    let link = folder.path().join("link.sqlite");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for end in ["-journal", "-wal", "-shm"] {
        let mut beside = path.clone().into_os_string();
        beside.push(end);
        let beside = PathBuf::from(beside);
        for kind in 0..3 {
            let _ = std::fs::remove_file(&beside);
            match kind {
                0 => std::fs::create_dir(&beside).unwrap(),
                1 => std::os::unix::fs::symlink("/dev/zero", &beside).unwrap(),
                // A socket, which cannot be opened either.
                _ => drop(std::os::unix::net::UnixListener::bind(&beside).unwrap()),
            }
            for (path, access) in [(&path, Access::Read), (&path, Access::Create), (&link, Access::Read)] {
                let error = Store::open(path, access).unwrap_err().to_string();
                assert!(error.contains(&format!("{end} is not a regular file; move it away")), "{error}");
            }
            if kind == 0 {
                std::fs::remove_dir(&beside).unwrap();
            }
        }
        std::fs::remove_file(&beside).unwrap();
    }
    Store::open(&path, Access::Read).unwrap();
}

#[test]
fn a_library_may_be_made_by_several_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library.sqlite");
        let open = || match Store::open(&path, Access::Write) {
            Err(Error::Missing { .. }) => Store::open(&path, Access::Create).unwrap().identity().unwrap(),
            store => store.unwrap().identity().unwrap(),
        };
        let identities: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(identities.iter().all(|identity| *identity == identities[0]));
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, store) = library();
    let path = store.path().to_owned();
    store.add_root(Path::new("/photos")).unwrap();
    drop(store);
    let set = |mode| std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o500);
    let readable = Store::open(&path, Access::Read).and_then(|store| store.roots());
    set(0o700);
    assert_eq!(readable.unwrap().len(), 1);
}
