//! Values that a user adds to a device's entry in the container's environment. Some of them are secrets.

use std::collections::BTreeMap;
use std::fmt;

use super::json::Json;
use super::parse::Parser;

/// The key that stands for every device.
const EVERY_DEVICE: &str = "*";

/// By device: key and value. Its `Debug` shows no value, so that none can reach a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AdditionalInfo(BTreeMap<String, BTreeMap<String, String>>);

impl AdditionalInfo {
    pub(super) fn new(by_device: BTreeMap<String, BTreeMap<String, String>>) -> Self {
        Self(by_device)
    }

    /// The values of a device: first those of all devices, then those of its function, then those of
    /// itself, of which the last one counts.
    pub fn of(&self, id: &str, function: Option<&str>) -> BTreeMap<String, String> {
        let mut merged = BTreeMap::new();
        for device in [Some(EVERY_DEVICE), function, Some(id)]
            .into_iter()
            .flatten()
        {
            let sources = self
                .0
                .iter()
                .filter(|(key, _)| key.eq_ignore_ascii_case(device));
            merged.extend(sources.flat_map(|(_, values)| values.clone()));
        }
        merged
    }
}

impl Parser<'_> {
    /// The object at `key`.
    pub(super) fn additional_info(
        &mut self,
        key: &str,
        info: Option<Json<'_>>,
    ) -> Option<AdditionalInfo> {
        let mut by_device: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (device, values) in self.members(key, info?)? {
            let key = format!("{key}.{device}");
            let merged = by_device.entry(device).or_default();
            for (name, value) in self.members(&key, values).unwrap_or_default() {
                let value = value
                    .string()
                    .map_err(|found| self.wrong(&format!("{key}.{name}"), "a string", &found));
                merged.extend(self.report(value).map(|value| (name, value)));
            }
        }
        Some(AdditionalInfo::new(by_device))
    }
}

impl fmt::Debug for AdditionalInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Defaults, parse};

    fn info(entries: &[(&str, &str, &str)]) -> AdditionalInfo {
        let mut by_device: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for &(device, key, value) in entries {
            by_device
                .entry(device.into())
                .or_default()
                .insert(key.into(), value.into());
        }
        AdditionalInfo::new(by_device)
    }

    #[test]
    fn the_nearest_word_counts() {
        let info = info(&[
            ("*", "a", "all"),
            ("*", "b", "all"),
            ("0000:08:00.0", "b", "function"),
            ("mlx5_core.sf.2", "c", "own"),
        ]);
        let merged: Vec<_> = info
            .of("mlx5_core.sf.2", Some("0000:08:00.0"))
            .into_iter()
            .collect();
        let expected = [("a", "all"), ("b", "function"), ("c", "own")];
        assert_eq!(merged, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn no_value_is_ever_shown() {
        let shown = format!("{:?}", info(&[("*", "token", "s3cret")]));
        assert!(!shown.contains("s3cret"), "{shown}");
        let text = r#"{"resourceList": [{"resourceName": "a", "selectors": {"drivers": ["x"]},
            "additionalInfo": {"*": {"token": "s3cret"}}}]}"#;
        let defaults = Defaults {
            resource_prefix: "intel.com".to_owned(),
            registry: "/plugins_registry".into(),
        };
        let parsed = parse(text.as_bytes(), Path::new("config.json"), &defaults).unwrap();
        let shown = format!("{:?}", parsed.resources);
        assert!(
            shown.contains("Located(") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
