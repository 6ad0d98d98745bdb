//! One subfunction as the auxiliary bus shows it.

use std::fmt;

use sriovdp_sdk::selector::CaseInsensitive;
use sriovdp_sdk::{Error, Node, PciAddress};

/// Linux: `Documentation/driver-api/auxiliary_bus.rst`.
const BUS: &str = "/sys/bus/auxiliary/devices";

/// The auxiliary type of subfunctions, the only one in `auxTypes`.
pub(crate) const SF: &str = "sf";

/// What makes a subfunction the one that it is; its name may be another's tomorrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subfunction {
    /// The PCI function that it is a child of.
    pub(crate) parent: PciAddress,
    /// What it was made with, by `devlink port add ... sfnum` (Linux: `sfnum_show` in
    /// `drivers/net/ethernet/mellanox/mlx5/core/sf/dev/dev.c`).
    pub(crate) number: Option<u32>,
}

/// The names of all subfunctions of the node. One directory is read.
///
/// # Errors
///
/// When there is one and it cannot be read: then nothing is known, and not that there are none.
pub(crate) fn names(node: &Node) -> Result<Vec<String>, Error> {
    let mut names = node.root().try_list(BUS)?;
    names.retain(|name| auxiliary_type(name) == Some(SF));
    Ok(names)
}

/// The middle of `<module>.<type>.<number>`, which is how the kernel names auxiliary devices.
fn auxiliary_type(name: &str) -> Option<&str> {
    let (matched, number) = name.rsplit_once('.')?;
    let (module, kind) = matched.split_once('.')?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (is_number && !module.is_empty()).then_some(kind)
}

impl Subfunction {
    /// The subfunction `name` as it is now, or the reason why it is none that could be given away.
    pub(crate) fn of(node: &Node, name: &str) -> Result<Self, String> {
        let target = node.root().link_target(&format!("{BUS}/{name}"));
        let target = target.ok_or("it is not on the auxiliary bus any more")?;
        let parent = target.parent().and_then(|path| path.file_name());
        let parent = parent.unwrap_or_default().to_string_lossy();
        Ok(Self {
            parent: parent
                .parse()
                .map_err(|_| format!("its parent `{parent}` is no PCI function"))?,
            number: node
                .root()
                .read(&format!("{BUS}/{name}/sfnum"))
                .and_then(|number| number.parse().ok()),
        })
    }
}

impl fmt::Display for Subfunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "subfunction {number} of {}", self.parent),
            None => write!(f, "a subfunction of {} without a number", self.parent),
        }
    }
}

/// The kind of link of the subfunction's own network interface. There is none where it is switched off, or in a pod.
pub(crate) fn link_type(node: &Node, name: &str) -> Option<CaseInsensitive> {
    let directory = format!("{BUS}/{name}/net");
    let netdevs = node.root().list(&directory);
    let arphrd = node
        .root()
        .read(&format!("{directory}/{}/type", netdevs.first()?))?;
    // The links that a subfunction can have (Linux: `include/uapi/linux/if_arp.h`).
    match arphrd.as_str() {
        "1" => Some("ether".into()),
        "32" => Some("infiniband".into()),
        _ => None,
    }
}

/// Whether it has a network interface: its directory is there also while the interface is in a pod.
pub(crate) fn has_netdev(node: &Node, name: &str) -> bool {
    node.root().exists(&format!("{BUS}/{name}/net"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_in_the_name() {
        for (name, expected) in [
            ("mlx5_core.sf.2", Some("sf")),
            ("ice.sf.10", Some("sf")),
            ("mlx5_core.eth.0", Some("eth")),
            ("mlx5_core.eth-rep.0", Some("eth-rep")),
            ("a.sf.b.3", Some("sf.b")),
            ("mlx5_core.sf", None),
            ("mlx5_core.sf.", None),
            ("mlx5_core.sf.x", None),
            (".sf.1", None),
            ("sf.1", None),
            ("", None),
        ] {
            assert_eq!(auxiliary_type(name), expected, "{name}");
        }
    }
}
