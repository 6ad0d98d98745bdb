//! What selectors are made of: mismatches, and value types that compare as users write them.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use sriovdp_provider_abi::schema_of;

/// Why a device does not match a selector object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The selector key that does not match, or a place in its value: `vendors`, `ports[1]`.
    pub key: Cow<'static, str>,
    /// What the device has, for a user.
    pub reason: String,
    /// The device has no value that differs: the attribute of the key cannot be read now, such as the name of a network
    /// interface that is in the network namespace of a pod.
    ///
    /// A device that a pod has stays healthy when the selector that it was allocated by does not match it in this way only. By
    /// any other mismatch it is unhealthy, and Allocate refuses it.
    pub unreadable: bool,
}

impl Mismatch {
    /// A mismatch of `key`, for which the device has another value, or has none.
    pub fn new(key: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            reason: reason.into(),
            unreadable: false,
        }
    }

    /// The same mismatch; on this condition the value cannot be read now. A mismatch that is unreadable stays so.
    ///
    /// ```
    /// use sriovdp_sdk::one_of;
    ///
    /// let (link_type, is_in_pod): (Option<&String>, bool) = (None, true);
    /// let mismatch = one_of("linkTypes", &["ether".to_owned()], link_type)
    ///     .map_err(|mismatch| mismatch.unreadable_if(is_in_pod))
    ///     .unwrap_err();
    /// assert!(mismatch.unreadable);
    /// ```
    #[must_use]
    pub fn unreadable_if(self, condition: bool) -> Self {
        Self {
            unreadable: self.unreadable || condition,
            ..self
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.key, self.reason)
    }
}

/// Matches a device whose value is one of `wanted`; an empty list matches every device.
///
/// ```
/// use sriovdp_sdk::{one_of, HexId};
///
/// assert!(one_of("vendors", &[], Some(&HexId(0x8086))).is_ok());
/// let mismatch = one_of("vendors", &[HexId(0x15b3)], Some(&HexId(0x8086))).unwrap_err();
/// assert_eq!(mismatch.to_string(), "`vendors`: it has 8086, not one of 15b3");
/// ```
///
/// # Errors
///
/// The mismatch, with the value of the device and the wanted ones.
pub fn one_of<T: PartialEq + fmt::Display>(
    key: &'static str,
    wanted: &[T],
    value: Option<&T>,
) -> Result<(), Mismatch> {
    if wanted.is_empty() || value.is_some_and(|value| wanted.contains(value)) {
        return Ok(());
    }
    let found = || {
        let wanted = listed(wanted);
        match value {
            Some(value) => format!("it has {value}, not one of {wanted}"),
            None => format!("it has none, and the selector has {wanted}"),
        }
    };
    Err(Mismatch::new(key, reason(found)))
}

thread_local! {
    static HAS_REASONS: Cell<bool> = const { Cell::new(true) };
}

/// The result of `matches`, whose mismatch has no reason if this module makes it: on a large node, most devices do not
/// match most selectors, and the texts would take most of the time.
pub(crate) fn without_reasons<T>(matches: impl FnOnce() -> T) -> T {
    /// Also when `matches` panics.
    struct Restored;
    impl Drop for Restored {
        fn drop(&mut self) {
            HAS_REASONS.set(true);
        }
    }
    HAS_REASONS.set(false);
    let _restored = Restored;
    matches()
}

/// The reason of a mismatch, or nothing where it is not needed.
pub(crate) fn reason(text: impl FnOnce() -> String) -> String {
    match HAS_REASONS.get() {
        true => text(),
        false => String::new(),
    }
}

/// Values as a sentence lists them.
pub(crate) fn listed<T: fmt::Display>(values: &[T]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// A name that compares without regard to case: link types, PF names.
#[derive(Clone, Debug)]
pub struct CaseInsensitive(String);

impl CaseInsensitive {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CaseInsensitive {
    fn from(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl PartialEq for CaseInsensitive {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl fmt::Display for CaseInsensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CaseInsensitive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from(text.as_str()))
    }
}

impl JsonSchema for CaseInsensitive {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "CaseInsensitive".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(r#"{"type": "string"}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_does_not_hold_leaves_a_mismatch_unreadable() {
        let mismatch = |first, second| {
            let mismatch = Mismatch::new("names", "").unreadable_if(first);
            mismatch.unreadable_if(second).unreadable
        };
        assert!(mismatch(true, false));
        assert!(mismatch(false, true));
        assert!(!mismatch(false, false));
    }

    #[test]
    fn a_reason_that_is_dropped_is_not_made() {
        let value = CaseInsensitive::from("a");
        let wanted = [CaseInsensitive::from("b")];
        let mismatch = || one_of("names", &wanted, Some(&value)).unwrap_err();
        assert_eq!(without_reasons(mismatch), Mismatch::new("names", ""));
        let expected = Mismatch::new("names", "it has a, not one of b");
        assert_eq!(mismatch(), expected);
        let panics = std::panic::catch_unwind(|| without_reasons(|| panic!("on purpose")));
        assert!(panics.is_err());
        assert_eq!(mismatch(), expected);
    }
}
