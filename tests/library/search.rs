//! Search and similar through the binary, on drawn scenes: right pictures, sums, filters, formats, and no results.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::{Ran, Sandbox};

/// The drawings of the repository, in `photos`, indexed.
fn drawings() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("photos")).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/drawings")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "png") {
            fs::copy(&path, sandbox.path("photos").join(path.file_name().unwrap())).unwrap();
        }
    }
    sandbox.index(["photos"]).code(0);
    sandbox
}

fn command(sandbox: &Sandbox, command: &str, args: &[&str]) -> Ran {
    let library = sandbox.library.to_str().unwrap();
    sandbox.run([command, "--library", library].iter().chain(args))
}

/// The lines of JSON of a search.
fn hits(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let ran = command(sandbox, "search", &[&["--format", "jsonl"], args].concat()).code(0);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names of the files of a search.
fn names(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let name =
        |hit: &Value| Path::new(hit["path"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned();
    hits(sandbox, args).iter().map(name).collect()
}

#[test]
fn the_right_drawing_comes_first_and_what_does_not_fit_is_left_out() {
    let sandbox = drawings();
    let found = hits(&sandbox, &["a", "white", "square", "below", "a", "red", "star"]);
    assert!(found[0]["path"].as_str().unwrap().ends_with("05.png") && found[0]["fit"].as_f64().unwrap() >= 1.0);
    assert!(found.len() < 5, "{found:?}");
    // All words of the query, whether quoted or not.
    assert_eq!(found, hits(&sandbox, &["a white square below a red star"]));
    // With --all, the rest follows, in order.
    let all = hits(&sandbox, &["--all", "-n", "20", "a white square below a red star"]);
    assert_eq!((all.len(), &all[..found.len()]), (20, &found[..]));
    let scores: Vec<f64> = all.iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let least = command(&sandbox, "search", &["--min-score", "0.9", "a white square below a red star"]).code(0);
    assert_eq!(least.stdout, "");
}

#[test]
fn nothing_fits_what_is_not_there() {
    let sandbox = drawings();
    let ran = command(&sandbox, "search", &["a", "red", "circle"]).code(0);
    assert_eq!(ran.stdout, "");
    ran.says(&["nothing fits `a red circle`", "--all shows what comes nearest"]);
    let none = ["--near", "48.85,2.35", "--all", "a star"];
    command(&sandbox, "search", &none).code(0).says(&["no photo passes the filters\n"]);
}

#[test]
fn sums_are_arithmetic_of_unit_vectors() {
    let sandbox = drawings();
    let star = sandbox.path("photos/05.png");
    let vector = |input: &[&str]| -> Vec<f64> {
        let ran = sandbox.run(["encode", "-m", "demo"].iter().chain(input)).code(0);
        let row: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
        row["embedding"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let (a, b, c) = (vector(&["--text", "a ring"]), vector(&[star.to_str().unwrap()]), vector(&["--text", "a star"]));
    let sum: Vec<f64> = (0..a.len()).map(|i| a[i] + 0.5 * b[i] - 2.0 * c[i]).collect();
    let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    let photo = format!("0.5:{}", star.display());
    let found = hits(&sandbox, &["--all", "-n", "100", "a", "ring", "+", &photo, "-", "2:a star"]);
    // The photo of the query is left out.
    assert_eq!(found.len(), fs::read_dir(sandbox.path("photos")).unwrap().count() - 1);
    for hit in &found[..5] {
        let photo = vector(&[hit["path"].as_str().unwrap()]);
        let cosine: f64 = sum.iter().zip(&photo).map(|(a, b)| a / length * b).sum();
        assert!((cosine - hit["score"].as_f64().unwrap()).abs() < 1e-5, "{cosine} {hit}");
    }
    let whole = format!("a ring + {photo} - 2:a star");
    assert_eq!(hits(&sandbox, &["--all", "-n", "100", &whole]), found);
    // Flags spell the same query.
    let flags = ["--all", "-n", "100", "a ring", "--add", &photo, "--subtract", "2:a star"];
    assert_eq!(hits(&sandbox, &flags), found);
    // What is said twice is said once, louder.
    let once = hits(&sandbox, &["--all", "-n", "100", "a ring"]);
    for query in [&["a ring", "+", "a ring"][..], &["a ring", "+", "2:a ring", "-", "a ring"]] {
        assert_eq!(hits(&sandbox, &[&["--all", "-n", "100"], query].concat()), once);
    }
    command(&sandbox, "search", &["a star", "-", "a star"]).code(2).says(&["cancel each other out"]);
    command(&sandbox, "search", &["a star", "-"]).code(2).says(&["nothing follows `-`"]);
    command(&sandbox, "search", &["./missing.jpg"]).code(1).says(&["missing.jpg"]);
    let ran = command(&sandbox, "search", &["--all", "missing.jpg", "-", "a star"]).code(0);
    assert_eq!(ran.stderr, "warning: there is no file missing.jpg; it was searched for as a description\n");
}

#[test]
fn similar_photos_and_copies() {
    let sandbox = drawings();
    fs::create_dir(sandbox.path("photos/copies")).unwrap();
    fs::copy(sandbox.path("photos/05.png"), sandbox.path("photos/copies/again.png")).unwrap();
    sandbox.index(["photos"]).code(0);
    // A photo that is not in the library, but its content is.
    let outside = sandbox.path("outside.png");
    fs::copy(sandbox.path("photos/05.png"), &outside).unwrap();
    let similar = command(&sandbox, "similar", &["--all", "--format", "paths", outside.to_str().unwrap()]).code(0);
    assert_eq!(similar.stdout.lines().count(), 10);
    assert!(!similar.stdout.contains("05.png") && !similar.stdout.contains("again.png"), "{}", similar.stdout);
    // From standard input.
    let args = ["similar", "--library", sandbox.library.to_str().unwrap(), "--all", "--format", "paths", "-"];
    assert_eq!(sandbox.feed(args, "photos/05.png").code(0).stdout, similar.stdout);
    sandbox.write("broken.png", "no photo", 0);
    sandbox.feed(args, "broken.png").code(1).says(&["error: standard input is "]);
    sandbox.write("none.png", "", 0);
    sandbox.feed(args, "none.png").code(1).says(&["error: standard input is empty"]);
    // A copy is one result with two paths.
    let found = hits(&sandbox, &["a white square below a red star"]);
    assert!(found[0]["path"].as_str().unwrap().ends_with("05.png"));
    assert!(found[0]["copies"][0]["path"].as_str().unwrap().ends_with("again.png"), "{}", found[0]);
    let table = command(&sandbox, "search", &["--all", "a white square below a red star"]).code(0).stdout;
    let copied: Vec<bool> = table.lines().map(|line| line.ends_with("05.png  +1 copy")).collect();
    assert_eq!((copied[1], copied.iter().filter(|copied| **copied).count()), (true, 1), "{table}");
    assert_eq!(names(&sandbox, &["--in", "photos/copies", "a white square below a red star"]), ["again.png"]);
    // The one that is still there.
    fs::remove_file(sandbox.path("photos/05.png")).unwrap();
    let ran = command(&sandbox, "search", &["--format", "paths", "a white square below a red star"]).code(0);
    assert!(ran.stdout.lines().next().unwrap().ends_with("/again.png"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
}

#[test]
fn results_that_are_gone_are_said() {
    let sandbox = drawings();
    let query = ["--all", "-n", "3", "a white square below a red star"];
    let paths: Vec<String> =
        hits(&sandbox, &query).iter().map(|hit| hit["path"].as_str().unwrap().to_owned()).collect();
    fs::remove_file(&paths[0]).unwrap();
    let index = format!("run `clippie-rs index --library {}`\n", sandbox.library.display());
    let gone = |number: &str| format!("warning: {number} not where the library knows ");
    let ran = command(&sandbox, "search", &query).code(0).says(&[&gone("1 of these is"), "knows it; ", &index]);
    assert_eq!(ran.stdout.lines().count(), 4);
    fs::remove_file(&paths[1]).unwrap();
    command(&sandbox, "search", &query).code(0).says(&[&gone("2 of these are"), "knows them; "]);
    sandbox.index(["photos"]).code(0);
    assert_eq!(command(&sandbox, "search", &query).code(0).stderr, "");
}

#[test]
fn filters() {
    let sandbox = drawings();
    let count = |args: &[&str]| hits(&sandbox, &[&["--all", "-n", "100", "a star"], args].concat()).len();
    let all = count(&[]);
    assert!(all > 30);
    assert_eq!(count(&["--name", "0*.png"]), 9);
    assert_eq!(count(&["--name", "0*.png", "--name", "10.png"]), 10);
    assert_eq!((count(&["--after", "2017-07"]), count(&["--before", "2017-07"])), (all, 0));
    assert_eq!(count(&["--near", "48.85,2.35"]), 0);
    for bad in [&["--after", "soon"][..], &["--near", "48.85"], &["--near", "99,0"], &["--name", "["]] {
        command(&sandbox, "search", &[&["a star"], bad].concat()).code(2);
    }
    for (bad, reason) in [
        (["--after", "2024-06", "--before", "2024-05"], "no date is 2024-06 or later and before 2024-05"),
        (["--after", "2024-05-01", "--before", "2024-05"], "--before takes the first moment that is too late"),
        (["--after", "2024", "--before", "2024"], "no date is 2024 or later"),
        (["-n", "0", "--min-score", "0"], "not a number of photos from 1 to 1000000"),
        (["--format=jsonl", "-0", "-n", "1"], "-0 separates paths, and --format jsonl has lines of JSON"),
        (["-n", "1", "--min-score", "1.5"], "not a number from -1 to 1"),
        (["-n", "1", "--min-score", "nan"], "not a number from -1 to 1"),
        (["--in", "photos", "--in", "nowhere"], "--in nowhere is in no folder of the library"),
        (["--in", "home", "--in", "photos"], "--in home is in no folder of the library"),
    ] {
        command(&sandbox, "search", &[&["a star", "-o", "none"], &bad[..]].concat()).code(2).says(&[reason]);
    }
    command(&sandbox, "similar", &["--language", "de", "photos/01.png"])
        .code(2)
        .says(&["a photo has none; leave it out"]);
    assert!(!sandbox.path("none").exists());
    assert_eq!((count(&["--in", "."]), count(&["--after", "2024-05", "--before", "2024-05-02"])), (all, 0));
    let every = command(&sandbox, "search", &["--min-score", "-1", "-n", "1000", "a star"]).code(0);
    assert_eq!(every.stdout.lines().count(), all + 1);
    let ran = command(&sandbox, "search", &["--name", "0", "a star"]).code(0);
    ran.says(&["no photo passes the filters; --name 0 means the whole name: write '0*' for its start"]);
    // What a filter leaves does not fit.
    let none = command(&sandbox, "search", &["--name", "0*.png", "a red circle"]).code(0);
    none.says(&["none of the 9 photos that pass the filters fits `a red circle`; --all shows what comes nearest\n"]);
    let none = command(&sandbox, "search", &["--name", "01.png", "a red circle"]).code(0);
    none.says(&["the only photo that passes the filters is not one that fits `a red circle`; --all shows it\n"]);
    fs::create_dir(sandbox.path("photos/empty")).unwrap();
    for more in [&["--all"][..], &[], &["--min-score", "0"]] {
        let args = [&["--in", "photos/empty", "--name", "*.png", "a star"], more].concat();
        command(&sandbox, "search", &args)
            .code(0)
            .says(&["the library has no photo in photos/empty, which --in names\n"]);
    }
    // Ties are in the order of paths, and do not depend on how many are asked for.
    for n in 1..12 {
        let some = names(&sandbox, &["--all", "-n", &n.to_string(), "a star"]);
        assert_eq!(some, names(&sandbox, &["--all", "-n", "100", "a star"])[..n]);
    }
}

#[test]
fn formats() {
    let sandbox = drawings();
    let query = "a white square below a red star";
    let texts =
        |number: &str| command(&sandbox, "status", &[]).code(0).stdout.contains(&format!("texts    {number}\n"));
    assert!(texts("0"), "those that scores are measured against");
    let table = command(&sandbox, "search", &[query]).code(0).stdout;
    assert!(texts("1"));
    assert!(table.starts_with(" fit  score") || table.starts_with("fit"), "{table}");
    assert!(table.lines().nth(1).unwrap().ends_with("05.png"), "{table}");
    // The drawings state no date: it is that of the file, in brackets.
    assert!(table.lines().nth(1).unwrap().contains("  (20"), "{table}");
    let null = command(&sandbox, "search", &["-0", query]).code(0).stdout;
    assert!(null.ends_with("05.png\0") || null.split('\0').next().unwrap().ends_with("05.png"), "{null}");
    let page = command(&sandbox, "search", &["--html", "sheet.html", "--all", query]).code(0);
    page.says(&["wrote sheet.html with 10 photos"]);
    let html = fs::read_to_string(sandbox.path("sheet.html")).unwrap();
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), 10);
    assert!(html.contains("photos/05.png") && html.contains(query));
    assert_eq!(html.matches("<p><bdi>(20").count(), 10);
    let preview = command(&sandbox, "search", &["--preview=shades", query]).code(0).stdout;
    assert!(preview.lines().count() > table.lines().count() + 5, "{preview}");
}

#[test]
fn models_and_libraries_that_do_not_fit() {
    let sandbox = Sandbox::new();
    let ran = command(&sandbox, "search", &["a star"]).code(1);
    ran.says(&["there is no photo library", "make it with `clippie-rs index -m MODEL DIR --library /"]);
    fs::write(sandbox.path("text"), "not a database, whatever its name says ".repeat(50)).unwrap();
    let other = sandbox.path("text");
    sandbox.run(["search", "--library", other.to_str().unwrap(), "a star"]).code(1).says(&["is not a photo library"]);
    let sandbox = drawings();
    // Embeddings of another model.
    let connection = rusqlite::Connection::open(&sandbox.library).unwrap();
    connection.execute("UPDATE model SET fingerprint = ?1", ["0".repeat(32)]).unwrap();
    drop(connection);
    let ran = command(&sandbox, "search", &["-m", "demo", "a star"]).code(1);
    let other = format!("), only of demo ({}): another file", "0".repeat(32));
    ran.says(&[
        "has no embeddings of demo (",
        &other,
        "add the missing embeddings with `clippie-rs index -m demo --library ",
    ]);
}

#[test]
fn a_word_after_a_hyphen_gets_a_hint() {
    let sandbox = Sandbox::new();
    for args in [&["search", "a", "heart", "-yellow"][..], &["-q", "search", "a heart", "-yellow", "-n", "3"]] {
        let ran = sandbox.run(args).code(2);
        ran.says(&["unexpected argument '-y' found", "write `- yellow` with a space, or `--subtract yellow`"]);
    }
    // Others have the parser's.
    for args in [&["search", "a", "--yellow"][..], &["search", "a", "-y"], &["similar", "-yellow"]] {
        let ran = sandbox.run(args).code(2).says(&["unexpected argument '-"]);
        assert!(!ran.stderr.contains("subtract"), "{}", ran.stderr);
    }
}

/// A terminal that shows them must not be changed, and readers get the name as it is.
#[cfg(unix)]
#[test]
fn json_has_no_control_characters() {
    let sandbox = Sandbox::new();
    let name = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}gpj.\u{2066}\u{61c}\u{2028}\u{e0041}bmp.bmp";
    sandbox.photo(format!("photos/{name}"), 1);
    sandbox.photo(format!("photos/{name}.bmp"), 1);
    sandbox.index(["photos"]).code(0);
    let library = sandbox.library.to_str().unwrap();
    for args in [
        &["search", "--all", "--format", "jsonl", "a star"][..],
        &["duplicates", "--format", "jsonl"],
        &["classify", "--format", "jsonl", "--label", "star", "--label", "moon"],
        &["status", "--json"],
    ] {
        let ran = sandbox.run([args, &["--library", library]].concat()).code(0);
        let odd = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{2066}\u{61c}\u{2028}\u{e0041}".contains(c);
        assert!(!ran.stdout.contains(odd), "{args:?}: {:?}", ran.stdout);
        let end = if args[0] == "status" { ran.stdout.len() } else { ran.stdout.find('\n').unwrap() };
        let json: serde_json::Value = serde_json::from_str(&ran.stdout[..end]).unwrap();
        let photo = if args[0] == "duplicates" { &json["keep"] } else { &json };
        assert!(args[0] == "status" || photo["path"].as_str().unwrap().ends_with(&format!("/{name}")), "{json}");
    }
}
