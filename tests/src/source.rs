//! Which modules a Rust source file refers to. It reads paths, not types: a
//! tokenizer and the rules of `use`, no compiler.

use std::{fmt, iter::Peekable, vec};

/// A path that a source file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Within its own crate, from the crate's root.
    Own(String),
    /// As it is written; in another crate, or something that was imported.
    Other(String),
}

/// All paths that the source of a module (named from the crate's root) names.
/// Comments and strings name nothing.
#[must_use]
pub fn references(module: &str, source: &str) -> Vec<Reference> {
    let mut reader = Reader {
        tokens: tokens(source).into_iter().peekable(),
        module: module.split("::").map(ToOwned::to_owned).collect(),
        inline: Vec::new(),
        depth: 0,
        found: Vec::new(),
    };
    reader.read();
    reader.found
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(path) => write!(f, "crate::{path}"),
            Self::Other(path) => f.write_str(path),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Mark(char),
}

struct Reader {
    tokens: Peekable<vec::IntoIter<Token>>,
    /// Where the file is, and the modules within it that are open.
    module: Vec<String>,
    /// At which depth of braces each of these was opened.
    inline: Vec<usize>,
    depth: usize,
    found: Vec<Reference>,
}

impl Reader {
    fn read(&mut self) {
        while let Some(token) = self.tokens.next() {
            match token {
                Token::Word(word) if word == "mod" => self.module_begins(),
                // A path, one in a declaration of `use` among them.
                Token::Word(word) => self.path(vec![word], false),
                Token::Mark('{') => self.depth += 1,
                Token::Mark('}') => self.brace_closes(),
                Token::Mark(_) | Token::Path => {}
            }
        }
    }

    fn module_begins(&mut self) {
        let Some(Token::Word(name)) = self.tokens.next() else {
            return;
        };
        if self.tokens.next_if_eq(&Token::Mark('{')).is_some() {
            self.depth += 1;
            self.inline.push(self.depth);
            self.module.push(name);
        }
    }

    fn brace_closes(&mut self) {
        if self.inline.last() == Some(&self.depth) {
            self.inline.pop();
            self.module.pop();
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// Reads on from the beginning of a path. A lone word is a reference only
    /// within the braces of a path.
    fn path(&mut self, mut path: Vec<String>, in_group: bool) {
        while self.tokens.next_if_eq(&Token::Path).is_some() {
            match self.tokens.peek() {
                Some(Token::Word(_)) => {
                    if let Some(Token::Word(word)) = self.tokens.next() {
                        path.push(word);
                    }
                }
                Some(Token::Mark('{')) => {
                    self.tokens.next();
                    self.group(&path);
                    return;
                }
                // A glob, or the arguments of a generic type.
                _ => break,
            }
        }
        if in_group || path.len() > 1 {
            self.found.extend(self.resolve(&path));
        }
    }

    fn group(&mut self, prefix: &[String]) {
        loop {
            match self.tokens.next() {
                Some(Token::Word(word)) if word == "self" => {
                    self.found.extend(self.resolve(prefix));
                }
                Some(Token::Word(word)) if word == "as" => {
                    // Its new name is none of ours.
                    self.tokens.next();
                }
                Some(Token::Word(word)) => {
                    let mut path = prefix.to_vec();
                    path.push(word);
                    self.path(path, true);
                }
                Some(Token::Mark('}')) | None => return,
                Some(_) => {}
            }
        }
    }

    /// What a path means here. `super` climbs, also in the middle.
    fn resolve(&self, path: &[String]) -> Option<Reference> {
        let mut own: Vec<String> = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" => self.module.clone(),
            "super" => {
                let mut parent = self.module.clone();
                parent.pop();
                parent
            }
            "Self" => return None,
            _ => return Some(Reference::Other(path.join("::"))),
        };
        for part in &path[1..] {
            if part == "super" {
                own.pop();
            } else {
                own.push(part.clone());
            }
        }
        Some(Reference::Own(own.join("::")))
    }
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            rest = behind;
            if let Some(behind) = string_behind(word, rest) {
                rest = behind;
            } else {
                tokens.push(Token::Word(word.to_owned()));
            }
            continue;
        }
        rest = match first {
            '/' if rest.starts_with("//") => rest.find('\n').map_or("", |end| &rest[end..]),
            '/' if rest.starts_with("/*") => behind_comment(rest),
            '"' => behind_string(rest),
            '\'' => behind_quote(rest),
            ':' if rest.starts_with("::") => {
                tokens.push(Token::Path);
                &rest[2..]
            }
            _ => {
                if !first.is_whitespace() && !first.is_ascii_digit() {
                    tokens.push(Token::Mark(first));
                }
                &rest[first.len_utf8()..]
            }
        };
    }
    tokens
}

/// What follows a string with a prefix such as `b"…"`, `r"…"` or `r#"…"#`.
fn string_behind<'a>(prefix: &str, rest: &'a str) -> Option<&'a str> {
    match prefix {
        "b" | "c" if rest.starts_with('"') => Some(behind_string(rest)),
        "r" | "br" | "cr" => {
            let hashes = rest.len() - rest.trim_start_matches('#').len();
            let inside = rest[hashes..].strip_prefix('"')?;
            let end = format!("\"{}", "#".repeat(hashes));
            Some(inside.find(&end).map_or("", |at| &inside[at + end.len()..]))
        }
        _ => None,
    }
}

fn behind_string(rest: &str) -> &str {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return &rest[at + 1..],
            _ => {}
        }
    }
    ""
}

/// A character, or a lifetime.
fn behind_quote(rest: &str) -> &str {
    let inside = &rest[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        let behind = escape
            .chars()
            .next()
            .map_or("", |c| &escape[c.len_utf8()..]);
        return behind.find('\'').map_or("", |end| &behind[end + 1..]);
    }
    let mut characters = inside.char_indices();
    let first = characters.next();
    match characters.next() {
        Some((at, '\'')) if first.is_some() => &inside[at + 1..],
        _ => inside,
    }
}

fn behind_comment(rest: &str) -> &str {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(next) = rest[at..].find(['/', '*']) {
        at += next;
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return &rest[at..];
            }
        } else {
            at += 1;
        }
    }
    ""
}
