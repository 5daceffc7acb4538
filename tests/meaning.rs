//! Retrieval end to end: the compiled-in model finds the right sentence for a drawing and the right drawing for a
//! sentence, on scenes that it was not trained on.
#![cfg(feature = "demo")]

#[cfg(feature = "import")]
#[path = "common/demo.rs"]
mod demo;

use std::collections::BTreeSet;

use clippie_rs::Clip;
use clippie_rs::RgbBuffer;
use clippie_testkit::scenes::{
    self, Background, Caption, Colour, Column, Content, Dice, Object, Pattern, Relation, Row, Scene, Shape, Size,
};
use ndarray::Array2;

/// Neither the seed of the training set (1) nor of the validation set (5).
const SEED: u64 = 424_242;

/// Scenes of the ranking tests; enough for shares with an error of about two percent.
const SCENES: usize = 400;

fn model() -> Clip {
    Clip::demo().expect("the compiled-in model opens")
}

/// Draws a scene at a realistic size: larger than the model's input.
fn picture(scene: &Scene) -> RgbBuffer {
    RgbBuffer::new(256, 256, scenes::draw(scene, 256)).expect("the drawing is 256 x 256")
}

fn pictures(clip: &Clip, scenes: &[Scene]) -> Array2<f32> {
    let drawn: Vec<RgbBuffer> = scenes.iter().map(picture).collect();
    clip.encode_images(&drawn).expect("drawings encode")
}

fn sentences(clip: &Clip, texts: &[impl AsRef<str> + Sync]) -> Array2<f32> {
    clip.encode_texts(texts).expect("sentences encode")
}

/// `n` of the candidates for which `fits` holds, at random.
fn some(n: usize, candidates: usize, dice: &mut Dice, fits: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut chosen = Vec::new();
    while chosen.len() < n {
        let candidate = dice.below(candidates);
        if fits(candidate) && !chosen.contains(&candidate) {
            chosen.push(candidate);
        }
    }
    chosen
}

/// How often a model was right about something.
struct Score {
    what: &'static str,
    right: usize,
    of: usize,
    /// The least share for the compiled-in model.
    least: f64,
}

impl Score {
    fn share(&self) -> f64 {
        self.right as f64 / self.of as f64
    }

    fn check(&self) {
        let Score { what, right, of, least } = *self;
        println!("{what}: {right} of {of}, {:.1} %", self.share() * 100.0);
        assert!(self.share() >= least, "{what}: only {right} of {of}");
    }
}

/// Drawings, for each some sentences, and which of these is true.
struct Question {
    what: &'static str,
    scenes: Vec<Scene>,
    labels: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Question {
    /// Asks about every scene for which `ask` has labels.
    fn new(
        what: &'static str,
        seed: u64,
        scenes: u64,
        ask: impl Fn(&Scene) -> Option<(Vec<String>, usize)>,
    ) -> Question {
        let mut question = Question { what, scenes: Vec::new(), labels: Vec::new(), right: Vec::new() };
        for scene in (0..scenes).map(|index| Scene::random(SEED + seed, index)) {
            if let Some((labels, right)) = ask(&scene) {
                question.scenes.push(scene);
                question.labels.push(labels);
                question.right.push(right);
            }
        }
        question
    }

    /// How often a model's nearest sentence is the true one, for `drawn` scenes.
    fn score(&self, clip: &Clip, drawn: &[RgbBuffer]) -> Score {
        let images = clip.encode_images(drawn).expect("drawings encode");
        let texts: Vec<&String> = self.labels.iter().flatten().collect::<BTreeSet<_>>().into_iter().collect();
        let embeddings = sentences(clip, &texts);
        let mut right = 0;
        for ((image, labels), &truth) in images.rows().into_iter().zip(&self.labels).zip(&self.right) {
            let cosine = |label: &usize| {
                let text = texts.binary_search(&&labels[*label]).expect("all are encoded");
                embeddings.row(text).dot(&image)
            };
            let best = (0..labels.len()).max_by(|a, b| cosine(a).total_cmp(&cosine(b))).expect("there are labels");
            right += usize::from(best == truth);
        }
        Score { what: self.what, right, of: self.scenes.len(), least: 0.80 }
    }

    fn drawn(&self) -> Vec<RgbBuffer> {
        self.scenes.iter().map(picture).collect()
    }

    /// Asserts that the compiled-in model is right most of the time.
    fn check(&self) {
        self.score(&model(), &self.drawn()).check();
    }
}

/// Scenes of which those that fit are asked about.
const ASKED: u64 = 900;

#[test]
fn drawings_and_sentences_find_each_other() {
    right_sentence(&model()).check();
    right_drawing(&model()).check();
}

/// The scenes of the rankings, their captions, and the cosines `[pictures, sentences]`.
fn ranked(clip: &Clip) -> (Vec<Scene>, Vec<Caption>, Array2<f32>) {
    let scenes: Vec<Scene> = (0..SCENES).map(|index| Scene::random(SEED, index as u64)).collect();
    let captions: Vec<Caption> =
        scenes.iter().map(|scene| scenes::caption(scene, &mut Dice::new(scene.seed, 100))).collect();
    let texts: Vec<&str> = captions.iter().map(|caption| caption.text.as_str()).collect();
    let cosines = pictures(clip, &scenes).dot(&sentences(clip, &texts).t());
    (scenes, captions, cosines)
}

fn right_sentence(clip: &Clip) -> Score {
    let (scenes, captions, cosines) = ranked(clip);
    let false_of = |caption: usize, scene: usize| !captions[caption].claim.might_hold(&scenes[scene]);
    let mut dice = Dice::new(SEED, u64::MAX);
    let mut right = 0;
    for own in 0..SCENES {
        let others = some(19, SCENES, &mut dice, |caption| false_of(caption, own));
        right += usize::from(others.iter().all(|&other| cosines[[own, own]] > cosines[[own, other]]));
    }
    Score { what: "the right sentence among 20", right, of: SCENES, least: 0.90 }
}

fn right_drawing(clip: &Clip) -> Score {
    let (scenes, captions, cosines) = ranked(clip);
    let false_of = |caption: usize, scene: usize| !captions[caption].claim.might_hold(&scenes[scene]);
    let mut dice = Dice::new(SEED, 2);
    let mut right = 0;
    for own in 0..SCENES {
        let others = some(49, SCENES, &mut dice, |scene| false_of(own, scene));
        right += usize::from(others.iter().all(|&other| cosines[[own, own]] > cosines[[other, own]]));
    }
    Score { what: "the right drawing among 50", right, of: SCENES, least: 0.85 }
}

#[test]
fn drawings_with_the_same_content_match() {
    same_scene(&model()).check();
}

fn same_scene(clip: &Clip) -> Score {
    let scenes: Vec<Scene> = (0..SCENES).map(|index| Scene::random(SEED + 1, index as u64)).collect();
    // The same content with other positions, tones and angles.
    let again: Vec<Scene> = scenes.iter().map(|scene| Scene { seed: !scene.seed, ..*scene }).collect();
    let cosines = pictures(clip, &scenes).dot(&pictures(clip, &again).t());
    let mut dice = Dice::new(SEED, 1);
    let mut right = 0;
    for own in 0..SCENES {
        let same =
            |i: usize| scenes[i].content == scenes[own].content && scenes[i].background == scenes[own].background;
        let others = some(49, SCENES, &mut dice, |i| !same(i));
        right += usize::from(others.iter().all(|&other| cosines[[own, own]] > cosines[[own, other]]));
    }
    Score { what: "the same scene among 50 drawings", right, of: SCENES, least: 0.85 }
}

fn alone(scene: &Scene) -> Option<(Object, Column, Row)> {
    match scene.content {
        Content::Single { object, column, row } => Some((object, column, row)),
        _ => None,
    }
}

const SHAPES: [&str; 9] = ["circle", "square", "triangle", "star", "heart", "cross", "ring", "diamond", "moon"];
const COLOURS: [&str; 11] =
    ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray"];

#[test]
fn shapes_are_distinguished() {
    shapes(ASKED).check();
}

fn shapes(scenes: u64) -> Question {
    let labels: Vec<String> = SHAPES.iter().map(|shape| format!("a photo of a {shape}.")).collect();
    Question::new("shapes", 2, scenes, |scene| Some((labels.clone(), alone(scene)?.0.shape as usize)))
}

#[test]
fn colours_are_distinguished() {
    colours(ASKED).check();
}

fn colours(scenes: u64) -> Question {
    Question::new("colours", 3, scenes, |scene| {
        let object = alone(scene).filter(|_| scene.background.pattern == Pattern::Plain)?.0;
        // Which shape has the colour is part of the question, as the background has one too.
        let labels = COLOURS.iter().map(|colour| format!("a {colour} {}", SHAPES[object.shape as usize])).collect();
        Some((labels, Colour::ALL.iter().position(|&colour| colour == object.colour)?))
    })
}

#[test]
fn objects_are_counted() {
    counts(ASKED).check();
}

fn counts(scenes: u64) -> Question {
    Question::new("counts", 4, scenes, |scene| {
        let Content::Several { shape, colour, count } = scene.content else { return None };
        let plural = if shape == Shape::Cross { "crosses".into() } else { format!("{}s", SHAPES[shape as usize]) };
        let labels = ["two", "three", "four", "five"]
            .iter()
            .map(|number| format!("{number} {} {plural}", COLOURS[colour as usize]))
            .collect();
        Some((labels, usize::from(count) - 2))
    })
}

#[test]
fn relative_positions_are_understood() {
    relative_positions(ASKED).check();
}

fn relative_positions(scenes: u64) -> Question {
    Question::new("who is left of or above whom", 5, scenes, |scene| {
        let Content::Pair { first, second, relation } = scene.content else { return None };
        if first.shape == second.shape || first.colour == second.colour {
            return None;
        }
        let name = |object: Object| {
            let colour = COLOURS[object.colour as usize];
            format!("{} {colour} {}", if colour == "orange" { "an" } else { "a" }, SHAPES[object.shape as usize])
        };
        let word = if relation == Relation::LeftOf { "to the left of" } else { "above" };
        let (a, b) = (name(first), name(second));
        Some((vec![format!("{a} {word} {b}"), format!("{b} {word} {a}")], 0))
    })
}

#[test]
fn a_scene_can_be_asked_for_in_several_words() {
    let clip = model();
    let scene = Scene {
        content: Content::Single {
            object: Object { shape: Shape::Moon, colour: Colour::Yellow, size: Size::Big },
            column: Column::Right,
            row: Row::Top,
        },
        background: Background { colour: Colour::Blue, pattern: Pattern::Plain },
        seed: SEED,
    };
    let image = pictures(&clip, &[scene]);
    let cosine = |text: &str| sentences(&clip, &[text]).row(0).dot(&image.row(0));
    for truth in ["a yellow moon", "A large yellow crescent.", "a photo of a big yellow moon on a blue background"] {
        for lie in ["a yellow star", "a white moon", "two yellow moons", "a blue moon on a yellow background"] {
            assert!(cosine(truth) > cosine(lie), "{truth:?} {} against {lie:?} {}", cosine(truth), cosine(lie));
        }
    }
}

/// What eight bits change in what a trained model knows: nothing that is seen in its answers.
#[cfg(feature = "import")]
#[test]
fn eight_bits_mean_the_same() {
    use clippie_rs::agreement;
    use clippie_rs::weights::Precision;

    let folder = tempfile::tempdir().expect("a folder");
    let open = |precision| Clip::open(demo::converted(precision, folder.path())).expect("the converted model opens");
    let (whole, eight, compiled_in) = (open(Precision::F32), open(Precision::Int8), model());
    let scenes: Vec<Scene> = (0..SCENES).map(|index| Scene::random(SEED + 6, index as u64)).collect();
    let texts: Vec<String> =
        scenes.iter().map(|scene| scenes::caption(scene, &mut Dice::new(scene.seed, 100)).text).collect();
    let of = |clip: &Clip| (pictures(clip, &scenes), sentences(clip, &texts));
    let [reference, exact, rounded] = [&compiled_in, &whole, &eight].map(of);
    // The checkpoint is that of the compiled-in model.
    for (a, b) in [(&reference.0, &exact.0), (&reference.1, &exact.1)] {
        let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 4e-6, "{off}");
    }
    for (what, a, b) in [("pictures", &exact.0, &rounded.0), ("sentences", &exact.1, &rounded.1)] {
        let cosines = agreement::cosines(a.view(), b.view()).expect("of the same inputs");
        println!("{what}: {cosines:?}");
        assert!(cosines.least >= 0.9995, "{what}: {cosines:?}");
    }
    let [exact, rounded] = [&exact, &rounded].map(|(pictures, sentences)| (sentences.view(), pictures.view()));
    let ranks = agreement::ranks(exact, rounded).expect("of the same inputs");
    println!("of the ten best drawings for a sentence, {:.2} % are the same", ranks.top10 * 100.0);
    assert!(ranks.top10 >= 0.97, "{ranks:?}");
    let mut scores: Vec<[Score; 2]> =
        [right_sentence, right_drawing, same_scene].map(|ask| [&whole, &eight].map(ask)).into();
    // Four times as many as the model itself is asked: half a point of those would be less than a single answer.
    for question in [shapes, colours, counts, relative_positions].map(|ask| ask(4 * ASKED)) {
        let drawn = question.drawn();
        scores.push([&whole, &eight].map(|clip| question.score(clip, &drawn)));
    }
    for [exact, rounded] in scores {
        println!("{}: {} and {} of {}", exact.what, exact.right, rounded.right, exact.of);
        assert!((exact.share() - rounded.share()).abs() <= 0.005, "{}", exact.what);
    }
}
