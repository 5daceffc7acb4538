//! Photos of tar archives, such as the shards of WebDataset.

use crate::photos::jpeg;
use crate::support::{Sandbox, embedding};

/// An archive with these files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, data) in files {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend(header);
        out.extend(*data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn photos_of_a_shard_are_rows() {
    let sandbox = Sandbox::new();
    let photos = [jpeg(1), jpeg(2), jpeg(3)];
    let files: [(&str, &[u8]); 8] = [
        ("./000.jpg", &photos[0]),
        ("000.txt", b"a caption"),
        ("001.JPEG", &photos[1]),
        (".001.jpg", b"hidden"),
        ("__MACOSX/001.jpg", b"of macOS"),
        ("002.jpg", b"no photo"),
        ("003.jp2", b"unread"),
        ("d/000.jpg", &photos[2]),
    ];
    sandbox.write("s/shard-0.tar", tar(&files));
    for (number, photo) in photos.iter().enumerate() {
        sandbox.write(format!("{number}.jpg"), photo);
    }
    let ran = sandbox.encode(["s/shard-0.tar", "--report", "report.json"]).code(3);
    assert_eq!(ran.error_lines().len(), 1);
    let ran = ran.says(&["error: s/shard-0.tar#002.jpg is not an image", "1 .jp2"]);
    let rows = ran.rows();
    let paths: Vec<&str> = rows.iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["000.jpg", "001.JPEG", "002.jpg", "d/000.jpg"].map(|name| format!("s/shard-0.tar#{name}")));
    let expected = sandbox.encode(["0.jpg", "1.jpg", "2.jpg"]).ok().rows();
    for (row, expected) in [&rows[0], &rows[1], &rows[3]].into_iter().zip(&expected) {
        assert_eq!(embedding(row), embedding(expected));
    }
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(sandbox.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["passed_over"]["other"]["txt"], 1);
    assert_eq!(report["passed_over"]["unread_paths"][0]["path"], "s/shard-0.tar#003.jp2");
    assert_eq!((&report["passed_over"]["hidden"], &report["passed_over"]["side"]["__MACOSX"]), (&1.into(), &1.into()));
    // In lists and in parts, but not in folders that are walked; nothing is extracted.
    sandbox.write("list", "0.jpg\ns/shard-0.tar\n");
    assert_eq!(sandbox.encode(["--files-from", "list"]).code(3).rows()[1..], rows);
    assert_eq!(sandbox.encode(["s/shard-0.tar", "--partition", "2/4"]).code(0).rows(), rows[1..2]);
    assert_eq!(sandbox.encode(["."]).ok().rows().len(), 3);
    assert_eq!(sandbox.files(), ["0.jpg", "1.jpg", "2.jpg", "list", "report.json", "s/shard-0.tar"]);
    let model = sandbox.model();
    let args = ["-m", model.to_str().unwrap(), "--label", "a", "--label", "b", "--format", "jsonl"];
    let classified = sandbox.run(["classify", "s/shard-0.tar"].iter().chain(&args)).code(3).rows();
    assert_eq!(classified.iter().map(|row| row["path"].as_str().unwrap()).collect::<Vec<_>>(), paths);
}

/// A shard of four samples: captions in both forms, one that is no text, one photo that is broken.
fn captioned() -> Vec<u8> {
    let photos: Vec<Vec<u8>> = (0..4).map(jpeg).collect();
    tar(&[
        ("./x/0.jpg", &photos[0]),
        ("./x/0.txt", b"\xef\xbb\xbfa red star\n"),
        ("x/0.json", br#"{"caption": "not this one"}"#),
        ("x/1.json", br#"{"width": 7, "caption": null, "text": "a blue moon"}"#),
        ("x/1.png.jpg", &photos[1]),
        ("2.jpg", b"broken"),
        ("2.txt", b"of no photo"),
        ("3.jpg", &photos[3]),
        ("3.txt", b"\xff"),
        ("3.json", br#"["caption"]"#),
        ("4.txt", b"of nothing"),
    ])
}

/// Captions are rows with the path of their photo; in a folder of clip-retrieval, rows of both belong together.
#[test]
fn captions_are_rows_with_their_photos() {
    let sandbox = Sandbox::new();
    sandbox.write("s.tar", captioned());
    let rows = sandbox.encode(["s.tar", "--captions"]).code(3).rows();
    let texts = sandbox.encode(["--text", "a red star", "--text", "a blue moon", "--text", "of no photo"]).ok().rows();
    assert_eq!(rows.len(), 4 + 3);
    assert_eq!(rows[..4], sandbox.encode(["s.tar"]).code(3).rows());
    for (row, (path, text)) in
        rows[4..].iter().zip(["s.tar#x/0.jpg", "s.tar#x/1.png.jpg", "s.tar#2.jpg"].iter().zip(&texts))
    {
        assert_eq!((&row["path"], &row["text"], embedding(row)), (&(*path).into(), &text["text"], embedding(text)));
    }
    let table = sandbox.encode(["s.tar", "--captions", "--format", "csv"]).code(3);
    let csv = table.text();
    assert!(csv.lines().any(|line| line.starts_with("s.tar#x/1.png.jpg,a blue moon,")), "{csv}");
    sandbox.encode(["s.tar", "--captions", "-o", "s.parquet"]).code(3);
    assert_eq!(sandbox.encode(["s.tar", "--captions", "--partition", "2/2"]).code(0).rows(), rows[3..]);
    sandbox.write("a.jpg", jpeg(1));
    sandbox.encode(["a.jpg", "--captions"]).code(0).says(&["no photo has a caption"]);
    sandbox.encode(["--text", "a", "--captions"]).fails(2, &["--captions are those of photos in tar archives"]);
}

#[cfg(all(feature = "library", feature = "parquet"))]
#[test]
fn clip_retrieval_has_captions_beside_photos() {
    use clippie_rs::library::clip_retrieval::{CAPTION, Folder, IMAGE_PATH};
    use clippie_rs::tables::{Cell, Reader};
    let sandbox = Sandbox::new();
    sandbox.write("s.tar", captioned());
    let rows = sandbox.encode(["s.tar", "--captions"]).code(3).rows();
    let args = ["s.tar", "--captions", "--format", "clip-retrieval", "-o"];
    sandbox.encode(args.iter().chain(&["out"])).code(3).says(&["1 photo without a caption passed over"]);
    let npy = |file: &str| {
        let bytes = std::fs::read(sandbox.path(file)).unwrap();
        npyz::NpyFile::new(&bytes[..]).unwrap().into_vec::<f32>().unwrap()
    };
    assert_eq!(npy("out/img_emb/img_emb_0.npy"), [embedding(&rows[0]), embedding(&rows[1])].concat());
    assert_eq!(npy("out/text_emb/text_emb_0.npy"), [embedding(&rows[4]), embedding(&rows[5])].concat());
    let reader = Reader::open(&sandbox.path("out/metadata/metadata_0.parquet")).unwrap();
    let mut found = Vec::new();
    let cell = |cell: &Cell<'_>| if let Cell::Text(text) = cell { (*text).to_owned() } else { panic!("{cell:?}") };
    reader
        .read::<clippie_rs::tables::Error>(&[IMAGE_PATH, CAPTION], |cells| {
            found.push([cell(&cells[0]), cell(&cells[1])]);
            Ok(())
        })
        .unwrap();
    assert_eq!(found, [["s.tar#x/0.jpg", "a red star"], ["s.tar#x/1.png.jpg", "a blue moon"]]);
    // It is read back as one without captions is.
    assert_eq!(Folder::open(&sandbox.path("out")).unwrap().rows(), 2);
    // Photos and their captions are in the same part.
    sandbox.encode(args.iter().chain(&["part", "--partition", "1/2"])).code(0);
    assert_eq!(npy("part/text_emb/text_emb_0.npy"), embedding(&rows[4]));
}

/// Compressed shards have the rows of plain ones, in every part.
#[test]
fn compressed_archives_are_read() {
    let sandbox = Sandbox::new();
    let photos: Vec<Vec<u8>> = (0..30).map(jpeg).collect();
    let names: Vec<String> = (0..30).map(|number| format!("{number:04}.jpg")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(photos.iter().map(Vec::as_slice)).collect();
    let plain = tar(&files);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &plain).unwrap();
    sandbox.write("a.tar", plain);
    let bytes = encoder.finish().unwrap();
    sandbox.write("b.tgz", &bytes);
    sandbox.write("a.tar.gz", bytes);
    let expected = sandbox.encode(["a.tar"]).ok().rows();
    for name in ["a.tar.gz", "b.tgz"] {
        let rows = sandbox.encode([name]).ok().rows();
        assert_eq!(rows.len(), 30);
        for (row, expected) in rows.iter().zip(&expected) {
            assert_eq!(embedding(row), embedding(expected));
        }
        assert_eq!(rows[7]["path"], format!("{name}#0007.jpg"));
        assert_eq!(sandbox.encode([name, "--partition", "3/3", "--threads", "3"]).ok().rows(), rows[20..]);
    }
}

#[test]
fn archives_that_cannot_be_read_are_inputs_that_fail() {
    let sandbox = Sandbox::new();
    let (photo, other) = (jpeg(1), jpeg(2));
    let good = tar(&[("a.jpg", &photo), ("b.jpg", &other)]);
    sandbox.write("cut.tar", &good[..good.len() - 1536]);
    sandbox.write("no.tar", "no archive");
    sandbox.write("z.tar", [&b"\x1f\x8b\x08"[..], &[0; 1000]].concat());
    sandbox.write("a.jpg", photo);
    let ran = sandbox.encode(["cut.tar", "no.tar", "none.tar", "z.tar", "a.jpg"]).code(3);
    let rows = ran.rows();
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0]["path"], "cut.tar#a.jpg");
    assert_eq!(embedding(&rows[0]), embedding(&rows[5]));
    for (row, path, reason) in [
        (1, "cut.tar", "the data of \"b.jpg\" goes on after its end"),
        (2, "no.tar", "it is no tar archive"),
        (3, "none.tar", "no such file; check the path"),
        (4, "z.tar", "its compressed bytes are damaged"),
    ] {
        let error = rows[row]["error"].as_str().unwrap();
        assert_eq!(rows[row]["path"], path);
        assert!(error.starts_with(&format!("cannot read {path}: ")) && error.contains(reason), "{error}");
    }
    sandbox.write("empty.tar", tar(&[("a.txt", b"")]));
    sandbox.encode(["empty.tar", "a.jpg"]).code(0).says(&["empty.tar: no photos in this archive"]);
    sandbox.write("shards/0.TAR", &good);
    let warning = "warning: shards: no photos in this folder, but 1 .tar; name it to have its photos read\n";
    sandbox.encode(["shards"]).code(0).says(&[warning]);
    sandbox.write("shards/1.tar", &good);
    let warning = "warning: shards: no photos in this folder, but 2 .tar; name them to have their photos read\n";
    sandbox.encode(["shards"]).code(0).says(&[warning]);
    sandbox.write("out.jsonl", "old");
    for archive in ["no.tar", "cut.tar"] {
        let refused = format!("{archive} is one of the inputs");
        sandbox.encode([archive, "--format", "jsonl", "-o", archive]).fails(2, &[&refused]);
    }
}
