//! `classify`: its formats, what decides between labels, and what is refused.

use clippie_rs::{Classification, Clip, Label, Templates};
use serde_json::Value;

use crate::photos::jpeg;
use crate::support::{Ran, Sandbox, feed};

fn classify(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let model = sandbox.model();
    sandbox.run(["classify", "-m", model.to_str().unwrap()].iter().chain(args))
}

/// Four photos and a file that is none.
fn photos() -> Sandbox {
    let sandbox = Sandbox::new();
    for i in 0..4 {
        sandbox.write(format!("photos/{i}.jpg"), jpeg(i * 60));
    }
    sandbox.write("broken.jpg", "no photo");
    sandbox
}

/// What the library says about the photos.
fn expected(sandbox: &Sandbox, labels: &[Label], templates: Templates) -> (Vec<Classification>, Vec<String>) {
    let clip = Clip::open(sandbox.model()).unwrap();
    let classifier = clip.classifier(labels).templates(templates).build().unwrap();
    let images: Vec<_> = (0..4).map(|i| sandbox.path(format!("photos/{i}.jpg"))).collect();
    let found = classifier.classify_images(clip.image(), &images).unwrap();
    (found, labels.iter().map(|label| label.name().to_owned()).collect())
}

const LABELS: [&str; 6] = ["--label", "a dog", "--label", "a cat", "--label", "nothing"];

#[test]
fn every_format_says_what_the_library_says() {
    let sandbox = photos();
    let labels = ["a dog", "a cat", "nothing"].map(Label::new);
    let (found, names) = expected(&sandbox, &labels, Templates::default());
    let with = |more: &[&str]| classify(&sandbox, &[&["photos"], &LABELS[..], more].concat()).ok();

    let jsonl = with(&["--format", "jsonl", "--top", "2"]).rows();
    assert_eq!(jsonl.len(), 4);
    for (index, (row, found)) in jsonl.iter().zip(&found).enumerate() {
        let float = |value: &Value| value.as_f64().unwrap() as f32;
        assert_eq!(row["path"], format!("photos/{index}.jpg"));
        assert_eq!(row["label"], names[found.label().unwrap()]);
        assert_eq!(float(&row["probability"]), found.guesses[0].probability);
        assert_eq!(float(&row["margin"]), found.margin);
        assert_eq!(row["fingerprint"], Clip::open(sandbox.model()).unwrap().fingerprint().as_str());
        let top = row["top"].as_array().unwrap();
        assert_eq!(top.len(), 2);
        for (listed, guess) in top.iter().zip(&found.guesses) {
            assert_eq!(listed["label"], names[guess.label]);
            assert_eq!((float(&listed["probability"]), float(&listed["cosine"])), (guess.probability, guess.cosine));
        }
        assert_eq!(row.as_object().unwrap().len(), 6);
    }

    let csv = with(&["--format", "csv", "--top", "5"]);
    let mut reader = csv::Reader::from_reader(csv.text().as_bytes());
    let heading: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let columns =
        "path,label,probability,margin,fingerprint,label1,probability1,label2,probability2,label3,probability3";
    assert_eq!(heading.join(","), columns);
    for (record, found) in reader.records().zip(&found) {
        let record = record.unwrap();
        assert_eq!(&record[1], names[found.guesses[0].label]);
        assert_eq!(record[2].parse::<f32>().unwrap(), found.guesses[0].probability);
        assert_eq!(record[3].parse::<f32>().unwrap(), found.margin);
        for (guess, at) in found.guesses.iter().zip([5, 7, 9]) {
            assert_eq!(&record[at], names[guess.label]);
            assert_eq!(record[at + 1].parse::<f32>().unwrap(), guess.probability);
        }
    }
    assert_eq!(with(&["--format", "csv"]).text().lines().next(), Some("path,label,probability,margin,fingerprint"));

    let table = with(&[]);
    let lines: Vec<&str> = table.text().lines().collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["photo", "label", "probability", "margin"]);
    for (index, (line, found)) in lines[1..].iter().zip(&found).enumerate() {
        let name = &names[found.guesses[0].label];
        let numbers = format!("{:.3} {:.3}", found.guesses[0].probability, found.margin);
        let expected = format!("photos/{index}.jpg {name} {numbers}");
        assert_eq!(line.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    }
    let wide = with(&["--top", "3"]);
    let last = &found[3].guesses[2];
    let end = format!("{} {:.3}", names[last.label], last.probability);
    assert!(wide.text().trim_end().ends_with(&end), "{}", wide.text());
}

#[test]
fn neither_threads_nor_batches_change_a_bit() {
    let sandbox = photos();
    let run = |more: &[&str]| {
        let all = [&["photos", "--format", "jsonl", "--top", "3"], &LABELS[..], more].concat();
        classify(&sandbox, &all).ok().stdout
    };
    let plain = run(&["--threads", "1", "--batch-size", "1"]);
    assert_eq!(run(&["--threads", "2", "--batch-size", "3"]), plain);
    assert_eq!(run(&[]), plain);
}

#[test]
fn labels_and_templates_come_from_files() {
    let sandbox = photos();
    sandbox.write("labels.txt", "\u{feff}dog: hound | a dog\r\n\r\n  cat \r\n12:30\r\n");
    sandbox.write("templates.txt", "a photo of {label}\n\na {} at night\n");
    let labels = ["one", "dog: hound | a dog", "cat", "12:30"].map(Label::parse);
    let run = |more: &[&str]| {
        let all = [&["photos", "--label", "one", "--labels-from", "labels.txt", "--format", "jsonl"], more].concat();
        classify(&sandbox, &all).ok().rows()
    };
    let check = |rows: Vec<Value>, templates: Templates| {
        let (found, names) = expected(&sandbox, &labels, templates);
        assert_eq!(rows.len(), 4);
        for (row, found) in rows.iter().zip(&found) {
            assert_eq!(row["label"], names[found.label().unwrap()]);
            assert_eq!(row["probability"].as_f64().unwrap() as f32, found.guesses[0].probability);
        }
    };
    let two = Templates::new(["a photo of {label}", "a {} at night"]).unwrap();
    check(run(&["--templates-from", "templates.txt"]), two.clone());
    check(run(&["--template", "a photo of {label}", "--template", "a {} at night"]), two);
    check(run(&["--templates", "general"]), Templates::general());
    check(run(&["--templates", "bare"]), Templates::bare());
    check(run(&[]), Templates::default());

    let mut command = sandbox.command(["classify", "photos", "--labels-from", "-", "--format", "jsonl"]);
    command.env("CLIPPIE_MODEL", sandbox.model());
    let piped = feed(command, b"one\ndog: hound | a dog\ncat\n12:30").ok();
    check(piped.rows(), Templates::default());
}

#[test]
fn a_photo_may_show_none_of_the_labels() {
    let sandbox = photos();
    let run = |more: &[&str]| classify(&sandbox, &[&["photos"], &LABELS[..], more].concat()).ok();
    for limit in [["--min-probability", "1"], ["--min-margin", "1"]] {
        let rows = run(&[&limit[..], &["--format", "jsonl"]].concat()).rows();
        assert!(rows.iter().all(|row| row["label"].is_null() && row["top"][0]["label"].is_string()), "{rows:?}");
        let csv = run(&[&limit[..], &["--format", "csv"]].concat());
        assert!(csv.text().lines().skip(1).all(|line| line.split(',').nth(1) == Some("")), "{}", csv.text());
        let table = run(&limit);
        assert_eq!(table.text().matches("(none of these)").count(), 4);
    }
    // The temperature changes probabilities and never the order.
    let top = |temperature: &str| run(&["--temperature", temperature, "--format", "jsonl", "--top", "3"]).rows();
    for ((cold, plain), hot) in top("0.01").iter().zip(top("1")).zip(top("100")) {
        let names =
            |row: &Value| row["top"].as_array().unwrap().iter().map(|guess| guess["label"].clone()).collect::<Vec<_>>();
        assert_eq!((names(cold), names(&hot)), (names(&plain), names(&plain)));
        let p = |row: &Value| row["probability"].as_f64().unwrap();
        assert!(p(cold) >= p(&plain) && p(&plain) > p(&hot) && p(&hot) > 1.0 / 3.0, "{cold} {plain} {hot}");
    }
}

#[test]
fn photos_that_fail_are_reported() {
    let sandbox = photos();
    let run = |more: &[&str]| classify(&sandbox, &[&LABELS[..], more].concat());
    let ran = run(&["broken.jpg", "photos/1.jpg", "gone.jpg", "--format", "jsonl"]).code(3);
    assert_eq!(ran.error_lines().len(), 2);
    let ran = ran.says(&["broken.jpg is not an image", "gone.jpg", "classified 1 of 3 inputs; 2 failed"]);
    let rows = ran.rows();
    assert_eq!((&rows[0]["path"], &rows[1]["path"]), (&"broken.jpg".into(), &"photos/1.jpg".into()));
    assert!(rows[0]["error"].as_str().unwrap().contains("is not an image") && rows[0].get("label").is_none());
    assert_eq!(run(&["broken.jpg", "photos/1.jpg"]).code(3).text().lines().count(), 2);
    assert_eq!(run(&["broken.jpg", "photos/1.jpg", "--format", "csv"]).code(3).text().lines().count(), 2);

    run(&["broken.jpg", "-o", "out.csv", "--format", "csv"]).fails(1, &["classified 0 of 1 input; 1 failed"]);
    assert!(!sandbox.files().contains(&"out.csv".to_owned()));
    let written = run(&["photos", "-o", "out.jsonl", "--format", "jsonl"]).ok();
    assert_eq!(written.text(), "");
    let file = std::fs::read_to_string(sandbox.path("out.jsonl")).unwrap();
    assert_eq!(crate::support::rows(&file), run(&["photos", "--format", "jsonl"]).ok().rows());
}

#[test]
fn wrong_usage_is_refused_before_any_work() {
    let sandbox = photos();
    sandbox.write("empty.txt", "\n\n");
    sandbox.write("twice.txt", "a dog\na cat\na dog\n");
    for (args, parts) in [
        (&["--label", "a", "--label", "b"][..], &["nothing to classify"][..]),
        (&["photos"], &["no labels", "--labels-from"]),
        (&["photos", "--labels-from", "empty.txt"], &["no labels"]),
        (&["photos", "--label", "a"], &["the only label \"a\"", "name also what else"]),
        (&["photos", "--label", "a", "--label", "a"], &["the label \"a\" is there twice"]),
        (&["photos", "--label", "a", "--label", " "], &["label 2 is empty"]),
        (&["photos", "--labels-from", "twice.txt"], &["the label \"a dog\" is there twice, as 1 and 3"]),
        (&["photos", "--label", "a", "--label", "b", "--template", "a photo"], &["no place for the label", "{}"]),
        (&["photos", "--label", "a", "--label", "b", "--templates-from", "empty.txt"], &["there are no templates"]),
        (&["photos", "--label", "a", "--label", "b", "--temperature", "0"], &["the temperature is 0"]),
        (&["photos", "--label", "a", "--label", "b", "--temperature", "nan"], &["the temperature is NaN"]),
        (&["photos", "--label", "a", "--label", "b", "--min-probability", "2"], &["minimum probability is 2"]),
        (&["photos", "--label", "a", "--label", "b", "--top", "0"], &["--top"]),
        (&["photos", "--label", "a", "--label", "b", "--sigmoid"], &["not trained with a sigmoid"]),
        (&["photos", "--label", "a", "--template", "{}", "--templates", "general"], &["cannot be used with"]),
        (&["-", "--labels-from", "-"], &["standard input can be only one"]),
        (&["photos", "--label", "a", "--labels-from", "twice.txt", "-o", "photos/1.jpg"], &["label"]),
        (&["photos", "--label", "a", "--label", "b", "-o", "photos/1.jpg"], &["is one of the inputs"]),
    ] {
        classify(&sandbox, args).fails(2, parts).says(&["error: ", "--help"]);
    }
    assert_eq!(std::fs::read(sandbox.path("photos/1.jpg")).unwrap(), jpeg(60));
}

#[cfg(unix)]
#[test]
fn strange_names_change_neither_terminal_nor_formats() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    let strange = OsStr::from_bytes(b"a\x1b[31m\n,\"\xff.jpg");
    sandbox.write(strange, jpeg(1));
    let run = |format: &str| {
        classify(&sandbox, &[&["."], &LABELS[..], &["--label", "\u{1b}[2J", "--format", format]].concat()).ok()
    };
    let table = run("table");
    assert!(!table.stdout.contains(&0x1b) && table.text().lines().count() == 2, "{}", table.text());
    let rows = run("jsonl").rows();
    assert_eq!(rows[0]["path_bytes"], "2e2f611b5b33316d0a2c22ff2e6a7067");
    let csv = run("csv");
    let mut reader = csv::Reader::from_reader(&csv.stdout[..]);
    let record = reader.byte_records().next().unwrap().unwrap();
    assert_eq!(&record[0], OsStr::from_bytes(b"./a\x1b[31m\n,\"\xff.jpg").as_bytes());
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_model_tells_drawings_apart() {
    use clippie_rs::RgbBuffer;
    use clippie_testkit::scenes::{
        self, Background, Colour, Column, Content, Object, Pattern, Row, Scene, Shape, Size,
    };
    let sandbox = Sandbox::new();
    let shapes = [(Shape::Circle, "circle"), (Shape::Star, "star"), (Shape::Heart, "heart"), (Shape::Moon, "moon")];
    for (seed, (shape, name)) in shapes.into_iter().enumerate() {
        let scene = Scene {
            content: Content::Single {
                object: Object { shape, colour: Colour::Red, size: Size::Big },
                column: Column::Middle,
                row: Row::Middle,
            },
            background: Background { colour: Colour::White, pattern: Pattern::Plain },
            seed: seed as u64,
        };
        let drawn = RgbBuffer::new(128, 128, scenes::draw(&scene, 128)).unwrap();
        sandbox.write(format!("{name}.png"), crate::photos::as_png(&drawn));
    }
    let labels = ["--label", "circle", "--label", "star", "--label", "heart", "--label", "moon"];
    let ran = sandbox.run(["classify", "-m", "demo", "--format", "jsonl", "."].iter().chain(&labels)).ok();
    for row in ran.rows() {
        let name = row["path"].as_str().unwrap().trim_start_matches("./").trim_end_matches(".png").to_owned();
        assert_eq!(row["label"], name, "{row}");
    }
}
