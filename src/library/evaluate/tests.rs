//! Evaluations of the compiled-in model on drawn scenes.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use clippie_testkit::scenes::{
    self, Background, Colour, Column, Content, Dice, Object, Pattern, Row, Scene, Shape, Size,
};

use super::*;
use crate::pixels::RgbBuffer;

const SHAPES: [(Shape, &str); 5] = [
    (Shape::Circle, "circle"),
    (Shape::Heart, "heart"),
    (Shape::Moon, "moon"),
    (Shape::Square, "square"),
    (Shape::Star, "star"),
];

/// A scene of one shape, whose colours and place follow from `seed`.
fn scene(shape: Shape, seed: u64) -> Scene {
    let mut dice = Dice::new(seed, shape as u64);
    let colour = dice.pick(&[Colour::Red, Colour::Blue, Colour::Green, Colour::Purple]);
    let object = Object { shape, colour, size: Size::Big };
    Scene {
        content: Content::Single { object, column: dice.pick(&[Column::Left, Column::Right]), row: Row::Middle },
        background: Background { colour: Colour::White, pattern: Pattern::Plain },
        seed,
    }
}

/// A BMP file: the shortest format to write.
fn write(path: &Path, scene: &Scene) {
    let side = 96;
    let pixels = RgbBuffer::new(side, side, scenes::draw(scene, side)).unwrap();
    let mut bytes = b"BM".to_vec();
    let size = (54 + side * side * 3) as u32;
    for word in [size, 0, 54, 40, side as u32, side as u32, 1 | 24 << 16, 0, 0, 0, 0, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    for row in pixels.data().chunks_exact(side * 3).rev() {
        bytes.extend(row.chunks_exact(3).flat_map(|rgb| [rgb[2], rgb[1], rgb[0]]));
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A folder a shape, and a photo that cannot be read.
fn shapes(photos: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (shape, name) in SHAPES {
        for seed in 0..photos {
            write(&folder.path().join(format!("a_{name}/{seed:02}.bmp")), &scene(shape, seed));
        }
    }
    fs::write(folder.path().join("a_heart/99.bmp"), "no photo").unwrap();
    folder
}

#[test]
fn drawings_are_classified_and_prompts_are_ranked() {
    let folder = shapes(12);
    let dataset = Dataset::open(folder.path(), Split::Test, None).unwrap();
    let clip = Clip::demo().unwrap();
    let calls = AtomicUsize::new(0);
    let templates = Templates::new(["{}", "a photo of {}.", "nothing but {}"]).unwrap();
    let evaluation = Evaluation::new(&dataset).templates(templates).progress(|progress| {
        assert_eq!((progress.done, progress.total), (calls.fetch_add(1, Ordering::Relaxed) + 1, Some(61)));
    });
    let labels =
        ["a_circle: a circle", "a_star", "a_heart: a heart | a red square", "a_moon: a moon", "a_square: a square"];
    let mut evaluation = evaluation.labels(labels.map(Label::parse)).unwrap();
    let report = evaluation.run(&clip).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 61);
    assert_eq!((report.failures.len(), report.model.as_str()), (1, clip.weights().model_name().as_str()));
    assert!(report.failures[0].photo.ends_with("99.bmp") && report.failures[0].error.contains("is not an image"));
    assert_eq!((report.dataset.kind, report.dataset.photos, report.dataset.classes), ("folders", 61, 5));
    assert!(report.retrieval.is_none());

    let found = report.classification.as_ref().unwrap();
    let names: Vec<&str> = found.classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["a_circle", "a_heart", "a_moon", "a_square", "a_star"]);
    assert!(found.classes.iter().all(|class| class.accuracy.count == 12 && class.accuracy.top5 == 1.0));
    assert_eq!(found.classes[1].wordings, ["a heart", "a red square"]);
    // The figures agree with each other.
    let right: usize = (0..5).map(|class| found.confusion[class][class]).sum();
    assert_eq!(found.confusion.iter().flatten().sum::<usize>(), 60);
    assert_eq!((found.top1, found.top5), (right as f64 / 60.0, 1.0));
    let mean = found.classes.iter().map(|class| class.accuracy.top1).sum::<f64>() / 5.0;
    assert!((found.mean_class_top1 - mean).abs() < 1e-12 && (mean - found.top1).abs() < 1e-12);
    assert_eq!(found.template_ranking.len(), 3);
    assert!(found.template_ranking.is_sorted_by(|a, b| a.top1 >= b.top1));
    // A wrong wording is found out.
    let wordings: Vec<(&str, &str)> =
        found.wording_ranking.iter().map(|ranked| (ranked.class.as_str(), ranked.wording.as_str())).collect();
    assert_eq!(wordings, [("a_heart", "a heart"), ("a_heart", "a red square")]);
    let [heart, square] = &found.wording_ranking[..] else { unreachable!() };
    assert!(heart.top1 > square.top1 && heart.class_top1 > 0.9 && square.class_top1 < 0.2, "{heart:?} {square:?}");
    let calibration = &found.calibration;
    assert_eq!((calibration.bins, calibration.grid.len(), calibration.plain.temperature), (15, 25, 1.0));
    assert!(calibration.grid.iter().all(|at| at.error >= calibration.best.error));
    for (class, row) in found.similarity.iter().enumerate() {
        assert!(row.iter().all(|&other| other <= row[class]), "{class}: {row:?}");
    }
    // JSON has no NaN and no lost field.
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["classification"]["classes"][1]["count"], 12);
    assert_eq!(json["classification"]["similarity"].as_array().unwrap().len(), 5);
}

#[test]
fn plain_names_of_shapes_are_enough_for_the_demo_model() {
    let folder = shapes(20);
    let dataset = Dataset::open(folder.path(), Split::Test, Some(20)).unwrap();
    let report = Evaluation::new(&dataset).templates(Templates::bare()).run(&Clip::demo().unwrap()).unwrap();
    let found = report.classification.unwrap();
    println!("accuracy {:.3}, calibration {:?} {:?}", found.top1, found.calibration.plain, found.calibration.best);
    assert_eq!(found.classes[0].wordings, ["a circle"]);
    assert!(found.top1 >= 0.9 && found.template_ranking.is_empty() && found.wording_ranking.is_empty());
}

#[test]
fn captions_find_their_drawings() {
    let folder = tempfile::tempdir().unwrap();
    let mut csv = "path,caption\nbroken.bmp,a red circle\n".to_owned();
    fs::write(folder.path().join("broken.bmp"), "no photo").unwrap();
    for (index, (shape, name)) in SHAPES.into_iter().enumerate() {
        write(&folder.path().join(format!("{name}.bmp")), &scene(shape, index as u64));
        csv += &format!("{name}.bmp,a photo of a {name}\n{name}.bmp,a {name}\n");
    }
    let path = folder.path().join("captions.csv");
    fs::write(&path, csv).unwrap();
    let dataset = Dataset::open(&path, Split::Test, None).unwrap();
    let clip = Clip::demo().unwrap();
    let report = Evaluation::new(&dataset).run(&clip).unwrap();
    assert!(report.classification.is_none() && report.failures.len() == 1);
    let found = report.retrieval.unwrap();
    assert_eq!((found.photos, found.captions), (5, 10));
    assert!(found.photo_to_text.at1 >= 0.8 && found.text_to_photo.at1 >= 0.8, "{found:?}");
    assert_eq!((found.photo_to_text.at10, found.text_to_photo.at5), (1.0, 1.0));
    let error = Evaluation::new(&dataset).labels(["a"]).unwrap_err().to_string();
    assert!(error.ends_with("has captions and no classes, so it takes no labels"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = shapes(1);
    let dataset = Dataset::open(folder.path(), Split::Test, None).unwrap();
    let refused = |labels: &[&str]| {
        let error = Evaluation::new(&dataset).labels(labels.iter().map(|line| Label::parse(line))).unwrap_err();
        error.to_string().replace(&folder.path().display().to_string(), "DIR")
    };
    let all = ["a_circle", "a_heart", "a_moon", "a_square"];
    assert_eq!(refused(&all), "the class \"a_star\" of DIR has no label");
    let classes = r#""a_circle", "a_heart", "a_moon", "a_square", "a_star""#;
    assert_eq!(refused(&["dog"]), format!("the label \"dog\" is no class of DIR, which has {classes}"));
    assert_eq!(refused(&["a_moon", "a_moon: x"]), "the label \"a_moon\" is there twice");

    let clip = Clip::demo().unwrap();
    let cancel = CancelToken::new();
    cancel.cancel();
    let error = Evaluation::new(&dataset).cancel(&cancel).run(&clip).unwrap_err();
    assert!(matches!(error, EvaluateError::Clip(Error::Cancelled)), "{error}");
    for entry in walkdir::WalkDir::new(folder.path()).into_iter().flatten().filter(|entry| entry.file_type().is_file())
    {
        fs::write(entry.path(), "no photo").unwrap();
    }
    let error = Evaluation::new(&dataset).run(&clip).unwrap_err().to_string();
    assert!(error.contains("none of its photos can be read") && error.contains("is not an image"), "{error}");
}

#[test]
fn agreement_is_that_of_one_model() {
    let folder = shapes(2);
    let dataset = Dataset::open(folder.path(), Split::Test, None).unwrap();
    let clip = Clip::demo().unwrap();
    let (report, kept) = Evaluation::new(&dataset).run_keeping(&clip).unwrap();
    assert!(report.agreement.is_none() && report.precision == "f32" && !kept.is_other_form_of(&clip));
    let agreement = Evaluation::new(&dataset).against(&kept).run(&clip).unwrap().agreement.unwrap();
    assert_eq!((agreement.photos.inputs, agreement.texts.inputs), (10, 5));
    assert!(agreement.photos.least > 1.0 - 1e-9 && agreement.texts.least > 1.0 - 1e-9, "{agreement:?}");
    assert_eq!((agreement.top1, agreement.top10), (1.0, 1.0));
    // Read otherwise, photos are another model's.
    let options = crate::clip::Options::new().orient(false);
    let other = options.open_weights(crate::weights::WeightsFile::demo().unwrap()).unwrap();
    let refused = Evaluation::new(&dataset).against(&kept).run(&other).unwrap_err();
    assert!(matches!(&refused, EvaluateError::Option(reason) if reason.contains("are different models")), "{refused}");
}
