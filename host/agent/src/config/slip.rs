//! Messages for common mistakes in JSON: those of the parser only name the unexpected character.

use super::Place;

/// The cure for a file of another shape.
pub(super) const SHAPE: &str =
    "the file is one JSON object: `{\"resourceList\": [{\"resourceName\": …}]}`";
/// The cure for a manifest as the file.
pub(super) const NOT_THE_CONFIG_MAP: &str =
    "the file is what the ConfigMap has as `config.json`, not the ConfigMap";

/// Why a text is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slip {
    pub(super) place: Place,
    pub(super) message: String,
    /// The cure, where the slip is known.
    pub(super) hint: Option<String>,
}

/// What is open where the parser stopped: each bracket with its place, and the string that has no end.
#[derive(Default)]
struct Open {
    brackets: Vec<(u8, usize)>,
    string: Option<usize>,
}

impl Slip {
    pub(super) fn of(text: &str, error: &serde_json::Error) -> Self {
        let at = offset(text, error.line(), error.column());
        let (at, message, hint) = slip(text, at, error).unwrap_or_else(|| {
            let message = format!("this is not JSON: {}", without_place(error));
            (at, message, None)
        });
        Self {
            place: Place::of(text, at),
            message,
            hint: hint.map(str::to_owned),
        }
    }
}

type Found = (usize, String, Option<&'static str>);

fn slip(text: &str, at: usize, error: &serde_json::Error) -> Option<Found> {
    let found = |at, message: &str, hint| Some((at, message.to_owned(), Some(hint)));
    let begin = text.len() - text.trim_ascii_start().len();
    if begin == text.len() {
        return found(
            0,
            "the file is empty",
            "an empty configuration is `{\"resourceList\": []}`",
        );
    }
    if text.starts_with('\u{feff}') {
        let hint = "save it as UTF-8 without a byte order mark (BOM)";
        return found(0, "the file begins with a byte order mark", hint);
    }
    if text.contains('\0') || text.starts_with("\u{fffd}\u{fffd}") {
        return found(0, "the file is not UTF-8 text", "save it as UTF-8");
    }
    if error.is_eof() {
        return unfinished(text, &Open::at(text));
    }
    let open = Open::at(&text[..at]);
    let rest = &text[at..];
    let next = rest.bytes().next()?;
    let before = text[..at].trim_ascii_end();
    let last = before.bytes().next_back();
    let is_control = error.to_string().starts_with("control character");
    if let Some(quote) = open.string.filter(|_| is_control) {
        let hint = "close it with `\"` on its line; a tab is written `\\t`";
        let message = "the string that begins here has a line break or a tab in it";
        return found(quote, message, hint);
    }
    if rest.starts_with("//") || rest.starts_with("/*") || (next == b'#' && at > begin) {
        return found(at, "JSON has no comments", "remove the comment");
    }
    if next == b'\'' || rest.starts_with(['‘', '’', '“', '”', '`']) {
        let hint = "write keys and texts in straight double quotes: `\"resourceList\"`";
        return found(at, "JSON takes only double quotes", hint);
    }
    if at <= begin + 1 && !matches!(text.as_bytes()[begin], b'{' | b'[') && last != Some(b'"') {
        return found(begin, "this is not JSON, it may be YAML", yaml_hint(text));
    }
    match (last, next) {
        (Some(b','), b'}' | b']') => {
            let comma = before.len() - 1;
            return found(
                comma,
                "there is a comma without an entry behind it",
                "remove the comma",
            );
        }
        (Some(b','), b',') => {
            return found(at, "there is a comma too many", "remove the comma");
        }
        (_, b'}' | b']') => {
            if let Some(&(bracket, opened)) = open.brackets.last() {
                if closing(bracket) != next {
                    let place = Place::of(text, opened);
                    let message = format!(
                        "`{}` does not close the `{}` of {place}",
                        char::from(next),
                        char::from(bracket)
                    );
                    return Some((
                        at,
                        message,
                        Some("close them in the order in which they were opened"),
                    ));
                }
            } else {
                let message = format!("there is a `{}` too many", char::from(next));
                return Some((at, message, Some("remove it, or add what it should close")));
            }
        }
        _ => {}
    }
    if open.brackets.is_empty() {
        return match next {
            b':' => found(
                begin,
                "the braces around the file are missing",
                "put `{` in front of everything and `}` behind it",
            ),
            _ => found(
                at,
                "the file goes on behind the end of its object",
                "the file is one JSON object; remove what follows it",
            ),
        };
    }
    let is_in_object = open.brackets.last().is_some_and(|&(open, _)| open == b'{');
    let wants_key = is_in_object && matches!(last, Some(b'{' | b','));
    if wants_key && next == b'{' {
        return found(
            at,
            "there is a `{` where a key is expected",
            "remove one `{`, or add a key",
        );
    }
    if wants_key && next != b'"' {
        return found(
            at,
            "a key is not in double quotes",
            "write keys as `\"resourceName\"`",
        );
    }
    if matches!(next, b'"' | b'{' | b'[') && !matches!(last, Some(b':' | b',' | b'{' | b'[')) {
        let is_key = is_in_object
            && matches!(last, Some(b'"'))
            && error.to_string().contains('`')
            && error.to_string().starts_with("expected `:`");
        return if is_key {
            found(
                at,
                "missing `:` between a key and its value",
                "put a `:` in front of it",
            )
        } else {
            found(
                before.len(),
                "missing `,` between two entries",
                "put a `,` here",
            )
        };
    }
    if next.is_ascii_alphabetic() && matches!(last, Some(b':' | b',' | b'[')) {
        let hint = "texts are in double quotes; `true`, `false` and `null` are in lower case";
        return found(
            at,
            "a value is neither in double quotes nor a word of JSON",
            hint,
        );
    }
    None
}

/// The text ends before what is open in it.
fn unfinished(text: &str, open: &Open) -> Option<Found> {
    let end = text.trim_ascii_end().len();
    let bracket = open.brackets.last().copied();
    let (what, opened) = match open.string {
        Some(quote) => ("string", quote),
        None => match bracket? {
            (b'{', at) => ("object", at),
            (_, at) => ("list", at),
        },
    };
    let place = Place::of(text, opened);
    let message = format!("the file ends before the {what} that begins at {place} is closed");
    let hint = "it was cut off, or a `\"`, `]` or `}` is missing";
    Some((end.saturating_sub(1), message, Some(hint)))
}

fn yaml_hint(text: &str) -> &'static str {
    if text.contains("kind:") {
        NOT_THE_CONFIG_MAP
    } else {
        SHAPE
    }
}

fn closing(bracket: u8) -> u8 {
    if bracket == b'{' { b'}' } else { b']' }
}

impl Open {
    fn at(text: &str) -> Self {
        let mut open = Self::default();
        let mut is_escaped = false;
        for (at, byte) in text.bytes().enumerate() {
            if open.string.is_some() {
                match byte {
                    _ if is_escaped => is_escaped = false,
                    b'\\' => is_escaped = true,
                    b'"' => open.string = None,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => open.string = Some(at),
                b'{' | b'[' => open.brackets.push((byte, at)),
                b'}' | b']' => drop(open.brackets.pop()),
                _ => {}
            }
        }
        open
    }
}

/// Where a line and a column are, at the begin of a character.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let line_begin: usize = before.map(str::len).sum();
    let mut at = (line_begin + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `serde_json`'s message without the place that it ends with, which stands in front of it.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::json::{Document, Json};
    use super::*;

    #[test]
    fn slips_have_names() {
        for (text, expected) in [
            ("", "1:1: the file is empty"),
            (" \n", "1:1: the file is empty"),
            ("\u{feff}{}", "1:1: the file begins with a byte order mark"),
            ("\u{fffd}\u{fffd}{\0", "1:1: the file is not UTF-8 text"),
            (
                r#"{"a": [{"b": "c",}]}"#,
                "1:17: there is a comma without an entry behind it",
            ),
            (
                r#"{"a": [{"b": "c"},]}"#,
                "1:18: there is a comma without an entry behind it",
            ),
            (
                "{\"a\": [\"8086\",\n ]}",
                "1:14: there is a comma without an entry behind it",
            ),
            (r#"{"a": [1,,2]}"#, "1:10: there is a comma too many"),
            ("{\"a\": 1 // x\n}", "1:9: JSON has no comments"),
            ("{\n# x\n\"a\": 1}", "2:1: JSON has no comments"),
            ("/* x */ {}", "1:1: JSON has no comments"),
            ("{'a': 1}", "1:2: JSON takes only double quotes"),
            ("{\"a\": '1'}", "1:7: JSON takes only double quotes"),
            ("{“a”: 1}", "1:2: JSON takes only double quotes"),
            (r#""a": []"#, "1:1: the braces around the file are missing"),
            (r#"{"a": []}}"#, "1:10: there is a `}` too many"),
            (
                r#"{"a": []} {"b": 1}"#,
                "1:11: the file goes on behind the end of its object",
            ),
            (r#"{"a": [}"#, "1:8: `}` does not close the `[` of 1:7"),
            (r#"{"a": [1, 2}"#, "1:12: `}` does not close the `[` of 1:7"),
            (
                r#"{"a": [{ {"b": 1}]}"#,
                "1:10: there is a `{` where a key is expected",
            ),
            ("{a: 1}", "1:2: a key is not in double quotes"),
            (r#"{"a": 1 "b": 2}"#, "1:8: missing `,` between two entries"),
            (r#"{"a": [{} {}]}"#, "1:10: missing `,` between two entries"),
            (r#"{"a" 1, "b" "c"}"#, "1:6: this is not JSON: expected `:`"),
            (
                r#"{"b" "c"}"#,
                "1:6: missing `:` between a key and its value",
            ),
            (
                r#"{"a": True}"#,
                "1:7: a value is neither in double quotes nor a word of JSON",
            ),
            (
                "{\"a\": [\"b]\n}",
                "1:8: the string that begins here has a line break or a tab in it",
            ),
            (
                r#"{"a": [{"b""#,
                "1:11: the file ends before the object that begins at 1:8 is closed",
            ),
            (
                r#"{"a": "b"#,
                "1:8: the file ends before the string that begins at 1:7 is closed",
            ),
            (
                "resourceList:\n- resourceName: a\n",
                "1:1: this is not JSON, it may be YAML",
            ),
            (
                "- resourceName: a\n",
                "1:1: this is not JSON, it may be YAML",
            ),
            ("---\na: 1\n", "1:1: this is not JSON, it may be YAML"),
            (
                "# x\nkind: ConfigMap\n",
                "1:1: this is not JSON, it may be YAML",
            ),
        ] {
            let error = Json::parse(&Document::new(text)).err().unwrap();
            let slip = Slip::of(text, &error);
            let shown = format!("{}: {}", slip.place, slip.message);
            assert_eq!(shown, expected, "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in r#"[\[\]{}":,'/#a \\\n\t“\u{feff}]{0,12}"#) {
            if let Err(error) = Json::parse(&Document::new(&text)) {
                Slip::of(&text, &error);
            }
        }
    }
}
