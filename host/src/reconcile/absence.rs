//! Why a device is not in its pool any more.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use sriovdp_sdk::DeviceId;

use crate::pools::FoundDevices;

/// What a scan says about the devices of one device type that are in no pool, looked up when it is needed.
pub(super) struct Absence<'a> {
    found: Option<&'a FoundDevices>,
    /// The reason of those that are left out, and nothing for those that are offered.
    by_id: OnceCell<HashMap<&'a str, Option<&'a str>>>,
}

impl<'a> Absence<'a> {
    pub(super) fn new(found: Option<&'a FoundDevices>) -> Self {
        Self {
            found,
            by_id: OnceCell::new(),
        }
    }

    pub(super) fn reason(&self, id: &DeviceId) -> Arc<str> {
        let by_id = self.by_id.get_or_init(|| {
            let found = self.found.into_iter();
            let excluded = found.clone().flat_map(|found| &found.excluded);
            let offered = found.flat_map(|found| &found.devices);
            let excluded = excluded.map(|(id, reason)| (id.as_str(), Some(reason.as_str())));
            let offered = offered.map(|device| (device.id.as_str(), None));
            offered.chain(excluded).collect()
        });
        match by_id.get(id.as_str()) {
            None => "it is no longer on this node".into(),
            Some(None) => "its resource does not select it any more, or another one has it".into(),
            Some(Some(reason)) => Arc::from(*reason),
        }
    }
}
