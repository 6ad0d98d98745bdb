//! `additionalInfo` for devices that are not there.

use std::sync::Arc;

use super::Reconciler;
use super::assignment::state_of;
use crate::config::Problem;
use crate::pools::Pool;

impl Reconciler {
    /// Warnings about `additionalInfo` for devices that no pool has, as of the last look.
    pub fn additional_info_of_others(&self) -> Vec<Problem> {
        let file = &self.settings.config_file;
        let pools: Vec<Arc<Pool>> = self.pools().collect();
        let warnings = self.specs.iter().flat_map(|spec| {
            let warnings = state_of(&pools, &spec.name).map(|pool| {
                spec.additional_info_of_others(file, |name| {
                    pool.devices.iter().any(|device| {
                        let function = device.function.to_string();
                        name.eq_ignore_ascii_case(device.id.as_str())
                            || name.eq_ignore_ascii_case(&function)
                    })
                })
            });
            warnings.unwrap_or_default()
        });
        warnings.collect()
    }
}
