//! Tests of tables: what is written is read back, by this reader and by the decoder's own rows; files of other programs
//! (`tools/parquet/make_files.py`); files that were damaged or that lie.

use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, RowAccessor};

use super::*;

/// A cell that outlives the reader.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Null,
    Text(String),
    Bytes(Vec<u8>),
    Vector(Vec<f32>),
}

fn text(text: &str) -> Owned {
    Owned::Text(text.to_owned())
}

fn vector(values: &[f32]) -> Owned {
    Owned::Vector(values.to_vec())
}

fn owned(cell: &Cell<'_>) -> Owned {
    match *cell {
        Cell::Null => Owned::Null,
        Cell::Text(text) => Owned::Text(text.to_owned()),
        Cell::Bytes(bytes) => Owned::Bytes(bytes.to_owned()),
        Cell::Vector(vector) => Owned::Vector(vector.to_owned()),
    }
}

fn rows(path: &Path, columns: &[&str]) -> Result<Vec<Vec<Owned>>, Error> {
    let mut rows = Vec::new();
    Reader::open(path)?.read(columns, |row| {
        rows.push(row.iter().map(owned).collect());
        Ok::<(), Error>(())
    })?;
    Ok(rows)
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/tables").join(name)
}

/// A table of all types of columns, with nulls.
fn example() -> Vec<u8> {
    let schema = Schema::new()
        .text("path")
        .bytes("path_bytes")
        .vectors("embedding", 3)
        .metadata("clippie.fingerprint", "0123")
        .metadata("empty", "");
    let mut table = Writer::new(&schema, Vec::new()).unwrap();
    table.write(&[Cell::Text("ü.jpg"), Cell::Null, Cell::Vector(&[0.5, f32::MIN_POSITIVE, -0.0])]).unwrap();
    table.write(&[Cell::Null, Cell::Bytes(b"\xff\0"), Cell::Null]).unwrap();
    table.write(&[Cell::Text(""), Cell::Bytes(b""), Cell::Vector(&[f32::NAN, f32::INFINITY, 1e-45])]).unwrap();
    table.finish().unwrap()
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn a_written_table_is_read_back() {
    let (_folder, path) = written(&example());
    let reader = Reader::open(&path).unwrap();
    assert_eq!((reader.rows(), reader.metadata("clippie.fingerprint")), (3, Some("0123")));
    assert_eq!((reader.metadata("empty"), reader.metadata("other")), (Some(""), None));
    assert_eq!(reader.columns().collect::<Vec<_>>(), ["path", "path_bytes", "embedding"]);
    let read = rows(&path, &["embedding", "path", "path_bytes"]).unwrap();
    assert_eq!(read[0], [vector(&[0.5, f32::MIN_POSITIVE, -0.0]), text("ü.jpg"), Owned::Null]);
    assert_eq!(read[1], [Owned::Null, Owned::Null, Owned::Bytes(vec![255, 0])]);
    assert_eq!(read[2][1..], [text(""), Owned::Bytes(vec![])]);
    let Owned::Vector(last) = &read[2][0] else { panic!("{:?}", read[2]) };
    assert!(last[0].is_nan() && last[1..] == [f32::INFINITY, 1e-45]);
    // The decoder's own rows.
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows[0].get_string(0).unwrap(), "ü.jpg");
    let list = rows[0].get_list(2).unwrap().elements();
    assert_eq!(list, [0.5, f32::MIN_POSITIVE, -0.0].map(Field::Float));
    assert!(rows[1].get_column_iter().nth(2).unwrap().1 == &Field::Null);
    let schema = "message schema {\n  OPTIONAL BYTE_ARRAY path (STRING);\n  OPTIONAL BYTE_ARRAY path_bytes;\n  \
        OPTIONAL group embedding (LIST) {\n    REPEATED group list {\n      OPTIONAL FLOAT element;\n    }\n  }\n}\n";
    let mut printed = Vec::new();
    parquet::schema::printer::print_schema(&mut printed, reader.metadata().file_metadata().schema());
    assert_eq!(String::from_utf8(printed).unwrap(), schema);
    assert_eq!(example(), example());
}

/// The fields of structs are columns; rows can be passed over, whole row groups without being opened.
#[test]
fn structs_are_read_field_by_field_and_rows_are_skipped() {
    use parquet::data_type::{ByteArray, ByteArrayType};
    let schema = "message schema { optional group image {
        optional binary bytes; required binary path (STRING); optional group size { optional float width; } } }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let properties = std::sync::Arc::default();
    let mut file = parquet::file::writer::SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    for group in 0..5 {
        let mut out = file.next_row_group().unwrap();
        for (levels, values) in [([2, 0, 1], 1), ([1, 0, 1], 2)] {
            let mut column = out.next_column().unwrap().unwrap();
            let values: Vec<ByteArray> = (0..values).map(|value| vec![b'0' + group, b'0' + value].into()).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        let mut column = out.next_column().unwrap().unwrap();
        let floats = column.typed::<parquet::data_type::FloatType>();
        floats.write_batch(&[1.5], Some(&[3, 0, 1]), None).unwrap();
        column.close().unwrap();
        out.close().unwrap();
    }
    let mut bytes = file.into_inner().unwrap();
    // The second group is damaged, which only those who read it find out.
    let at = bytes.windows(2).position(|pair| pair == b"11").unwrap();
    bytes[at - 60..at].fill(0xff);
    let (_folder, path) = written(&bytes);
    let reader = Reader::open(&path).unwrap();
    let columns: Vec<&str> = reader.columns().collect();
    assert_eq!(columns, ["image.bytes", "image.path", "image.size.width"]);
    let holds = ["image.bytes", "image.path", "image.size.width", "image"].map(|name| reader.holds(name));
    assert_eq!(holds, [Some(Holds::Bytes), Some(Holds::Texts), Some(Holds::Others), None]);
    let mut rows = reader.rows_of(&["image.bytes", "image.path"]).unwrap();
    let mut next = |skipped: u64| {
        rows.skip_rows(skipped)?;
        Ok::<_, Error>(rows.next_row()?.map(|cells| cells.iter().map(owned).collect::<Vec<_>>()))
    };
    assert_eq!(next(0).unwrap(), Some(vec![Owned::Bytes(b"00".to_vec()), text("00")]));
    assert_eq!(next(0).unwrap(), Some(vec![Owned::Null, Owned::Null]));
    assert_eq!(next(4).unwrap(), Some(vec![Owned::Bytes(b"20".to_vec()), text("20")]));
    assert_eq!(next(4).unwrap(), Some(vec![Owned::Null, text("31")]));
    assert_eq!(next(3).unwrap(), None);
    let mut rows = reader.rows_of(&["image.path"]).unwrap();
    assert!(rows.skip_rows(4).is_err());
    let mut rows = reader.rows_of(&["image.path"]).unwrap();
    rows.skip_rows(u64::MAX).unwrap();
    assert_eq!(rows.next_row().unwrap(), None);
}

/// The writer holds one group; the reader joins them.
#[test]
fn large_tables_have_several_row_groups() {
    let schema = Schema::new().text("name").vectors("v", 1000);
    let mut table = Writer::new(&schema, Vec::new()).unwrap();
    let row = |at: usize| -> Vec<f32> { (0..1000).map(|value| (at * 1000 + value) as f32).collect() };
    for at in 0..12_000 {
        let name = at.to_string();
        let vector = row(at);
        table.write(&[Cell::Text(&name), if at % 7 == 0 { Cell::Null } else { Cell::Vector(&vector) }]).unwrap();
    }
    let (_folder, path) = written(&table.finish().unwrap());
    let reader = Reader::open(&path).unwrap();
    let groups = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap().num_row_groups();
    let mut at = 0;
    reader
        .read(&["name", "v"], |cells| {
            let expected = if at % 7 == 0 { Owned::Null } else { Owned::Vector(row(at)) };
            assert_eq!([owned(&cells[0]), owned(&cells[1])], [text(&at.to_string()), expected]);
            at += 1;
            Ok::<(), Error>(())
        })
        .unwrap();
    assert_eq!((at, groups), (12_000, 2));
}

#[test]
fn empty_tables_and_what_does_not_fit() {
    let table = Writer::new(&Schema::new().text("path").vectors("v", 2), Vec::new()).unwrap();
    let (_folder, path) = written(&table.finish().unwrap());
    assert_eq!(rows(&path, &["path", "v"]).unwrap(), Vec::<Vec<Owned>>::new());

    let schema = Schema::new().text("path").vectors("v", 2);
    let mut table = Writer::new(&schema, Vec::new()).unwrap();
    for row in [
        &[Cell::Text("a")][..],
        &[Cell::Text("a"), Cell::Vector(&[1.0])],
        &[Cell::Bytes(b"a"), Cell::Null],
        &[Cell::Null, Cell::Text("v")],
        &[Cell::Vector(&[1.0, 2.0]), Cell::Null],
    ] {
        assert!(matches!(table.write(row), Err(Error::Row(_))), "{row:?}");
    }
    table.write(&[Cell::Text("a"), Cell::Vector(&[1.0, 2.0])]).unwrap();
    let (_folder, path) = written(&table.finish().unwrap());
    assert_eq!(rows(&path, &["path", "v"]).unwrap(), [[text("a"), vector(&[1.0, 2.0])]]);
    assert!(Writer::new(&Schema::new().text("a").bytes("a"), Vec::new()).is_err());

    let said = |columns: &[&str]| rows(&path, columns).unwrap_err().to_string();
    assert!(said(&["image"]).ends_with("t.parquet: it has no column image, only path, v"), "{}", said(&["image"]));
    let numbers = rows(&golden("pyarrow_none.parquet"), &["n"]).unwrap_err().to_string();
    assert!(numbers.contains("its column n holds neither texts nor lists"), "{numbers}");
}

/// A full disk, a closed pipe.
#[test]
fn errors_of_the_output_are_passed_on() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for room in [0, 10, 100, 200] {
        let written = Writer::new(&Schema::new().vectors("v", 2), Full(room)).and_then(|mut table| {
            table.write(&[Cell::Vector(&[1.0, 2.0])])?;
            table.finish()
        });
        let error = std::io::Error::from(written.map(|_| ()).unwrap_err());
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{room}");
    }
}

#[test]
fn files_of_other_programs_are_read() {
    let paths = [text("a.jpg"), text("b/ü.jpg"), text("c,\n.jpg"), Owned::Null];
    let vectors = [vector(&[0.5, -1.0, 0.25]), Owned::Null, vector(&[]), vector(&[1.0, 2.0, 3.0])];
    for name in [
        "duckdb",
        "polars",
        "pyarrow_none",
        "pyarrow_snappy",
        "pyarrow_gzip",
        "pyarrow_zstd",
        "pyarrow_v2_pages",
        "pyarrow_doubles",
        "pyarrow_fixed_size",
        "pyarrow_old_lists",
        "pyarrow_split_bytes",
    ] {
        let mut expected = vectors.clone();
        if name == "pyarrow_fixed_size" {
            expected[2] = vector(&[0.0, 0.0, 0.0]);
        }
        let read = rows(&golden(&format!("{name}.parquet")), &["image_path", "embedding"]).unwrap();
        let expected: Vec<_> =
            paths.iter().zip(&expected).map(|(path, vector)| vec![path.clone(), vector.clone()]).collect();
        assert_eq!(read, expected, "{name}");
    }
    let read = rows(&golden("pandas.parquet"), &["caption", "image_path"]).unwrap();
    assert_eq!(read, paths.map(|path| vec![text("one"), path]));
    for (name, part) in [("pyarrow_lz4", "it is compressed by LZ4"), ("pyarrow_differences", "encoded as differences")]
    {
        let error = rows(&golden(&format!("{name}.parquet")), &["image_path"]).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// Opens and reads all columns that can be read.
fn try_all(bytes: &[u8]) -> Result<usize, Error> {
    let (_folder, path) = written(bytes);
    let reader = Reader::open(&path)?;
    let mut count = 0;
    let columns: Vec<&str> = reader.columns().filter(|column| *column != "n").collect();
    reader.read(&columns, |_| {
        count += 1;
        Ok::<(), Error>(())
    })?;
    Ok(count)
}

/// Damaged files are errors or tables with other values, and nothing panics.
#[test]
fn damaged_files_are_errors() {
    let mut files = vec![example()];
    for name in ["duckdb", "pandas", "polars", "pyarrow_v2_pages", "pyarrow_split_bytes", "pyarrow_gzip"] {
        files.push(std::fs::read(golden(&format!("{name}.parquet"))).unwrap());
    }
    let (mut refused, mut tried) = (0, 0);
    for file in files {
        assert!(try_all(&file).is_ok());
        for len in (0..file.len()).step_by(11) {
            assert!(try_all(&file[..len]).is_err(), "{len} of {} bytes", file.len());
        }
        // Every byte with six values was tried once; these take two seconds.
        for at in (0..file.len()).step_by(5) {
            for value in [0, 0x80, 0xff, file[at] ^ 1] {
                let mut damaged = file.clone();
                damaged[at] = value;
                tried += 1;
                refused += usize::from(try_all(&damaged).is_err());
            }
        }
    }
    assert!(refused > tried / 10 && refused < tried, "{refused} of {tried}");
}

/// Thrift's compact protocol, for files that lie.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A struct of numbers, with these fields.
fn numbers(fields: &[(u8, i64)]) -> Vec<u8> {
    let (mut out, mut last) = (Vec::new(), 0);
    for &(id, value) in fields {
        out.push((id - last) << 4 | 5);
        varint((value << 1 ^ value >> 63) as u64, &mut out);
        last = id;
    }
    out.push(0);
    out
}

/// A file with this footer.
fn with_footer(footer: &[u8]) -> Vec<u8> {
    let mut file = b"PAR1".to_vec();
    file.extend(footer);
    file.extend(u32::try_from(footer.len()).unwrap().to_le_bytes());
    file.extend(b"PAR1");
    file
}

/// A footer with a schema of elements that have these numbers of children.
fn with_children(children: &[i64]) -> Vec<u8> {
    // Version 1, then the list of elements: groups that repeat nothing, with an empty name.
    let mut footer = vec![0x15, 2, 0x19, 0xfc];
    varint(children.len() as u64, &mut footer);
    for &count in children {
        footer.extend([0x35, 0, 0x18, 0, 0x15]);
        varint((count << 1) as u64, &mut footer);
        footer.push(0);
    }
    footer.extend([0x16, 0, 0x19, 0x0c, 0]);
    with_footer(&footer)
}

#[test]
fn claims_that_would_cost_memory_are_refused() {
    let said = |file: &[u8]| try_all(file).unwrap_err().to_string();
    let deep: Vec<i64> = vec![1; 5000].into_iter().chain([0]).collect();
    for children in [&[i64::from(i32::MAX)][..], &[1, i64::from(i32::MAX), 0], &[2, 0], &[1, 0, 0], &[-1], &deep] {
        let error = said(&with_children(children));
        assert!(error.contains("nested too deeply") || error.contains("footer is damaged"), "{error}");
    }
    // A list of 2^40 elements, a footer that is nothing, one that is too long.
    assert!(said(&with_footer(&[0x29, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0])).contains("footer is damaged"));
    assert!(said(&with_footer(&[])).contains("footer is damaged"));
    assert!(said(b"PAR1\xff\xff\xff\x7fPAR1").contains("longer than the file"));
    let mut encrypted = with_footer(&[0]);
    let end = encrypted.len();
    encrypted[end - 4..].copy_from_slice(b"PARE");
    assert!(said(&encrypted).contains("it is encrypted"));
    assert!(said(b"").contains("no Parquet file") && said(b"PAR1 and then nothing more").contains("no Parquet file"));

    // Headers of pages: sizes, numbers of values, encodings.
    let check = |header: &[u8]| {
        let (_folder, path) = written(header);
        let chunks = guard::Chunks { file: std::fs::File::open(&path).unwrap(), len: header.len() as u64 };
        match guard::pages(&chunks, 0..header.len() as u64, &mut guard::Allowance::of(header.len() as u64)) {
            Ok(_) => String::new(),
            Err(guard::Fault::Refused(reason)) => reason,
            Err(guard::Fault::Read(error)) => panic!("{error}"),
        }
    };
    let page = |sizes: &[(u8, i64)], kind: u8, fields: &[(u8, i64)]| {
        let mut header = numbers(sizes);
        header.pop();
        header.push((kind - 3) << 4 | 12);
        header.extend(numbers(fields));
        header.push(0);
        header
    };
    const MOST: i64 = i32::MAX as i64;
    let sizes = |decompressed: i64| [(1, 0), (2, decompressed), (3, 0)];
    assert_eq!(check(&page(&sizes(8), 5, &[(1, 2), (2, 0)])), "");
    assert!(check(&page(&sizes(MOST), 5, &[(1, 2), (2, 0)])).contains("claims to have 2147483647"));
    assert!(check(&page(&sizes(8), 5, &[(1, MOST), (2, 8)])).contains("more values than its length allows"));
    assert!(check(&page(&sizes(8), 8, &[(1, MOST), (4, 8)])).contains("more values than its length allows"));
    assert!(check(&page(&sizes(8), 7, &[(1, 3), (2, 0)])).contains("header of its pages is damaged"));
    assert!(check(&page(&sizes(8), 5, &[(1, 1), (2, 7)])).contains("encoded as differences"));
    assert!(check(&page(&sizes(-8), 5, &[(1, 1), (2, 0)])).contains("header of its pages is damaged"));
    assert!(check(&page(&[(1, 0), (2, 8), (3, 9)], 5, &[(1, 1), (2, 0)])).contains("longer than its column"));
    assert!(check(&[0x15]).contains("header of its pages is damaged"));
}

/// The decoder inflates pages of gzip to their end.
#[test]
fn pages_that_inflate_to_more_than_they_claim_are_refused() {
    use std::io::Write as _;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let said = |levels: &[u8], page: &[u8], claimed: i64| {
        // A data page of the second kind, with levels before what is compressed, or one of the first.
        let mut bytes = numbers(&[(1, 0), (2, claimed), (3, (levels.len() + page.len()) as i64)]);
        bytes.pop();
        let (kind, fields) = match levels.len() as i64 {
            0 => (5, vec![(1, 1), (2, 0)]),
            len => (8, vec![(1, 1), (4, 0), (5, len - 1), (6, 1)]),
        };
        bytes.push((kind - 3) << 4 | 12);
        bytes.extend(numbers(&fields));
        bytes.push(0);
        bytes.extend(levels);
        bytes.extend(page);
        let (_folder, path) = written(&bytes);
        let chunks = guard::Chunks { file: std::fs::File::open(&path).unwrap(), len: bytes.len() as u64 };
        match guard::pages(&chunks, 0..bytes.len() as u64, &mut guard::Allowance::of(bytes.len() as u64)) {
            Ok(_) => String::new(),
            Err(guard::Fault::Refused(reason)) => reason,
            Err(guard::Fault::Read(error)) => panic!("{error}"),
        }
    };
    let (large, small) = (gzip(&vec![b'a'; 5 << 20]), gzip(b"some"));
    for levels in [&b""[..], b"levels"] {
        assert_eq!(said(levels, &large, 5 << 20), "");
        for claimed in [0, 1000, (5 << 20) - 1] {
            let error = said(levels, &large, claimed);
            assert!(error.contains("more bytes than it claims"), "{claimed} {error}");
        }
        // In several members, which are decompressed one after the other; what is damaged is for the decoder.
        assert!(said(levels, &[&small[..], &large].concat(), 1000).contains("more bytes than it claims"));
        assert_eq!(said(levels, &small[..8], 1000), "");
        assert_eq!(said(levels, b"\x1f\x8b and no more of gzip", 1000), "");
    }
}

#[test]
fn long_values_that_are_repeated_are_refused() {
    let value = vec![b'a'; 1 << 20];
    for text in [true, false] {
        let schema = Schema::new();
        let schema = if text { schema.text("value") } else { schema.bytes("value") };
        let mut writer = Writer::new(&schema, Vec::new()).unwrap();
        let cell = if text { Cell::Text(std::str::from_utf8(&value).unwrap()) } else { Cell::Bytes(&value) };
        for _ in 0..200 {
            writer.write(&[cell]).unwrap();
        }
        let bytes = writer.finish().unwrap();
        assert!(bytes.len() < 1 << 20, "{}", bytes.len());
        let (_folder, path) = written(&bytes);
        let mut read = 0;
        let result = Reader::open(&path).unwrap().read::<Error>(&["value"], |_| {
            read += 1;
            Ok(())
        });
        assert!(result.unwrap_err().to_string().contains("its texts are longer than its length allows"));
        assert!(read < 100, "{read}");
        // Row by row, they cost no memory.
        let table = Reader::open(&path).unwrap();
        let mut rows = table.rows_of(&["value"]).unwrap();
        let mut read = 0;
        while rows.next_row().unwrap().is_some() {
            read += 1;
        }
        assert_eq!(read, 200);
    }
}

/// Small files can have large pages, and every row of a batch keeps one.
#[test]
fn rows_of_large_pages_are_decoded_one_at_a_time() {
    use parquet::data_type::ByteArrayType;
    let schema = std::sync::Arc::new(
        parquet::schema::parser::parse_message_type("message schema { required binary value; }").unwrap(),
    );
    let table = |len: usize| {
        let properties = parquet::file::properties::WriterProperties::builder().set_dictionary_enabled(false).build();
        let mut file =
            parquet::file::writer::SerializedFileWriter::new(Vec::new(), schema.clone(), properties.into()).unwrap();
        let mut group = file.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        for byte in 0..2 {
            column.typed::<ByteArrayType>().write_batch(&[vec![byte; len].into()], None, None).unwrap();
        }
        column.close().unwrap();
        group.close().unwrap();
        written(&file.into_inner().unwrap())
    };
    for (len, batch) in [(1000, 2), (40 << 20, 1)] {
        let (_folder, path) = table(len);
        let table = Reader::open(&path).unwrap();
        let mut rows = table.rows_of(&["value"]).unwrap();
        assert!(matches!(rows.next_row().unwrap().unwrap()[..], [Cell::Bytes(bytes)] if bytes.len() == len));
        assert_eq!(rows.decoded(), batch, "{len}");
    }
}

#[test]
fn lists_in_structs_are_columns_beside_the_other_fields() {
    let schema = "message schema { optional group image { optional binary bytes; optional binary path (STRING);
        optional group tags (LIST) { repeated group list { optional int32 element; } }
        optional group notes (MAP) { repeated group key_value { required binary key; optional binary value; } } }
        optional group v (LIST) { repeated group list { optional float element; } } }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let file = parquet::file::writer::SerializedFileWriter::new(Vec::new(), schema, std::sync::Arc::default());
    let (_folder, path) = written(&file.unwrap().into_inner().unwrap());
    let reader = Reader::open(&path).unwrap();
    let holds = ["image", "image.bytes", "image.path", "image.tags.list.element", "v"].map(|name| reader.holds(name));
    let expected = [None, Some(Holds::Bytes), Some(Holds::Texts), Some(Holds::Others), Some(Holds::Vectors)];
    assert_eq!(holds, expected);
}

/// A table that says it has fewer rows than its groups would lose the last ones.
#[test]
fn tables_that_say_another_number_of_rows_are_refused() {
    let mut writer = Writer::new(&Schema::new().text("a"), Vec::new()).unwrap();
    for _ in 0..41 {
        writer.write(&[Cell::Null]).unwrap();
    }
    let bytes = writer.finish().unwrap();
    // The third field of the footer, after the schema, is the number of rows: zigzag, then the list of groups.
    let at = bytes.windows(3).position(|part| part == [0x16, 82, 0x19]).unwrap();
    for rows in [0, 40, 42] {
        let mut other = bytes.clone();
        other[at + 1] = rows * 2;
        let (_folder, path) = written(&other);
        let error = Reader::open(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("it has 41 rows and says {rows}")), "{error}");
    }
}
