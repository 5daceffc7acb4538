//! The layers of the crate: nobody imports upward, `unsafe` stays where it may be, files stay readable.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the modules of this crate that it may name.
const MAY_USE: [(&str, &[&str]); 16] = [
    ("tensor", &[]),
    ("kernels", &["tensor"]),
    ("weights", &["tensor"]),
    ("tokenizer", &["tensor"]),
    ("pixels", &["tensor"]),
    ("photo", &["pixels", "tensor"]),
    ("preprocess", &["pixels", "tensor"]),
    ("layers", &["tensor", "kernels", "weights"]),
    // Models use kernels only through layers.
    ("models", &["tensor", "layers", "weights"]),
    ("catalog", &["models", "preprocess"]),
    ("import", &["catalog", "weights", "models", "preprocess", "tokenizer"]),
    (
        "error",
        &[
            "kernels",
            "models",
            "photo",
            "pixels",
            "preprocess",
            "tokenizer",
            "weights",
            "import",
            "hub",
            "clip",
            "CancelToken",
        ],
    ),
    (
        "clip",
        &["tensor", "kernels", "layers", "models", "weights", "tokenizer", "photo", "pixels", "preprocess", "error"],
    ),
    ("hub", &["catalog", "weights", "import"]),
    // Kernels for the benches.
    ("internals", &["tensor", "kernels"]),
    // The command uses what any program could use.
    ("cli", &["catalog", "clip", "error", "hub", "import", "models", "preprocess", "tokenizer", "weights"]),
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

/// The text from `start` up to the character that closes the bracket at `open`.
fn bracketed(text: &str, open: usize) -> &str {
    let mut depth = 0;
    for (i, c) in text[open..].char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[open..open + i];
        }
    }
    &text[open..]
}

fn has_raw_pointer(code: &str) -> bool {
    code.contains("*const ") || code.contains("*mut ")
}

/// Who can name a pointer writes `unsafe`: a safe function takes none, and no other file can put one into a struct.
#[test]
fn pointers_of_kernels_are_out_of_reach_of_safe_code() {
    let (mut unsafe_functions, mut structs) = (0, 0);
    for (path, text) in sources().into_iter().filter(|(path, _)| path.starts_with("kernels")) {
        let code = code(&text).join("\n");
        for (at, _) in code.match_indices("fn ") {
            let declaration = code[..at].rsplit(['\n', '{', '}', ';']).next().unwrap();
            let Some(open) = code[at..].find('(').map(|open| at + open) else { continue };
            let name = code[at + 3..open].trim();
            if name.is_empty() || name.starts_with('(') || !has_raw_pointer(bracketed(&code, open)) {
                continue;
            }
            let is_unsafe = declaration.split_whitespace().any(|word| word == "unsafe");
            assert!(is_unsafe, "{}: safe fn {name} takes a raw pointer", path.display());
            unsafe_functions += 1;
        }
        for (at, _) in code.match_indices("struct ") {
            let rest = &code[at..];
            let Some(open) = rest.find(['{', '(', ';']).filter(|&open| !rest[open..].starts_with(';')) else {
                continue;
            };
            let (name, fields) = (rest[7..open].trim(), bracketed(&code, at + open));
            if has_raw_pointer(fields) {
                assert!(!fields.contains("pub"), "{}: {name} has a raw pointer and visible fields", path.display());
                structs += 1;
            }
        }
    }
    assert!(unsafe_functions >= 5 && structs >= 3, "the scan found {unsafe_functions} functions and {structs} structs");
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
