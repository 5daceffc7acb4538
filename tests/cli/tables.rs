//! Photos of a Parquet table: paths, bytes, structs; rows without a photo; tables that cannot be used.

use std::fs;
use std::sync::Arc;

use clippie_rs::tables::{Cell, Schema, Writer};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::photos::jpeg;
use crate::support::{Sandbox, embedding};

/// A table with a column of bytes, and one of their names.
fn table(photos: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut table = Writer::new(&Schema::new().text("name").bytes("jpg"), Vec::new()).unwrap();
    for (row, photo) in photos.iter().enumerate() {
        let name = row.to_string();
        table.write(&[Cell::Text(&name), photo.as_deref().map_or(Cell::Null, Cell::Bytes)]).unwrap();
    }
    table.finish().unwrap()
}

/// Bytes and path of an image in a table.
type Image<'a> = (Option<&'a [u8]>, Option<&'a str>);

/// A table as Hugging Face's datasets store images, with a row group for every two rows.
fn dataset(rows: &[Option<Image<'_>>]) -> Vec<u8> {
    let schema = "message schema {
        optional group image { optional binary bytes; optional binary path (STRING); }
        optional int64 label;
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::default())).unwrap();
    for rows in rows.chunks(2) {
        let mut group = file.next_row_group().unwrap();
        for field in 0..2 {
            let cell = |row: &Image<'_>| match field {
                0 => row.0.map(|bytes| bytes.to_vec()),
                _ => row.1.map(|path| path.as_bytes().to_vec()),
            };
            let levels: Vec<i16> =
                rows.iter().map(|row| row.as_ref().map_or(0, |row| 1 + i16::from(cell(row).is_some()))).collect();
            let values: Vec<ByteArray> = rows.iter().flatten().filter_map(cell).map(ByteArray::from).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        let mut labels = group.next_column().unwrap().unwrap();
        let labels_of = labels.typed::<parquet::data_type::Int64Type>();
        labels_of.write_batch(&[], Some(&vec![0; rows.len()]), None).unwrap();
        labels.close().unwrap();
        group.close().unwrap();
    }
    file.into_inner().unwrap()
}

#[test]
fn every_row_has_its_place() {
    let sandbox = Sandbox::new();
    let photos: Vec<Option<Vec<u8>>> = (0..40)
        .map(|row| match row {
            3 => None,
            17 => Some(b"no photo".to_vec()),
            row => Some(jpeg(row)),
        })
        .collect();
    for (row, photo) in photos.iter().enumerate() {
        sandbox.write(format!("{row}.jpg"), photo.as_deref().unwrap_or_default());
    }
    sandbox.write("t.parquet", table(&photos));
    let args = ["--from-parquet", "t.parquet", "--column", "jpg"];
    let ran = sandbox.encode(args).code(3);
    assert_eq!(
        ran.error_lines(),
        [
            "error: cannot read t.parquet#3: the cell is null",
            "error: t.parquet#17: the image is not in a readable image format (JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, JPEG XL, raw)"
        ]
    );
    let found = ran.rows();
    let files: Vec<String> = (0..40).map(|row| format!("{row}.jpg")).collect();
    let expected = sandbox.encode(&files).code(3).rows();
    assert_eq!(found.len(), 40);
    for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found["path"], format!("t.parquet#{row}"));
        assert_eq!(found.get("embedding").is_some(), !matches!(row, 3 | 17));
        if found.get("embedding").is_some() {
            assert_eq!(embedding(found), embedding(expected));
        }
    }
    // After other photos and before texts; in parts.
    let all = sandbox.encode(["1.jpg", "--text", "a"].iter().chain(&args)).code(3).rows();
    assert_eq!((&all[0]["path"], &all[1..41], &all[41]["text"]), (&"1.jpg".into(), &found[..], &"a".into()));
    let mut parts = Vec::new();
    for part in ["1/3", "2/3", "3/3"] {
        let ran = sandbox.encode(["1.jpg", "--text", "a", "--partition", part].iter().chain(&args));
        parts.extend(ran.rows());
    }
    assert_eq!(parts, all);
}

#[test]
fn structs_and_paths() {
    let sandbox = Sandbox::new();
    let (one, two) = (jpeg(1), jpeg(2));
    sandbox.write("one.jpg", &one);
    sandbox.write("two.jpg", &two);
    let rows = [
        Some((Some(&one[..]), Some("elsewhere.jpg"))),
        Some((None, Some("two.jpg"))),
        Some((Some(&two[..]), None)),
        None,
        Some((None, None)),
        Some((None, Some(""))),
        Some((None, Some("missing.jpg"))),
    ];
    sandbox.write("d/train.parquet", dataset(&rows));
    let ran = sandbox.encode(["--from-parquet", "d/train.parquet"]).code(3);
    let found = ran.rows();
    let paths: Vec<&str> = found.iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(paths[..2], ["d/train.parquet#0", "two.jpg"]);
    assert_eq!(paths[2..6], [2, 3, 4, 5].map(|row| format!("d/train.parquet#{row}")));
    assert_eq!(paths[6], "missing.jpg");
    for (row, reason) in [(3, "the cell is null"), (4, "the cell is null"), (5, "its path is empty"), (6, "missing")] {
        assert!(found[row]["error"].as_str().unwrap().contains(reason), "{}", found[row]);
    }
    let expected = sandbox.encode(["one.jpg", "two.jpg"]).ok().rows();
    for (row, photo) in [(0, 0), (1, 1), (2, 1)] {
        assert_eq!(embedding(&found[row]), embedding(&expected[photo]));
    }
    let fields = sandbox.encode(["--from-parquet", "d/train.parquet", "--column", "image.bytes"]).code(3).rows();
    assert!(fields[0].get("embedding").is_some() && fields[1].get("error").is_some());

    // Relative paths start in the current folder.
    let mut paths = Writer::new(&Schema::new().text("image"), Vec::new()).unwrap();
    for path in ["one.jpg", "two.jpg"] {
        paths.write(&[Cell::Text(path)]).unwrap();
    }
    sandbox.write("d/paths.parquet", paths.finish().unwrap());
    assert_eq!(sandbox.encode(["--from-parquet", "d/paths.parquet"]).ok().rows(), expected);
    sandbox.write("out.parquet", "old");
    let out = ["--from-parquet", "d/paths.parquet", "--format", "parquet", "-o"];
    sandbox.encode(out.iter().chain(&["two.jpg"])).fails(2, &["two.jpg is one of the inputs"]);
    sandbox.encode(out.iter().chain(&["d/paths.parquet"])).fails(2, &["d/paths.parquet is one of the inputs"]);
    sandbox.encode(out.iter().chain(&["out.parquet"])).ok();
    assert_eq!((fs::read(sandbox.path("two.jpg")).unwrap(), sandbox.files().len()), (two, 5));
}

/// Texts of a column are rows like others, and a null keeps its place.
#[test]
fn texts_of_a_column_are_rows() {
    let sandbox = Sandbox::new();
    sandbox.write("one.jpg", jpeg(1));
    let mut table = Writer::new(&Schema::new().text("image").text("caption").vectors("v", 1), Vec::new()).unwrap();
    let captions = [Some("a red star"), None, Some(""), Some("a blue moon")];
    for caption in captions {
        table.write(&[Cell::Text("one.jpg"), caption.map_or(Cell::Null, Cell::Text), Cell::Null]).unwrap();
    }
    sandbox.write("t.parquet", table.finish().unwrap());
    let args = ["--from-parquet", "t.parquet", "--text-column", "caption"];
    let rows = sandbox.encode(args).code(3).rows();
    let expected = sandbox.encode(["--text", "a red star", "--text", "", "--text", "a blue moon"]).ok().rows();
    assert_eq!(rows.len(), 4);
    for (row, text) in [(0, 0), (2, 1), (3, 2)] {
        assert_eq!(rows[row], expected[text]);
    }
    assert_eq!(
        (&rows[1]["path"], &rows[1]["error"]),
        (&"t.parquet#1".into(), &"cannot read t.parquet#1: the cell is null".into())
    );
    assert_eq!(sandbox.encode(args.iter().chain(&["--partition", "2/2"])).ok().rows(), rows[2..]);
    // Photos of the table come first, if their column is named, and other texts before those of the table.
    let both = sandbox.encode(args.iter().chain(&["--column", "image", "--text", "a"])).code(3).rows();
    assert_eq!((both.len(), &both[0]["path"], &both[4]["text"]), (9, &"one.jpg".into(), &"a".into()));
    assert_eq!(both[5..], rows);
    sandbox.encode(args.iter().chain(&["-o", "out.parquet"])).code(3);
    for (column, reason) in [("v", "it has no texts in v"), ("none", "it has no column none")] {
        let ran = sandbox.encode(["--from-parquet", "t.parquet", "--text-column", column]);
        ran.fails(1, &[reason, "columns of texts: image, caption; name one with --text-column"]);
    }
    sandbox.encode(["--text-column", "a", "one.jpg"]).fails(2, &["--from-parquet"]);
}

#[test]
fn tables_that_cannot_be_used_are_named() {
    let sandbox = Sandbox::new();
    sandbox.write("t.parquet", table(&[Some(jpeg(1))]));
    sandbox.write("d.parquet", dataset(&[None]));
    sandbox.write("no.parquet", "no table");
    let before = sandbox.files();
    let fails = |args: &[&str], parts: &[&str]| {
        sandbox.encode(["--from-parquet"].iter().chain(args).chain(&["-o", "out.npy"])).fails(1, parts);
        assert_eq!(sandbox.files(), before);
    };
    fails(&["none.parquet"], &["cannot read none.parquet: "]);
    fails(&["."], &["cannot read .: it is a folder"]);
    fails(&["no.parquet"], &["no.parquet: it is no Parquet file"]);
    fails(&["t.parquet"], &["t.parquet: it has no column image, but name, jpg; name one with --column"]);
    fails(
        &["d.parquet", "--column", "label"],
        &["its column label has neither paths nor bytes of photos", "image.bytes, image.path; name one with --column"],
    );
    sandbox.encode(["a.jpg", "--column", "jpg"]).fails(2, &["--from-parquet"]);

    // Found out in the middle: nothing is left.
    let photos: Vec<Option<Vec<u8>>> = (0..3).map(|row| Some(jpeg(row))).collect();
    let mut damaged = table(&photos);
    damaged[4..30].fill(0xff);
    sandbox.write("no.parquet", damaged);
    fails(&["no.parquet", "--column", "name"], &["no.parquet: a header of its pages is damaged"]);
}
