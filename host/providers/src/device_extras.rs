//! What few devices have: several NUMA nodes, a parent, attributes.

use std::collections::BTreeMap;

use serde_json::Value;
use sriovdp_sdk::{Attribute, Error};

/// The most NUMA nodes of a device.
const MOST_NUMA_NODES: usize = 64;
/// The longest path of a parent.
const LONGEST_PATH: usize = 512;
/// The limits of Dynamic Resource Allocation (`resource.k8s.io`: `ResourceSliceMaxAttributesAndCapacitiesPerDevice`,
/// `DeviceMaxIDLength`, `DeviceAttributeMaxValueLength`).
const MOST_ATTRIBUTES: usize = 32;
const LONGEST_ID: usize = 32;
const LONGEST_VALUE: usize = 64;
/// The attributes that the host adds.
const OF_HOST: [&str; 3] = ["pciAddress", "pcieRoot", "numaNode"];

/// What few devices have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceExtras {
    /// The NUMA nodes after the first one.
    pub other_numa_nodes: Vec<u32>,
    /// The directory in `/sys/devices` of the device that it is a part of.
    pub parent: Option<String>,
    /// Its attributes, by their ids.
    pub attributes: BTreeMap<String, Attribute>,
}

impl DeviceExtras {
    /// Checks everything except the attributes.
    pub(super) fn validate(&self) -> Result<(), Error> {
        if self.other_numa_nodes.len() >= MOST_NUMA_NODES {
            return Err(Error::new(format!(
                "it has more than {MOST_NUMA_NODES} NUMA nodes"
            )));
        }
        if let Some(path) = &self.parent
            && !is_parent(path)
        {
            return Err(
                Error::new(format!("`{}` cannot be its parent", path.escape_debug())).with_hint(
                    "a parent is a directory in `/sys/devices`, by its path without links",
                ),
            );
        }
        Ok(())
    }
}

/// The valid attributes whose types this host has, as many as a device may have. The others describe the device only, so
/// `dropped` gets the id of each that is invalid, and why.
pub(super) fn attributes(
    values: BTreeMap<String, Value>,
    mut dropped: impl FnMut(&str, &Error),
) -> BTreeMap<String, Attribute> {
    let mut valid = BTreeMap::new();
    for (id, value) in values {
        let Ok(value) = serde_json::from_value(value) else {
            continue;
        };
        match validate_attribute(&id, &value) {
            Err(error) => dropped(&id, &error),
            Ok(()) if valid.len() == MOST_ATTRIBUTES => dropped(
                &id,
                &Error::new(format!(
                    "the device has more than {MOST_ATTRIBUTES} attributes"
                )),
            ),
            Ok(()) => {
                valid.insert(id, value);
            }
        }
    }
    valid
}

fn is_parent(path: &str) -> bool {
    path.len() <= LONGEST_PATH
        && path.strip_prefix("/sys/devices/").is_some_and(|rest| {
            rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
                && rest.bytes().all(|b| b.is_ascii_graphic())
        })
}

fn validate_attribute(id: &str, value: &Attribute) -> Result<(), Error> {
    let is_id = id.len() <= LONGEST_ID
        && id.as_bytes().first().is_some_and(|b| !b.is_ascii_digit())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_id {
        return Err(Error::new(format!(
            "an id has at most {LONGEST_ID} letters, digits and `_`, and begins with no digit"
        )));
    }
    if OF_HOST.contains(&id) {
        return Err(Error::new("the host adds it"));
    }
    match value {
        Attribute::String(text) | Attribute::Version(text) if text.len() > LONGEST_VALUE => Err(
            Error::new(format!("its value has more than {LONGEST_VALUE} bytes")),
        ),
        Attribute::Version(text) if !is_version(text) => Err(Error::new(format!(
            "`{}` is no version of Semantic Versioning 2.0.0",
            text.escape_debug()
        ))),
        _ => Ok(()),
    }
}

fn is_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').unwrap_or((text, "0"));
    let (core, pre) = text.split_once('-').unwrap_or((text, "0"));
    let numbers: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
    };
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    numbers.len() == 3
        && numbers.iter().all(is_number)
        && [pre, build]
            .iter()
            .all(|words| words.split('.').all(is_word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_have_limits() {
        let valid = |id: &str, value: Attribute| validate_attribute(id, &value).is_ok();
        for (id, value, expected) in [
            ("model", "x".into(), true),
            ("model", "x".repeat(64).into(), true),
            ("model", "x".repeat(65).into(), false),
            ("a_1", 7_i64.into(), true),
            ("1a", true.into(), false),
            ("", true.into(), false),
            ("numaNode", 1_i64.into(), false),
            ("firmware", Attribute::version("22.31.1014-rc.1+b.7"), true),
            ("firmware", Attribute::version("22.31"), false),
            ("firmware", Attribute::version("22.031.1"), false),
        ] {
            assert_eq!(valid(id, value.clone()), expected, "{id} {value}");
        }
        assert!(!valid(&"x".repeat(33), true.into()));
    }

    #[test]
    fn an_invalid_attribute_is_dropped_alone() {
        let long = json!({"string": "x".repeat(65)});
        let mut values = BTreeMap::from([("Model".to_owned(), long)]);
        values.extend((10..43).map(|n| (format!("a{n}"), json!({"bool": true}))));
        let mut dropped = Vec::new();
        let valid = attributes(values, |id, error| dropped.push(format!("{id}: {error}")));
        assert_eq!(valid.len(), MOST_ATTRIBUTES);
        assert_eq!(
            dropped,
            [
                "Model: its value has more than 64 bytes",
                "a42: the device has more than 32 attributes"
            ]
        );
    }

    #[test]
    fn attributes_of_later_types_are_ignored() {
        let values = BTreeMap::from([
            ("a".to_owned(), json!({"int": 5})),
            ("b".to_owned(), json!({"colour": "red"})),
            ("c".to_owned(), json!(7)),
        ]);
        let known = BTreeMap::from([("a".to_owned(), Attribute::Int(5))]);
        assert_eq!(attributes(values, |_, _| panic!("none is invalid")), known);
    }

    #[test]
    fn parents_are_devices() {
        for (path, expected) in [
            ("/sys/devices/pci0000:6a/0000:6a:01.0/dsa0", true),
            ("/sys/devices/../x", false),
            ("/sys/devices/", false),
            ("/sys/class/net/eth0", false),
        ] {
            assert_eq!(is_parent(path), expected, "{path}");
        }
    }
}
