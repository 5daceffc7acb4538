//! A small scanner of Rust source: tokens without comments and literals, and the crate paths that a file names.
//!
//! It understands what the rules of `tests/architecture.rs` need: `use` trees over several lines, nested groups,
//! `self` and `super`, inline modules, and test modules, which it drops. It does not expand macros.

/// A token and its line, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// An identifier, a lifetime, `::`, or a single character of punctuation. Literals are left out.
    pub text: &'a str,
    pub line: usize,
}

/// A path from the crate root: the first name after `crate::`, or `*` for a glob or the root itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CratePath {
    pub name: String,
    pub line: usize,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Splits source into tokens. Drops whitespace, comments, strings, characters and numbers.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let len = if c.is_whitespace() {
            c.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(len) = string(rest).or_else(|| character(rest)) {
            len
        } else if c.is_ascii_digit() {
            // Includes a suffix; the dot of a float is punctuation, which does no harm.
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            let lifetime = usize::from(c == '\'');
            let word = &rest[lifetime..];
            let len = match word.find(|c| !is_word(c)).unwrap_or(word.len()) {
                0 if rest.starts_with("::") => 2,
                0 => c.len_utf8(),
                len => lifetime + len,
            };
            tokens.push(Token { text: &rest[..len], line });
            len
        };
        line += rest[..len].matches('\n').count();
        at += len;
    }
    tokens
}

/// Length of a block comment, which may contain others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Length of a string literal of any kind at the start of `rest`.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let tail = rest.strip_prefix(*prefix);
        tail.is_some_and(|tail| {
            tail.starts_with('"') || prefix.ends_with('r') && tail.trim_start_matches('#').starts_with('"')
        })
    })?;
    let tail = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = tail.len() - tail.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 1;
        return Some(tail[body..].find(&end).map_or(rest.len(), |at| prefix.len() + body + at + end.len()));
    }
    let mut escaped = false;
    for (at, c) in tail.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix.len() + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// Length of a character or byte literal at the start of `rest`; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let prefix = usize::from(rest.starts_with("b'"));
    let body = rest[prefix..].strip_prefix('\'')?;
    let mut chars = body.char_indices();
    let (_, first) = chars.next()?;
    let end = if first == '\\' {
        // The escaped character may be a quote itself.
        chars.next()?;
        chars.find(|(_, c)| *c == '\'')?.0
    } else {
        chars.next().filter(|(_, c)| *c == '\'')?.0
    };
    Some(prefix + 1 + end + 1)
}

/// Removes the modules under `#[cfg(test)]`.
pub fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match test_module(&tokens[at..]) {
            Some(len) => at += len,
            None => {
                kept.push(tokens[at]);
                at += 1;
            }
        }
    }
    kept
}

/// Number of tokens of a test module at the start.
fn test_module(tokens: &[Token<'_>]) -> Option<usize> {
    let starts = |at: usize, words: &[&str]| {
        words.iter().enumerate().all(|(i, word)| tokens.get(at + i).is_some_and(|token| token.text == *word))
    };
    if !starts(0, &["#", "[", "cfg", "(", "test", ")", "]"]) {
        return None;
    }
    let mut at = 7;
    while starts(at, &["#", "["]) {
        at += group(&tokens[at + 1..]) + 1;
    }
    if starts(at, &["pub"]) {
        at += 1;
        if starts(at, &["("]) {
            at += group(&tokens[at..]);
        }
    }
    if !starts(at, &["mod"]) {
        return None;
    }
    match tokens.get(at + 2)?.text {
        ";" => Some(at + 3),
        _ => Some(at + 2 + group(&tokens[at + 2..])),
    }
}

/// Number of tokens of the bracketed group at the start, brackets included.
pub fn group(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// All paths of a file that start at the crate root, through `crate` or through enough `super`. `module` is the path of
/// the file's own module, such as `["cli", "args"]`.
pub fn crate_paths(tokens: &[Token<'_>], module: &[&str]) -> Vec<CratePath> {
    let mut scan = Scan { tokens, at: 0, found: Vec::new() };
    let mut modules: Vec<String> = module.iter().map(|name| (*name).to_owned()).collect();
    // Depth of braces at which each inline module ends.
    let (mut depth, mut ends) = (0, Vec::new());
    while scan.at < tokens.len() {
        match scan.text(0) {
            "mod" if scan.text(2) == "{" => {
                modules.push(scan.text(1).to_owned());
                ends.push(depth);
                depth += 1;
                scan.at += 3;
            }
            "{" => {
                depth += 1;
                scan.at += 1;
            }
            "}" => {
                depth -= 1;
                if ends.last() == Some(&depth) {
                    ends.pop();
                    modules.pop();
                }
                scan.at += 1;
            }
            "crate" | "super" | "self" if scan.starts_path() => scan.tree(&modules),
            _ => scan.at += 1,
        }
    }
    scan.found
}

struct Scan<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    found: Vec<CratePath>,
}

impl<'a> Scan<'a> {
    /// Text of a token after the current one; empty past the end.
    fn text(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    /// Whether a path begins here, and not a visibility, a receiver or the middle of a path.
    fn starts_path(&self) -> bool {
        let before = self.at.checked_sub(1).map_or("", |at| self.tokens[at].text);
        before != "::" && (self.text(1) == "::" || self.text(1) == "as" && self.text(0) != "self")
    }

    /// Reads a path or `use` tree whose names are relative to the module `base`.
    fn tree(&mut self, base: &[String]) {
        let mut base = base.to_vec();
        loop {
            let line = self.tokens.get(self.at).map_or(0, |token| token.line);
            match self.text(0) {
                "crate" => base.clear(),
                "super" => drop(base.pop()),
                "self" => {}
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        if self.text(0) == "," {
                            self.at += 1;
                        } else {
                            self.tree(&base);
                        }
                    }
                    self.at += 1;
                    return;
                }
                name if base.is_empty() => {
                    self.found.push(CratePath { name: name.to_owned(), line });
                    self.at += 1;
                    self.skip_rest();
                    return;
                }
                name => base.push(name.to_owned()),
            }
            self.at += 1;
            if self.text(0) != "::" {
                if base.is_empty() {
                    // The root itself, under another name.
                    self.found.push(CratePath { name: "*".to_owned(), line });
                }
                self.skip_rest();
                return;
            }
            self.at += 1;
        }
    }

    /// Skips the rest of a path: more segments, a group, a new name.
    fn skip_rest(&mut self) {
        loop {
            match self.text(0) {
                "::" if self.text(1) == "{" => self.at += 1 + group(&self.tokens[self.at + 1..]),
                // Generic arguments of an expression can contain paths of their own.
                "::" if self.text(1) == "<" => self.at += 1,
                "::" | "as" => self.at += 2,
                _ => return,
            }
        }
    }
}
