//! Queries to devlink through the host, as JSON.

use serde::{Deserialize, Serialize};

/// A device as devlink names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevlinkHandle {
    /// `pci` or `auxiliary`.
    pub bus: String,
    /// The device's name on its bus.
    pub device: String,
}

/// A query to devlink; the answer is `null` where devlink has none.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum DevlinkQuestion {
    /// All devices, as `<bus>/<device>`: a list of texts.
    Devices,
    /// Driver, serial numbers and versions of a device: an object of texts.
    Info(DevlinkHandle),
    /// The mode of a device's switch, `legacy` or `switchdev`: a text.
    Eswitch(DevlinkHandle),
    /// A parameter of a device that is on or off: a boolean.
    Parameter {
        /// The device.
        #[serde(flatten)]
        of: DevlinkHandle,
        /// The parameter's name.
        name: String,
    },
}
