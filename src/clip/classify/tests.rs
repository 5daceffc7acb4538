//! Tests of the classifier with the compiled-in model.

use ndarray::{Array2, array, s};

use super::*;
use crate::{Clip, ErrorKind, Options, RgbBuffer};

fn clip() -> Clip {
    Clip::demo().unwrap()
}

/// A classifier with given rows and scale.
fn of_rows(rows: Array2<f32>, scale: f64) -> Classifier {
    let clip = clip();
    let labels: Vec<Label> = (0..rows.nrows()).map(|i| Label::new(&format!("label {i}"))).collect();
    let settings = Settings {
        scoring: Scoring::Softmax,
        temperature: 1.0,
        top: usize::MAX,
        min_probability: 0.0,
        min_margin: 0.0,
    };
    Classifier { labels, rows, fingerprint: clip.fingerprint().clone(), scale, bias: None, settings }
}

#[test]
fn probabilities_are_those_computed_by_hand() {
    // Cosines 0.6, 0.8 and 0; logits 6 ln 2, 8 ln 2 and 0.
    let mut classifier = of_rows(array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 10.0 * 2f64.ln());
    let found = classifier.classify_one(&[3.0, 4.0, 0.0]).unwrap();
    let sum = 64.0 + 256.0 + 1.0;
    let close = |a: f32, b: f64| assert!((f64::from(a) - b).abs() < 1e-7, "{a} {b}");
    assert_eq!(found.guesses.iter().map(|guess| guess.label).collect::<Vec<_>>(), [1, 0, 2]);
    assert_eq!((found.guesses[0].cosine, found.guesses[1].cosine, found.guesses[2].cosine), (0.8, 0.6, 0.0));
    close(found.guesses[0].probability, 256.0 / sum);
    close(found.guesses[1].probability, 64.0 / sum);
    close(found.guesses[2].probability, 1.0 / sum);
    close(found.margin, 192.0 / sum);
    assert_eq!(found.label(), Some(1));

    // Twice the temperature: logits 3 ln 2, 4 ln 2 and 0.
    classifier.settings.temperature = 2.0;
    let found = classifier.classify_one(&[3.0, 4.0, 0.0]).unwrap();
    close(found.guesses[0].probability, 16.0 / 25.0);
    close(found.margin, 8.0 / 25.0);

    for (min_probability, min_margin, accepted) in
        [(0.63, 0.0, true), (0.65, 0.0, false), (0.0, 0.31, true), (0.0, 0.33, false), (0.63, 0.33, false)]
    {
        (classifier.settings.min_probability, classifier.settings.min_margin) = (min_probability, min_margin);
        let found = classifier.classify_one(&[3.0, 4.0, 0.0]).unwrap();
        assert_eq!((found.accepted, found.label()), (accepted, accepted.then_some(1)));
        assert_eq!(found.guesses.len(), 3);
    }

    // Sigmoid: each label by itself.
    classifier.settings = Settings { scoring: Scoring::Sigmoid, temperature: 1.0, top: 1, ..classifier.settings };
    classifier.bias = Some(-7.0 * 2f64.ln());
    let found = classifier.classify_one(&[3.0, 4.0, 0.0]).unwrap();
    close(found.guesses[0].probability, 2.0 / 3.0);
    close(found.margin, 2.0 / 3.0 - 1.0 / 3.0);
    assert_eq!(found.guesses.len(), 1);
}

#[test]
fn ties_go_to_the_first_label() {
    let rows = array![[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
    let found = of_rows(rows, 100.0).classify_one(&[1.0, 1.0]).unwrap();
    assert_eq!(found.guesses.iter().map(|guess| guess.label).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(found.guesses.iter().all(|guess| guess.probability == 0.25));
    assert_eq!(found.margin, 0.0);
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others() {
    let clip = clip();
    let classifier = clip.classifier((0..7).map(|i| format!("{i} circles"))).build().unwrap();
    let texts = ["a red circle", "a blue square", "two stars", "nothing", "a moon"];
    let rows = clip.encode_texts(texts).unwrap();
    let all = classifier.classify(&rows).unwrap();
    for (index, found) in all.iter().enumerate() {
        assert_eq!(classifier.classify_one(rows.row(index).as_slice().unwrap()).unwrap(), *found);
    }
    let mut reversed = classifier.classify(&rows.slice(s![..;-1, ..])).unwrap();
    reversed.reverse();
    assert_eq!(reversed, all);
    let cosines = classifier.cosines(&rows).unwrap();
    for (found, cosines) in all.iter().zip(cosines.outer_iter()) {
        assert!(found.guesses.iter().all(|guess| guess.cosine == cosines[guess.label] as f32));
    }
    // Columns that are not contiguous.
    assert_eq!(classifier.classify(&rows.t().to_owned().t()).unwrap(), all);
    assert_eq!(classifier.classify(&Array2::zeros((0, clip.embed_dim()))).unwrap(), []);
}

#[test]
fn templates_and_wordings_are_averaged_and_normalised_again() {
    let clip = clip();
    let templates = Templates::new(["a photo of a {}.", "{label}", "a drawing of the {}"]).unwrap();
    let labels = [Label::new("red circle"), Label::parse("star: yellow star | big star")];
    let classifier = clip.classifier(&labels).templates(templates.clone()).build().unwrap();
    for (label, row) in labels.iter().zip(classifier.embeddings().outer_iter()) {
        let sentences: Vec<String> =
            label.wordings().iter().flat_map(|wording| (0..3).map(|index| templates.fill(index, wording))).collect();
        let rows = clip.encode_texts(&sentences).unwrap().mapv(f64::from);
        let mean = rows.mean_axis(ndarray::Axis(0)).unwrap();
        let length = mean.dot(&mean).sqrt();
        for (found, expected) in row.iter().zip(&mean) {
            assert!((f64::from(*found) - expected / length).abs() < 1e-7);
        }
    }
    // A cache changes no bit.
    let cache = crate::TextCache::new(100, 1 << 20);
    for _ in 0..2 {
        let cached = clip.classifier(&labels).templates(templates.clone()).cache(&cache).build().unwrap();
        assert_eq!(cached.embeddings(), classifier.embeddings());
    }
    assert_eq!((cache.hits(), cache.misses()), (9, 9));
    // An encoder that does not normalise gives the same labels.
    let raw = Options::new().normalize(false).open_weights(crate::weights::WeightsFile::demo().unwrap()).unwrap();
    let of_raw = raw.classifier(&labels).templates(templates).build().unwrap();
    for (a, b) in of_raw.embeddings().iter().zip(classifier.embeddings()) {
        assert!((a - b).abs() < 1e-6);
    }
    assert_ne!(of_raw.fingerprint(), classifier.fingerprint());
}

#[test]
fn images_are_classified() {
    let clip = clip();
    let plain = |rgb: [u8; 3]| RgbBuffer::new(64, 64, rgb.repeat(64 * 64)).unwrap();
    let images = [plain([20, 40, 220]), plain([220, 20, 20])];
    let classifier = clip.classifier(["red background", "blue background"]).top(1).build().unwrap();
    let found = classifier.classify_images(clip.image(), &images).unwrap();
    assert_eq!(found.iter().map(Classification::label).collect::<Vec<_>>(), [Some(1), Some(0)]);
    assert_eq!(found, classifier.classify(&clip.encode_images(&images).unwrap()).unwrap());

    let other = Options::new().orient(false).open_weights(crate::weights::WeightsFile::demo().unwrap()).unwrap();
    let error = classifier.classify_images(other.image(), &images).unwrap_err();
    assert!(error.to_string().contains("cannot be compared with labels of the fingerprint"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Option);
}

#[test]
fn what_cannot_be_classified_is_refused() {
    let clip = clip();
    let build = |change: fn(ClassifierBuilder<'_>) -> ClassifierBuilder<'_>| {
        change(clip.classifier(["a", "b"])).build().map(|_| ()).unwrap_err().to_string()
    };
    for (error, reason) in [
        (build(|b| b.temperature(0.0)), "the temperature is 0; it must be a number from 0.000001 to 1000000"),
        (build(|b| b.temperature(f32::NAN)), "the temperature is NaN; it must be a number from 0.000001 to 1000000"),
        (build(|b| b.min_probability(1.5)), "the minimum probability is 1.5; it must be a number from 0 to 1"),
        (build(|b| b.min_margin(-1.0)), "the minimum margin is -1; it must be a number from 0 to 1"),
        (build(|b| b.top(0)), "results are to list no label; ask for one at least"),
        (
            build(|b| b.scoring(Scoring::Sigmoid)),
            "the model was not trained with a sigmoid (it has no logit_bias); use the softmax",
        ),
    ] {
        assert_eq!(error, reason);
    }
    let error = clip.classifier(["dog"]).build().unwrap_err().to_string();
    assert!(error.starts_with("the only label \"dog\" would have the probability 1 for every photo"), "{error}");
    assert!(clip.classifier(["a", "a"]).build().is_err() && clip.classifier([""; 0]).build().is_err());

    let classifier = clip.classifier(["a", "b"]).build().unwrap();
    let mut rows = Array2::zeros((3, clip.embed_dim()));
    rows[[2, 5]] = f32::NAN;
    let error = classifier.classify(&rows).unwrap_err();
    let expected = "embedding 2: the embedding has values that are not finite; encode the photo again";
    assert_eq!((error.to_string().as_str(), error.index()), (expected, Some(2)));
    assert!(matches!(classifier.classify_one(&[0.0; 3]), Err(Error::EmbedDim { left: 3, .. })));
    // A row of zeros is equally far from everything.
    let found = classifier.classify(&Array2::zeros((1, clip.embed_dim()))).unwrap();
    assert_eq!((found[0].margin, found[0].guesses[0].probability, found[0].guesses[0].label), (0.0, 0.5, 0));
}
