//! `duplicates` on drawn scenes that were saved again, drawn again and taken again.

use std::path::Path;

use clippie_testkit::scenes::{Background, Pattern, Scene, draw};
use jpeg_encoder::{ColorType, Encoder};
use serde_json::Value;

use crate::support::{Ran, Sandbox};

/// Side of the drawn pictures in pixels.
const SIDE: usize = 384;

/// A picture of `[height, width, 3]`.
#[derive(Clone)]
struct Picture {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

/// A scene of 352 by 288 pixels, seen from a place that is off by up to 32 and 96 pixels.
fn scene(index: u64, off: (usize, usize)) -> Picture {
    let drawn = draw(&Scene::random(11, index), SIDE);
    let (width, height) = (SIDE - 32, SIDE - 96);
    let row = |y: usize| &drawn[((y + off.1) * SIDE + off.0) * 3..][..width * 3];
    Picture { width, height, data: (0..height).flat_map(row).copied().collect() }
}

/// The same description, drawn anew.
fn drawn_anew(index: u64) -> Picture {
    let scene = Scene::random(11, index);
    let data = draw(&Scene { seed: scene.seed ^ 77, ..scene }, SIDE);
    Picture { width: SIDE, height: SIDE, data }
}

impl Picture {
    fn half(&self) -> Picture {
        let (width, height) = (self.width / 2, self.height / 2);
        let level = |x: usize, y: usize, channel: usize| u32::from(self.data[(y * self.width + x) * 3 + channel]);
        let mean = |i: usize| {
            let (x, y, channel) = (i / 3 % width * 2, i / 3 / width * 2, i % 3);
            let sum = level(x, y, channel) + level(x + 1, y, channel) + level(x, y + 1, channel);
            ((sum + level(x + 1, y + 1, channel) + 2) / 4) as u8
        };
        Picture { width, height, data: (0..width * height * 3).map(mean).collect() }
    }

    fn quarter_turn(&self) -> Picture {
        let (width, height) = (self.height, self.width);
        let from = |i: usize| ((self.height - 1 - i % width) * self.width + i / width) * 3;
        Picture { width, height, data: (0..width * height).flat_map(|i| self.data[from(i)..][..3].to_vec()).collect() }
    }

    fn jpeg(&self, quality: u8, taken: Option<&str>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, quality);
        if let Some(taken) = taken {
            encoder.add_exif_metadata(&exif(taken)).unwrap();
        }
        let (width, height) = (u16::try_from(self.width).unwrap(), u16::try_from(self.height).unwrap());
        encoder.encode(&self.data, width, height, ColorType::Rgb).unwrap();
        bytes
    }
}

/// EXIF with the date `YYYY:MM:DD HH:MM:SS`.
fn exif(taken: &str) -> Vec<u8> {
    let mut tiff = b"II\x2a\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
    tiff.extend(b"\x01\0\x03\x90\x02\0\x14\0\0\0\x2c\0\0\0\0\0\0\0");
    assert_eq!((tiff.len(), taken.len()), (0x2c, 19));
    tiff.extend(taken.bytes().chain([0]));
    tiff
}

/// `duplicates` with the library of the test.
fn duplicates(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let mut command = sandbox.command(["duplicates", "--library"]);
    Ran::new(command.arg(&sandbox.library).args(args).output().unwrap())
}

/// The groups: class, the name to keep, the names of the others, sorted.
fn groups(ran: &Ran) -> Vec<(String, String, Vec<String>)> {
    let name = |photo: &Value| {
        let path = Path::new(photo["path"].as_str().unwrap());
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    };
    let group = |line: &str| {
        let group: Value = serde_json::from_str(line).unwrap();
        let mut others: Vec<String> = group["others"].as_array().unwrap().iter().map(name).collect();
        others.sort();
        (group["class"].as_str().unwrap().to_owned(), name(&group["keep"]), others)
    };
    ran.stdout.lines().map(group).collect()
}

/// Twenty scenes that have nothing to do with each other, an hour apart.
fn with_others(sandbox: &Sandbox) {
    for index in 100..120 {
        let taken = format!("2024:05:06 {:02}:00:00", index - 100);
        sandbox.write(format!("photos/other {index}.jpg"), scene(index, (16, 16)).jpeg(90, Some(&taken)), index);
    }
}

#[test]
fn pictures_that_were_saved_again() {
    let sandbox = Sandbox::new();
    for index in 0..12 {
        let picture = scene(index, (16, 16));
        let save = |name: &str, bytes: Vec<u8>| sandbox.write(format!("photos/{index} {name}.jpg"), bytes, index);
        save("best", picture.jpeg(97, None));
        save("good", picture.jpeg(80, None));
        save("poor", picture.jpeg(55, None));
        save("half", picture.half().jpeg(90, None));
        save("turned", picture.quarter_turn().jpeg(90, None));
        save("upside down", picture.quarter_turn().quarter_turn().half().jpeg(85, None));
        // The same words describe it.
        save("anew", drawn_anew(index).jpeg(90, None));
    }
    with_others(&sandbox);
    sandbox.write("photos/copies/0 best copy.jpg", scene(0, (16, 16)).jpeg(97, None), 0);
    sandbox.index(["photos"]).code(0);
    let ran = duplicates(&sandbox, &["--format", "jsonl"]).code(0);
    assert_eq!(ran.stderr, "");
    let mut found = groups(&ran);
    let file = found.remove(0);
    assert_eq!((file.0.as_str(), file.1.as_str(), file.2), ("file", "0 best", vec!["0 best copy".to_owned()]));
    // Each group is of one picture, the best one is kept, and next to all copies are found.
    let mut copies = 0;
    for (class, keep, others) in &found {
        assert_eq!(class, "picture");
        let (index, name) = keep.split_once(' ').unwrap();
        assert!(name == "best" && others.iter().all(|other| other.starts_with(index)), "{keep}: {others:?}");
        assert!(others.iter().all(|other| !other.ends_with(" anew")), "{others:?}");
        copies += others.len();
    }
    assert!(found.len() == 12 && copies >= 57, "{copies} of 60 copies: {found:?}");

    let line = ran.stdout.lines().find(|line| line.contains("0 turned.jpg")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    let others = line["others"].as_array().unwrap();
    let bytes: u64 = others.iter().map(|photo| photo["bytes"].as_u64().unwrap()).sum();
    assert_eq!(line["bytes"], bytes);
    let turned = others.iter().find(|photo| photo["path"].as_str().unwrap().contains(" turned")).unwrap();
    assert_eq!((&turned["width"], &turned["height"]), (&288.into(), &352.into()));
    // Anticlockwise, back again.
    assert_eq!(turned["turned"], 8);
    assert!((0.0..=1.0).contains(&turned["distance"].as_f64().unwrap()));

    // Which photo is kept, and what is free without the others.
    let table = duplicates(&sandbox, &["--class", "file"]).code(0);
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert!(lines[0].starts_with("file: 2 photos, ") && lines[0].ends_with(" to spare"), "{}", table.stdout);
    assert!(lines[2].starts_with("keep ") && lines[2].contains("photos/0 best.jpg") && lines[2].contains("352 x 288"));
    assert!(lines[3].ends_with("same bytes") && lines.len() == 4, "{}", table.stdout);
    // In a folder of its own, it is no copy.
    let ran = duplicates(&sandbox, &["--in", "photos/copies"]).code(0).says(&["no duplicates"]);
    assert_eq!(ran.stdout, "");
}

/// Drawings of a few plain tones, and the same in other colours: what is joined is a copy. Not all copies are
/// found, because saving rounds the level of a tone wherever it is: 608 of 687 when this was written.
#[test]
fn plain_drawings_are_found_and_no_others() {
    let sandbox = Sandbox::new();
    let (mut copies, mut kinds) = (0, std::collections::BTreeSet::new());
    for index in 0..60 {
        let scene = Scene::random(12, index);
        let plain = Scene { background: Background { pattern: Pattern::Plain, ..scene.background }, ..scene };
        let (width, height) = (SIDE, SIDE);
        let original = Picture { width, height, data: draw(&plain, SIDE) };
        // The same shapes in other colours, and the same description with other places and tones.
        let mixed = |order: [usize; 3]| {
            let data = original.data.as_chunks::<3>().0.iter().flat_map(|pixel| order.map(|at| pixel[at]));
            Picture { width, height, data: data.collect() }
        };
        let anew = Picture { width, height, data: draw(&Scene { seed: plain.seed ^ 77, ..plain }, SIDE) };
        let all = [("plain", original.clone()), ("turn", mixed([1, 2, 0])), ("swap", mixed([2, 1, 0])), ("anew", anew)];
        let mut known: Vec<Picture> = Vec::new();
        for (kind, picture) in all {
            // Greys are the same in any order, and red becomes blue in two of them.
            let like = |other: &Picture| {
                let changes = picture.data.iter().zip(&other.data).filter(|(a, b)| a.abs_diff(**b) > 16).count();
                changes * 200 < picture.data.len()
            };
            if known.iter().any(like) {
                continue;
            }
            known.push(picture.clone());
            kinds.insert((index, kind));
            let mut save = |name: &str, bytes: Vec<u8>| {
                sandbox.write(format!("photos/{index} {kind} {name}.jpg"), bytes, index);
                copies += 1;
            };
            save("95", picture.jpeg(95, None));
            save("75", picture.jpeg(75, None));
            save("50", picture.jpeg(50, None));
            save("half", picture.half().jpeg(75, None));
        }
    }
    sandbox.index(["photos"]).code(0);
    let found = groups(&duplicates(&sandbox, &["--class", "picture", "--format", "jsonl"]).code(0));
    let mut joined = 0;
    for (_, keep, others) in &found {
        let picture = keep.rsplit_once(' ').unwrap().0;
        assert!(others.iter().all(|other| other.rsplit_once(' ').unwrap().0 == picture), "{keep}: {others:?}");
        joined += others.len();
    }
    let all = copies - kinds.len();
    assert!(kinds.len() > 150 && joined * 100 >= all * 85, "{joined} of {all} copies of {} pictures", kinds.len());
}

#[test]
fn scenes_are_near_in_time() {
    let sandbox = Sandbox::new();
    with_others(&sandbox);
    for index in 0..10 {
        let shot = |name: &str, off, month: u8, time: &str| {
            let taken = format!("2024:{month:02}:{:02} {time}", index + 1);
            sandbox.write(format!("photos/{index} {name}.jpg"), scene(index, off).jpeg(90, Some(&taken)), index);
        };
        shot("first", (16, 48), 6, "12:00:00");
        shot("next", (6, 40), 6, "12:00:04");
        shot("minutes later", (24, 60), 6, "12:05:00");
        shot("an hour later", (10, 56), 6, "13:05:00");
        shot("a month later", (6, 48), 7, "12:00:04");
    }
    sandbox.index(["photos"]).code(0);
    let scenes = |args: &[&str]| -> Vec<Vec<String>> {
        let ran = duplicates(&sandbox, &[&["--class", "scene", "--format", "jsonl"], args].concat()).code(0);
        let names = |(_, keep, mut others): (String, String, Vec<String>)| {
            others.push(keep);
            others.sort();
            others
        };
        let mut found: Vec<Vec<String>> = groups(&ran).into_iter().map(names).collect();
        found.sort();
        found
    };
    // Next to all pairs of shots within this time are found, and no others.
    let finds = |args: &[&str], names: &[&str]| {
        let mut right = 0;
        for group in scenes(args) {
            let index = group[0].split(' ').next().unwrap();
            for name in &group {
                let (of, shot) = name.split_once(' ').unwrap();
                assert!(of == index && names.contains(&shot), "{args:?}: {group:?}");
            }
            right += group.len() - 1;
        }
        let all = 10 * (names.len() - 1);
        assert!(right * 100 >= all * 90, "{args:?}: {right} of {all}");
    };
    finds(&[], &["first", "next", "minutes later"]);
    finds(&["--within", "1"], &["first", "next"]);
    finds(&["--within", "90"], &["first", "next", "minutes later", "an hour later"]);
    // By the name of the model, and whatever the threads.
    assert_eq!(scenes(&["-m", "demo", "--threads", "1"]), scenes(&[]));
    let refused = duplicates(&sandbox, &["-m", "other"]).code(1);
    assert!(refused.stderr.contains("other, only of demo"), "{}", refused.stderr);
    duplicates(&sandbox, &["--within", "soon"]).code(2).says(&["not a number of minutes"]);
}

#[test]
fn a_contact_sheet() {
    let sandbox = Sandbox::new();
    with_others(&sandbox);
    sandbox.write("photos/<b>&.jpg", scene(100, (16, 16)).half().jpeg(90, None), 0);
    sandbox.index(["photos"]).code(0);
    let ran = duplicates(&sandbox, &["--html", "photos/sheet.html", "-o", "groups.txt"]).code(0);
    assert_eq!(ran.stdout, "");
    let table = std::fs::read_to_string(sandbox.path("groups.txt")).unwrap();
    assert!(table.starts_with("picture: 2 photos, ") && table.contains("same picture"), "{table}");
    let html = std::fs::read_to_string(sandbox.path("photos/sheet.html")).unwrap();
    assert_eq!((html.matches("data:image/jpeg;base64,").count(), html.matches("class=\"mark\">keep<").count()), (2, 1));
    for part in ["Same picture", "href=\"other%20100.jpg\"", "&lt;b&gt;&amp;.jpg", "352 × 288"] {
        assert!(html.contains(part), "{part}");
    }
    for args in [&["--html", "a", "-o", "a"][..], &["--html", "-"]] {
        duplicates(&sandbox, args).code(2);
    }
    duplicates(&sandbox, &["--html", "none/a.html"]).code(1).says(&["the folder none does not exist"]);
}
