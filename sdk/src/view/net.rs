//! Network interfaces: their kind, their part in a switch, and which of them carry the default route.

use std::collections::BTreeSet;

use super::Root;
use super::kernel::Kernel;
use crate::abi::wire::{DefaultRoutes, method};

/// A network interface in sysfs (Linux: `Documentation/ABI/testing/sysfs-class-net`).
#[derive(Clone, Debug)]
pub struct Netdev<'a> {
    root: &'a Root,
    path: String,
    name: String,
}

/// Whether an interface can carry traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It has a carrier.
    Up,
    /// It is switched on and has none.
    NoCarrier,
    /// It is switched off (`ip link set … down`).
    Off,
}

impl<'a> Netdev<'a> {
    pub(super) fn new(root: &'a Root, directory: &str, name: &str) -> Self {
        Self {
            root,
            path: format!("{directory}/{name}"),
            name: name.to_owned(),
        }
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of an attribute, or nothing when it is absent or cannot be read.
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.root.read(&format!("{}/{name}", self.path))
    }

    /// The kind of link, by the names that iproute2 and the `linkTypes` selector use: `ether`, `infiniband`.
    pub fn link_type(&self) -> Option<String> {
        let arphrd: u32 = self.attribute("type")?.parse().ok()?;
        Some(link_type_name(arphrd))
    }

    /// Its link, or nothing where the kernel does not say. The carrier of an interface that is switched off cannot be
    /// read.
    pub fn link(&self) -> Option<Link> {
        const IFF_UP: u32 = 1;
        match self.attribute("carrier").as_deref() {
            Some("1") => return Some(Link::Up),
            Some("0") => return Some(Link::NoCarrier),
            _ => {}
        }
        let flags = self.attribute("flags")?;
        let flags = u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?;
        (flags & IFF_UP == 0).then_some(Link::Off)
    }

    /// Whether it is the uplink port of a switchdev switch (`phys_port_name` is `p` and a number).
    pub(crate) fn is_uplink(&self) -> bool {
        let in_switch = self
            .attribute("phys_switch_id")
            .is_some_and(|id| !id.is_empty());
        let port = in_switch
            .then(|| self.attribute("phys_port_name"))
            .flatten();
        port.is_some_and(|name| {
            name.strip_prefix('p')
                .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        })
    }
}

/// The name of an `ARPHRD_` number (Linux: `include/uapi/linux/if_arp.h`), for the kinds that PCI functions have.
fn link_type_name(arphrd: u32) -> String {
    match arphrd {
        0 => "generic".to_owned(),
        1 => "ether".to_owned(),
        19 => "atm".to_owned(),
        24 => "ieee1394".to_owned(),
        32 => "infiniband".to_owned(),
        512 => "ppp".to_owned(),
        801 => "ieee802.11".to_owned(),
        65534 => "none".to_owned(),
        other => format!("unknown{other}"),
    }
}

pub(super) fn default_route_netdevs(root: &Root, kernel: Kernel) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let nothing = serde_json::Map::new();
    let asked: Option<DefaultRoutes> = kernel.ask(method::DEFAULT_ROUTES, &nothing);
    // The files count besides: they have the routes of IPv6 whole, and are there for a host that cannot say.
    let mut pending = asked.unwrap_or_default().netdevs;
    if let Some(table) = root.read("/proc/net/route") {
        pending.extend(table.lines().filter_map(ipv4_default_netdev));
    }
    if let Some(table) = root.read("/proc/net/ipv6_route") {
        pending.extend(table.lines().filter_map(ipv6_default_netdev));
    }
    while let Some(netdev) = pending.pop() {
        if netdev == "lo" || !found.insert(netdev.clone()) {
            continue;
        }
        // The kernel links an upper device to each lower one: bond and bridge to members, VLAN to parent.
        let entries = root.list(&format!("/sys/class/net/{netdev}"));
        pending.extend(
            entries
                .iter()
                .filter_map(|name| name.strip_prefix("lower_"))
                .map(str::to_owned),
        );
    }
    found
}

/// A line of `/proc/net/route`: interface, destination, gateway, flags, three counters, mask, ...
fn ipv4_default_netdev(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let is_default = *fields.get(1)? == "00000000" && *fields.get(7)? == "00000000";
    is_default.then(|| fields[0].to_owned())
}

/// A line of `/proc/net/ipv6_route`: destination, prefix length, source, its length, next hop, metric, two counters,
/// flags, interface. A route that rejects packets (`RTF_REJECT`) leads nowhere.
fn ipv6_default_netdev(line: &str) -> Option<String> {
    const RTF_REJECT: u32 = 0x0200;
    let fields: Vec<&str> = line.split_whitespace().collect();
    let is_default = fields.first()?.bytes().all(|b| b == b'0') && *fields.get(1)? == "00";
    let flags = u32::from_str_radix(fields.get(8)?, 16).ok()?;
    (is_default && flags & RTF_REJECT == 0).then(|| fields.get(9).map(|&name| name.to_owned()))?
}

#[cfg(test)]
mod tests {
    use abi_stable::std_types::{RErr, ROk, RStr, RString};

    use super::*;
    use crate::abi::{HostFunctions, Outcome};

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            std::fs::write(path, text).expect("a file");
        }
        let root = Root::new(dir.path());
        (dir, root)
    }

    #[test]
    fn default_routes_and_everything_below_them() {
        let (_dir, root) = tree(&[
            (
                "proc/net/route",
                "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                 bond0.7\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                 eno9\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                 eno8\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n",
            ),
            (
                "proc/net/ipv6_route",
                "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eno5\n\
                 00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       eno7\n",
            ),
            ("sys/class/net/bond0.7/lower_bond0", ""),
            ("sys/class/net/bond0/lower_eno1", ""),
            ("sys/class/net/bond0/lower_eno2", ""),
        ]);
        let netdevs: Vec<String> = default_route_netdevs(&root, Kernel::Files)
            .into_iter()
            .collect();
        assert_eq!(netdevs, ["bond0", "bond0.7", "eno1", "eno2", "eno5"]);
    }

    extern "C" fn knows_next_hops(method: RStr<'_>, question: RStr<'_>) -> Outcome {
        assert_eq!(
            (method.as_str(), question.as_str()),
            ("default_routes", "{}")
        );
        ROk(RString::from(r#"{"netdevs":["bond0","eno4"]}"#))
    }

    extern "C" fn knows_devlink_only(_: RStr<'_>, _: RStr<'_>) -> Outcome {
        RErr(RString::from("{}"))
    }

    extern "C" fn may_not_ask(_: RStr<'_>, _: RStr<'_>) -> Outcome {
        ROk(RString::from("null"))
    }

    #[test]
    fn the_host_knows_every_next_hop() {
        let (_dir, root) = tree(&[
            (
                "proc/net/route",
                "bond0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
            ),
            ("sys/class/net/bond0/lower_eno1", ""),
        ]);
        let netdevs = |call| {
            let kernel = Kernel::Host(HostFunctions { call });
            Vec::from_iter(default_route_netdevs(&root, kernel))
        };
        assert_eq!(netdevs(knows_next_hops), ["bond0", "eno1", "eno4"]);
        // An older host, and one that gets no answer: what the files say.
        assert_eq!(netdevs(knows_devlink_only), ["bond0", "eno1"]);
        assert_eq!(netdevs(may_not_ask), ["bond0", "eno1"]);
    }

    #[test]
    fn no_routes_no_netdevs() {
        let (_dir, root) = tree(&[]);
        assert!(default_route_netdevs(&root, Kernel::Files).is_empty());
    }
}
