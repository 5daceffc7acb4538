//! Packed files: what is written is found again, and no damage gives a wrong result.

use std::fs;
use std::path::Path;

use super::super::tests::{naive, unit_rows};
use super::super::{Quantised, Threads};
use super::*;

const GENERATION: [u8; 32] = [7; 32];

/// Writes `vectors` with ids from 1000 on and tags of three bytes.
fn write(path: &Path, vectors: &[f32], dim: usize) {
    let description = Description { dim, tag_len: 3, fingerprint: "0123", generation: GENERATION };
    let existed = path.exists();
    let mut writer = Writer::create(path, &description).unwrap();
    for (row, vector) in vectors.chunks_exact(dim).enumerate() {
        writer.push(1000 + row as u64, vector, &[row as u8, 1, 2]).unwrap();
    }
    assert_eq!(path.exists(), existed, "nothing is at its place before the end");
    writer.finish(&Options::new()).unwrap();
}

#[test]
fn what_is_written_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    // Fewer rows than a block, several blocks that are made together, and more.
    for (rows, dim) in [(0, 4), (1, 1), (700, 20), (BLOCK, 64), (10_000, 33)] {
        let vectors = unit_rows(rows, dim, 1);
        let queries = unit_rows(3, dim, 2);
        let _ = fs::remove_file(&path);
        write(&path, &vectors, dim);
        let packed = Packed::open(&path).unwrap();
        assert_eq!((packed.len(), packed.rows().dim(), packed.is_empty()), (rows, dim, rows == 0));
        assert_eq!((packed.fingerprint(), packed.generation()), ("0123", &GENERATION));
        assert_eq!(packed.rows().vectors(), vectors);
        let options = Options::new().threads(&Threads::new(2));
        let expected: Vec<_> = queries.chunks_exact(dim).map(|q| naive(&vectors, dim, q, 9, |_| true)).collect();
        assert_eq!(packed.rows().top_k(&queries, 9, &options).unwrap(), expected);
        for row in (0..rows).step_by(97) {
            assert_eq!(packed.id(row).unwrap(), 1000 + row as u64);
            assert_eq!(packed.tag(row).unwrap(), [row as u8, 1, 2]);
            assert_eq!(packed.rows().row(row).unwrap(), &vectors[row * dim..][..dim]);
        }
        assert_eq!(packed.ids().unwrap(), (0..rows as u64).map(|row| 1000 + row).collect::<Vec<_>>());
        packed.verify(&options).unwrap();
        // As well coded as in memory, but for the centre of a sample.
        let quantised = Quantised::new(&vectors, dim, &options).unwrap();
        let rescored = |rows: Rows<'_>| rows.search(&queries, 9, &options).unwrap()[0].rescored;
        assert!(rescored(packed.rows()) <= 2 * rescored(quantised.rows()) + 20);
    }
    assert_eq!(crate::files::names(folder.path()), ["vectors"]);
}

#[test]
fn a_file_that_is_replaced_stays_what_it_was_for_those_who_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    let (old, new) = (unit_rows(50, 8, 3), unit_rows(60, 8, 4));
    write(&path, &old, 8);
    let before = Packed::open(&path).unwrap();
    write(&path, &new, 8);
    assert_eq!(before.rows().vectors(), old);
    before.verify(&Options::new()).unwrap();
    assert_eq!(Packed::open(&path).unwrap().rows().vectors(), new);
}

/// Everything that can be asked of a file, if it can be opened: right answers, or errors.
fn use_all(path: &Path, vectors: &[f32], dim: usize, queries: &[f32]) -> bool {
    let Ok(packed) = Packed::open(path) else { return true };
    let mut failed = false;
    let mut same = |result: Result<bool, Error>| match result {
        Ok(right) => assert!(right, "a wrong result"),
        Err(Error::Damaged { .. }) => failed = true,
        Err(error) => panic!("{error}"),
    };
    let expected: Vec<_> = queries.chunks_exact(dim).map(|q| naive(vectors, dim, q, 5, |_| true)).collect();
    same(packed.rows().top_k(queries, 5, &Options::new()).map(|hits| hits == expected));
    let rows = vectors.len() / dim;
    let ids: Vec<u64> = (0..rows as u64).map(|row| 1000 + row).collect();
    same(packed.ids().map(|found| found == ids));
    for row in 0..rows {
        same(packed.id(row).map(|id| id == ids[row]));
        same(packed.tag(row).map(|tag| tag == [row as u8, 1, 2]));
        same(packed.rows().row(row).map(|values| values == &vectors[row * dim..][..dim]));
    }
    assert_eq!((packed.fingerprint(), packed.generation()), ("0123", &GENERATION));
    same(packed.verify(&Options::new()).map(|()| true));
    failed
}

#[test]
fn every_flipped_bit_is_an_error_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    let (rows, dim) = (12, 3);
    let (vectors, queries) = (unit_rows(rows, dim, 5), unit_rows(2, dim, 6));
    write(&path, &vectors, dim);
    let bytes = fs::read(&path).unwrap();
    assert!(!use_all(&path, &vectors, dim, &queries));
    let mut harmless = 0;
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        fs::write(&path, &other).unwrap();
        harmless += usize::from(!use_all(&path, &vectors, dim, &queries));
    }
    // Only the zeros between the sections mean nothing.
    assert!(harmless < bytes.len() / 4, "{harmless} of {}", bytes.len());
}

#[test]
fn every_shorter_or_longer_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    write(&path, &unit_rows(5, 3, 7), 3);
    let mut bytes = fs::read(&path).unwrap();
    for len in 0..bytes.len() {
        fs::write(&path, &bytes[..len]).unwrap();
        assert!(Packed::open(&path).is_err(), "{len}");
    }
    bytes.push(0);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(Packed::open(&path), Err(PackedError::Damaged { .. })));
}

#[test]
fn other_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    let says = |part: &str| {
        let error = Packed::open(&path).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("vectors"), "{error}");
    };
    says("cannot read");
    fs::create_dir(&path).unwrap();
    says("it is a folder");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "").unwrap();
    says("no file of packed vectors");
    fs::write(&path, "some text that is long enough to hold a header").unwrap();
    says("no file of packed vectors");
    write(&path, &[1.0], 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 9;
    fs::write(&path, &bytes).unwrap();
    says("version 9");
}

#[test]
fn rows_that_do_not_fit_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors");
    let description = Description { dim: 2, tag_len: 1, fingerprint: "", generation: [0; 32] };
    let mut writer = Writer::create(&path, &description).unwrap();
    for (vector, tag) in [(&[1.0][..], &[0][..]), (&[1.0, 2.0], &[]), (&[1.0, 2.0, 3.0], &[0])] {
        let error = writer.push(1, vector, tag).unwrap_err().to_string();
        assert!(error.contains("row 0 has") && error.contains("expected 2 and 1"), "{error}");
    }
    let error = writer.push(1, &[1.0, f32::NAN], &[0]).unwrap_err();
    assert!(matches!(error, PackedError::Scan(Error::NotFinite { row: 0, .. })));
    let cancel = crate::cancel::CancelToken::new();
    cancel.cancel();
    writer.push(1, &[1.0, 2.0], &[0]).unwrap();
    let error = writer.finish(&Options::new().cancel(&cancel)).unwrap_err();
    assert!(matches!(error, PackedError::Scan(Error::Cancelled)));
    assert!(crate::files::names(folder.path()).is_empty());
    for bad in [Description { dim: 0, ..description }, Description { tag_len: 5000, ..description }] {
        assert!(matches!(Writer::create(&path, &bad), Err(PackedError::Limits { .. })));
    }
    let nowhere = folder.path().join("none").join("vectors");
    assert!(matches!(Writer::create(&nowhere, &description), Err(PackedError::Write { .. })));
}
