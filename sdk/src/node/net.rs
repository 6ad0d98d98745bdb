//! Network interfaces: their kind, their link, and their part in a switch.

use std::sync::Arc;

use super::HostRoot;
use super::default_routes::OVS_DATAPATH;
use super::directory::{Directory, Place};

/// A network interface in sysfs (Linux: `Documentation/ABI/testing/sysfs-class-net`).
///
/// ```
/// use sriovdp_sdk::node::LinkState;
/// use sriovdp_sdk::{Finding, FindingKind, Node, PciAddress};
///
/// /// A finding when an interface of the function itself has no link.
/// fn check_link(node: &Node, function: PciAddress) -> Option<Finding> {
///     let netdevs = node.pci(function).netdevs();
///     let down = netdevs.iter().find(|netdev| netdev.link() == Some(LinkState::NoCarrier))?;
///     Some(Finding::new(FindingKind::Link, format!("its interface `{}` has no link", down.name())))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Netdev<'a> {
    root: &'a HostRoot,
    /// That of its device, or of the interface itself.
    directory: Arc<Directory>,
    /// The interface's place in there.
    path: String,
    name: String,
}

/// Whether an interface can carry traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// It has a carrier.
    Up,
    /// It is switched on and has none.
    NoCarrier,
    /// It is switched off (`ip link set … down`).
    Off,
}

/// What a network interface is in a switchdev switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    /// A port of the card.
    Uplink,
    /// The switch's end of a virtual function, a subfunction, or a function of another host.
    Representor,
}

impl<'a> Netdev<'a> {
    /// The interface `name` in `net`, a directory of its device.
    pub(super) fn new(
        root: &'a HostRoot,
        device: &Arc<Directory>,
        net: &str,
        name: String,
    ) -> Self {
        Self {
            root,
            directory: Arc::clone(device),
            path: format!("{net}/{name}"),
            name,
        }
    }

    /// The interface by its name, which has no device if it is a virtual one.
    fn by_name(root: &'a HostRoot, name: String) -> Self {
        let directory = Directory::new(format!("/sys/class/net/{name}"));
        Self {
            root,
            directory: Arc::new(directory),
            path: String::new(),
            name,
        }
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of an attribute, or nothing when it is absent or cannot be read.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let name = format!("{}/{name}", self.path);
        self.root.text(Place::In(&self.directory, &name)).ok()
    }

    /// The kind of link, by the names that iproute2 and the `linkTypes` selector use: `ether`, `infiniband`.
    pub fn link_type(&self) -> Option<String> {
        let arphrd: u32 = self.attribute("type")?.parse().ok()?;
        Some(link_type_name(arphrd))
    }

    /// Its link, or nothing where the kernel does not report it. The carrier of an interface that is switched off cannot be
    /// read.
    pub fn link(&self) -> Option<LinkState> {
        const IFF_UP: u32 = 1;
        match self.attribute("carrier").as_deref() {
            Some("1") => return Some(LinkState::Up),
            Some("0") => return Some(LinkState::NoCarrier),
            _ => {}
        }
        (self.flags()? & IFF_UP == 0).then_some(LinkState::Off)
    }

    /// Whether it is an uplink port of a switchdev switch.
    pub(crate) fn is_uplink(&self) -> bool {
        self.port() == Some(Port::Uplink)
    }

    /// Whether it is a port of a switchdev switch with another function behind it.
    pub(crate) fn is_representor(&self) -> bool {
        self.port() == Some(Port::Representor)
    }

    /// The bond or team that it is a port of.
    ///
    /// The other masters that forward packets are bridges, Open vSwitch datapaths and VRFs. A team has no attribute of
    /// its own in sysfs, so these are excluded instead.
    pub(crate) fn lag(&self) -> Option<Self> {
        /// Of the masters, only a VRF has it (Linux: `vrf_dev_init` in `drivers/net/vrf.c`).
        const IFF_NOARP: u32 = 0x80;
        let link = format!("{}/master", self.path);
        let name = self.root.link_name_of(Place::In(&self.directory, &link));
        let master = Self::by_name(self.root, name.ok()??);
        let forwards = master.name == OVS_DATAPATH
            || self.root.has(Place::In(&master.directory, "bridge"))
            || master.flags().is_some_and(|flags| flags & IFF_NOARP != 0);
        (!forwards).then_some(master)
    }

    /// The names of ports of a switch are those of `Documentation/networking/devlink/devlink-port.rst`: `p0`, `p0s1`,
    /// `pf0vf1`, `c1pf0sf3`; representors had only a number before Linux 5.0.
    fn port(&self) -> Option<Port> {
        let name = self.attribute("phys_port_name")?;
        let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        let function = name.strip_prefix('c').map_or(&*name, |controller| {
            controller.trim_start_matches(|c: char| c.is_ascii_digit())
        });
        if function.strip_prefix("pf").is_some_and(digit) {
            return Some(Port::Representor);
        }
        let switch = self.attribute("phys_switch_id").unwrap_or_default();
        match name.strip_prefix('p').is_some_and(digit) {
            _ if switch.is_empty() || name.is_empty() => None,
            true => Some(Port::Uplink),
            false => Some(Port::Representor),
        }
    }

    fn flags(&self) -> Option<u32> {
        let flags = self.attribute("flags")?;
        u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok()
    }
}

/// The names of `ARPHRD_` numbers (Linux: `include/uapi/linux/if_arp.h`), for the kinds that PCI functions have.
pub(crate) const LINK_TYPES: [(u32, &str); 8] = [
    (0, "generic"),
    (1, "ether"),
    (19, "atm"),
    (24, "ieee1394"),
    (32, "infiniband"),
    (512, "ppp"),
    (801, "ieee802.11"),
    (65534, "none"),
];

fn link_type_name(arphrd: u32) -> String {
    let mut known = LINK_TYPES.iter();
    match known.find(|(number, _)| *number == arphrd) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("unknown{arphrd}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn representors_are_known_by_the_names_of_their_ports() {
        for (switch, name, expected) in [
            ("aabb", "p0", Some(Port::Uplink)),
            ("aabb", "p1s0", Some(Port::Uplink)),
            ("", "p0", None),
            ("aabb", "pf0", Some(Port::Representor)),
            ("aabb", "pf0vf1", Some(Port::Representor)),
            ("aabb", "c1pf0sf3", Some(Port::Representor)),
            ("", "pf0vf1", Some(Port::Representor)),
            ("aabb", "7", Some(Port::Representor)),
            ("aabb", "", None),
            ("", "7", None),
            ("", "pf", None),
        ] {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let netdev = directory.path().join("a");
            std::fs::create_dir(&netdev).expect("a directory");
            std::fs::write(netdev.join("phys_switch_id"), switch).expect("a file");
            std::fs::write(netdev.join("phys_port_name"), name).expect("a file");
            let root = HostRoot::new(directory.path());
            let device = Arc::new(Directory::new(String::new()));
            let netdev = Netdev::new(&root, &device, "", "a".to_owned());
            assert_eq!(netdev.port(), expected, "{switch} {name}");
        }
    }
}
