//! The binary interface of the C library: every constant, type and function of `include/clippie.h` is in
//! `include/clippie.abi`, so that no change of one goes unnoticed. `.ci/capi` compares both with the built library.

use std::collections::BTreeSet;
use std::fs;

/// The declarations of a C header, one a line, without comments.
fn declarations(header: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut code = String::new();
    for line in without_comments(header).lines() {
        if let Some(define) = line.strip_prefix("#define ") {
            let words: Vec<&str> = define.split_whitespace().collect();
            // A macro without value is the guard against a second inclusion.
            if words.len() > 1 {
                found.insert(format!("#define {}", words.join(" ")));
            }
        } else if !line.starts_with('#') && !line.starts_with("extern \"C\"") && line.trim() != "}" {
            code += line;
            code.push(' ');
        }
    }
    let mut declaration = String::new();
    let mut depth = 0;
    for c in code.chars() {
        declaration.push(c);
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => {
                found.insert(std::mem::take(&mut declaration).split_whitespace().collect::<Vec<_>>().join(" "));
            }
            _ => {}
        }
    }
    assert_eq!(declaration.trim(), "", "the header ends within a declaration");
    found
}

fn without_comments(header: &str) -> String {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("/*") {
        code += before;
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    code += rest;
    code.lines().flat_map(|line| [line.split("//").next().unwrap_or(""), "\n"]).collect()
}

#[test]
fn the_header_declares_what_the_interface_is() {
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let declared = declarations(&read("include/clippie.h"));
    let agreed: BTreeSet<String> = read("include/clippie.abi").lines().map(String::from).collect();
    assert!(declared.len() > 60, "{}", declared.len());
    let list = |lines: Vec<&String>| lines.into_iter().map(|line| format!("\n  {line}")).collect::<String>();
    assert!(
        declared == agreed,
        "the interface of the C library has changed. If programs that were compiled before still work, change \
         include/clippie.abi; otherwise raise CLIPPIE_ABI_VERSION and the version in include/clippie.map too.\nnew:{}\n\
         gone:{}",
        list(declared.difference(&agreed).collect()),
        list(agreed.difference(&declared).collect()),
    );
}

#[test]
fn a_change_of_a_declaration_is_seen() {
    let header = "#ifndef X\n#define X\n#ifdef __cplusplus\nextern \"C\" {\n#endif // __cplusplus\n/** A /x. */\n\
                  #define A 1\ntypedef struct s {\n  int a; /* b; */\n} s;\nint f(int a,\n      int *b);\n#ifdef \
                  __cplusplus\n}  // extern \"C\"\n#endif\n";
    let expected = ["#define A 1", "int f(int a, int *b);", "typedef struct s { int a; } s;"];
    assert_eq!(declarations(header), BTreeSet::from(expected.map(String::from)));
    assert_ne!(declarations(&header.replace("int *b", "long *b")), declarations(header));
    assert_ne!(declarations(&header.replace("  int a;", "  int a, b;")), declarations(header));
    assert_ne!(declarations(&header.replace("A 1", "A 2")), declarations(header));
}

/// The number in the name of the shared library, in the header and in the versions of symbols is the same.
#[test]
fn the_version_of_the_interface_is_stated_once() {
    let header = fs::read_to_string("include/clippie.h").unwrap();
    let version = header.lines().find_map(|line| line.strip_prefix("#define CLIPPIE_ABI_VERSION ")).unwrap();
    let map = fs::read_to_string("include/clippie.map").unwrap();
    assert!(map.contains(&format!("\nCLIPPIE_{version} {{\n")), "{map}");
}
