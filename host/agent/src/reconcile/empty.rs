//! Why a pool has no device: the selector keys that most devices mismatch, for the log and for `check`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Reconciler;
use super::log_on_change::{Entry, LogOnChange};
use crate::config::{ResourceName, ResourceSpec};
use crate::pools::{KeyMismatches, Pool, Resource};
use sriovdp_report::{count, inline};
use sriovdp_sdk::DeviceId;

const PCI_BUS: &str = "/sys/bus/pci/devices";
/// How many keys the sentence names.
const NAMED: usize = 4;
/// As many devices are tried as an example.
const MOST_EXAMPLES: usize = 16;
/// Each reason takes a call for each selector key, and for each example, so one reconcile finds no more reasons than this.
const MOST_EXPLAINED: usize = 64;

impl Reconciler {
    /// Logs why pools have no device that had some before, or are new.
    pub(super) async fn log_empty_pools(&self, before: &[Arc<Pool>], log: &mut LogOnChange) {
        let before = before.iter().map(|pool| (&pool.resource.name, pool));
        let before: HashMap<&ResourceName, &Arc<Pool>> = before.collect();
        let is_new = |pool: &Pool| {
            let before = before.get(&pool.resource.name);
            before.is_none_or(|before| {
                before.resource != pool.resource || !before.present().is_empty()
            })
        };
        let mut explained = 0;
        for spec in &self.configuration.specs {
            let pool = self.pool(&spec.name);
            let Some(pool) = pool.filter(|pool| pool.present().is_empty() && is_new(pool)) else {
                continue;
            };
            explained += 1;
            if explained > MOST_EXPLAINED {
                break;
            }
            let why = self.why_empty(&pool.resource, spec).await;
            let entry = Entry::info("pool_empty", "the pool has no device");
            log.add(entry.resource(&pool.resource.name).reason(why));
        }
    }

    /// Why no device is in the pool of `resource`.
    pub async fn why_empty(&self, resource: &Resource, spec: &ResourceSpec) -> String {
        let (name, device_type) = (&resource.name, &resource.device_type);
        let (offered, excluded) = match self.snapshot.scan.devices_of(device_type) {
            Some(found) => (found.devices.len(), found.excluded.len()),
            None => (0, 0),
        };
        if offered + excluded == 0 {
            let mut why = format!("the node has no device of the device type `{device_type}`");
            if !self.tree().below_root(PCI_BUS).exists() {
                let cause = format!(
                    "; `{PCI_BUS}` does not exist: is `/sys` mounted, and is `--root` right?"
                );
                why.push_str(&cause);
            }
            return why;
        }
        let mut parts = Vec::new();
        if offered > 0 {
            let mismatches = match self.snapshot.scan.key_mismatches(resource).await {
                Ok(mismatches) => mismatches,
                Err(error) => return inline(&error),
            };
            let named = mismatches.iter().take(NAMED).map(|mismatch| {
                let path = spec.key_path(mismatch.selector, &mismatch.key);
                format!("`{path}` ({})", mismatch.devices)
            });
            let mut named = named.collect::<Vec<_>>().join(", ");
            if let Some(first) = mismatches.first().filter(|first| first.devices == offered) {
                named += &self.example(resource, first).await.unwrap_or_default();
            }
            let (matching, kept_out) = self.matching(resource);
            let devices = count(offered, "device");
            parts.push(match (named.is_empty(), matching + kept_out) {
                (false, _) => format!("of {devices} most often refused by {named}"),
                (true, 0) => format!("of {devices} none fits all keys of a selector"),
                (true, _) => format!("of {devices}"),
            });
            if matching > 0 {
                parts.push(format!("{matching} in other pools"));
            }
            if kept_out > 0 {
                parts.push(format!("{kept_out} kept out"));
            }
        }
        if excluded > 0 {
            parts.push(format!("{excluded} not offered at all"));
        }
        parts.push(format!("see `sriovdp explain --resource {name}`"));
        parts.join("; ")
    }

    /// A device that the key refuses, with the most frequent reason among a few of them.
    async fn example(&self, resource: &Resource, refusing: &KeyMismatches) -> Option<String> {
        let scan = &self.snapshot.scan;
        let found = scan.devices_of(&resource.device_type)?;
        let selector = resource.selectors.get(refusing.selector)?;
        let mut by_reason = BTreeMap::<String, Vec<&DeviceId>>::new();
        for device in found.devices.iter().take(MOST_EXAMPLES) {
            let mismatch = scan.mismatch(selector, device.id.as_str()).await.ok()?;
            if let Some(mismatch) = mismatch.filter(|m| m.key.as_ref() == Some(&refusing.key)) {
                by_reason
                    .entry(mismatch.reason)
                    .or_default()
                    .push(&device.id);
            }
        }
        let (reason, devices) = by_reason.iter().max_by_key(|(_, devices)| devices.len())?;
        Some(format!(", such as {}: {reason}", devices[0]))
    }

    /// How many devices match a selector of `resource`, and how many more do and are kept out.
    fn matching(&self, resource: &Resource) -> (usize, usize) {
        let mut resources = self.snapshot.resources.iter();
        let matched = resources.find(|matched| matched.resource.name == resource.name);
        let (mut matching, mut kept_out) = (BTreeSet::new(), BTreeSet::new());
        for matches in matched.into_iter().flat_map(|matched| &matched.matches) {
            matching.extend(&matches.devices);
            kept_out.extend(matches.kept_out.keys());
        }
        (matching.len(), kept_out.len())
    }
}
