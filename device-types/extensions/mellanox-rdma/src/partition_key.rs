//! InfiniBand partition keys, as the kernel prints them and as users write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use sriovdp_sdk::{Deserialize, Error, JsonSchema, schemars, serde};

/// The highest bit: full members talk with all members of a partition, limited ones with full ones only (InfiniBand
/// Architecture Specification, volume 1, section 10.9).
const FULL_MEMBER: u16 = 0x8000;

/// A partition key of 16 bits, written in hexadecimal with `0x`, or in decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(crate = "serde", try_from = "String")]
pub struct PartitionKey(u16);

impl PartitionKey {
    /// Whether a selector with this key means a device with the key `found`.
    ///
    /// With the bit of full membership it means exactly this key. Without, it is the number of a partition, and means
    /// its members of both kinds: subnet managers and their manuals write partitions like that, while the kernel
    /// prints the bit of each port.
    pub fn selects(self, found: Self) -> bool {
        self == found || (self.0 & FULL_MEMBER == 0 && self.0 == found.0 & !FULL_MEMBER)
    }
}

impl FromStr for PartitionKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
        // A sign, which the standard library takes, is no digit.
        let number = digits
            .bytes()
            .all(|digit| digit.is_ascii_hexdigit())
            .then(|| u16::from_str_radix(digits, radix));
        number.and_then(Result::ok).map(Self).ok_or_else(|| {
            Error::new(format!("`{text}` is not a partition key"))
                .with_hint("write a number of 16 bits, in hexadecimal with `0x`: `0x8001`")
        })
    }
}

impl TryFrom<String> for PartitionKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        })
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

impl JsonSchema for PartitionKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PartitionKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^(0[xX][0-9a-fA-F]{1,4}|[0-9]{1,5})$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_compare_as_numbers() {
        for (wanted, found, expected) in [
            ("0x8001", "0x8001", true),
            ("0X8001", "0x8001", true),
            ("32769", "0x8001", true),
            ("0xABCD", "0xabcd", true),
            ("0x8001", "0x0001", false),
            ("0x8001", "0x8002", false),
            ("0x1", "0x0001", true),
            ("0x1", "0x8001", true),
            ("0x50", "0x8050", true),
            ("0x7fff", "0xffff", true),
            ("0xffff", "0x7fff", false),
            ("0x1", "0x8010", false),
        ] {
            let [wanted, found] =
                [wanted, found].map(|key| key.parse::<PartitionKey>().expect(key));
            assert_eq!(wanted.selects(found), expected, "{wanted} {found}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "0x",
            "0x10000",
            "65536",
            "abcd",
            "-1",
            "+1",
            "0x+1",
            "0x8001,0x8002",
        ] {
            assert!(text.parse::<PartitionKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn keys_print_as_the_kernel_does() {
        assert_eq!(
            "80".parse::<PartitionKey>().expect("a key").to_string(),
            "0x0050"
        );
    }
}
