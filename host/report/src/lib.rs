//! The format of a failure: one sentence, its causes, and a hint.

use std::error::Error;
use std::fmt;
use std::fmt::Write;

/// How many bytes of a text on one line are kept.
const MAX_LINE: usize = 1024;

/// An error with a hint, wherever it came from.
///
/// Prints as
///
/// ```text
/// error: ...
/// Caused by: ...
/// hint: ...
/// ```
#[derive(Debug)]
pub struct Report<'a> {
    level: &'static str,
    error: &'a (dyn Error + 'a),
    hint: Option<String>,
}

/// What an error has beyond its message.
pub trait Hint: Error {
    /// What the reader can do about it.
    fn hint(&self) -> Option<String> {
        None
    }
}

#[cfg(feature = "sdk")]
impl Hint for sriovdp_sdk::Error {
    fn hint(&self) -> Option<String> {
        self.hint().map(str::to_owned)
    }
}

impl<'a> Report<'a> {
    /// A failure.
    pub fn error(error: &'a impl Hint) -> Self {
        Self {
            level: "error",
            hint: error.hint(),
            error,
        }
    }

    /// A mistake without a consequence for the result.
    pub fn warning(error: &'a impl Hint) -> Self {
        Self {
            level: "warning",
            ..Self::error(error)
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.error.to_string();
        write!(f, "{}: {:#}", self.level, Escaped(&sentence))?;
        for cause in causes(self.error) {
            write!(f, "\nCaused by: {:#}", Escaped(&cause))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {:#}", Escaped(hint))?;
        }
        Ok(())
    }
}

/// A failure on one line, for the log: the sentence and its causes joined by `: `, and the hint in brackets. Parts of it
/// may come from a peer or a provider, so this is an [`excerpt`].
pub fn inline(error: &impl Hint) -> String {
    let mut line = error.to_string();
    for cause in causes(error) {
        line.push_str(": ");
        line.push_str(&cause);
    }
    if let Some(hint) = error.hint() {
        line.push_str(" (hint: ");
        line.push_str(&hint);
        line.push(')');
    }
    excerpt(&line)
}

/// A text from a peer or a provider that can neither begin a line of its own nor move the cursor of a terminal: its
/// first kilobyte, [`Escaped`].
pub fn excerpt(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        // One character becomes ten bytes at most.
        let len = line.len();
        let _ = write!(line, "{}", Escaped(c.encode_utf8(&mut [0; 4])));
        if line.len() > MAX_LINE {
            line.truncate(len);
            line.push('…');
            break;
        }
    }
    line
}

/// A text with its control characters, line and paragraph separators, and marks that turn the direction of writing
/// escaped as in a Rust string. The alternate form leaves line feeds as they are, for the output of a command.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keeps_lines = f.alternate();
        let is_escaped = |c: char| is_unsafe(c) && !(keeps_lines && c == '\n');
        for part in self.0.split_inclusive(is_escaped) {
            let mut chars = part.chars();
            match chars.next_back().filter(|&c| is_escaped(c)) {
                Some(last) => write!(f, "{}{}", chars.as_str(), last.escape_default())?,
                None => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// Whether a terminal may do something else with the character than show it.
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A number of things: `1 device`, `2 devices`.
pub fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// The chain below an error.
pub fn causes<'a>(error: &'a (dyn Error + 'a)) -> impl Iterator<Item = String> + 'a {
    std::iter::successors(error.source(), |&error| error.source()).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line_of_printable_text() {
        let cases = [
            ("plain ü €", "plain ü €"),
            ("x\n2026-01-01 ERROR forged", "x\\n2026-01-01 ERROR forged"),
            ("\r\t\0\u{1b}[31mred", "\\r\\t\\u{0}\\u{1b}[31mred"),
            ("\u{9b}31m", "\\u{9b}31m"),
            (
                "a\u{2028}b\u{202e}c\u{2066}d",
                "a\\u{2028}b\\u{202e}c\\u{2066}d",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(excerpt(text), expected, "{text:?}");
            assert_eq!(Escaped(text).to_string(), expected, "{text:?}");
        }
        assert_eq!(format!("{:#}", Escaped("a\nb\u{1b}")), "a\nb\\u{1b}");
        for long in ["a".repeat(4 << 20), "é".repeat(5_000), "\n".repeat(5_000)] {
            let excerpt = excerpt(&long);
            assert!(excerpt.len() <= MAX_LINE + '…'.len_utf8());
            assert!(excerpt.len() > MAX_LINE - 16 && excerpt.ends_with('…'));
        }
        let full = "a".repeat(MAX_LINE);
        assert_eq!(excerpt(&full), full);
    }

    #[cfg(feature = "sdk")]
    #[test]
    fn an_error_with_a_text_of_a_peer_stays_on_its_line() {
        let error = sriovdp_sdk::Error::new("no\nERROR forged").with_hint("a\u{1b}[2Jb");
        assert_eq!(inline(&error), "no\\nERROR forged (hint: a\\u{1b}[2Jb)");
    }
}
