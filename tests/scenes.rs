//! Tests of the drawn scenes behind the demo model: captions are true, claims reject what is false, drawings are the
//! same on every machine.

use clippie_testkit::scenes::{Colour, Content, Dice, Scene, Shape, caption, cells, draw};
use sha2::{Digest, Sha256};

const SCENES: u64 = 3000;

#[test]
fn every_caption_is_true_of_its_scene_and_false_of_most_others() {
    let scenes: Vec<Scene> = (0..SCENES).map(|index| Scene::random(77, index)).collect();
    let mut truths = 0;
    for (index, scene) in scenes.iter().enumerate() {
        for number in 0..4 {
            let caption = caption(scene, &mut Dice::new(scene.seed, number));
            assert!(caption.claim.might_hold(scene), "{:?} of {scene:?}", caption.text);
            assert!(caption.text.is_ascii() && (4..120).contains(&caption.text.len()), "{:?}", caption.text);
            truths += usize::from(caption.claim.might_hold(&scenes[(index + 1) % scenes.len()]));
        }
    }
    assert!(truths < scenes.len() * 4 / 20, "{truths} captions are true of the next scene");
}

#[test]
fn a_swapped_pair_is_a_different_scene() {
    let mut compared = 0;
    for index in 0..SCENES {
        let scene = Scene::random(78, index);
        let Content::Pair { first, second, relation } = scene.content else { continue };
        if (first.shape, first.colour) == (second.shape, second.colour) {
            panic!("{scene:?} shows one thing twice");
        }
        let turned = Scene { content: Content::Pair { first: second, second: first, relation }, ..scene };
        let caption = caption(&scene, &mut Dice::new(scene.seed, 0));
        let words: Vec<&str> = caption.text.split([' ', '.']).collect();
        let ordered = ["left", "right", "above", "over", "below", "under"].iter().any(|word| words.contains(word));
        let named = first.shape != second.shape && first.colour != second.colour;
        if ordered && named {
            compared += 1;
            assert!(!caption.claim.might_hold(&turned), "{:?} of {turned:?}", caption.text);
        }
    }
    assert!(compared > SCENES as usize / 10);
}

#[test]
fn objects_are_painted_in_their_colours_where_the_cells_say() {
    for index in 0..400 {
        let scene = Scene::random(79, index);
        let colours = match scene.content {
            Content::Single { object, .. } => vec![object.colour],
            Content::Several { colour, .. } => vec![colour],
            Content::Pair { first, second, .. } => vec![first.colour, second.colour],
        };
        let picture = draw(&scene, 64);
        assert_eq!(picture.len(), 64 * 64 * 3);
        for (number, colour) in colours.into_iter().enumerate() {
            let seen = cells(&scene).iter().enumerate().filter(|(_, cell)| usize::from(**cell) == number + 1).any(
                |(place, _)| {
                    (0..64).any(|i| {
                        let at = ((place / 8 * 8 + i / 8) * 64 + place % 8 * 8 + i % 8) * 3;
                        looks_like(&picture[at..at + 3], colour)
                    })
                },
            );
            assert!(seen, "no {colour:?} in {scene:?}");
        }
    }
}

/// Classifies colours roughly, independent of the table used for drawing.
fn looks_like(rgb: &[u8], colour: Colour) -> bool {
    let [r, g, b] = [i32::from(rgb[0]), i32::from(rgb[1]), i32::from(rgb[2])];
    let spread = r.max(g).max(b) - r.min(g).min(b);
    match colour {
        Colour::Red => r > 180 && g < 60 && b < 60,
        Colour::Orange => r > 220 && (100..180).contains(&g) && b < 70,
        Colour::Yellow => r > 220 && g > 190 && b < 90,
        Colour::Green => g > 100 && g > r + 50 && g > b + 50,
        Colour::Blue => b > 180 && b > r + 100,
        Colour::Purple => b > 120 && r > 90 && g < 90,
        Colour::Pink => r > 230 && (100..200).contains(&g) && b > 150,
        Colour::Brown => (90..170).contains(&r) && r > g && g > b && b < 70,
        Colour::Black => r.max(g).max(b) < 60,
        Colour::White => r.min(g).min(b) > 220,
        Colour::Gray => (90..180).contains(&g) && spread < 30,
    }
}

#[test]
fn a_scene_looks_the_same_at_any_size() {
    for index in 0..60 {
        let scene = Scene::random(80, index);
        let (small, large) = (draw(&scene, 64), draw(&scene, 192));
        // Means of 3 x 3 pixels of the large drawing equal the small one, except for rounding at edges.
        let mut far = 0;
        for (at, &value) in small.iter().enumerate() {
            let (x, y, c) = (at / 3 % 64, at / 192, at % 3);
            let sum: usize = (0..9).map(|i| usize::from(large[((y * 3 + i / 3) * 192 + x * 3 + i % 3) * 3 + c])).sum();
            far += usize::from((sum / 9).abs_diff(usize::from(value)) > 24);
        }
        assert!(far < small.len() / 100, "{far} of {} values differ", small.len());
    }
}

/// Drawings and captions of a seed never change: a model and published figures depend on them.
#[test]
fn a_seed_gives_the_same_scenes_everywhere() {
    let mut digest = Sha256::new();
    for index in 0..200 {
        let scene = Scene::random(81, index);
        digest.update(draw(&scene, 48));
        digest.update(caption(&scene, &mut Dice::new(scene.seed, 0)).text);
    }
    let digest: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "18c7cd2d65f55fb4");
}

#[test]
fn shapes_fill_their_frame_and_differ() {
    let area = |shape: Shape| {
        (0..10_000).filter(|i| shape.contains((i % 100) as f64 / 50.0 - 0.99, (i / 100) as f64 / 50.0 - 0.99)).count()
    };
    for shape in Shape::ALL {
        assert!((1_500..7_500).contains(&area(shape)), "{shape:?} fills {}", area(shape));
        for other in Shape::ALL.into_iter().filter(|&other| other != shape) {
            let differing = (0..10_000)
                .map(|i| ((i % 100) as f64 / 50.0 - 0.99, (i / 100) as f64 / 50.0 - 0.99))
                .filter(|&(x, y)| shape.contains(x, y) != other.contains(x, y))
                .count();
            assert!(differing > 500, "{shape:?} and {other:?} differ in {differing} points of 10000");
        }
    }
}
