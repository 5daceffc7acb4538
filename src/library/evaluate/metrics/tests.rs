//! Metrics against values computed by hand and by NumPy.

use std::collections::BTreeMap;

use ndarray::{Array2, array};
use serde_json::Value;

use super::*;

#[test]
fn ranks_and_accuracies_are_those_counted_by_hand() {
    let scores = array![
        [0.9, 0.1, 0.5, 0.0, -1.0, -2.0],
        [0.9, 0.1, 0.5, 0.0, -1.0, -2.0],
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    ];
    let truth = [0, 1, 0, 5, 0];
    let ranks = ranks(scores.view(), &truth);
    assert_eq!(ranks, [0, 2, 0, 5, 5]);
    let predicted = predictions(scores.view());
    assert_eq!(predicted, [0, 0, 0, 0, 5]);
    assert_eq!((share_at(&ranks, 1), share_at(&ranks, 5), share_at(&ranks, 6)), (0.4, 0.6, 1.0));
    assert_eq!(share_at(&[], 1), 0.0);
    let classes = per_class(&ranks, &truth, 6);
    let figures: Vec<(usize, f64, f64)> = classes.iter().map(|class| (class.count, class.top1, class.top5)).collect();
    let third = 2.0 / 3.0;
    assert_eq!(figures, [(3, third, third), (1, 0.0, 1.0), (0, 0.0, 0.0), (0, 0.0, 0.0), (0, 0.0, 0.0), (1, 0.0, 0.0)]);
    let confusion = confusion(&truth, &predicted, 6);
    assert_eq!((confusion[[0, 0]], confusion[[0, 5]], confusion[[1, 0]], confusion[[5, 0]]), (2, 1, 1, 1));
    assert_eq!(confusion.sum(), 5);
    // A class beyond the scores is never right.
    assert_eq!(super::ranks(scores.view(), &[6; 5]), [usize::MAX; 5]);
}

#[test]
fn calibration_errors_are_those_computed_by_hand() {
    // Bins of 1/3: (0, 1/3], (1/3, 2/3], (2/3, 1].
    let (confidences, correct) = ([0.2, 0.3, 0.5, 0.9, 0.7, 0.0], [true, false, true, true, false, false]);
    // First: 3 predictions, 1 right, confidences 0.5. Second: 1, 1 right, 0.5. Third: 2, 1 right, 1.6.
    let expected = (0.5 + 0.5 + 0.6) / 6.0;
    assert!((calibration_error(&confidences, &correct, 3) - expected).abs() < 1e-15);
    assert_eq!(calibration_error(&[0.5, 0.5], &[true, false], 15), 0.0);
    assert_eq!(calibration_error(&[1.0, 1.0], &[true, false], 15), 0.5);
    assert_eq!((calibration_error(&[], &[], 15), calibration_error(&[0.25], &[true], 0)), (0.0, 0.75));
    // On the edge of two bins, a confidence belongs to the lower one.
    assert!((calibration_error(&[0.5, 0.500001], &[true, false], 2) - 0.5).abs() < 1e-5);

    let grid = temperatures();
    assert_eq!((grid.len(), grid[0], grid[12], grid[24]), (25, 0.125, 1.0, 8.0));
    // Logits ln 3 apart: confidence 3/4, right in 3 of 4; at temperature 1/2, 9/10.
    let logits = Array2::from_shape_fn((4, 2), |(_, class)| if class == 0 { 3f64.ln() } else { 0.0 });
    let found = calibrate(logits.view(), &[0, 0, 0, 1], &[1.0, 0.5]);
    assert!(found[0].error < 1e-15 && (found[1].error - 0.15).abs() < 1e-15, "{found:?}");
    let log_loss = -(3.0 * 0.75f64.ln() + 0.25f64.ln()) / 4.0;
    assert!((found[0].log_loss - log_loss).abs() < 1e-15);
    // Logits that overflow an exponential.
    let extreme = calibrate(array![[1e4, -1e4]].view(), &[1], &[1.0]);
    assert_eq!((extreme[0].error, extreme[0].log_loss), (1.0, 2e4));
}

#[test]
fn similarities_of_classes_are_those_computed_by_hand() {
    let rows = array![[2.0f32, 0.0], [0.0, 1.0], [0.6, 0.8], [-3.0, 0.0]];
    let found = class_similarity(rows.view(), &[0, 0, 0, 1], 3);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-7, "{a} {b}");
    close(found[[0, 0]], (0.0 + 0.6 + 0.8) / 3.0);
    close(found[[0, 1]], (-1.0 + 0.0 - 0.6) / 3.0);
    assert_eq!(found[[0, 1]], found[[1, 0]]);
    assert!(found[[1, 1]].is_nan() && found[[2, 0]].is_nan() && found[[2, 2]].is_nan());
}

#[test]
fn ranks_of_related_targets_are_those_counted_by_hand() {
    let photos = array![[1.0f32, 0.0], [0.0, 1.0]];
    let texts = array![[1.0f32, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8], [1.0, 0.0]];
    // The first photo has the captions 3 and 1, the second the caption 2; 0 and 4 belong to no photo.
    let ranks = ranks_of_related(photos.view(), texts.view(), &[vec![3, 1], vec![2]]).unwrap();
    assert_eq!(ranks, [2, 0]);
    // Equal ones: the first is before the last.
    assert_eq!(ranks_of_related(photos.view(), texts.view(), &[vec![4], vec![0]]).unwrap(), [1, 3]);
    assert_eq!(ranks_of_related(photos.view(), texts.view(), &[vec![], vec![9]]).unwrap(), [usize::MAX; 2]);
    let back = ranks_of_related(texts.view(), photos.view(), &[vec![0], vec![0], vec![0], vec![0], vec![1]]).unwrap();
    assert_eq!(back, [0, 0, 1, 1, 1]);
    assert!(ranks_of_related(photos.view(), Array2::zeros((1, 3)).view(), &[]).is_err());
}

/// `tests/goldens/evaluate/metrics.json`, written by `tools/evaluate_goldens.py`.
fn golden() -> BTreeMap<String, Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/evaluate/metrics.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    let columns = rows[0].len();
    Array2::from_shape_vec((rows.len(), columns), rows.into_iter().flatten().collect()).unwrap()
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Both compute in float64; sums are added up in another order.
const TOLERANCE: f64 = 1e-12;

#[track_caller]
fn close(found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= TOLERANCE * expected.abs().max(1.0), "{found} {expected}");
}

#[test]
fn metrics_equal_those_of_numpy() {
    let golden = golden();
    let (scores, truth) = (matrix(&golden["scores"]), list::<usize>(&golden["truth"]));
    let classes = scores.ncols();
    let ranks = ranks(scores.view(), &truth);
    assert_eq!(ranks, list::<usize>(&golden["ranks"]));
    assert_eq!(predictions(scores.view()), list::<usize>(&golden["predictions"]));
    close(share_at(&ranks, 1), &golden["top1"]);
    close(share_at(&ranks, 5), &golden["top5"]);
    for (class, expected) in per_class(&ranks, &truth, classes).iter().zip(golden["per_class"].as_array().unwrap()) {
        assert_eq!(class.count, expected[0].as_u64().unwrap() as usize);
        close(class.top1, &expected[1]);
        close(class.top5, &expected[2]);
    }
    let found = confusion(&truth, &predictions(scores.view()), classes).mapv(|count| count as f64);
    assert_eq!(found, matrix(&golden["confusion"]));
    let logits = scores * golden["scale"].as_f64().unwrap();
    for (found, expected) in
        calibrate(logits.view(), &truth, &temperatures()).iter().zip(golden["calibration"].as_array().unwrap())
    {
        close(found.temperature, &expected[0]);
        close(found.error, &expected[1]);
        close(found.log_loss, &expected[2]);
    }

    let rows = matrix(&golden["rows"]).mapv(|value| value as f32);
    let similarity = class_similarity(rows.view(), &list::<usize>(&golden["row_classes"]), 4);
    for (found, expected) in similarity.iter().zip(golden["class_similarity"].as_array().unwrap()) {
        if expected.is_null() {
            assert!(found.is_nan());
        } else {
            close(*found, expected);
        }
    }
    let texts = matrix(&golden["texts"]).mapv(|value| value as f32);
    let photo_of = list::<usize>(&golden["photo_of_text"]);
    let texts_of: Vec<Vec<usize>> =
        (0..rows.nrows()).map(|photo| (0..photo_of.len()).filter(|&text| photo_of[text] == photo).collect()).collect();
    let photo_of: Vec<Vec<usize>> = photo_of.into_iter().map(|photo| vec![photo]).collect();
    let to_text = ranks_of_related(rows.view(), texts.view(), &texts_of).unwrap();
    let to_photo = ranks_of_related(texts.view(), rows.view(), &photo_of).unwrap();
    for (k, expected) in [1, 5, 10].into_iter().zip(golden["recall"].as_array().unwrap()) {
        close(share_at(&to_text, k), &expected[0]);
        close(share_at(&to_photo, k), &expected[1]);
    }
}
