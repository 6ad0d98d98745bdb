//! devlink: what the kernel reports about a device beyond sysfs, queried through the host.
//!
//! A provider has no netlink of its own: the host queries for all providers, with one socket and a bounded wait. Below another
//! root than `/` the answers are files in `netlink/devlink/<bus>/<device>/`: `info.<key>`, `eswitch` and
//! `param.<name>`.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use super::kernel::Kernel;
use super::{HostRoot, Node};
use sriovdp_provider_abi::wire::{DevlinkHandle, DevlinkQuestion, method};

/// Where the answers are below a root directory.
const FILES: &str = "/netlink/devlink";

/// One device in devlink (Linux: `Documentation/networking/devlink`).
///
/// Everything is absent where the kernel has no devlink, devlink has no such device, the driver does not answer the
/// query, or the plugin has no permission.
///
/// ```
/// use sriovdp_sdk::{Node, PciAddress};
///
/// fn firmware(node: &Node, function: PciAddress) -> Option<String> {
///     let mut info = node.devlink("pci", &function.to_string()).info();
///     info.remove("fw.app.name")
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Devlink<'a> {
    node: &'a Node,
    handle: DevlinkHandle,
}

impl<'a> Devlink<'a> {
    pub(super) fn new(node: &'a Node, bus: &str, device: &str) -> Self {
        Self {
            node,
            handle: DevlinkHandle {
                bus: bus.to_owned(),
                device: device.to_owned(),
            },
        }
    }

    /// `driver`, `serial_number`, `board.serial_number` and the versions under their own names, such as `fw.app.name`.
    /// Where a version is there several times, the one that runs counts.
    pub fn info(&self) -> BTreeMap<String, String> {
        let answer = match self.node.kernel {
            Kernel::Host(_) => self.query(&DevlinkQuestion::Info(self.handle.clone())),
            Kernel::Files => self.info_of_files(),
        };
        answer.unwrap_or_default()
    }

    /// The mode of the device's switch: `legacy` or `switchdev`.
    pub fn eswitch_mode(&self) -> Option<String> {
        match self.node.kernel {
            Kernel::Host(_) => self.query(&DevlinkQuestion::Eswitch(self.handle.clone())),
            Kernel::Files => self.node.root.read(&self.file("eswitch")),
        }
    }

    /// A parameter that is on or off, such as `enable_rdma`.
    pub fn parameter(&self, name: &str) -> Option<bool> {
        match self.node.kernel {
            Kernel::Host(_) => self.query(&DevlinkQuestion::Parameter {
                of: self.handle.clone(),
                name: name.to_owned(),
            }),
            Kernel::Files => match self
                .node
                .root
                .read(&self.file(&format!("param.{name}")))?
                .as_str()
            {
                "1" | "true" => Some(true),
                "0" | "false" => Some(false),
                _ => None,
            },
        }
    }

    fn query<T: DeserializeOwned>(&self, query: &DevlinkQuestion) -> Option<T> {
        self.node.kernel.query(method::DEVLINK, query)
    }

    fn info_of_files(&self) -> Option<BTreeMap<String, String>> {
        let root = &self.node.root;
        let names = root.list(&self.file(""));
        let keys = names.iter().filter_map(|name| name.strip_prefix("info."));
        keys.map(|key| {
            Some((
                key.to_owned(),
                root.read(&self.file(&format!("info.{key}")))?,
            ))
        })
        .collect()
    }

    fn file(&self, name: &str) -> String {
        format!("{FILES}/{}/{}/{name}", self.handle.bus, self.handle.device)
    }
}

/// The devices of devlink, as `<bus>/<device>`.
pub(super) fn devices(kernel: Kernel, root: &HostRoot) -> BTreeSet<String> {
    match kernel {
        Kernel::Host(_) => kernel
            .query(method::DEVLINK, &DevlinkQuestion::Devices)
            .unwrap_or_default(),
        Kernel::Files => {
            let buses = root.list(FILES).into_iter();
            buses
                .flat_map(|bus| {
                    let devices = root.list(&format!("{FILES}/{bus}")).into_iter();
                    devices.map(move |device| format!("{bus}/{device}"))
                })
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use abi_stable::std_types::{RErr, ROk, RStr, RString};

    use super::*;
    use sriovdp_provider_abi::{HostFunctions, Outcome};

    fn node(root: &Path, host: Option<HostFunctions>) -> Node {
        Node::new(HostRoot::new(root), Vec::new(), Vec::new()).with_host(host)
    }

    extern "C" fn answers(method: RStr<'_>, query: RStr<'_>) -> Outcome {
        assert_eq!(method.as_str(), "devlink");
        ROk(RString::from(match query.as_str() {
            r#"{"ask":"devices"}"# => r#"["pci/0000:5e:00.0"]"#,
            r#"{"ask":"info","bus":"pci","device":"0000:5e:00.0"}"# => r#"{"driver":"ice"}"#,
            r#"{"ask":"eswitch","bus":"pci","device":"0000:5e:00.0"}"# => r#""switchdev""#,
            r#"{"ask":"parameter","bus":"pci","device":"0000:5e:00.0","name":"enable_rdma"}"# => {
                "true"
            }
            _ => "null",
        }))
    }

    extern "C" fn refuses(_: RStr<'_>, _: RStr<'_>) -> Outcome {
        RErr(RString::from("{}"))
    }

    #[test]
    fn the_host_is_asked_about_its_own_machine() {
        let host = HostFunctions { call: answers };
        let machine = node(Path::new("/"), Some(host));
        assert_eq!(
            machine.devlink_devices(),
            BTreeSet::from(["pci/0000:5e:00.0".to_owned()])
        );
        let device = machine.devlink("pci", "0000:5e:00.0");
        assert_eq!(
            device.info(),
            BTreeMap::from([("driver".to_owned(), "ice".to_owned())])
        );
        assert_eq!(device.eswitch_mode().as_deref(), Some("switchdev"));
        assert_eq!(device.parameter("enable_rdma"), Some(true));
        assert_eq!(device.parameter("enable_vnet"), None);
        let elsewhere = tempfile::tempdir().expect("a temporary directory");
        assert!(
            node(elsewhere.path(), Some(host))
                .devlink_devices()
                .is_empty()
        );
    }

    #[test]
    fn a_host_without_the_method_has_no_answer() {
        let machine = node(Path::new("/"), Some(HostFunctions { call: refuses }));
        assert!(machine.devlink_devices().is_empty());
        let device = machine.devlink("pci", "0000:5e:00.0");
        assert!(device.info().is_empty());
        assert_eq!(device.eswitch_mode(), None);
        assert_eq!(device.parameter("enable_rdma"), None);
    }

    #[test]
    fn files_answer_below_another_root() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let directory = root.path().join("netlink/devlink/auxiliary/mlx5_core.sf.2");
        std::fs::create_dir_all(&directory).expect("directories");
        for (name, text) in [
            ("info.fw.app.name", "ICE OS Default Package\n"),
            ("eswitch", "legacy\n"),
            ("param.enable_rdma", "0\n"),
            ("param.nonsense", "maybe\n"),
        ] {
            std::fs::write(directory.join(name), text).expect("a file");
        }
        let node = node(root.path(), None);
        assert_eq!(
            node.devlink_devices(),
            BTreeSet::from(["auxiliary/mlx5_core.sf.2".to_owned()])
        );
        let device = node.devlink("auxiliary", "mlx5_core.sf.2");
        assert_eq!(device.info()["fw.app.name"], "ICE OS Default Package");
        assert_eq!(device.eswitch_mode().as_deref(), Some("legacy"));
        assert_eq!(device.parameter("enable_rdma"), Some(false));
        assert_eq!(device.parameter("nonsense"), None);
        assert_eq!(
            node.devlink("pci", "mlx5_core.sf.2")
                .parameter("enable_rdma"),
            None
        );
    }
}
