//! The node that a real kernel showed.

use super::node;
use crate::Tree;
use crate::entries::Entry;

/// What the kernel of a running machine showed.
const CAPTURED: &str = include_str!("../../../../examples/nodes/igb-guest.tree");

#[test]
fn every_link_of_the_captured_node_leads_somewhere() {
    let node = node(CAPTURED);
    let captured = Tree::parse(CAPTURED).unwrap();
    let is_link = |entry: &Entry| matches!(entry, Entry::Link(_));
    let links: Vec<_> = captured
        .state
        .entries
        .iter()
        .filter(|(_, entry)| is_link(entry))
        .collect();
    assert!(links.len() > 200, "{} links", links.len());
    for (path, _) in links {
        assert!(
            node.path().join(path.trim_start_matches('/')).exists(),
            "{path}"
        );
    }
}

/// The one check that the words are right and not just stable.
#[test]
fn words_say_what_the_captured_kernel_shows() {
    let described = Tree::parse(
        "
        pci 0000:40:00.0 1b36:000c class=060400 driver=pcieport group=11
        pf 0000:41:00.0 8086:10c9 driver=igb net=eth2 group=13 in=0000:40:00.0
        vf 0000:41:10.0 8086:10ca pf=0000:41:00.0 id=0 driver=igbvf net=eth6 group=18 ib=rxe0
        vf 0000:41:10.2 8086:10ca pf=0000:41:00.0 id=1 driver=vfio-pci group=19
        vf 0000:41:10.4 8086:10ca pf=0000:41:00.0 id=2 driver=uio_pci_generic group=20 uio=0
        vf 0000:41:10.6 8086:10ca pf=0000:41:00.0 id=3 driver=igbvf net=eth9 group=21
        ib rxe0 uverbs=0 umad=0
        pci 0000:80:01.0 1b36:000c class=060400 numa=1
        pci 0000:82:00.0 1af4:1041 driver=vp-vdpa numa=1 in=0000:80:01.0
        vdpa vdpa:0000:82:00.0 on=0000:82:00.0 driver=vhost_vdpa dev=vhost-vdpa-0
        pci 0000:00:0a.0 1af4:1041 driver=vp-vdpa numa=-1
        vdpa vdpa:0000:00:0a.0 on=0000:00:0a.0 driver=virtio_vdpa virtio=2 net=eth4
        ",
    )
    .unwrap();
    let captured = Tree::parse(CAPTURED).unwrap();
    // What depends on the machine and not on the words.
    let free = [
        "/address",
        "/addr_len",
        "/ifindex",
        "/flags",
        "/operstate",
        "/carrier",
        "/modalias",
        "/uevent",
        "/type",
        "/revision",
        "/subsystem_vendor",
        "/subsystem_device",
        "/sriov_totalvfs",
        "/status",
        "/dev",
    ];
    let mut compared = 0;
    for (path, entry) in described.state.entries.iter() {
        if path.starts_with("/proc/")
            || *entry == Entry::Directory
            || free.iter().any(|name| path.ends_with(name))
        {
            continue;
        }
        let shown = captured
            .state
            .entries
            .iter()
            .find(|(captured, _)| *captured == path);
        assert_eq!(Some((path, entry)), shown);
        compared += 1;
    }
    assert!(compared > 100, "{compared} entries");
}
