//! The selector keys that the extension adds, and how a device is measured by them.

use sriovdp_sdk::{Mismatch, selectors};

use crate::rdma_device::Presence;
use crate::{Facts, PartitionKey};

/// Which devices belong to a resource, by their RDMA devices.
#[selectors]
#[derive(Debug)]
#[serde(rename_all = "camelCase")]
pub struct Selectors {
    /// `true`: only devices with an RDMA device, whose character devices containers get. Not together with `vdpaType`.
    #[schemars(extend("x-go-plugin" = {}))]
    pub(crate) is_rdma: bool,
    /// InfiniBand partition keys, at index 0 of port 1: `0x8001` means the full members of partition 1, `0x1` all of its
    /// members.
    #[schemars(extend("x-go-plugin" = {"spelling": "0xhhhh", "deviceTypes": ["netDevice"]}))]
    pub(crate) p_keys: Vec<PartitionKey>,
}

impl Selectors {
    pub(crate) fn matches(&self, facts: &Facts) -> Result<(), Mismatch> {
        if self.is_rdma && facts.presence == Presence::Absent {
            return Err(Mismatch::new("isRdma", "it has no RDMA device"));
        }
        let selects = |found| self.p_keys.iter().any(|wanted| wanted.selects(found));
        if self.p_keys.is_empty() || facts.partition_key.is_some_and(selects) {
            return Ok(());
        }
        let wanted: Vec<String> = self.p_keys.iter().map(ToString::to_string).collect();
        let wanted = wanted.join(", ");
        let reason = match (facts.partition_key, facts.presence) {
            (Some(found), _) => format!("it has {found}, not one of {wanted}"),
            (None, Presence::Absent) => "it has no RDMA device".to_owned(),
            (None, Presence::Here) if facts.is_partition_key_unread => {
                "its partition key cannot be read now".to_owned()
            }
            (None, Presence::Here) => {
                "its link is not InfiniBand, so it has no partition key".to_owned()
            }
            (None, Presence::InPod) => {
                "its RDMA device is in a pod, and its partition key is not known".to_owned()
            }
        };
        let is_unread = facts.partition_key.is_none() && facts.is_partition_key_unread;
        Err(Mismatch::new("pKeys", reason).unreadable_if(is_unread))
    }
}
