//! Network interfaces: their kind, their link, and their part in a switch.

use super::Root;

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
