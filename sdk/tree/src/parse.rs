//! From text to statements: comments, ranges, escapes and the three forms of an entry.

use super::error::{Problem, TreeError};

/// How many lines a range may make: more than a card has virtual functions.
const MOST_LINES: u32 = 1 << 16;

/// One line, after its ranges were expanded.
#[derive(Debug)]
pub(super) enum Statement {
    /// A directory that the following entries are in.
    Enter { path: String },
    /// A file with these bytes.
    File { path: String, contents: Vec<u8> },
    /// A symbolic link.
    Link { path: String, target: String },
    /// A directory in the one that was entered.
    Directory { path: String },
    /// Anything else: a word with what follows it.
    Word { word: String, rest: String },
}

/// The statements of `text` with the numbers of their lines.
pub(super) fn statements(
    text: &str,
) -> impl Iterator<Item = Result<(usize, Statement), TreeError>> + '_ {
    text.lines().zip(1..).flat_map(|(raw, line)| {
        let line_of = move |problem| TreeError { line, problem };
        let lines = match without_comment(raw) {
            "" => Ok(Vec::new()),
            content => ranges(content),
        };
        let statements: Vec<_> = match lines {
            Err(problem) => vec![Err(line_of(problem))],
            Ok(lines) => lines
                .iter()
                .map(|content| Ok((line, statement(content).map_err(line_of)?)))
                .collect(),
        };
        statements
    })
}

/// The statements of a captured node: its lines are entries as they stand, so that a short text stays a small node.
pub(super) fn entries(text: &str) -> impl Iterator<Item = Result<(usize, Statement), TreeError>> {
    text.lines().zip(1..).filter_map(|(raw, line)| {
        let content = Some(without_comment(raw)).filter(|content| !content.is_empty())?;
        let entry = match statement(content) {
            Ok(Statement::Word { word, .. }) => Err(Problem::NoEntry { word }),
            other => other,
        };
        Some(match entry {
            Ok(entry) => Ok((line, entry)),
            Err(problem) => Err(TreeError { line, problem }),
        })
    })
}

/// The bytes of a file: escapes resolved, and the newline that the kernel ends its attributes with.
pub(super) fn contents(text: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = unescape(text)?;
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The first word and what follows the space after it.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn statement(line: &str) -> Result<Statement, Problem> {
    let (head, rest) = split_word(line);
    let path = head.to_owned();
    let (sign, value) = split_word(rest);
    match sign {
        "=" => Ok(Statement::File {
            path,
            contents: contents(value)?,
        }),
        "->" if !value.is_empty() => Ok(Statement::Link {
            path,
            target: name(value)?,
        }),
        "" if head.ends_with('/') && head.starts_with(['/', '@']) => Ok(Statement::Enter { path }),
        "" if head.ends_with('/') => Ok(Statement::Directory { path }),
        _ if head.contains('/') || head.starts_with('@') => Err(Problem::BarePath { path }),
        _ => Ok(Statement::Word {
            word: path,
            rest: rest.to_owned(),
        }),
    }
}

/// A path or the target of a link, which may have escapes.
pub(super) fn name(text: &str) -> Result<String, Problem> {
    let bytes = unescape(text)?;
    String::from_utf8(bytes).map_err(|_| Problem::Value {
        value: text.to_owned(),
        kind: "path in UTF-8",
    })
}

/// The refusal of a path or of a link's target, of which it shows the beginning.
pub(super) fn too_long(path: &str) -> Problem {
    Problem::Value {
        value: path.chars().take(40).collect(),
        kind: "path of a node: it is too long",
    }
}

fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| *at == 0 || line[..*at].ends_with(char::is_whitespace);
    let end = line
        .match_indices('#')
        .find(begins)
        .map_or(line.len(), |(at, _)| at);
    line[..end].trim()
}

/// A piece of a line: literal text, or the numbers of a `{a-b}`.
enum Piece<'a> {
    Text(&'a str),
    Numbers { from: u32, to: u32 },
}

fn ranges(line: &str) -> Result<Vec<String>, Problem> {
    let pieces = pieces(line);
    let mut count = None;
    for piece in &pieces {
        let Piece::Numbers { from, to } = piece else {
            continue;
        };
        let length = to.checked_sub(*from).ok_or(Problem::Ranges)?;
        if *count.get_or_insert(length) != length {
            return Err(Problem::Ranges);
        }
        if length >= MOST_LINES {
            return Err(Problem::LongRange { most: MOST_LINES });
        }
    }
    let line_at = |step: u32| -> String {
        let text = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Numbers { from, .. } => (from + step).to_string(),
        });
        text.collect()
    };
    Ok((0..=count.unwrap_or(0)).map(line_at).collect())
}

fn pieces(mut line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(open) = line[from..].find('{').map(|at| at + from) {
        match numbers(&line[open..]) {
            Some((range, length)) => {
                pieces.extend([Piece::Text(&line[..open]), range]);
                line = &line[open + length..];
                from = 0;
            }
            None => from = open + 1,
        }
    }
    pieces.push(Piece::Text(line));
    pieces
}

/// The range that `text` begins with, and its length.
fn numbers(text: &str) -> Option<(Piece<'static>, usize)> {
    let close = text.find('}')?;
    let (from, to) = text[1..close].split_once('-')?;
    let range = Piece::Numbers {
        from: from.parse().ok()?,
        to: to.parse().ok()?,
    };
    Some((range, close + 1))
}

fn unescape(text: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at..];
        let (byte, length) = escaped(escape).ok_or_else(|| Problem::Escape {
            escape: escape.chars().take(2).collect(),
        })?;
        bytes.push(byte);
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The byte of the escape that `text` begins with, and the escape's length.
fn escaped(text: &str) -> Option<(u8, usize)> {
    match text.as_bytes().get(1)? {
        b'n' => Some((b'\n', 2)),
        b'\\' => Some((b'\\', 2)),
        b'x' => Some((u8::from_str_radix(text.get(2..4)?, 16).ok()?, 4)),
        _ => None,
    }
}
