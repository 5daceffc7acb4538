//! The structure of the crate: layers without upward imports, `unsafe` only where it is permitted, one module style,
//! short files that state their purpose.

#[path = "common/rust_scan.rs"]
mod rust_scan;

use std::fs;
use std::path::{Path, PathBuf};

use rust_scan::{CratePath, Token, crate_paths, tokens, without_tests};

/// Each module and the modules of this crate that it may name.
const MAY_USE: [(&str, &[&str]); 28] = [
    ("bounded_json", &[]),
    ("tensor", &[]),
    ("files", &[]),
    ("cancel", &[]),
    ("budget", &["cancel"]),
    ("threads", &[]),
    ("kernels", &["tensor", "threads"]),
    ("weights", &["bounded_json", "files", "tensor", "threads"]),
    // `tokenizer.json` is JSON of a limited number of values.
    ("tokenizer", &["bounded_json", "files"]),
    ("pixels", &["tensor"]),
    ("photo", &["budget", "cancel", "kernels", "pixels", "tensor", "threads"]),
    ("preprocess", &["kernels", "pixels", "tensor", "threads"]),
    ("tables", &["files"]),
    ("layers", &["tensor", "kernels", "weights"]),
    // Models use kernels only through layers.
    ("models", &["tensor", "layers", "weights"]),
    ("catalog", &["models", "preprocess"]),
    (
        "import",
        &[
            "bounded_json",
            "files",
            "budget",
            "cancel",
            "catalog",
            "weights",
            "models",
            "preprocess",
            "threads",
            "tokenizer",
        ],
    ),
    ("tar", &["files"]),
    ("walk", &["files", "cancel", "tar"]),
    ("hub", &["bounded_json", "files", "budget", "cancel", "catalog", "weights", "import"]),
    (
        "error",
        &[
            "files",
            "kernels",
            "models",
            "photo",
            "pixels",
            "preprocess",
            "tokenizer",
            "weights",
            "walk",
            "import",
            "hub",
        ],
    ),
    // Opening a model by name needs the hub.
    (
        "clip",
        &[
            "budget",
            "cancel",
            "files",
            "tensor",
            "threads",
            "kernels",
            "layers",
            "models",
            "weights",
            "tokenizer",
            "photo",
            "pixels",
            "preprocess",
            "walk",
            "hub",
            "error",
        ],
    ),
    // Scans are kernels on vectors that are not weights, which are mapped like weights.
    (
        "library",
        &[
            "cancel",
            "clip",
            "error",
            "files",
            "kernels",
            "photo",
            "pixels",
            "preprocess",
            "tables",
            "tensor",
            "threads",
            "walk",
            "weights",
        ],
    ),
    // The server is above everything but the command, which starts it. Of `tensor` it uses the heap, which its threads share.
    (
        "server",
        &[
            "bounded_json",
            "cancel",
            "catalog",
            "clip",
            "error",
            "files",
            "hub",
            "library",
            "photo",
            "pixels",
            "preprocess",
            "tensor",
            "tokenizer",
            "weights",
        ],
    ),
    // The C face is a leaf over the public one; batches of the caller's memory and progress of downloads are theirs.
    ("capi", &["clip", "hub"]),
    // Kernels for the benches.
    ("internals", &["tensor", "kernels"]),
    ("closed_streams", &[]),
    // The command uses only the public API, and `files`, where its unfinished files have to be known to be removed.
    (
        "cli",
        &[
            "catalog",
            "clip",
            "error",
            "files",
            "hub",
            "import",
            "library",
            "models",
            "photo",
            "preprocess",
            "server",
            "tables",
            "tokenizer",
            "walk",
            "weights",
        ],
    ),
];

/// Folders and files that may contain `unsafe`. In `capi`, C's pointers become references.
const UNSAFE_ALLOWED: [&str; 6] =
    ["tensor/", "kernels/", "weights/map.rs", "weights/guard.rs", "closed_streams.rs", "capi/"];

/// Maximum number of lines of a file, without its tests; a longer file should be split. Tables are exempt.
const MAX_LINES: usize = 420;

/// Folders of Rust code, all of which follow the module style.
const ROOTS: [&str; 7] = ["src", "tests", "tools", "benches", "bindings", "examples", "fuzz"];

/// A file of `src`.
struct Source {
    /// Path below `src`, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Path of the module, such as `["cli", "args"]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        let mut module: Vec<&str> = path.split('/').collect();
        if matches!(module.last(), Some(&"mod")) {
            module.pop();
        }
        module
    }

    /// Tokens without test modules.
    fn code(&self) -> Vec<Token<'_>> {
        without_tests(&tokens(&self.text))
    }

    /// Whether the file consists of tests.
    fn is_test(&self) -> bool {
        self.module().iter().any(|name| name.starts_with("tests"))
    }
}

/// All Rust files below `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The files of the library and command, without files of tests.
fn sources() -> Vec<Source> {
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix("src").unwrap().to_str().unwrap().replace('\\', "/");
        Source { path, text }
    };
    let mut sources: Vec<Source> = rust_files(Path::new("src")).into_iter().map(source).collect();
    assert!(sources.len() > 30);
    sources.retain(|source| !source.is_test());
    sources
}

/// Imports of a file that its layer does not permit.
fn violations(source: &Source) -> Vec<CratePath> {
    let module = source.module();
    let room = module[0];
    let (_, allowed) = *MAY_USE
        .iter()
        .find(|(name, _)| *name == room)
        .unwrap_or_else(|| panic!("{room} is not in the table of layers; add it to MAY_USE"));
    let mut paths = crate_paths(&source.code(), &module);
    paths.retain(|path| {
        // Only the command and the C face use the public names of lib.rs.
        let public = ["cli", "capi"].contains(&room) && path.name.starts_with(char::is_uppercase);
        path.name != room && !public && !allowed.contains(&path.name.as_str())
    });
    paths
}

#[test]
fn imports_point_downward() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !["lib.rs", "main.rs"].contains(&source.path.as_str())) {
        for path in violations(source) {
            found.push(format!("src/{}:{}: may not use crate::{}", source.path, path.line, path.name));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn unsafe_is_confined() {
    for source in sources() {
        if UNSAFE_ALLOWED.iter().any(|allowed| source.path.starts_with(allowed)) {
            continue;
        }
        let found = source.code().into_iter().find(|token| token.text == "unsafe");
        assert!(found.is_none(), "src/{}:{}: unsafe code", source.path, found.unwrap().line);
    }
}

/// Outside of `threads`, loops of rayon would use its global pool, which panics where threads cannot be started and has
/// none after a fork.
#[test]
fn rayon_is_used_through_threads() {
    // Types, and functions that build no pool on the threads where they are called.
    const ALLOWED: [&str; 6] = ["prelude", "ThreadPool", "spawn", "yield_local", "yield_now", "Yield"];
    let mut seen = 0;
    for Source { path, text } in sources().iter().filter(|source| !source.path.starts_with("threads/")) {
        let code = without_tests(&tokens(text));
        for names in code.windows(3).filter(|tokens| tokens[0].text == "rayon" && tokens[1].text == "::") {
            let Token { text, line } = names[2];
            assert!(ALLOWED.contains(&text), "src/{path}:{line}: rayon::{text}; see src/threads");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
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

/// Code that handles a pointer is `unsafe`: safe functions take none, and no other file can put one into a struct.
#[test]
fn pointers_of_kernels_are_out_of_reach_of_safe_code() {
    let (mut unsafe_functions, mut structs) = (0, 0);
    for source in sources().into_iter().filter(|source| source.path.starts_with("kernels/")) {
        let Source { path, text } = &source;
        let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
        let code: String = text[..end].lines().flat_map(|line| [line.split("//").next().unwrap_or(""), "\n"]).collect();
        for (at, _) in code.match_indices("fn ") {
            let declaration = code[..at].rsplit(['\n', '{', '}', ';']).next().unwrap();
            let Some(open) = code[at..].find('(').map(|open| at + open) else { continue };
            let name = code[at + 3..open].trim();
            if name.is_empty() || name.starts_with('(') || !has_raw_pointer(bracketed(&code, open)) {
                continue;
            }
            let is_unsafe = declaration.split_whitespace().any(|word| word == "unsafe");
            assert!(is_unsafe, "{path}: safe fn {name} takes a raw pointer");
            unsafe_functions += 1;
        }
        for (at, _) in code.match_indices("struct ") {
            let rest = &code[at..];
            let Some(open) = rest.find(['{', '(', ';']).filter(|&open| !rest[open..].starts_with(';')) else {
                continue;
            };
            let (name, fields) = (rest[7..open].trim(), bracketed(&code, at + open));
            if has_raw_pointer(fields) {
                assert!(!fields.contains("pub"), "{path}: {name} has a raw pointer and visible fields");
                structs += 1;
            }
        }
    }
    assert!(unsafe_functions >= 5 && structs >= 3, "the scan found {unsafe_functions} functions and {structs} structs");
}

/// Functions that C calls with a pointer state what it must point to.
#[test]
fn functions_of_the_c_face_that_take_pointers_are_unsafe() {
    let mut functions = 0;
    for Source { path, text } in sources().iter().filter(|source| source.path.starts_with("capi/")) {
        for (at, found) in text.match_indices("extern \"C\" fn clippie_") {
            let open = at + text[at + found.len()..].find('(').unwrap() + found.len();
            let name = &text[at + 14..open];
            // Comments and attributes of the function.
            let before = text[..at].rsplit("\n\n").next().unwrap();
            assert!(before.contains("#[unsafe(no_mangle)]"), "{path}: {name} is not exported under its name");
            if has_raw_pointer(bracketed(text, open)) {
                assert!(before.ends_with("pub unsafe "), "{path}: safe fn {name} takes a raw pointer");
                assert!(before.contains("/// # Safety\n"), "{path}: {name} does not say what its pointers must be");
            }
            functions += 1;
        }
    }
    assert!(functions >= 40, "the scan found {functions} functions");
}

/// Model descriptions gain fields and variants; programs that read them must keep compiling.
#[test]
fn model_descriptions_are_non_exhaustive() {
    let mut found = 0;
    for Source { path, text } in sources().iter().filter(|source| source.path.ends_with("/config.rs")) {
        if !path.starts_with("models/") {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            if line.starts_with("pub struct ") || line.starts_with("pub enum ") {
                assert_eq!(lines[i - 1], "#[non_exhaustive]", "src/{path}:{}: {line}", i + 1);
                found += 1;
            }
        }
    }
    assert!(found >= 11, "the scan found {found} types");
}

#[test]
fn files_state_their_purpose_and_stay_short() {
    for root in ROOTS {
        for path in rust_files(Path::new(root)) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//! "), "{} does not open with its purpose", path.display());
        }
    }
    for source in sources() {
        let lines = source.text.lines().count() - test_lines(&source.text);
        let table = source.module().contains(&"tables");
        assert!(table || lines <= MAX_LINES, "src/{} has {lines} lines without tests", source.path);
    }
}

/// Number of lines from the first test module to the end.
fn test_lines(text: &str) -> usize {
    text.find("#[cfg(test)]\nmod tests").map_or(0, |at| text[at..].lines().count())
}

#[test]
fn a_module_with_a_folder_is_its_mod_rs() {
    for root in ROOTS {
        for path in rust_files(Path::new(root)) {
            let name = path.to_str().unwrap().replace('\\', "/");
            assert!(
                !path.with_extension("").is_dir(),
                "{name} has a folder of the same name; move it to {}/mod.rs",
                name.trim_end_matches(".rs")
            );
        }
    }
}

// --- The scanner

/// Names after the crate root in `text`, a file of the module `module`.
fn names(text: &str, module: &[&str]) -> Vec<String> {
    let code = tokens(text);
    crate_paths(&without_tests(&code), module).into_iter().map(|path| path.name).collect()
}

#[test]
fn the_scanner_sees_wrapped_and_nested_groups() {
    let text = "use crate::{\n    clip::{self, Clip},\n    hub,\n    import::{a::{b, c}, d},\n};";
    assert_eq!(names(text, &["cli"]), ["clip", "hub", "import"]);
    assert_eq!(names("use crate :: { clip };", &["cli"]), ["clip"]);
    assert_eq!(names("pub(crate) use crate::/* why */\n    hub\n    ::Hub;", &["cli"]), ["hub"]);
    assert_eq!(names("use {crate::a::B, super::{super::{c, d::E}, f}};", &["x", "y"]), ["a", "c", "d"]);
    assert_eq!(names("use crate::{a as b, c::*};", &["x"]), ["a", "c"]);
    assert_eq!(names("use ::std::fmt; use other::crate_name::x;", &["x"]), [""; 0]);
    let lines: Vec<usize> =
        crate_paths(&tokens("use crate::{\n a,\n\n b::{c,\n d},\n e};"), &["x"]).iter().map(|path| path.line).collect();
    assert_eq!(lines, [2, 4, 6]);
}

#[test]
fn the_scanner_follows_super_out_of_a_module() {
    let text = "use super::super::tensor::Arena; use super::sibling; use self::child::X;";
    assert_eq!(names(text, &["kernels", "gemm"]), ["tensor"]);
    assert_eq!(names(text, &["kernels", "gemm", "tile"]), [""; 0]);
    assert_eq!(names("use super::{super::models, kernels};", &["layers", "linear"]), ["models"]);
    assert_eq!(names("use super::{models, kernels};", &["layers"]), ["models", "kernels"]);
    assert_eq!(names("mod inner { use super::super::clip; } use super::hub;", &["layers"]), ["clip", "hub"]);
    assert_eq!(names("mod inner { fn f() { { } } } use super::super::clip;", &["a", "b"]), ["clip"]);
    assert_eq!(
        names("fn f() -> super::super::clip::Clip { self::super::super::hub::x() }", &["a", "b"]),
        ["clip", "hub"]
    );
    // From a file below the root, `super` can reach it in a glob or under another name.
    assert_eq!(names("use super::*;", &["layers"]), ["*"]);
    assert_eq!(names("use super::super::*; use super::*;", &["layers", "linear"]), ["*"]);
    assert_eq!(names("use super::super as root;", &["layers", "linear"]), ["*"]);
    assert_eq!(names("use crate as root; use crate::*; use crate::{self as root, *};", &["a"]), ["*"; 4]);
}

#[test]
fn the_scanner_sees_paths_in_expressions_and_macros() {
    assert_eq!(
        names("let x: crate::clip::Clip<crate::hub::Hub> = crate::a::f::<crate::b::T>();", &["x"]),
        ["clip", "hub", "a", "b"]
    );
    assert_eq!(names("macro_rules! m { () => { $crate::hub::Hub } }", &["x"]), ["hub"]);
    assert_eq!(names("if x == crate::a::B { crate::c::d() }", &["x"]), ["a", "c"]);
    assert_eq!(names("impl From<crate::Error> for X {}", &["cli"]), ["Error"]);
    // Visibilities and receivers name nothing.
    assert_eq!(
        names("pub(crate) fn f(self, a: &self::A) { self.x } pub(super) struct S; pub(in crate::x) mod m;", &["x"]),
        ["x"]
    );
}

#[test]
fn the_scanner_ignores_comments_literals_and_tests() {
    for text in [
        "// use crate::hub;",
        "/* outer /* use crate::a; */ use crate::hub; */",
        "const A: &str = \"use crate::hub; \\\" use crate::hub;\";",
        "const A: &str = r#\"\" use crate::hub; \"#;",
        "const A: &[u8] = br##\"\"# unsafe crate::hub\"##; const B: &CStr = c\"crate::hub\";",
        "#[cfg(test)]\nmod tests { use crate::hub; mod deep { use crate::hub; } }",
        "#[cfg(test)]\n#[path = \"x.rs\"]\npub(crate) mod tests;\n",
    ] {
        assert_eq!(names(text, &["x"]), [""; 0], "{text}");
    }
    // Code after a test module is still scanned.
    for text in [
        "/* /* */ */ use crate::hub;",
        "const Q: char = '\"'; use crate::hub; const R: char = '\"';",
        "const Q: u8 = b'\\''; use crate::hub;",
        "const Q: char = '\\u{22}'; use crate::hub;",
        "fn f<'a>(x: &'a str) -> &'static str { crate::hub::f(x) } const Q: char = '\\\\';",
        "const A: &str = r\"\\\"; use crate::hub;",
        "let r#crate_x = 1; use crate::hub;",
        "#[cfg(test)]\nmod tests { const A: &str = \"}\"; }\nuse crate::hub;",
        "#[cfg(test)]\nfn only_in_tests() { crate::hub::f() }",
        "let é = 1.5e3f32; use crate::hub;",
    ] {
        assert_eq!(names(text, &["x"]), ["hub"], "{text}");
    }
    assert!(tokens("\"unterminated").is_empty() && tokens("/* unterminated").is_empty() && tokens("r#\"").is_empty());
    assert_eq!(tokens("'a: loop {}").iter().map(|token| token.text).collect::<Vec<_>>(), ["'a", ":", "loop", "{", "}"]);
}

#[test]
fn the_rules_refuse_upward_imports() {
    let refused = |path: &str, text: &str| {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        violations(&source).into_iter().map(|path| path.name).collect::<Vec<_>>()
    };
    assert_eq!(refused("tensor/arena.rs", "use crate::{\n    kernels::Isa,\n};"), ["kernels"]);
    assert_eq!(refused("tensor/mod.rs", "use super::clip::Clip;"), ["clip"]);
    assert_eq!(refused("tensor/arena.rs", "use super::super::clip::Clip;"), ["clip"]);
    assert_eq!(refused("tensor/arena.rs", "use super::aligned::Aligned; use crate::tensor::Arena;"), [""; 0]);
    assert_eq!(refused("tensor/mod.rs", "use crate::*;"), ["*"]);
    assert_eq!(refused("import/mod.rs", "use crate::Error;"), ["Error"]);
    assert_eq!(refused("cli/mod.rs", "use crate::{Error, clip::Clip, kernels};"), ["kernels"]);
}
