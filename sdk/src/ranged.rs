//! Ranges of numbered devices below a parent: `ens1f0#0,2-7`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use sriovdp_provider_abi::schema_of;

use crate::Error;
use crate::matching::{CaseInsensitive, Mismatch, listed, reason};

/// A parent with an optional set of indexes: `ens1f0`, `ens1f0#0,2-7`, `0000:41:00.0#1`.
///
/// Without `#` every index belongs to it. Blanks around numbers are ignored. A range that runs backwards is refused,
/// because it would select nothing.
///
/// ```
/// use sriovdp_sdk::selector::{CaseInsensitive, IndexRanges};
///
/// let vfs: IndexRanges<CaseInsensitive> = "ens1f0#0, 2-3".parse()?;
/// assert!(vfs.contains(&"ENS1F0".into(), Some(2)));
/// assert!(!vfs.contains(&"ens1f0".into(), Some(1)));
/// assert!("ens1f0#3-1".parse::<IndexRanges<CaseInsensitive>>().is_err());
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct IndexRanges<T> {
    parent: T,
    /// `None`: every index.
    indexes: Option<Vec<(u32, u32)>>,
}

impl<T: PartialEq> IndexRanges<T> {
    /// Whether a device below `parent` with this index belongs to it.
    pub fn contains(&self, parent: &T, index: Option<u32>) -> bool {
        self.parent == *parent
            && match &self.indexes {
                None => true,
                Some(ranges) => index.is_some_and(|i| {
                    ranges
                        .iter()
                        .any(|&(first, last)| (first..=last).contains(&i))
                }),
            }
    }
}

impl<T> IndexRanges<T> {
    /// The parent.
    pub fn parent(&self) -> &T {
        &self.parent
    }
}

impl<T: fmt::Display> fmt::Display for IndexRanges<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.parent)?;
        let Some(ranges) = &self.indexes else {
            return Ok(());
        };
        for (n, (first, last)) in ranges.iter().enumerate() {
            f.write_str(if n == 0 { "#" } else { "," })?;
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for IndexRanges<CaseInsensitive> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse_ranged(text, |name| {
            if name.is_empty() {
                let error = Error::new(format!("there is no name in `{text}`"));
                return Err(
                    error.with_hint("write the name of a network interface: `ens1f0#0,2-7`")
                );
            }
            Ok(CaseInsensitive::from(name))
        })
    }
}

impl FromStr for IndexRanges<crate::PciAddress> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse_ranged(text, |address| Ok(address.parse()?))
    }
}

fn parse_ranged<T>(
    text: &str,
    parent: impl Fn(&str) -> Result<T, Error>,
) -> Result<IndexRanges<T>, Error> {
    let (name, ranges) = match text.split_once('#') {
        None => (text, None),
        Some((name, ranges)) => (name, Some(ranges)),
    };
    let indexes = ranges
        .map(|ranges| {
            ranges
                .split(',')
                .map(parse_range)
                .collect::<Option<Vec<_>>>()
                .ok_or(ranges)
        })
        .transpose()
        .map_err(|ranges| {
            Error::new(format!(
                "`{ranges}` in `{text}` is not a list of numbers and ranges"
            ))
            .with_hint("write numbers and rising ranges behind `#`, for example `ens1f0#0,2-7`")
        })?;
    Ok(IndexRanges {
        parent: parent(name.trim())?,
        indexes,
    })
}

fn parse_range(text: &str) -> Option<(u32, u32)> {
    let number = |digits: &str| digits.trim().parse::<u32>().ok();
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some((first, last))
}

impl<'de, T> Deserialize<'de> for IndexRanges<T>
where
    Self: FromStr<Err = Error>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|error: Error| serde::de::Error::custom(error.message_with_hint()))
    }
}

impl<T> JsonSchema for IndexRanges<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IndexRanges".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(r##"{"type": "string", "pattern": "^[^#]+(#[0-9, -]+)?$"}"##)
    }
}

/// Matches a device that is number `index` below a parent, when that is in one of `wanted`; an empty list matches every
/// device.
///
/// `names` are those of the parent, mostly one: an `Option` or a slice. A device whose parent has none is refused with
/// the sentence of `no_parent`.
///
/// ```
/// use sriovdp_sdk::selector::{CaseInsensitive, IndexRanges, one_of_ranges};
///
/// let wanted: Vec<IndexRanges<CaseInsensitive>> = vec!["ens1f0#0-3".parse()?];
/// let vf = |index| one_of_ranges("pfNames", &wanted, Some(&CaseInsensitive::from("ens1f0")), Some(index), String::new);
/// assert!(vf(2).is_ok());
/// assert_eq!(
///     vf(7).unwrap_err().to_string(),
///     "`pfNames`: it is number 7 of ens1f0, and the selector has ens1f0#0-3"
/// );
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
///
/// # Errors
///
/// The mismatch, with the place of the device and the wanted ones.
pub fn one_of_ranges<'a, T: PartialEq + fmt::Display + 'a>(
    key: &'static str,
    wanted: &[IndexRanges<T>],
    names: impl IntoIterator<Item = &'a T>,
    index: Option<u32>,
    no_parent: impl FnOnce() -> String,
) -> Result<(), Mismatch> {
    let names: Vec<&T> = names.into_iter().collect();
    let fits = |&name: &&T| wanted.iter().any(|range| range.contains(name, index));
    if wanted.is_empty() || names.iter().any(fits) {
        return Ok(());
    }
    // A numbered device has its number from its parent, so without one the links of the parent cannot be read now.
    let is_of = |&name: &&T| wanted.iter().any(|range| range.parent == *name);
    let unreadable = index.is_none() && names.iter().any(is_of);
    let found = || {
        let parent = || listed(&names).replace(", ", " or ");
        let found = match index {
            _ if names.is_empty() => no_parent(),
            Some(index) => format!("it is number {index} of {}", parent()),
            None => format!("it belongs to {} and has no number", parent()),
        };
        format!("{found}, and the selector has {}", listed(wanted))
    };
    Err(Mismatch::new(key, reason(found)).unreadable_if(unreadable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_say_what_they_contain() {
        for (text, index, expected) in [
            ("ens1f0", Some(0), true),
            ("ens1f0", None, true),
            ("ens1f0#0,2-3", Some(0), true),
            ("ens1f0#0,2-3", Some(1), false),
            ("ens1f0# 0 , 2 - 3 ", Some(3), true),
            ("ens1f0#0", None, false),
            ("ens1f1#0", Some(0), false),
        ] {
            let ranged: IndexRanges<CaseInsensitive> = text.parse().expect(text);
            assert_eq!(
                ranged.contains(&"Ens1F0".into(), index),
                expected,
                "{text} {index:?}"
            );
        }
    }

    #[test]
    fn ranges_that_select_nothing_are_refused() {
        for text in [
            "ens1f0#",
            "ens1f0#3-1",
            "ens1f0#a",
            "ens1f0#1,,2",
            "#0",
            "ens1f0#0#1",
            "ens1f0#-1",
        ] {
            assert!(
                text.parse::<IndexRanges<CaseInsensitive>>().is_err(),
                "{text}"
            );
        }
        assert!("41:00#0".parse::<IndexRanges<crate::PciAddress>>().is_err());
    }

    #[test]
    fn a_parent_may_have_several_names() {
        let wanted: Vec<IndexRanges<CaseInsensitive>> = vec!["ib0#0".parse().expect("a range")];
        let judge = |names: &[&str], index| {
            let names: Vec<CaseInsensitive> = names.iter().map(|&name| name.into()).collect();
            let no_parent = || "it has no parent".to_owned();
            one_of_ranges("pfNames", &wanted, &names, index, no_parent)
                .map_err(|mismatch| mismatch.reason)
        };
        assert_eq!(judge(&["child", "IB0"], Some(0)), Ok(()));
        for (names, index, found) in [
            (
                &["child", "ib0"][..],
                Some(1),
                "it is number 1 of child or ib0",
            ),
            (&["ib1"], None, "it belongs to ib1 and has no number"),
            (&[], Some(0), "it has no parent"),
        ] {
            let expected = format!("{found}, and the selector has ib0#0");
            assert_eq!(judge(names, index), Err(expected));
        }
    }

    #[test]
    fn ranges_print_as_they_are_written() {
        for text in ["0000:41:00.0", "0000:41:00.0#0,2-7"] {
            assert_eq!(
                text.parse::<IndexRanges<crate::PciAddress>>()
                    .expect(text)
                    .to_string(),
                text
            );
        }
    }
}
