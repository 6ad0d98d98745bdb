//! The link of a physical function, which the traffic of its virtual functions goes through.

use crate::view::Link;
use crate::{Cause, Finding, Node, PciAddress};

/// What the link of the physical function `address` says against its virtual functions.
///
/// It is down without a carrier, and as long as it is switched off: the virtual functions of the drivers that we know
/// have no carrier then either. An InfiniBand interface that is switched off says nothing, because it is only one user
/// of a port whose link is another matter. Neither does a function say anything whose interface is not to be seen: it is
/// in a pod, the function is bound to a userspace driver, or it is outside of this virtual machine.
///
/// In switchdev mode the link is that of the uplink. Of several interfaces one with a link is enough.
pub fn uplink_finding(node: &Node, address: PciAddress) -> Option<Finding> {
    let netdevs = node.pci(address).netdevs();
    let uplink = netdevs.iter().position(|netdev| netdev.is_uplink());
    let looked_at = match uplink {
        Some(at) => &netdevs[at..=at],
        None => &netdevs[..],
    };
    let mut reason = None;
    for netdev in looked_at {
        let state = match netdev.link()? {
            Link::Up => return None,
            Link::Off if netdev.link_type().as_deref() == Some("infiniband") => return None,
            Link::Off => "is switched off",
            Link::NoCarrier => "has no link",
        };
        reason.get_or_insert_with(|| {
            format!(
                "the interface `{}` of its physical function {state}",
                netdev.name()
            )
        });
    }
    reason.map(|reason| Finding::new(Cause::Link, reason))
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::Root;
    use crate::testing::Tree;

    #[track_caller]
    fn check(tree: &str, expected: Option<&str>) {
        let tree = Tree::parse(tree).expect("a node").temp();
        let node = Node::new(Root::new(tree.path()), Vec::new(), Vec::new());
        let finding = uplink_finding(&node, "0000:41:00.0".parse().expect("an address"));
        assert_eq!(finding.map(|finding| finding.reason).as_deref(), expected);
    }

    #[test]
    fn what_a_link_says() {
        const PF: &str = "pf 0000:41:00.0 8086:10c9 driver=igb net=eth0\n";
        let net = "/sys/bus/pci/devices/0000:41:00.0/net";
        check(PF, None);
        check(
            &format!("{PF}file {net}/eth0/carrier 0"),
            Some("the interface `eth0` of its physical function has no link"),
        );
        let off = |net: &str| format!("rm {net}/carrier\nfile {net}/flags 0x1002");
        check(
            &format!("{PF}{}", off(&format!("{net}/eth0"))),
            Some("the interface `eth0` of its physical function is switched off"),
        );
        check(
            &format!(
                "pf 0000:41:00.0 15b3:101b driver=mlx5_core net=ib0 link=infiniband\n{}",
                off(&format!("{net}/ib0"))
            ),
            None,
        );
        check("pf 0000:41:00.0 8086:10c9 driver=vfio-pci", None);
        check("", None);
    }

    #[test]
    fn one_link_of_several_is_enough_but_a_representor_is_none() {
        let net = "/sys/bus/pci/devices/0000:41:00.0/net";
        let two = "pf 0000:41:00.0 15b3:1003 driver=mlx4_core net=a,b\n";
        check(&format!("{two}file {net}/a/carrier 0"), None);
        check(
            &format!("{two}file {net}/a/carrier 0\nfile {net}/b/carrier 0"),
            Some("the interface `a` of its physical function has no link"),
        );
        check(
            &format!(
                "{two}file {net}/b/phys_switch_id 01\nfile {net}/b/phys_port_name p0\nfile {net}/b/carrier 0"
            ),
            Some("the interface `b` of its physical function has no link"),
        );
    }
}
