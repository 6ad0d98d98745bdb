//! `additionalInfo` for devices that no pool has.

use super::Reconciler;
use super::snapshot::pool_of;
use crate::config::Problem;

impl Reconciler {
    /// Warnings about `additionalInfo` for devices that no pool has, as of the last reconcile.
    pub fn additional_info_of_others(&self) -> Vec<Problem> {
        let file = &self.settings.config_file;
        let pools = self.servers.pools();
        let warnings = self.configuration.specs.iter().flat_map(|spec| {
            let warnings = pool_of(&pools, &spec.name).map(|pool| {
                spec.additional_info_of_others(file, |name| {
                    pool.devices.iter().any(|device| {
                        let function = device.function.map(|function| function.to_string());
                        name.eq_ignore_ascii_case(device.id.as_str())
                            || function.is_some_and(|at| name.eq_ignore_ascii_case(&at))
                    })
                })
            });
            warnings.unwrap_or_default()
        });
        warnings.collect()
    }
}
