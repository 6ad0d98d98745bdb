//! A PCI function as it crosses: with short names, because there are thousands.

use serde::{Deserialize, Serialize};

use crate::PciAddress;

/// A PCI function of the host's scan.
#[derive(Debug, Serialize, Deserialize)]
pub struct Function {
    /// Where it is.
    #[serde(rename = "a")]
    pub address: PciAddress,
    /// Vendor id.
    #[serde(rename = "v")]
    pub vendor: u16,
    /// Device id.
    #[serde(rename = "d")]
    pub device: u16,
    /// Class code of 24 bits.
    #[serde(rename = "c")]
    pub class: u32,
    /// The driver that is bound.
    #[serde(rename = "drv", default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// NUMA node.
    #[serde(rename = "numa", default, skip_serializing_if = "Option::is_none")]
    pub numa_node: Option<u32>,
    /// For a virtual function, its physical function.
    #[serde(rename = "pf", default, skip_serializing_if = "Option::is_none")]
    pub physical_function: Option<PciAddress>,
    /// For a virtual function, its number.
    #[serde(rename = "vf", default, skip_serializing_if = "Option::is_none")]
    pub vf_index: Option<u32>,
    /// For a physical function, how many virtual functions it has.
    #[serde(rename = "vfs", default, skip_serializing_if = "is_zero")]
    pub vf_count: u32,
}

// Serde hands the field by reference.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that `skip_serializing_if` requires"
)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}
