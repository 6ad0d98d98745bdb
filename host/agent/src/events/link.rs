//! One change of a network interface, as a message of routing netlink (Linux: `Documentation/netlink/specs/rt-link.yaml`).

use netlink_bindings::utils::find_attr;

use super::ChangeScope;
use sriovdp_netlink::Message;

/// `include/uapi/linux/rtnetlink.h`.
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
/// The length of `struct ifinfomsg`, whose first byte is the address family.
const LINK_HEADER: usize = 16;
/// `include/uapi/linux/if_link.h`.
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_PARENT_DEV_NAME: u16 = 56;

/// Links from the network interfaces of this namespace to their directories.
const INTERFACES: &str = "/sys/class/net";

/// A network interface that was added, changed or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Created by software and not from devices: a bridge, an end of a veth pair.
    is_virtual: bool,
    name: Option<String>,
    /// The name of its device on the bus of that.
    parent: Option<String>,
}

impl Link {
    /// The links of a packet; other messages are skipped.
    pub(super) fn parse(mut packet: &[u8]) -> Vec<Self> {
        let mut links = Vec::new();
        while let Some(message) = Message::first(&mut packet) {
            links.extend(Self::of(&message));
        }
        links
    }

    /// Whether it may be the link of a device, or a bond or team of devices. Interfaces of containers are not.
    pub(super) fn is_relevant(&self) -> bool {
        !self.is_virtual
    }

    /// The scope of the change: the PCI function that the message names, or the one above the interface's directory.
    pub(super) fn scope(&self) -> ChangeScope {
        let named = self.parent.as_deref().map(ChangeScope::of);
        if let Some(ChangeScope::Function(function)) = named {
            return ChangeScope::Function(function);
        }
        let directory = self.name.as_deref().and_then(|name| {
            // The kernel has accepted the name, so it contains no `/`.
            std::fs::read_link(format!("{INTERFACES}/{name}")).ok()
        });
        directory.map_or(ChangeScope::Unknown, |directory| {
            ChangeScope::of(&directory.to_string_lossy())
        })
    }

    fn of(message: &Message<'_>) -> Option<Self> {
        const UNSPECIFIED: u8 = 0;
        if !matches!(message.kind, RTM_NEWLINK | RTM_DELLINK) {
            return None;
        }
        // Messages about ports of bridges have another address family.
        if *message.body.first()? != UNSPECIFIED {
            return None;
        }
        let attributes = message.body.get(LINK_HEADER..)?;
        let kind =
            find_attr(attributes, IFLA_LINKINFO).and_then(|info| find_attr(info, IFLA_INFO_KIND));
        // Kernels before 5.14 name no parent, so an interface without a kind counts as that of a device.
        let parent = find_attr(attributes, IFLA_PARENT_DEV_NAME).and_then(text);
        let is_of_devices = matches!(kind.and_then(text).as_deref(), None | Some("bond" | "team"));
        Some(Self {
            is_virtual: !is_of_devices && parent.is_none(),
            name: find_attr(attributes, IFLA_IFNAME).and_then(text),
            parent,
        })
    }
}

/// A string of the kernel, which ends with a zero.
fn text(attribute: &[u8]) -> Option<String> {
    let bytes = attribute.split(|&byte| byte == 0).next()?;
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, family: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![0; LINK_HEADER];
        body[0] = family;
        body.extend(attributes.concat());
        sriovdp_netlink::message(kind, 0, 0, &body)
    }

    fn relevance(packet: &[u8]) -> Vec<bool> {
        Link::parse(packet)
            .into_iter()
            .map(|link| link.is_relevant())
            .collect()
    }

    #[test]
    fn relevant_and_other_links() {
        let of_kind = |kind| attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, kind));
        let veth = of_kind(b"veth\0");
        let parent = attribute(IFLA_PARENT_DEV_NAME, b"0000:41:00.0\0");
        for (kind, family, attributes, expected) in [
            (RTM_NEWLINK, 0, vec![], &[true][..]),
            (RTM_DELLINK, 0, vec![parent.clone()], &[true]),
            (RTM_NEWLINK, 0, vec![veth.clone()], &[false]),
            (RTM_NEWLINK, 0, vec![of_kind(b"bridge\0")], &[false]),
            (RTM_NEWLINK, 0, vec![of_kind(b"bond\0")], &[true]),
            (RTM_DELLINK, 0, vec![of_kind(b"team\0")], &[true]),
            // An InfiniBand interface has a kind and a parent.
            (RTM_NEWLINK, 0, vec![veth.clone(), parent], &[true]),
            (RTM_NEWLINK, 7, vec![], &[]),
            (RTM_NEWLINK + 4, 0, vec![], &[]),
        ] {
            assert_eq!(relevance(&message(kind, family, &attributes)), expected);
        }
        let two = [
            message(RTM_NEWLINK, 0, &[veth]),
            message(RTM_NEWLINK, 0, &[]),
        ]
        .concat();
        assert_eq!(relevance(&two), [false, true]);
    }

    #[test]
    fn scopes_of_links() {
        let function = ChangeScope::Function("0000:41:00.0".parse().unwrap());
        for (attributes, expected) in [
            (
                vec![attribute(IFLA_PARENT_DEV_NAME, b"0000:41:00.0\0")],
                function,
            ),
            // On another bus, and removed.
            (
                vec![
                    attribute(IFLA_IFNAME, b"no/such\0"),
                    attribute(IFLA_PARENT_DEV_NAME, b"virtio3\0"),
                ],
                ChangeScope::Unknown,
            ),
            // It is always there, and of no device.
            (vec![attribute(IFLA_IFNAME, b"lo\0")], ChangeScope::Unknown),
            (vec![], ChangeScope::Unknown),
        ] {
            let links = Link::parse(&message(RTM_NEWLINK, 0, &attributes));
            assert_eq!(links[0].scope(), expected, "{links:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(packet in prop::collection::vec(any::<u8>(), 0..200)) {
            Link::parse(&packet);
        }

        #[test]
        fn any_attributes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            Link::parse(&sriovdp_netlink::message(RTM_NEWLINK, 0, 0, &body));
        }
    }
}
