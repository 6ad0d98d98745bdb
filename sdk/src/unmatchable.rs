//! Selector values that no device can have, for [`Provider::unmatchable`](crate::Provider::unmatchable).

use crate::matching::CaseInsensitive;
use crate::node::LINK_TYPES;
use crate::ranged::IndexRanges;
use crate::{Error, PciAddress};

/// `IFNAMSIZ` has room for this many bytes of a name (Linux: `include/uapi/linux/if.h`).
const LONGEST_INTERFACE_NAME: usize = 15;

/// Warnings about the values of the selector `key` for which `why` has a reason.
///
/// ```
/// use sriovdp_sdk::Error;
/// use sriovdp_sdk::selector::unmatchable;
///
/// let why = |slot: &u32| (*slot > 7).then(|| Error::new(format!("no card has a slot `{slot}`")));
/// let warnings = unmatchable("slots", &[3, 9], why);
/// assert_eq!(warnings.len(), 1);
/// assert_eq!(warnings[0].to_string(), "no card has a slot `9`");
/// ```
pub fn unmatchable<T>(key: &str, values: &[T], why: impl Fn(&T) -> Option<Error>) -> Vec<Error> {
    let numbered = values.iter().enumerate();
    numbered
        .filter_map(|(index, value)| Some(why(value)?.at(format!("{key}[{index}]"))))
        .collect()
}

/// Those among `linkTypes` that [`Netdev::link_type`](crate::node::Netdev::link_type) never returns.
pub fn unmatchable_link_types(key: &str, values: &[CaseInsensitive]) -> Vec<Error> {
    unmatchable(key, values, |value| {
        let is_known = LINK_TYPES
            .iter()
            .any(|(_, known)| *value == CaseInsensitive::from(*known));
        let is_number = value.as_str().to_ascii_lowercase().starts_with("unknown");
        let hint = match value.as_str().to_ascii_lowercase().as_str() {
            "ib" | "ipoib" => "write `infiniband`".to_owned(),
            word if word.starts_with("eth") || word == "en" => "write `ether`".to_owned(),
            _ => "they are `ether` and `infiniband`".to_owned(),
        };
        (!is_known && !is_number).then(|| {
            Error::new(format!(
                "no device can match: there is no link type `{value}`"
            ))
            .with_hint(hint)
        })
    })
}

/// Names of network interfaces that the kernel would not take (Linux: `dev_valid_name`).
pub fn unmatchable_interfaces(key: &str, values: &[IndexRanges<CaseInsensitive>]) -> Vec<Error> {
    unmatchable(key, values, |value| {
        let name = value.parent().as_str();
        let error = |why: &str| Error::new(format!("no device can match: `{name}` {why}"));
        let bad = |c: char| c.is_whitespace() || c == '/';
        if name.parse::<PciAddress>().is_ok() {
            let error = error("is a PCI address and no name of a network interface");
            return Some(error.with_hint("write it under `rootDevices`"));
        }
        if let Some((name, ranges)) = name.split_once(':') {
            let error = error("has a colon, which no network interface has in its name");
            return Some(
                match ranges
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b"-,".contains(&b))
                {
                    true => error.with_hint(format!("write numbers behind `#`: `{name}#{ranges}`")),
                    false => error,
                },
            );
        }
        if name.contains(bad) {
            return Some(
                error("cannot be the name of a network interface")
                    .with_hint("write one name in each entry of the list"),
            );
        }
        (name.len() > LONGEST_INTERFACE_NAME).then(|| {
            error(&format!(
                "is longer than the {LONGEST_INTERFACE_NAME} bytes of a network interface's name"
            ))
            .with_hint("write the name that `ip link` shows, not an alternative name")
        })
    })
}

/// Names of drivers that no directory of sysfs can have.
pub fn unmatchable_drivers(key: &str, values: &[String]) -> Vec<Error> {
    unmatchable(key, values, |name| {
        let bad = |c: char| c.is_whitespace() || c == '/';
        (name.is_empty() || name.contains(bad)).then(|| {
            Error::new(format!(
                "no device can match: `{name}` is no name of a driver"
            ))
            .with_hint("write one name in each entry of the list, as `/sys/bus/pci/drivers` has it")
        })
    })
}

/// Indexes that the kernel does not print so.
pub fn unmatchable_acpi_indexes(key: &str, values: &[String]) -> Vec<Error> {
    unmatchable(key, values, |text| {
        let number = text.trim().parse::<u32>().ok();
        let hint = match number {
            Some(number) => format!("write `\"{number}\"`"),
            None => "write a decimal number, such as `\"101\"`".to_owned(),
        };
        let is_plain = number.is_some_and(|number| *text == number.to_string());
        (!is_plain).then(|| {
            let message =
                format!("no device can match: `{text}` is no number as the kernel prints it");
            Error::new(message).with_hint(hint)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(warnings: &[Error]) -> Vec<String> {
        let shown = warnings.iter().map(|warning| match warning.hint() {
            Some(hint) => format!("{warning} ({hint})"),
            None => warning.to_string(),
        });
        shown.collect()
    }

    #[test]
    fn values_that_no_device_has() {
        let kinds = ["ether", "Infiniband", "none", "IB", "ethernet", "wifi", ""]
            .map(CaseInsensitive::from);
        assert_eq!(
            shown(&unmatchable_link_types("linkTypes", &kinds)),
            [
                "no device can match: there is no link type `IB` (write `infiniband`)",
                "no device can match: there is no link type `ethernet` (write `ether`)",
                "no device can match: there is no link type `wifi` (they are `ether` and `infiniband`)",
                "no device can match: there is no link type `` (they are `ether` and `infiniband`)",
            ]
        );
        let names = [
            "ens1f0#0-3",
            "0000:5e:00.0",
            "5e:00.0#1",
            "ens1f0:0-3",
            "eth0:x",
            "eth 0",
            "enp175s0f0np0_long",
        ];
        let names = names.map(|name| name.parse().unwrap());
        assert_eq!(
            shown(&unmatchable_interfaces("pfNames", &names)),
            [
                "no device can match: `0000:5e:00.0` is a PCI address and no name of a network interface (write it under `rootDevices`)",
                "no device can match: `5e:00.0` is a PCI address and no name of a network interface (write it under `rootDevices`)",
                "no device can match: `ens1f0:0-3` has a colon, which no network interface has in its name (write numbers behind `#`: `ens1f0#0-3`)",
                "no device can match: `eth0:x` has a colon, which no network interface has in its name",
                "no device can match: `eth 0` cannot be the name of a network interface (write one name in each entry of the list)",
                "no device can match: `enp175s0f0np0_long` is longer than the 15 bytes of a network interface's name (write the name that `ip link` shows, not an alternative name)",
            ]
        );
        let drivers = ["vfio-pci", "", "a b"].map(str::to_owned);
        assert_eq!(unmatchable_drivers("drivers", &drivers).len(), 2);
        let indexes = ["101", "0", " 1", "0x65", "01"].map(str::to_owned);
        assert_eq!(unmatchable_acpi_indexes("acpiIndexes", &indexes).len(), 3);
    }
}
