//! JSON with positions: every value has its line and column in the file.
//!
//! The configuration is read as Go's `encoding/json` reads it: object keys match in any case, the last of equal keys
//! wins, and `null` means that the key is absent.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in bytes.
    pub column: usize,
}

impl Place {
    /// Of the byte at `offset` of `document`.
    pub(super) fn of(document: &str, offset: usize) -> Self {
        let before = &document.as_bytes()[..offset];
        let line_break = before.iter().rposition(|&b| b == b'\n');
        Self {
            line: before.iter().filter(|&&b| b == b'\n').count() + 1,
            column: offset - line_break.map_or(0, |at| at + 1) + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A text with the offsets of its lines: counting lines for each value would take quadratic time.
pub(crate) struct Document {
    text: Box<str>,
    /// The offset of each line but the first.
    lines: Vec<usize>,
}

impl Document {
    pub(crate) fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            text: text.into(),
            lines: breaks.map(|(at, _)| at + 1).collect(),
        }
    }

    fn place(&self, offset: usize) -> Place {
        let before = self.lines.partition_point(|&begin| begin <= offset);
        let begin = before.checked_sub(1).map_or(0, |last| self.lines[last]);
        Place {
            line: before + 1,
            column: offset - begin + 1,
        }
    }
}

/// One value of a JSON text.
#[derive(Clone, Copy)]
pub(crate) struct Json<'a> {
    document: &'a Document,
    pub(super) text: &'a str,
}

/// A value of another kind than the one that is needed.
#[derive(Debug)]
pub(crate) struct WrongKind {
    pub(crate) place: Place,
    pub(crate) found: &'static str,
}

/// A value that outlives the parse, with the document in which it stands.
#[derive(Clone)]
pub struct Located {
    document: Arc<Document>,
    range: Range<usize>,
}

impl Located {
    /// Where the value begins.
    pub fn place(&self) -> Place {
        self.json().place()
    }

    pub(crate) fn json(&self) -> Json<'_> {
        Json {
            document: &self.document,
            text: &self.document.text[self.range.clone()],
        }
    }
}

/// Without the text, which may have secrets.
impl fmt::Debug for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Located({})", self.place())
    }
}

impl<'a> Json<'a> {
    /// A whole document.
    pub(crate) fn parse(document: &'a Document) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(&document.text)?;
        Ok(Self {
            document,
            text: raw.get(),
        })
    }

    /// Where the value begins.
    pub(crate) fn place(&self) -> Place {
        self.document.place(self.offset())
    }

    /// The value for later; `document` is the document that was parsed.
    pub(crate) fn located(&self, document: &Arc<Document>) -> Located {
        let begin = self.offset();
        Located {
            document: Arc::clone(document),
            range: begin..begin + self.text.len(),
        }
    }

    /// Both texts are parts of one allocation, so the distance of their addresses is the offset.
    fn offset(&self) -> usize {
        self.text.as_ptr() as usize - self.document.text.as_ptr() as usize
    }

    /// The value at `path`, such as `firmware.versions[1]`, or the last one on the way to it.
    pub(crate) fn at(self, path: &str) -> Self {
        let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
        let mut reached = self;
        for step in steps {
            let next = match step.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|index: usize| {
                    let items = reached.items().ok()?;
                    items.get(index).copied()
                }),
                None => reached.members().ok().and_then(|all| member(&all, step)),
            };
            match next {
                Some(next) => reached = next,
                None => break,
            }
        }
        reached
    }

    pub(crate) fn is_null(&self) -> bool {
        self.text == "null"
    }

    /// Whether the value constrains nothing, by the rule that a selector's default has to.
    pub(crate) fn constrains_nothing(&self) -> bool {
        match self.text.as_bytes() {
            b"null" | b"false" | b"\"\"" => true,
            [b'{', inner @ .., b'}'] => inner.iter().all(u8::is_ascii_whitespace),
            [b'[', inner @ .., b']'] => inner.iter().all(u8::is_ascii_whitespace),
            _ => false,
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        self.text.starts_with('[')
    }

    /// The members of an object in the file's order, without those that are `null`.
    pub(crate) fn members(&self) -> Result<Vec<(String, Self)>, WrongKind> {
        self.members_with_nulls().map(without_nulls)
    }

    /// All members of an object in the file's order.
    pub(crate) fn members_with_nulls(&self) -> Result<Vec<(String, Self)>, WrongKind> {
        let Members(members) = self.read()?;
        let members = members.into_iter().map(|(key, raw)| (key, self.part(raw)));
        Ok(members.collect())
    }

    pub(crate) fn items(&self) -> Result<Vec<Self>, WrongKind> {
        let items: Vec<&RawValue> = self.read()?;
        Ok(items.into_iter().map(|raw| self.part(raw)).collect())
    }

    pub(crate) fn string(&self) -> Result<String, WrongKind> {
        self.read()
    }

    pub(crate) fn boolean(&self) -> Result<bool, WrongKind> {
        self.read()
    }

    /// The value without places.
    pub(crate) fn value(&self) -> Result<Value, WrongKind> {
        self.read()
    }

    /// Why no provider can read the value; nothing if one can. It is nested too deeply, or has a number that is too large or
    /// text that is no Unicode.
    pub(crate) fn unusable(&self) -> Option<&'static str> {
        let error = serde_json::from_str::<Value>(self.text).err()?;
        Some(match error.to_string() {
            number if number.starts_with("number out of range") => {
                "it has a number that is too large"
            }
            depth if depth.starts_with("recursion limit") => "the value is nested too deeply",
            _ => "it has text that is no Unicode",
        })
    }

    fn part(&self, raw: &'a RawValue) -> Self {
        Self {
            document: self.document,
            text: raw.get(),
        }
    }

    fn read<T: Deserialize<'a>>(&self) -> Result<T, WrongKind> {
        serde_json::from_str(self.text).map_err(|_| WrongKind {
            place: self.place(),
            found: self.kind(),
        })
    }

    fn kind(&self) -> &'static str {
        match self.text.bytes().next() {
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }
}

pub(crate) fn without_nulls(mut members: Vec<(String, Json<'_>)>) -> Vec<(String, Json<'_>)> {
    members.retain(|(_, value)| !value.is_null());
    members
}

/// The value of `key` among members: of several spellings, the last one counts.
pub(crate) fn member<'a>(members: &[(String, Json<'a>)], key: &str) -> Option<Json<'a>> {
    let found = members
        .iter()
        .rev()
        .find(|(name, _)| name.eq_ignore_ascii_case(key));
    found.map(|(_, value)| *value)
}

/// Object members in document order, repeated ones included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let text = "{\n  \"a\": 1,\n  \"b\": [true, {\"c\": \"x\"}]\n}";
        let document = Document::new(text);
        let members = Json::parse(&document).unwrap().members().unwrap();
        let list = member(&members, "B").unwrap();
        assert_eq!(list.place(), Place { line: 3, column: 8 });
        let inner = list.items().unwrap()[1].members().unwrap();
        assert_eq!(inner[0].1.place().to_string(), "3:21");
    }

    #[test]
    fn the_last_of_equal_keys_wins_in_any_case() {
        let document = Document::new(r#"{"a": 1, "A": 2, "a": null, "b": 3}"#);
        let members = Json::parse(&document).unwrap().members().unwrap();
        assert_eq!(member(&members, "a").unwrap().value().unwrap(), 2);
    }

    #[test]
    fn a_wrong_kind_is_named_with_its_place() {
        let document = Document::new(" [1]");
        let error = Json::parse(&document).unwrap().members().err().unwrap();
        assert_eq!(
            (error.found, error.place.to_string().as_str()),
            ("a list", "1:2")
        );
    }
}
