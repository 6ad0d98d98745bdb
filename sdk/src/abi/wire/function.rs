//! A PCI function as it crosses: with short names, because there are thousands.

use serde::{Deserialize, Serialize};

use crate::{HexId, PciAddress, PciFunction};

/// A PCI function of the host's scan.
#[derive(Debug, Serialize, Deserialize)]
pub struct Function {
    #[serde(rename = "a")]
    address: PciAddress,
    #[serde(rename = "v")]
    vendor: u16,
    #[serde(rename = "d")]
    device: u16,
    #[serde(rename = "c")]
    class: u32,
    #[serde(rename = "drv", default, skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    #[serde(rename = "numa", default, skip_serializing_if = "Option::is_none")]
    numa_node: Option<u32>,
    #[serde(rename = "pf", default, skip_serializing_if = "Option::is_none")]
    physical_function: Option<PciAddress>,
    #[serde(rename = "vf", default, skip_serializing_if = "Option::is_none")]
    vf_index: Option<u32>,
    #[serde(rename = "vfs", default, skip_serializing_if = "is_zero")]
    vf_count: u32,
}

impl Function {
    /// Where it is.
    pub fn address(&self) -> PciAddress {
        self.address
    }
}

impl From<&PciFunction> for Function {
    fn from(f: &PciFunction) -> Self {
        Self {
            address: f.address,
            vendor: f.vendor.0,
            device: f.device.0,
            class: f.class,
            driver: f.driver.clone(),
            numa_node: f.numa_node,
            physical_function: f.physical_function,
            vf_index: f.vf_index,
            vf_count: f.vf_count,
        }
    }
}

impl From<Function> for PciFunction {
    fn from(f: Function) -> Self {
        Self {
            address: f.address,
            vendor: HexId(f.vendor),
            device: HexId(f.device),
            class: f.class,
            driver: f.driver,
            numa_node: f.numa_node,
            physical_function: f.physical_function,
            vf_index: f.vf_index,
            vf_count: f.vf_count,
        }
    }
}

// Serde hands the field by reference.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that `skip_serializing_if` asks for"
)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}
