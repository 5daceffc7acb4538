//! `evaluate`: its data sets, figures and refusals, with the compiled-in model on drawn scenes.

use clippie_rs::RgbBuffer;
use clippie_testkit::scenes::{self, Background, Colour, Column, Content, Object, Pattern, Row, Scene, Shape, Size};

use crate::halves;
use crate::photos::as_png;
use crate::support::{Ran, Sandbox};

const SHAPES: [(Shape, &str); 4] =
    [(Shape::Circle, "circle"), (Shape::Heart, "heart"), (Shape::Moon, "moon"), (Shape::Star, "star")];

fn drawing(shape: Shape, seed: u64, side: usize) -> RgbBuffer {
    let colour = [Colour::Red, Colour::Blue, Colour::Green][seed as usize % 3];
    let scene = Scene {
        content: Content::Single {
            object: Object { shape, colour, size: Size::Big },
            column: Column::Middle,
            row: Row::Middle,
        },
        background: Background { colour: Colour::White, pattern: Pattern::Plain },
        seed,
    };
    RgbBuffer::new(side, side, scenes::draw(&scene, side)).unwrap()
}

/// A folder for each of four shapes.
fn shapes() -> Sandbox {
    let sandbox = Sandbox::new();
    for (shape, name) in SHAPES {
        for seed in 0..6 {
            sandbox.write(format!("shapes/{name}/{seed}.png"), as_png(&drawing(shape, seed, 96)));
        }
    }
    sandbox
}

fn evaluate(sandbox: &Sandbox, args: &[&str]) -> Ran {
    sandbox.run(["evaluate", "-m", "demo"].iter().chain(args))
}

#[test]
fn folders_of_classes_have_figures() {
    let sandbox = shapes();
    let ran = evaluate(&sandbox, &["shapes", "--json", "--template", "{}", "--template", "a photo of a {}"]).ok();
    let json = ran.rows().remove(0);
    let [report] = &json["models"].as_array().unwrap()[..] else { panic!("{}", ran.text()) };
    assert_eq!((&report["dataset"]["photos"], &report["dataset"]["kind"]), (&24.into(), &"folders".into()));
    let found = &report["classification"];
    assert!(found["top1"].as_f64().unwrap() >= 0.9, "{found}");
    assert_eq!(found["template_ranking"].as_array().unwrap().len(), 2);
    assert!(report["cost"].is_null() && report["retrieval"].is_null());

    let table = evaluate(&sandbox, &["shapes", "--template", "{}", "--template", "a photo of a {}"]).ok();
    let lines: Vec<String> =
        table.text().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[0], "shapes (folders): 24 photos, 4 classes");
    let percent = |value: &serde_json::Value| format!("{:.1} %", value.as_f64().unwrap() * 100.0);
    // The right one of four classes is always among five, which is in the JSON alone.
    assert!(lines[3].starts_with(&format!("accuracy {}; ", percent(&found["top1"]))), "{}", lines[3]);
    assert!(lines[3].ends_with(" as the mean of classes") && !table.text().contains("five"), "{}", table.text());
    assert_eq!(found["top5"], 1.0);
    for part in [
        "class photos accuracy taken for",
        "template accuracy",
        "mean cosine circle heart moon star",
        "(all, averaged)",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(part)), "{part}: {}", table.text());
    }
    let heart = found["classes"][1]["top1"].clone();
    let line = format!("heart 6 {}", percent(&heart));
    assert!(lines.iter().any(|other| other.starts_with(&line)), "{line}: {}", table.text());
    evaluate(&sandbox, &["shapes", "--html", "page.html"]).ok();
    assert!(!std::fs::read_to_string(sandbox.path("page.html")).unwrap().contains("mong five"));

    // The same figures from a file.
    let args = ["shapes", "--json", "--template", "{}", "--template", "a photo of a {}", "-o", "report.json"];
    assert_eq!(evaluate(&sandbox, &args).ok().text(), "");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(sandbox.path("report.json")).unwrap()).unwrap();
    assert_eq!(json["models"][0]["classification"], *found);

    // Of six classes, it is a figure.
    for name in ["a ring", "a square"] {
        sandbox.write(format!("shapes/{name}/0.png"), as_png(&drawing(Shape::Star, 0, 96)));
    }
    let ran = evaluate(&sandbox, &["shapes", "--template", "{}", "--template", "a {}", "--html", "page.html"]).ok();
    let table = ran.text().split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [" % among five; ", "class photos accuracy among five taken for", "template accuracy among five"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert!(std::fs::read_to_string(sandbox.path("page.html")).unwrap().contains("Among five"));
}

#[test]
fn labels_have_wordings_and_photos_a_limit() {
    let sandbox = shapes();
    sandbox.write("labels.txt", "star\nheart: heart | triangle\n\nmoon: crescent\ncircle\n");
    let args = ["shapes", "--labels-from", "labels.txt", "--limit", "2"];
    let table = evaluate(&sandbox, &args).ok();
    assert!(table.text().starts_with("shapes (folders): 8 photos, 4 classes\n"), "{}", table.text());
    let json = evaluate(&sandbox, &[&args[..], &["--json"]].concat()).ok().rows().remove(0);
    let ranking = json["models"][0]["classification"]["wording_ranking"].as_array().unwrap();
    assert_eq!((&ranking[0]["wording"], &ranking[1]["wording"]), (&"heart".into(), &"triangle".into()));
    assert!(table.text().contains("wording alone"), "{}", table.text());
}

#[test]
fn models_are_compared() {
    let sandbox = shapes();
    let tiny = sandbox.model();
    let models = format!("demo,{}", tiny.display());
    let args = ["evaluate", "shapes", "--models", &models, "--threads", "1"];
    let table = sandbox.run(args).ok();
    let lines: Vec<&str> = table.text().lines().collect();
    assert_eq!(lines.len(), 5, "{}", table.text());
    assert!(lines[2].starts_with("model ") && lines[2].ends_with("file"), "{}", table.text());
    let json = sandbox.run(args.iter().chain(&["--json"])).ok().rows().remove(0);
    let [demo, tiny] = &json["models"].as_array().unwrap()[..] else { panic!("{json}") };
    assert_ne!(demo["fingerprint"], tiny["fingerprint"]);
    assert!(demo["classification"]["top1"].as_f64() > tiny["classification"]["top1"].as_f64(), "{json}");
    for model in [demo, tiny] {
        let cost = &model["cost"];
        assert!(cost["image_ms"].as_f64().unwrap() > 0.0 && cost["file_bytes"].as_u64().unwrap() > 10_000, "{cost}");
        assert_eq!(cost["threads"], 1);
        assert_eq!(cost["private_bytes"].is_u64(), cfg!(target_os = "linux"), "{cost}");
    }
    assert_eq!(tiny["cost"]["file_bytes"], std::fs::metadata(sandbox.model()).unwrap().len());
}

/// The agreement of the compiled-in model in half precision with itself.
#[test]
fn precisions_of_a_model_are_compared() {
    let sandbox = shapes();
    halves::write_demo(&sandbox.path("half.clippie"));
    sandbox.write("captions.csv", captions());
    for (data, same) in [("shapes", "same class"), ("captions.csv", "same photo")] {
        let args = ["evaluate", data, "--models", "demo,half.clippie", "--html", "page.html"];
        let table = sandbox.run(args).ok();
        let lines: Vec<&str> = table.text().lines().collect();
        assert_eq!(lines.len(), 8, "{}", table.text());
        let headings = format!("least cosine  mean cosine  texts least  texts mean  {same}  ten best");
        assert!(lines[6].starts_with("model       compared with  ") && lines[6].ends_with(&headings), "{}", lines[6]);
        assert!(lines[7].starts_with("half (f16)  demo ") && lines[7].ends_with(" %"), "{}", lines[7]);
        let page = page(&sandbox, "page.html");
        assert!(page.contains("Agreement of precisions") && page.contains("half (f16)"), "{page}");

        let json = sandbox.run(args[..4].iter().chain(&["--json"])).ok().rows().remove(0);
        let [whole, half] = &json["models"].as_array().unwrap()[..] else { panic!("{json}") };
        assert_eq!((&whole["precision"], &half["precision"]), (&"f32".into(), &"f16".into()));
        let agreement = &half["agreement"];
        assert!(whole["agreement"].is_null() && agreement["with"] == "demo", "{json}");
        assert_eq!(
            (&agreement["photos"]["inputs"], &agreement["texts"]["inputs"]),
            (&24.into(), &(if data == "shapes" { 4 } else { 24 }).into())
        );
        for cosines in [&agreement["photos"], &agreement["texts"]] {
            assert!(cosines["least"].as_f64().unwrap() > 1.0 - 1e-6, "{agreement}");
        }
        for share in ["top1", "top10"] {
            assert!(agreement[share].as_f64().unwrap() >= 0.95, "{agreement}");
        }
    }
    // Another model has no agreement, wherever it stands.
    let models = format!("{},demo,half.clippie", sandbox.model().display());
    let json = sandbox.run(["evaluate", "shapes", "--models", &models, "--json"]).ok().rows().remove(0);
    let with: Vec<_> = (0..3).map(|model| json["models"][model]["agreement"]["with"].as_str()).collect();
    assert_eq!(with, [None, None, Some("demo")]);
}

/// A caption for each photo of [`shapes`].
fn captions() -> String {
    let rows = SHAPES.iter().flat_map(|(_, name)| {
        (0..6).map(move |seed| format!("shapes/{name}/{seed}.png,a {} {name}\n", ["red", "blue", "green"][seed % 3]))
    });
    std::iter::once("path,caption\n".to_owned()).chain(rows).collect()
}

/// The page that `--html` writes.
fn page(sandbox: &Sandbox, name: &str) -> String {
    let html = std::fs::read_to_string(sandbox.path(name)).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"), "{html}");
    html
}

#[test]
fn a_page_has_all_figures() {
    let sandbox = shapes();
    sandbox.write("shapes/moon/<i>.png", "no photo");
    sandbox.write("labels.txt", "star\nheart: heart | triangle\nmoon: moon | crescent\ncircle\n");
    let args = ["shapes", "--labels-from", "labels.txt", "--template", "{}", "--template", "<b>{}</b>", "--json"];
    let json = evaluate(&sandbox, &[&args[..], &["--html", "page.html"]].concat()).code(3).rows().remove(0);
    let html = page(&sandbox, "page.html");
    let found = &json["models"][0]["classification"];
    let percent = |value: &serde_json::Value| format!("{:.1} %", value.as_f64().unwrap() * 100.0);
    let number = |part: &str| html.matches(part).count();
    assert_eq!((number("<figure class=\"heat\">"), number("<rect x=")), (2, 2 * 16));
    assert_eq!((number("<figure class=\"lines\">"), number("<figure class=\"bars\">")), (1, 1));
    let accuracy = format!("<dt>Accuracy</dt><dd><b><bdi>{}</bdi></b>", percent(&found["top1"]));
    let similar = format!("<title>star – heart: {:.2}</title>", found["similarity"][3][1].as_f64().unwrap());
    let taken = found["confusion"][2][2].as_f64().unwrap() * 100.0 / 6.0;
    let confused = format!("<title>moon – moon: {taken:.0}</title>");
    let calibration = percent(&found["calibration"]["best"]["error"]);
    let others = ["demo on shapes", "24 photos", ">all, averaged<", ">triangle<", "&lt;b&gt;{}&lt;/b&gt;"];
    let others = others.iter().chain(&["moon | crescent", "1 of 25 photos, which count in no figure", "&lt;i&gt;.png"]);
    for part in [&*accuracy, &*similar, &*confused, &*calibration].iter().chain(others) {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("<i>.png") && !html.contains("<b>{}"));

    sandbox.write("a.png", as_png(&drawing(Shape::Star, 1, 96)));
    sandbox.write("b.png", as_png(&drawing(Shape::Circle, 2, 96)));
    sandbox.write("captions.csv", "path,caption\na.png,a star\nb.png,a circle\n");
    let table = evaluate(&sandbox, &["captions.csv", "--html", "captions.html"]).ok();
    assert!(table.text().contains("caption of a photo"), "{}", table.text());
    assert_eq!(page(&sandbox, "captions.html").matches("<b><bdi>100.0 %</bdi></b>").count(), 6);

    let tiny = sandbox.model();
    let models = format!("demo,{}", tiny.display());
    sandbox.run(["evaluate", "shapes", "--models", &models, "--html", "models.html", "-o", "models.txt"]).code(3);
    let html = page(&sandbox, "models.html");
    assert_eq!((html.matches("<figure class=\"heat\">").count(), html.matches("<polyline").count()), (4, 2));
    assert!(html.contains("2 models on shapes") && html.contains("ms a photo"), "{html}");

    for (code, args, part) in [
        (2, &["shapes", "--html", "a", "-o", "a"][..], "--html and -o name the same file"),
        (2, &["shapes", "--html", "-"], "both go to standard output"),
        (1, &["shapes", "--html", "none/a.html"], "the folder none does not exist"),
    ] {
        evaluate(&sandbox, args).fails(code, &[part]);
    }
}

#[test]
fn published_files_and_captions_are_read() {
    let sandbox = Sandbox::new();
    let mut batch = Vec::new();
    for (class, seed) in [(0u8, 1), (1, 2), (0, 3)] {
        let drawn = drawing(SHAPES[class as usize].0, seed, 32);
        batch.push(class);
        for channel in 0..3 {
            batch.extend(drawn.data().iter().skip(channel).step_by(3));
        }
    }
    sandbox.write("cifar/test_batch.bin", batch);
    sandbox.write("cifar/batches.meta.txt", "circle\nheart\n");
    let json = evaluate(&sandbox, &["cifar", "--json"]).ok().rows().remove(0);
    let report = &json["models"][0];
    assert_eq!((&report["dataset"]["kind"], &report["dataset"]["photos"]), (&"cifar-10".into(), &3.into()));
    assert_eq!(report["classification"]["top1"], 1.0);

    sandbox.write("a.png", as_png(&drawing(Shape::Star, 1, 96)));
    sandbox.write("b.png", as_png(&drawing(Shape::Circle, 2, 96)));
    sandbox.write("captions.csv", "path,caption\na.png,a star\nb.png,a circle\nb.png,a green circle\n");
    let table = evaluate(&sandbox, &["captions.csv"]).ok();
    assert!(table.text().starts_with("captions.csv (captions): 2 photos, 3 captions\n"), "{}", table.text());
    let recall: Vec<&str> = table.text().lines().filter(|line| line.contains("100.0 %")).collect();
    assert!(recall.len() == 2 && recall[0].starts_with("caption of a photo"), "{}", table.text());
}

#[test]
fn failures_are_reported_and_wrong_usage_is_refused() {
    let sandbox = shapes();
    sandbox.write("shapes/moon/broken.png", "no photo");
    let says = ["shapes/moon/broken.png is not an image", "evaluated 24 of 25 photos; 1 failed"];
    let ran = evaluate(&sandbox, &["shapes"]).code(3).says(&says);
    assert!(ran.text().starts_with("shapes (folders): 24 photos"), "{}", ran.text());
    sandbox.write("few.txt", "moon\nstar\n");
    sandbox.write("other.txt", "moon\nstar\ncircle\nheart\ndog\n");
    sandbox.write("notes.txt", "no data set");
    sandbox.write("one/a/x.png", "");
    sandbox.write("cifar/test_batch.bin", "short");
    for (code, args, parts) in [
        (2, &["shapes", "--labels-from", "few.txt"][..], &["the class \"circle\" of shapes has no label"][..]),
        (2, &["shapes", "--labels-from", "other.txt"], &["the label \"dog\" is no class of shapes"]),
        (2, &["shapes", "--template", "a photo"], &["no place for the label"]),
        (2, &["shapes", "--limit", "0"], &["--limit"]),
        (2, &["shapes", "--labels-from", "-", "--templates-from", "-"], &["standard input can be only one"]),
        (1, &["gone"], &["cannot read gone"]),
        (1, &["notes.txt"], &["notes.txt: it is no folder, and no .csv file"]),
        (1, &["one"], &["one: it has no data set: it needs two folders of photos"]),
        (1, &["cifar"], &["test_batch.bin: it has 5 bytes, which is no multiple of a record of 3073"]),
        (1, &["shapes", "--models", "demo,gone.clippie"], &["gone.clippie"]),
        (1, &["shapes", "-o", "none/report.json"], &["the folder none does not exist"]),
    ] {
        evaluate(&sandbox, args).fails(code, parts).says(&["error: "]);
    }
    sandbox.run(["evaluate", "shapes"]).fails(2, &["no model given", "Usage: clippie-rs evaluate"]);
}

/// A link that leads nowhere is a photo that fails; the others are evaluated.
#[cfg(unix)]
#[test]
fn what_cannot_be_listed_is_reported() {
    let sandbox = shapes();
    std::os::unix::fs::symlink("nowhere", sandbox.path("shapes/heart/9.png")).unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.path("shapes/unplugged")).unwrap();
    let deep = format!("shapes/moon{}/x.png", "/d".repeat(300));
    sandbox.write(&deep, "");
    let said = [
        "cannot read shapes/heart/9.png: no such file; check the path",
        "cannot read shapes/unplugged, so it is no class: No such file",
        "/d/d: it is more than 256 folders deep",
        "evaluated 24 of 26 photos; 2 failed",
    ];
    let ran = evaluate(&sandbox, &["shapes", "--json"]).code(3).says(&said);
    let report = ran.rows().remove(0)["models"][0].clone();
    assert_eq!(report["failures"].as_array().unwrap().len(), 2);
    assert_eq!(report["classification"]["classes"][1]["count"], 6);
}
