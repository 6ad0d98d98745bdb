//! The `health` object of a resource: which kinds of findings about a device count.

use sriovdp_sdk::FindingKind;

use super::json::{Json, member};
use super::parse::Parser;

/// Which kinds of findings make a device of the resource unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// Those about links.
    pub link: bool,
    /// Those about what a device consists of.
    pub existence: bool,
}

impl HealthChecks {
    /// The keys of the object.
    const KEYS: [&'static str; 2] = ["link", "existence"];

    /// Whether findings of this kind count. Kinds without a key always do.
    pub fn count(self, cause: FindingKind) -> bool {
        match cause {
            FindingKind::Link => self.link,
            FindingKind::DeviceNode => self.existence,
            _ => true,
        }
    }
}

impl Default for HealthChecks {
    fn default() -> Self {
        Self {
            link: true,
            existence: true,
        }
    }
}

/// The keys of the Go plugin's resources that mean the same as those of the object
/// (k8snetworkplumbingwg/sriov-network-device-plugin#640). There, nothing is checked without them.
const ALIASES: [&str; 2] = ["checkHealthOnPf", "checkHealthOnDeviceExist"];

impl Parser<'_> {
    /// The checks of the resource at `key`: all of them, but for those that its object `health` or an alias turns off.
    pub(super) fn health(&mut self, key: &str, resource: &[(String, Json<'_>)]) -> HealthChecks {
        let mut checks = HealthChecks::default();
        let inner = format!("{key}.health");
        let members = member(resource, "health").and_then(|health| self.members(&inner, health));
        let members = members.unwrap_or_default();
        let keys = HealthChecks::KEYS;
        self.warn_of_unknown_keys(
            &inner,
            &members,
            &keys,
            "its keys are `link` and `existence`",
        );
        let counts = [&mut checks.link, &mut checks.existence];
        for ((name, alias), counts) in keys.into_iter().zip(ALIASES).zip(counts) {
            let by_alias = self.boolean(key, resource, alias);
            let by_name = self.boolean(&inner, &members, name);
            if let (Some(by_alias), Some(by_name)) = (by_alias, by_name)
                && by_alias != by_name
                && let Some(value) = member(resource, alias)
            {
                let hint = "remove one of the two".to_owned();
                let message =
                    format!("`health.{name}` is set as well, and this value has no effect");
                self.warn(&format!("{key}.{alias}"), value, message, hint);
            }
            *counts = by_name.or(by_alias).unwrap_or(*counts);
        }
        checks
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Defaults;
    use super::super::parse::parse;
    use super::*;

    #[test]
    fn the_go_plugins_health_keys_turn_checks_off() {
        let defaults = Defaults {
            resource_prefix: "example.com".to_owned(),
            registry: "/plugins".into(),
        };
        let health = |keys: &str| {
            let text = format!(r#"{{"resourceList": [{{"resourceName": "a", {keys}}}]}}"#);
            let parsed = parse(&text, Path::new("config.json"), &defaults).unwrap();
            let warnings = parsed.problems.iter().map(|problem| problem.key.clone());
            (parsed.resources[0].health, warnings.collect::<Vec<_>>())
        };
        let all = HealthChecks::default();
        let without_link = HealthChecks { link: false, ..all };
        let contradiction = vec!["resourceList[0].checkHealthOnPf".to_owned()];
        for (keys, checks, warnings) in [
            (r#""checkHealthOnPf": true"#, all, vec![]),
            (r#""checkHealthOnPf": false"#, without_link, vec![]),
            (r#""checkHealthOnPf": null"#, all, vec![]),
            (
                r#""checkhealthondeviceexist": false"#,
                HealthChecks {
                    existence: false,
                    ..all
                },
                vec![],
            ),
            (
                r#""checkHealthOnPf": false, "health": {"link": false}"#,
                without_link,
                vec![],
            ),
            (
                r#""checkHealthOnPf": true, "health": {"link": false}"#,
                without_link,
                contradiction.clone(),
            ),
            (
                r#""checkHealthOnPf": false, "health": {"link": true}"#,
                all,
                contradiction,
            ),
        ] {
            assert_eq!(health(keys), (checks, warnings), "{keys}");
        }
    }
}
