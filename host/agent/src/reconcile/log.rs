//! The conditions that a reconcile finds, for the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use sriovdp_providers::Step;
use sriovdp_report::inline;
use sriovdp_sdk::PciAddress;

use super::log_on_change::{Entry, LogOnChange};
use super::snapshot::pool_of;
use super::{Outcome, Reconciler};
use crate::config::Severity;
use crate::pools::Pool;

/// How many unreadable PCI functions, and how many of the files that are refused at one step of their check, the log names.
const NAMED: usize = 5;

impl Reconciler {
    pub(super) async fn log_conditions(
        &self,
        before: &[Arc<Pool>],
        outcome: &Outcome,
        log: &mut LogOnChange,
    ) {
        self.log_providers(log);
        self.log_configuration(outcome, log);
        self.log_snapshot(before, log);
        if self.servers.are_served() {
            self.log_empty_pools(before, log).await;
            self.log_single_files(log).await;
        }
    }

    fn log_providers(&self, log: &mut LogOnChange) {
        for error in self.providers.unusable() {
            let entry = Entry::error(
                "providers_unreadable",
                "a provider directory, or the list of digests, cannot be used",
            );
            log.add(entry.cause(inline(error)));
        }
        for provider in self.providers.all() {
            let entry = match provider.is_loaded() {
                true => Entry::info("provider_loaded", "the provider is loaded"),
                false => Entry::info("provider_available", "no resource needs the provider"),
            };
            let entry = entry.summary(&provider.manifest().summary);
            log.add(entry.provider(provider.file_name()));
        }
        self.log_refused(log);
        for provider in self.providers.removed() {
            let entry = Entry::warn(
                "provider_removed",
                "the provider's file was removed; it stays loaded until the plugin is restarted",
            );
            log.add(entry.path(provider.file().display()));
        }
        if let Some(error) = self.no_provider() {
            let entry = Entry::error("no_provider", "no provider is loaded");
            log.add(entry.cause(inline(&error)));
        }
    }

    /// A directory full of other files must not fill the log.
    fn log_refused(&self, log: &mut LogOnChange) {
        let mut by_step = BTreeMap::<Step, usize>::new();
        let mut unnamed = 0;
        for refused in self.providers.refused() {
            let named = by_step.entry(refused.reason.step()).or_default();
            let entry = if self.providers.is_loaded(&refused.file) {
                Entry::error(
                    "provider_update_refused",
                    "the changed provider file is refused; the loaded version continues",
                )
            } else if *named < NAMED {
                *named += 1;
                Entry::error("provider_refused", "the provider file is refused")
            } else {
                unnamed += 1;
                continue;
            };
            let reason = inline(&refused.reason);
            log.add(entry.path(refused.file.display()).cause(reason));
        }
        if unnamed > 0 {
            let entry = Entry::error(
                "providers_refused_more",
                "further provider files are refused; `sriovdp providers` lists all",
            );
            let directories = self.settings.providers.directories.iter();
            let directories: Vec<_> = directories.map(|path| path.display().to_string()).collect();
            log.add(entry.path(directories.join(", ")).count(unnamed));
        }
    }

    fn log_configuration(&self, outcome: &Outcome, log: &mut LogOnChange) {
        for problem in &outcome.problems {
            let entry = match problem.severity {
                Severity::Refused => Entry::error("resource_refused", "the resource is refused"),
                Severity::Warning => Entry::warn("config_warning", "the configuration is doubtful"),
            };
            log.add(entry.cause(inline(problem)));
        }
        if let Some(error) = &outcome.config_error {
            let message = match self.configuration.specs.is_empty() {
                true => "there is no valid configuration",
                false => "the configuration is rejected; the last valid one stays active",
            };
            log.add(Entry::error("config_rejected", message).cause(inline(error)));
        }
    }

    /// PCI functions that no provider gets.
    fn log_left_out(&self, log: &mut LogOnChange) {
        let functions = self.functions();
        let is_known = |address: &PciAddress| {
            let found = functions.binary_search_by_key(address, |function| function.address);
            found.is_ok()
        };
        let left_out = self.unread.lasting().filter(|address| !is_known(address));
        for address in left_out.take(NAMED) {
            let entry = Entry::warn(
                "function_unreadable",
                "vendor, device or class of the PCI function cannot be read, so no resource has it",
            );
            log.add(entry.device(&address));
        }
    }

    fn log_snapshot(&self, before: &[Arc<Pool>], log: &mut LogOnChange) {
        for error in self.snapshot.failures() {
            let entry = match self.snapshot.bus_error {
                Some(_) => Entry::error(
                    "bus_unreadable",
                    "the devices of the previous scan are used",
                ),
                None => Entry::warn(
                    "discovery_failed",
                    "the devices of the previous scan are used",
                ),
            };
            log.add(entry.cause(inline(error)));
        }
        self.log_left_out(log);
        if let Some(failure) = self.pod_devices.failure() {
            let message = match self.pod_devices.known() {
                Some(_) => "cannot read which devices pods have; using the previous pod devices",
                None => "cannot read which devices pods have; no file of a device is removed",
            };
            let entry = Entry::warn("pod_devices_unreadable", message);
            log.add(entry.cause(failure));
        }
        for (resource, error) in self.snapshot.unknown() {
            let entry = match pool_of(before, &resource.name) {
                Some(_) => Entry::warn("pool_frozen", "the pool keeps its devices"),
                None => Entry::warn("resource_pending", "the resource is not published yet"),
            };
            log.add(entry.resource(&resource.name).cause(inline(error)));
        }
        for warning in self.node_warnings() {
            let entry = Entry::warn("selector_warning", "a selector is doubtful on this node");
            log.add(entry.cause(inline(&warning)));
        }
        for kept_out in self.kept_out() {
            let entry = Entry::info("device_kept_out", "a provider keeps the device out");
            let entry = entry
                .resource(&kept_out.resource.name)
                .device(kept_out.device);
            log.add(entry.reason(&*kept_out.reason));
        }
        for divided in self.divided() {
            let entry = Entry::warn(
                "device_divided",
                "another pool has the device or parts of it",
            );
            let entry = entry
                .resource(&divided.resource.name)
                .device(divided.device);
            log.add(entry.reason(&*divided.reason));
        }
    }
}
