//! serde's sentences about wrong values in the words of the configuration's page.

use crate::Error;

/// The sentence of a deserializer; one that is not known stays as it is.
pub(super) fn plain(message: &str) -> Error {
    wrong_type(message)
        .or_else(|| wrong_value(message))
        .or_else(|| wrong_length(message))
        .or_else(|| unknown_variant(message))
        .or_else(|| {
            let name = message.strip_prefix("missing field ")?;
            Some(Error::new(format!("{name} is missing in it")))
        })
        .or_else(|| {
            let name = message.strip_prefix("duplicate field ")?;
            Some(Error::new(format!("{name} is there twice")))
        })
        .or_else(|| {
            let is_of_enum = message.starts_with("data did not match any variant of ");
            is_of_enum.then(|| Error::new("it has none of the forms that are allowed here"))
        })
        .unwrap_or_else(|| Error::of_text(message))
}

fn wrong_type(message: &str) -> Option<Error> {
    let (found, wanted) = parts(message, "invalid type: ")?;
    let wanted = kind(wanted);
    let error = Error::new(format!(
        "it must be {wanted}, and it is {}",
        described(found)
    ));
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    Some(match (kind, &*wanted) {
        ("string", "a list") if value != "\"\"" => {
            error.with_hint(format!("write it in brackets: `[{value}]`"))
        }
        ("string" | "integer", "a boolean") => {
            error.with_hint("write `true` or `false` without quotes")
        }
        ("integer" | "floating", "a string") => error.with_hint(
            "write it in quotes, and an id as `lspci -n` prints it: YAML reads `0x154c` and `10e9` without quotes as other numbers",
        ),
        _ => error,
    })
}

fn wrong_value(message: &str) -> Option<Error> {
    let (found, wanted) = parts(message, "invalid value: ")?;
    Some(Error::new(format!(
        "it must be {}, and it is {}",
        kind(wanted),
        described(found)
    )))
}

fn wrong_length(message: &str) -> Option<Error> {
    let (found, wanted) = parts(message, "invalid length ")?;
    let entries = if found == "1" { "entry" } else { "entries" };
    let message = format!("it must be {}, and it has {found} {entries}", kind(wanted));
    Some(Error::new(message))
}

fn unknown_variant(message: &str) -> Option<Error> {
    let (found, wanted) = parts(message, "unknown variant ")?;
    let known: Vec<&str> = wanted.split('`').skip(1).step_by(2).collect();
    if known.is_empty() {
        return None;
    }
    let word = found.trim_matches('`').to_ascii_lowercase();
    let mut alike = known.iter().filter(|known| {
        let known = known.to_ascii_lowercase();
        known.starts_with(&word) || word.starts_with(&known)
    });
    let error = Error::new(format!(
        "there is no {found}; it is one of `{}`",
        known.join("`, `")
    ));
    Some(match alike.next() {
        Some(known) if !word.is_empty() => error.with_hint(format!("did you mean `{known}`?")),
        _ => error,
    })
}

fn parts<'m>(message: &'m str, begin: &str) -> Option<(&'m str, &'m str)> {
    message.strip_prefix(begin)?.rsplit_once(", expected ")
}

fn described(found: &str) -> String {
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "null" => "null".to_owned(),
        other if other.starts_with("floating point") => {
            other.replacen("floating point", "the number", 1)
        }
        other => format!("the {other}"),
    }
}

/// What a value should be, by the name that serde or the author's type has for it.
fn kind(wanted: &str) -> String {
    let unsigned = |max: u64| format!("a whole number from 0 to {max}");
    let signed = |min: i64, max: i64| format!("a whole number from {min} to {max}");
    match wanted {
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "string or map" => "a string".to_owned(),
        "map with a single key" => "a string, or an object with one key".to_owned(),
        "unit" | "unit variant" => "null".to_owned(),
        "u8" => unsigned(u8::MAX.into()),
        "u16" => unsigned(u16::MAX.into()),
        "u32" => unsigned(u32::MAX.into()),
        "i8" => signed(i8::MIN.into(), i8::MAX.into()),
        "i16" => signed(i16::MIN.into(), i16::MAX.into()),
        "i32" => signed(i32::MIN.into(), i32::MAX.into()),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        other if other.starts_with("struct ") => "an object".to_owned(),
        other => match length(other) {
            Some(length) => format!("a list of {length} entries"),
            None => other.to_owned(),
        },
    }
}

/// How many entries a tuple or an array has.
fn length(wanted: &str) -> Option<&str> {
    let (_, length) = match wanted.strip_prefix("tuple struct ") {
        Some(of_struct) => of_struct.split_once(" with ")?,
        None => wanted
            .split_once("a tuple of size ")
            .or_else(|| wanted.split_once("an array of length "))?,
    };
    length.split(' ').next()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Mode {
        Inline,
        LookAside,
    }

    #[derive(Debug, Deserialize)]
    struct Firmware {
        #[expect(dead_code, reason = "only its absence counts")]
        slots: u8,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its form counts")]
    struct Pair(u8, u8);

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its form counts")]
    enum Either {
        Number(u8),
        Word(String),
    }

    fn message<T: std::fmt::Debug + serde::de::DeserializeOwned>(value: Value) -> String {
        let error = plain(&serde_json::from_value::<T>(value).unwrap_err().to_string());
        match error.hint() {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        }
    }

    #[test]
    fn wrong_values_in_the_words_of_a_user() {
        let cases = [
            (
                message::<Vec<String>>(json!("8086")),
                "it must be a list, and it is the string \"8086\" (write it in brackets: `[\"8086\"]`)",
            ),
            (
                message::<String>(json!(8086)),
                "it must be a string, and it is the integer `8086` (write it in quotes, and an id as `lspci -n` prints it: YAML reads `0x154c` and `10e9` without quotes as other numbers)",
            ),
            (
                message::<String>(json!(10e9)),
                "it must be a string, and it is the number `10000000000.0` (write it in quotes, and an id as `lspci -n` prints it: YAML reads `0x154c` and `10e9` without quotes as other numbers)",
            ),
            (
                message::<bool>(json!("true")),
                "it must be a boolean, and it is the string \"true\" (write `true` or `false` without quotes)",
            ),
            (
                message::<u8>(json!(300)),
                "it must be a whole number from 0 to 255, and it is the integer `300`",
            ),
            (
                message::<u8>(json!({})),
                "it must be a whole number from 0 to 255, and it is an object",
            ),
            (
                message::<Firmware>(json!("x")),
                "it must be an object, and it is the string \"x\"",
            ),
            (message::<Firmware>(json!({})), "`slots` is missing in it"),
            (
                message::<Mode>(json!("inlin")),
                "there is no `inlin`; it is one of `inline`, `lookAside` (did you mean `inline`?)",
            ),
            (
                message::<Mode>(json!("x")),
                "there is no `x`; it is one of `inline`, `lookAside`",
            ),
            (
                message::<Mode>(json!({})),
                "it must be a string, or an object with one key, and it is an object",
            ),
            (
                message::<Mode>(json!({"inline": 1})),
                "it must be null, and it is the integer `1`",
            ),
            (
                message::<u8>(json!(1.5)),
                "it must be a whole number from 0 to 255, and it is the number `1.5`",
            ),
            (
                message::<(u8, u8)>(json!([1])),
                "it must be a list of 2 entries, and it has 1 entry",
            ),
            (
                message::<[u8; 3]>(json!("x")),
                "it must be a list of 3 entries, and it is the string \"x\"",
            ),
            (
                message::<Pair>(json!([1])),
                "it must be a list of 2 entries, and it has 1 entry",
            ),
            (
                message::<Either>(json!([1])),
                "it has none of the forms that are allowed here",
            ),
            (
                message::<BTreeMap<String, u8>>(json!([])),
                "it must be an object, and it is a list",
            ),
            (
                message::<crate::HexId>(json!("intel")),
                "`intel` is not a PCI id (an id has up to four hexadecimal digits, as `lspci -n` prints them: `8086`, `154c`)",
            ),
        ];
        for (message, expected) in cases {
            assert_eq!(message, expected);
        }
        let _ = (Mode::Inline, Mode::LookAside);
    }
}
