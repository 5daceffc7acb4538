//! Embeddings of one precision and queries of another: refused, unless `--allow-precision` allows it, and never silently.

use std::fs::{self, File};
use std::io::BufWriter;

use clippie_rs::library::{Encoders, Error, Found, Index, Library, Query, Search};
use clippie_rs::weights::Precision;
use clippie_rs::{Clip, agreement};
use clippie_testkit::scenes::{self, Scene};
use rusqlite::Connection;

use crate::demo;
use crate::support::{Ran, Sandbox};

/// Photos, a library, and a model in both precisions: `whole.clippie` and `half.clippie`.
fn both_precisions() -> Sandbox {
    let sandbox = Sandbox::with_photos(0..12);
    sandbox.tiny_model(1, "whole.clippie");
    sandbox.run(["convert", "checkpoint-1", "half.clippie", "--precision", "f16"]).code(0);
    sandbox
}

/// A command with the library.
fn run(sandbox: &Sandbox, args: &[&str]) -> Ran {
    sandbox.run([args, &["--library", sandbox.library.to_str().unwrap()]].concat())
}

const SEARCH: [&str; 5] = ["search", "a star", "--all", "--format", "jsonl"];

#[test]
fn another_precision_is_compared_when_it_is_allowed() {
    for (stored, query) in [("whole", "half"), ("half", "whole")] {
        let sandbox = both_precisions();
        let [stored, query] = [stored, query].map(|name| format!("{name}.clippie"));
        let [of_stored, of_query] = [&stored, &query].map(|name| if name.starts_with('w') { "f32" } else { "f16" });
        run(&sandbox, &["index", "photos", "-m", &stored]).code(0);
        let commands: [&[&str]; 3] =
            [&SEARCH, &["similar", "other.bmp", "--all"], &["classify", "--label", "a star", "--label", "a moon"]];
        sandbox.photo("other.bmp", 99);
        for command in commands {
            let asked = [command, &["-m", &query]].concat();
            let name = query.trim_end_matches(".clippie");
            // What `-m` takes: the library's name of its model, the file of another one.
            run(&sandbox, &asked).code(1).says(&[
                &format!("in {of_stored}, and {query} is the same model in {of_query}"),
                &format!("--allow-precision {of_query}"),
                &format!("-m {},", stored.trim_end_matches(".clippie")),
                &format!("clippie-rs index -m {query} --library "),
            ]);
            // The precision of the query is what is allowed.
            run(&sandbox, &[&asked[..], &["--allow-precision", of_stored]].concat()).code(1);
            let ran = run(&sandbox, &[&asked[..], &["--allow-precision", "f16,f32"]].concat()).code(0);
            let expected = run(&sandbox, &[command, &["-m", &stored]].concat()).code(0);
            assert_eq!(ran.stdout.lines().count(), expected.stdout.lines().count());
            ran.says(&["warning: the embeddings of ", &format!("are in {of_stored} and {name} is in {of_query}")]);
            assert!(!expected.stderr.contains("differ"), "{}", expected.stderr);
        }
        // Each precision has its own embeddings.
        run(&sandbox, &["index", "photos", "-m", &query]).code(0).says(&["beside those of"]);
        assert_eq!((sandbox.count("model"), sandbox.count("embedding")), (2, 24));
        let asked = [&SEARCH[..], &["-m", &query, "--allow-precision", "f16,f32"]].concat();
        let own = run(&sandbox, &asked).code(0);
        assert_eq!(own.stderr, "");
        let status = run(&sandbox, &["status", "--json"]).code(0);
        let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!(
            (&status["models"][0]["precision"], &status["models"][1]["precision"]),
            (&of_stored.into(), &of_query.into())
        );
    }
    let sandbox = Sandbox::new();
    run(&sandbox, &[&SEARCH[..], &["--allow-precision", "f8"]].concat()).code(2).says(&["f32", "f16"]);
    sandbox.run(["classify", "--label", "a", "--allow-precision", "f16"]).code(2).says(&["--library"]);
    sandbox.run(["classify", "a.bmp", "--label", "a", "--allow-precision", "f16"]).code(2).says(&["[INPUT]..."]);
    sandbox.run(["serve", "-m", "demo", "--allow-precision", "f16"]).code(2).says(&["--library"]);
}

/// Photos of queries are read as those of the library were, whatever the precision, and `status` says how.
#[test]
fn photos_are_read_as_for_the_library() {
    for (option, how) in [("--fast-decode", "decoded fast"), ("--icc", "with their colours converted to sRGB")] {
        let sandbox = both_precisions();
        sandbox.photo("other.bmp", 99);
        run(&sandbox, &["index", "photos", "-m", "whole.clippie", option]).code(0);
        let similar = ["similar", "other.bmp", "--all"];
        for command in [&SEARCH[..], &similar, &["classify", "--label", "a star", "--label", "a moon"]] {
            let asked = [command, &["-m", "half.clippie"]].concat();
            run(&sandbox, &asked).code(1).says(&["is the same model in f16", "--allow-precision f16"]);
            run(&sandbox, &[&asked[..], &["--allow-precision", "f16"]].concat())
                .code(0)
                .says(&["are in f32 and half is"]);
        }
        // A library gets what the arguments of `index` say.
        run(&sandbox, &["index", "photos", "-m", "half.clippie"]).code(0).says(&["12 new to this model"]);
        let status = run(&sandbox, &["status"]).code(0).stdout;
        assert!(status.contains(&format!(", 12 photos {how}\n")) && status.contains(", 12 photos\n"), "{status}");
        let json: serde_json::Value =
            serde_json::from_str(&run(&sandbox, &["status", "--json"]).code(0).stdout).unwrap();
        let fast = option == "--fast-decode";
        assert_eq!(
            [&json["models"][0]["reading"], &json["models"][1]["reading"]],
            [
                &serde_json::json!({"orient": true, "fast_decode": fast, "icc": !fast}),
                &serde_json::json!({"orient": true, "fast_decode": false, "icc": false})
            ]
        );
        fs::remove_file(sandbox.path("whole.clippie")).unwrap();
        let status = run(&sandbox, &["status"]).code(0).stdout;
        assert!(status.contains("how they were read is not known without its weights file"), "{status}");
    }
}

/// Embeddings of the library are of one precision, so nothing differs.
#[test]
fn photos_of_the_library_are_compared_without_a_warning() {
    let sandbox = both_precisions();
    run(&sandbox, &["index", "photos", "-m", "whole.clippie"]).code(0);
    let allowed = ["--all", "-m", "half.clippie", "--allow-precision", "f16"];
    let known = run(&sandbox, &[&["similar", "photos/3.bmp"], &allowed[..]].concat()).code(0);
    assert_eq!(known.stderr, "");
    let own = run(&sandbox, &["similar", "photos/3.bmp", "--all", "-m", "whole.clippie"]).code(0);
    assert_eq!(known.stdout, own.stdout);
    run(&sandbox, &[&["search", "photos/3.bmp + a star"], &allowed[..]].concat())
        .code(0)
        .says(&["warning: the embeddings"]);
}

/// A name that the library has twice means the model of the file that it leads to, or is refused with the choice.
#[test]
fn names_that_a_library_has_twice_are_told_apart() {
    let sandbox = both_precisions();
    fs::create_dir_all(sandbox.path("a")).unwrap();
    fs::rename(sandbox.path("whole.clippie"), sandbox.path("a/model.clippie")).unwrap();
    fs::rename(sandbox.path("half.clippie"), sandbox.path("model.clippie")).unwrap();
    run(&sandbox, &["index", "photos", "-m", "a/model.clippie", "--icc"]).code(0);
    run(&sandbox, &["index", "photos", "-m", "model.clippie"]).code(0).says(&["beside those of model"]);
    let fingerprints: Vec<String> = {
        let connection = sandbox.connection();
        let mut statement = connection.prepare("SELECT fingerprint FROM model ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let [first, second] = &fingerprints[..] else { panic!("{fingerprints:?}") };
    let ask = |model: &str| run(&sandbox, &[&SEARCH[..], &["-m", model]].concat());
    let commands: [&[&str]; 3] = [&SEARCH, &["index", "photos"], &["export", "out.npy"]];
    for command in commands {
        run(&sandbox, &[command, &["-m", "model"]].concat()).code(2).says(&[
            "has 2 models called model: ",
            &format!(
                "{first} (f32, photos with their colours converted to sRGB) and {second} (f16, photos read as usual)"
            ),
            &format!("such as -m {}", &second[..8]),
        ]);
    }
    ask(&first[..8]).code(0);
    // The file says which one it is.
    assert_eq!(ask("model.clippie").code(0).stdout, ask(second).code(0).stdout);
    run(&sandbox, &SEARCH).code(2).says(&["choose with -m", &format!("model ({first}, f32,")]);
    // Of one file whose photos were read in two ways, the usual one is meant.
    let sandbox = Sandbox::with_photos(0..3);
    for options in [&["--fast-decode"][..], &["--icc", "--fast-decode=no"]] {
        run(&sandbox, &[&["index", "photos", "-m", "demo"], options].concat()).code(0);
    }
    run(&sandbox, &[&SEARCH[..], &["-m", "demo"]].concat())
        .code(2)
        .says(&["has 2 models called demo: ", "decoded fast"]);
    run(&sandbox, &["index", "photos", "-m", "demo", "--icc=no", "--fast-decode=no"]).code(0);
    run(&sandbox, &[&SEARCH[..], &["-m", "demo"]].concat()).code(0);
}

#[test]
fn only_forms_of_one_model_are_compared() {
    let sandbox = both_precisions();
    sandbox.tiny_model(2, "other.clippie");
    sandbox.run(["convert", "checkpoint-2", "other-half.clippie", "--precision", "f16"]).code(0);
    run(&sandbox, &["index", "photos", "-m", "whole.clippie"]).code(0);
    for other in ["other.clippie", "other-half.clippie"] {
        let asked = [&SEARCH[..], &["-m", other, "--allow-precision", "f16,f32"]].concat();
        let ran = run(&sandbox, &asked).code(1).says(&["has no embeddings of other"]);
        assert!(!ran.stderr.contains("--allow-precision"), "{}", ran.stderr);
    }
    // Texts of one precision are not kept as those of the other.
    let ask = |model: &str| run(&sandbox, &[&SEARCH[..], &["-m", model, "--allow-precision", "f16"]].concat()).code(0);
    let texts = sandbox.count("text");
    let halves = ask("half.clippie");
    assert_eq!(sandbox.count("text"), texts);
    let whole = ask("whole.clippie");
    assert_ne!(whole.stdout, halves.stdout);
    assert_eq!(sandbox.count("text"), texts + 1);
    assert_eq!((ask("half.clippie").stdout, ask("whole.clippie").stdout), (halves.stdout, whole.stdout));
}

#[test]
fn what_a_library_does_not_know_is_not_compared() {
    let sandbox = both_precisions();
    run(&sandbox, &["index", "photos", "-m", "whole.clippie"]).code(0);
    let edit = |sql: &str| Connection::open(&sandbox.library).unwrap().execute_batch(sql).unwrap();
    let asked = [&SEARCH[..], &["-m", "half.clippie", "--allow-precision", "f16"]].concat();
    run(&sandbox, &asked).code(0);
    let note: String = sandbox.connection().query_row("SELECT family FROM model", [], |row| row.get(0)).unwrap();
    assert_eq!(note.len(), 32);
    for sql in [
        // As in a library that an earlier version made.
        "UPDATE model SET family = NULL, precision = NULL",
        "UPDATE model SET family = 'x', precision = 'f32'",
        "UPDATE model SET precision = 'f4'",
        "UPDATE model SET dim = 23",
    ] {
        edit(sql);
        run(&sandbox, &asked).code(1).says(&["has no embeddings of half"]);
        edit("UPDATE model SET dim = 24");
        // The next use notes it.
        run(&sandbox, &[&SEARCH[..], &["-m", "whole.clippie"]].concat()).code(0);
        run(&sandbox, &asked).code(0);
    }
}

/// The figures of docs/library.md: what queries in fewer bits change, on drawings that a trained model knows.
#[test]
fn queries_of_fewer_bits_change_little() {
    const SCENES: u64 = 150;
    const QUERIES: u64 = 60;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("photos")).unwrap();
    for index in 0..SCENES {
        let scene = Scene::random(20_261_129, index);
        let file = File::create(folder.path().join(format!("photos/{index:03}.png"))).unwrap();
        let mut encoder = png::Encoder::new(BufWriter::new(file), 96, 96);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&scenes::draw(&scene, 96)).unwrap();
    }
    let open = |precision| Clip::open(demo::converted(precision, folder.path())).unwrap();
    let whole = open(Precision::F32);
    let library = Library::create(folder.path().join("library.sqlite")).unwrap();
    let mut index = Index::new(&library, whole.image()).texts(whole.text()).unwrap();
    index.run(&[folder.path().join("photos")]).unwrap();

    let search = |clip: &Clip| Search::new(&library, clip).limit(SCENES as usize).all(true);
    let sentence = |index: u64| scenes::caption(&Scene::random(7, index), &mut scenes::Dice::new(index, 0)).text;
    // Of each: the least shares of the ten best and of the best that stay the same, the largest difference of a score, and
    // the least cosine of a text.
    let bounds = [(Precision::F16, (0.995, 0.98, 5e-4, 1.0 - 1e-6)), (Precision::Int8, (0.97, 0.95, 2e-2, 0.9995))];
    for (precision, (least_shared, least_same, most, least_cosine)) in bounds {
        let fewer = open(precision);
        assert_eq!((whole.family(), fewer.weights().header().precision()), (fewer.family(), precision));
        let refused = search(&fewer).run(&Query::text(sentence(0))).unwrap_err();
        assert!(matches!(refused, Error::OtherPrecision { .. }), "{refused}");
        let (mut shared, mut same, mut largest) = (0, 0, 0.0f32);
        for index in 0..QUERIES {
            let query = Query::text(sentence(index));
            let own = search(&whole).run(&query).unwrap();
            let other = search(&fewer).allow_precisions([precision]).run(&query).unwrap();
            let precisions = other.precisions.unwrap();
            assert_eq!((precisions.query, precisions.stored, own.precisions), (precision, Precision::F32, None));
            let best = |found: &Found| found.hits[..10].iter().map(|hit| hit.id).collect::<Vec<_>>();
            let (ours, theirs) = (best(&own), best(&other));
            shared += ours.iter().filter(|id| theirs.contains(id)).count();
            same += usize::from(ours[0] == theirs[0]);
            for hit in &own.hits {
                let score = other.hits.iter().find(|other| other.id == hit.id).unwrap().score;
                largest = largest.max((score - hit.score).abs());
            }
        }
        let (shared, same) = (shared as f64 / (10 * QUERIES) as f64, same as f64 / QUERIES as f64);
        let name = precision.name();
        println!(
            "{name}: ten best shared {shared:.4}, best the same {same:.4}, largest difference of scores {largest}"
        );
        assert!(shared >= least_shared && same >= least_same && largest < most, "{name}: {shared} {same} {largest}");

        let texts: Vec<String> = (0..QUERIES).map(sentence).collect();
        let (ours, theirs) = (whole.encode_texts(&texts).unwrap(), fewer.encode_texts(&texts).unwrap());
        let cosines = agreement::cosines(ours.view(), theirs.view()).unwrap();
        println!("texts: {cosines:?}");
        assert!(cosines.least >= least_cosine, "{name}: {cosines:?}");
        let comparable = library.comparable(Encoders::from(fewer.text()), name, &[precision]).unwrap();
        assert_eq!(comparable.fingerprint, whole.fingerprint().as_str());
    }
}
