//! The layers of the crate: nobody imports upward, `unsafe` stays where it may be, files stay readable.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the modules of this crate that it may name.
const MAY_USE: [(&str, &[&str]); 14] = [
    ("tensor", &[]),
    ("kernels", &["tensor"]),
    ("weights", &["tensor"]),
    ("tokenizer", &["tensor"]),
    ("preprocess", &["tensor"]),
    ("layers", &["tensor", "kernels", "weights"]),
    ("models", &["tensor", "kernels", "layers", "weights"]),
    ("import", &["weights", "models", "preprocess", "tokenizer"]),
    ("walk", &[]),
    ("hub", &["weights", "import"]),
    ("error", &["kernels", "models", "preprocess", "tokenizer", "weights", "walk", "import", "hub"]),
    // Models by name rest on the hub.
    ("clip", &["tensor", "kernels", "layers", "models", "weights", "tokenizer", "preprocess", "walk", "hub", "error"]),
    // Kernels for the benches.
    ("internals", &["tensor", "kernels"]),
    // The command uses what any program could use.
    ("cli", &["clip", "error", "hub", "import", "models", "preprocess", "tokenizer", "walk", "weights"]),
];

const UNSAFE_ALLOWED: [&str; 3] = ["tensor/", "kernels/", "weights/map.rs"];

/// Lines of a file without its tests and tables; past this it wants to be two files.
const LONGEST_FILE: usize = 420;

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("src"), &mut found);
    assert!(found.len() > 30);
    // Files of tests are not part of the layers.
    let tests = |path: &Path| path.with_extension("").iter().any(|part| part.to_string_lossy().starts_with("tests"));
    found.retain(|(path, _)| !tests(path));
    found.into_iter().map(|(path, text)| (path.strip_prefix("src").unwrap().to_owned(), text)).collect()
}

/// The part of a file before its tests, without comments.
fn code(text: &str) -> Vec<&str> {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text[..end].lines().map(|line| line.split("//").next().unwrap_or("")).collect()
}

#[test]
fn nobody_imports_upward() {
    for (path, text) in sources() {
        let module = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let allowed = MAY_USE.iter().find(|(name, _)| *name == module);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{module} is not in the list of layers"));
        for (number, line) in code(&text).iter().enumerate() {
            for used in line.split("crate::").skip(1) {
                let names: Vec<&str> = match used.strip_prefix('{') {
                    Some(list) => list.split(['}', ',']).map(|part| part.split("::").next().unwrap().trim()).collect(),
                    None => vec![used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()],
                };
                for name in names.into_iter().filter(|name| !name.is_empty() && !name.starts_with(';')) {
                    // The public names of lib.rs belong to the command alone.
                    let public = module == "cli" && name.starts_with(char::is_uppercase);
                    assert!(
                        name == module || public || allowed.contains(&name),
                        "{}:{}: {module} may not use crate::{name}",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

#[test]
fn unsafe_stays_in_its_places() {
    for (path, text) in sources() {
        let place = path.to_str().unwrap().replace('\\', "/");
        if UNSAFE_ALLOWED.iter().any(|allowed| place.starts_with(allowed)) {
            continue;
        }
        for (number, line) in code(&text).iter().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            assert!(!words.into_iter().any(|word| word == "unsafe"), "{place}:{}: unsafe code", number + 1);
        }
    }
}

#[test]
fn every_file_states_its_purpose_and_stays_short() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} does not open with its purpose", path.display());
        let table = path.file_stem().is_some_and(|stem| stem == "tables") || path.to_str().unwrap().contains("tables/");
        let lines = code(&text).len();
        assert!(table || lines <= LONGEST_FILE, "{} has {lines} lines without tests", path.display());
    }
}
