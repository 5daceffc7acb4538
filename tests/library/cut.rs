//! Where results end, on labelled scenes: what share of the fitting pictures is found, what share of what is found fits,
//! and how often nothing is rightly the answer.
//!
//! Scenes and sentences are drawn at random by the grammar that the demo model was trained on, with other seeds. A
//! sentence fits a scene if it could be its caption. Scenes of which it is true only as a poor description, such as "a
//! star" of three stars, count as neither.

use std::fs::File;
use std::io::BufWriter;

use clippie_rs::Clip;
use clippie_rs::library::{Hit, Index, Library, Query, Search};
use clippie_testkit::scenes::{Caption, Dice, Scene, caption, draw, facts};

const SEED: u64 = 20_777;
const LIBRARIES: u64 = 16;
const SCENES: u64 = 120;
const SENTENCES: u64 = 300;

/// Sentences about what no drawing shows.
const ELSEWHERE: [&str; 20] = [
    "a dog on a beach",
    "my grandmother's birthday cake",
    "a car in front of a house",
    "people dancing at a wedding",
    "a receipt from a restaurant",
    "an airplane in the sky",
    "a child riding a bicycle",
    "a screenshot of a chat",
    "the eiffel tower at night",
    "a plate of spaghetti",
    "a sunset over the sea",
    "a horse in a field",
    "a baby with a teddy bear",
    "a train at the station",
    "fireworks over a lake",
    "a cup of coffee and a laptop",
    "a whiteboard full of equations",
    "sailing boats in a harbour",
    "a football match",
    "a forest path in autumn",
];

/// Whether a sentence could be the caption of a scene.
fn fits(caption: &Caption, scene: &Scene) -> bool {
    let (claim, either) = caption.claim.row();
    let facts = facts(scene);
    let mut swapped = facts;
    for i in 2..5 {
        swapped.swap(i, i + 3);
    }
    let agrees = |facts: &[i8]| claim.iter().zip(facts).all(|(&claim, &fact)| claim == -1 || claim == fact);
    agrees(&facts) || either && agrees(&swapped)
}

/// Numbers over several libraries.
#[derive(Default)]
struct Counts {
    fitting: usize,
    kept_fitting: usize,
    kept_wrong: usize,
    nothing: usize,
    rightly_nothing: usize,
    elsewhere: usize,
    rightly_elsewhere: usize,
}

impl Counts {
    /// Searches in a library of scenes.
    fn add(&mut self, seed: u64) {
        let folder = tempfile::tempdir().unwrap();
        let photos = folder.path().join("photos");
        std::fs::create_dir(&photos).unwrap();
        let scenes: Vec<Scene> = (0..SCENES).map(|index| Scene::random(seed, index)).collect();
        for (index, scene) in scenes.iter().enumerate() {
            let file = BufWriter::new(File::create(photos.join(format!("{index:04}.png"))).unwrap());
            let mut encoder = png::Encoder::new(file, 128, 128);
            encoder.set_color(png::ColorType::Rgb);
            encoder.write_header().unwrap().write_image_data(&draw(scene, 128)).unwrap();
        }
        let library = Library::create(folder.path().join("library.sqlite")).unwrap();
        let clip = Clip::demo().unwrap();
        Index::new(&library, clip.image()).texts(clip.text()).unwrap().run(&[&photos]).unwrap();
        let search = Search::new(&library, &clip).limit(SCENES as usize);
        let number = |hit: &Hit| hit.path.file_stem().unwrap().to_str().unwrap().parse::<usize>().unwrap();
        for index in 0..SENTENCES {
            let scene = Scene::random(seed + 1, index);
            let caption = caption(&scene, &mut Dice::new(scene.seed, 7));
            let found = search.run(&Query::text(&caption.text)).unwrap();
            let kept: Vec<&Scene> = found.hits.iter().map(|hit| &scenes[number(hit)]).collect();
            let fitting = scenes.iter().filter(|scene| fits(&caption, scene)).count();
            if fitting > 0 {
                self.fitting += fitting;
                self.kept_fitting += kept.iter().filter(|scene| fits(&caption, scene)).count();
                self.kept_wrong += kept.iter().filter(|scene| !caption.claim.might_hold(scene)).count();
            } else if !scenes.iter().any(|scene| caption.claim.might_hold(scene)) {
                self.nothing += 1;
                self.rightly_nothing += usize::from(kept.is_empty());
            }
        }
        self.elsewhere += ELSEWHERE.len();
        let empty = |text: &&str| search.run(&Query::text(*text)).unwrap().hits.is_empty();
        self.rightly_elsewhere += ELSEWHERE.iter().filter(|text| empty(text)).count();
    }
}

#[test]
fn results_end_where_they_stop_fitting() {
    let mut counts = Counts::default();
    for library in 0..LIBRARIES {
        counts.add(SEED + 10 * library);
    }
    let Counts { fitting, kept_fitting, kept_wrong, nothing, rightly_nothing, elsewhere, rightly_elsewhere } = counts;
    let share = |part: usize, of: usize| part as f64 / of as f64;
    let (recall, precision) = (share(kept_fitting, fitting), share(kept_fitting, kept_fitting + kept_wrong));
    let (domain, others) = (share(rightly_nothing, nothing), share(rightly_elsewhere, elsewhere));
    println!("recall {recall:.3} of {fitting}, precision {precision:.3}");
    println!("nothing: {domain:.3} of {nothing} sentences about drawings, {others:.3} of {elsewhere} others");
    assert!(fitting > 500 && nothing > 500);
    assert!(recall >= 0.95, "recall {recall}");
    assert!(precision >= 0.90, "precision {precision}");
    let all = share(rightly_nothing + rightly_elsewhere, nothing + elsewhere);
    assert!(all >= 0.90, "nothing {all}");
}
