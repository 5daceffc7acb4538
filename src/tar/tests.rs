//! Archives as several programs write them, and archives that are damaged or lie.

use std::io::Write as _;

use super::*;

/// A header with a right checksum.
fn header(name: &[u8], kind: u8, size: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[124..124 + size.len()].copy_from_slice(size);
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    sealed(block)
}

fn sealed(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// An entry with its data.
fn entry(name: &str, kind: u8, data: &[u8]) -> Vec<u8> {
    let mut entry = header(name.as_bytes(), kind, format!("{:011o}", data.len()).as_bytes());
    entry.extend(data);
    entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    entry
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 2 * BLOCK]].concat()
}

/// Name and content of each file, or the error, which is the last.
fn list(bytes: &[u8]) -> Vec<Result<(String, Vec<u8>), String>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Members::open(file.path())
        .unwrap()
        .map(|member| {
            let member = member.map_err(|error| error.to_string())?;
            let (start, end) = (member.start as usize, (member.start + member.len) as usize);
            match member.unusable {
                Some(reason) => Err(reason.to_owned()),
                // Of a compressed archive, places are others.
                None => Ok((
                    String::from_utf8_lossy(&member.name).into_owned(),
                    bytes.get(start..end).unwrap_or_default().to_vec(),
                )),
            }
        })
        .collect()
}

fn named(name: &str, data: &[u8]) -> Result<(String, Vec<u8>), String> {
    Ok((name.to_owned(), data.to_vec()))
}

#[test]
fn files_come_in_order_with_their_bytes() {
    let large = vec![7; 3 * BLOCK];
    let bytes = archive(&[
        entry("a.jpg", b'0', b"one"),
        entry("folder/", b'5', b""),
        entry("old/", 0, b""),
        entry("folder/empty", 0, b""),
        entry("fifo", b'6', b""),
        entry("b.jpg", b'7', &large),
    ]);
    assert_eq!(list(&bytes), [named("a.jpg", b"one"), named("folder/empty", b""), named("b.jpg", &large)]);
    assert_eq!(list(&[0; 2 * BLOCK]), []);
}

#[test]
fn only_zeros_may_follow_the_end() {
    let good = archive(&[entry("a.jpg", b'0', b"one")]);
    for zeros in [1, 10 << 10, 1 << 20] {
        assert_eq!(list(&[good.clone(), vec![0; zeros]].concat()), [named("a.jpg", b"one")]);
    }
    // The second block of the mark is missing.
    assert_eq!(list(&good[..good.len() - BLOCK]), [named("a.jpg", b"one")]);
    let end = good.len() - 2 * BLOCK;
    let follows = format!("something follows the end of the archive at byte {end}; take joined archives apart");
    for more in [good.clone(), b"x".to_vec(), [vec![0; 3 << 20], b"x".to_vec()].concat()] {
        let found = list(&[good.clone(), more].concat());
        assert_eq!(found, [named("a.jpg", b"one"), Err(follows.clone())]);
    }
    // A long file of zeros without blocks on the disk is not read to its end.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&good).unwrap();
    file.as_file().set_len(1 << 40).unwrap();
    let found: Vec<_> = Members::open(file.path()).unwrap().collect();
    assert_eq!(found.len(), 2);
    let error = found[1].as_ref().unwrap_err().to_string();
    assert_eq!(error, format!("there are only zeros from byte {end} on, for more than 64 MiB; copy it again"));
}

#[test]
fn long_names_and_large_sizes() {
    let long = "d/".repeat(80) + "photo.jpg";
    let mut folder = header(b"photo.jpg", b'0', b"0000001");
    folder[345..352].copy_from_slice(b"a/b/c/d");
    let mut gnu = header(b"plain.jpg", b'0', b"1");
    gnu[257..265].copy_from_slice(b"ustar  \0");
    gnu[345..348].copy_from_slice(b"123");
    let pad = || vec![b'x'].into_iter().chain([0; BLOCK - 1]).collect::<Vec<u8>>();
    let record = |key: &str, value: &str| {
        let rest = format!(" {key}={value}\n");
        let len = (1..4).map(|digits| rest.len() + digits).find(|len| len.to_string().len() + rest.len() == *len);
        format!("{}{rest}", len.unwrap())
    };
    let bytes = archive(&[
        sealed(folder),
        pad(),
        sealed(gnu),
        pad(),
        entry("././@LongLink", b'K', b"target\0"),
        entry("././@LongLink", b'L', &[long.as_bytes(), b"\0"].concat()),
        entry("d/d", b'0', b"x"),
        entry("g", b'g', record("comment", "c").as_bytes()),
        entry("p", b'x', (record("path", &long) + &record("size", "1")).as_bytes()),
        header(b"short", b'0', b""),
        pad(),
        header(b"binary", b'0', &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        pad(),
        entry("last", b'0', b"x"),
    ]);
    let names = ["a/b/c/d/photo.jpg", "plain.jpg", &long, &long, "binary", "last"];
    assert_eq!(list(&bytes), names.map(|name| named(name, b"x")));
}

/// GNU tar and Python cut a long name in the header to its first 100 bytes, whose last may be a slash.
#[test]
fn a_long_name_that_is_cut_after_a_slash_is_a_file() {
    let folder = "f".repeat(99) + "/";
    let name = folder.clone() + "photo.jpg";
    let record = |path: &str| format!("{} path={path}\n", path.len() + " path=\n".len() + 3);
    let old = |block: Vec<u8>| {
        let mut block = block;
        block[257..265].copy_from_slice(b"ustar  \0");
        let data = block.split_off(BLOCK);
        [sealed(block), data].concat()
    };
    for kind in [0, b'0', b'7'] {
        let bytes = archive(&[
            old(entry("././@LongLink", b'L', &[name.as_bytes(), b"\0"].concat())),
            old(entry(&folder, kind, b"gnu")),
            entry("././@PaxHeader", b'x', record(&name).as_bytes()),
            entry(&folder, kind, b"pax"),
            // Folders of old programs with long names, cut at a letter.
            entry("././@LongLink", b'L', &[folder.repeat(2).as_bytes(), b"\0"].concat()),
            entry(&name[..99], kind, b""),
            entry("././@PaxHeader", b'x', record(&folder.repeat(2)).as_bytes()),
            entry(&name[..99], kind, b""),
            entry("last.jpg", b'0', b"x"),
        ]);
        assert_eq!(list(&bytes), [named(&name, b"gnu"), named(&name, b"pax"), named("last.jpg", b"x")]);
    }
}

#[test]
fn what_has_no_bytes_of_its_own_is_named() {
    let mut sparse = header(b"s.jpg", b'S', b"3");
    sparse[482] = 1;
    let more = |more: u8| [vec![0; 504], vec![more; 8]].concat();
    let bytes = archive(&[
        entry("l.jpg", b'2', b""),
        header(b"h.jpg", b'1', b"00000001000"),
        sealed(sparse),
        more(1),
        more(0),
        [b"abc".to_vec(), vec![0; BLOCK - 3]].concat(),
        entry("p", b'x', b"22 GNU.sparse.major=1\n"),
        entry("t.jpg", b'0', b"abc"),
        entry("m.jpg", b'M', b"abc"),
        entry("last", b'0', b"x"),
    ]);
    let found = list(&bytes);
    for (found, part) in found.iter().zip(["a link", "a link", "--sparse", "--sparse", "another archive"]) {
        assert!(found.as_ref().unwrap_err().contains(part), "{found:?}");
    }
    assert_eq!(found[5..], [named("last", b"x")]);
}

#[test]
fn archives_that_are_damaged_or_lie_end_with_the_reason() {
    let good = archive(&[entry("a.jpg", b'0', b"one"), entry("b.jpg", b'0', &[1; 600])]);
    let said = |bytes: &[u8]| list(bytes).pop().unwrap().unwrap_err();
    // Cut short anywhere, up to the mark of the end.
    for len in (0..good.len() - 2 * BLOCK + 1).step_by(3) {
        let files = list(&good[..len]);
        assert!(files.last().unwrap().is_err() && files.len() <= 3, "{len}");
    }
    assert_eq!(said(b""), "it is empty");
    assert_eq!(said(b"short"), "it is no tar archive");
    assert_eq!(said(&[7; 2000]), "it is no tar archive");
    assert!(said(&[b"\x1f\x8b".to_vec(), vec![0; 1000]].concat()).contains("its compressed bytes are damaged"));
    assert!(said(&[b"BZh".to_vec(), vec![0; 1000]].concat()).contains("decompress it"));
    assert!(said(&good[..2 * BLOCK]).contains("may be cut short"));
    let mut damaged = good.clone();
    damaged[2 * BLOCK] ^= 1;
    assert_eq!(list(&damaged)[0], named("a.jpg", b"one"));
    assert!(said(&damaged).contains("header at byte 1024 is damaged"));
    for size in [&b"77777777777"[..], &[0x80, 0xff, 0xff, 0xff, 0xff, 0xff], &[0xff; 12], b"12x", b"8"] {
        let lies = said(&archive(&[header(b"a.jpg", b'0', size)]));
        assert!(lies.contains("\"a.jpg\" goes on after its end"), "{lies}");
    }
    let huge = [0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(said(&archive(&[header(b"a.jpg", b'0', &huge)])).contains("goes on after its end"));
    // Compressed, where the length is not known.
    for size in [&huge[..], &[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb, 0xff]] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&archive(&[header(b"a.jpg", b'0', size)])).unwrap();
        let lies = said(&encoder.finish().unwrap());
        assert!(lies.contains("goes on after its end") || lies.contains("may be cut short"), "{lies}");
    }
    for kind in [b'x', b'L'] {
        let much = entry("p", kind, &vec![b'a'; (MAX_EXTRA + 1) as usize]);
        assert!(said(&archive(&[much])).contains("as no name needs"));
    }
    assert!(said(&archive(&[entry("p", b'x', b"9999 path=a\n")])).contains("the records at byte 512 are damaged"));
    let name = entry("n", b'L', &vec![b'a'; MAX_NAME + 1]);
    assert!(said(&archive(&[name, entry("a", b'0', b"")])).contains("as no file has"));
    // A name for which no entry follows.
    assert_eq!(list(&archive(&[entry("n", b'L', b"name")])), []);
}
