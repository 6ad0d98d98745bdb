//! What the default route of the node keeps out of pools, and until when.

use serde_json::json;

use super::scan;

const NODE: &str = "
    pci 0000:01:00.{0-1} 8086:1533 driver=igb net=eno{1-2}
    pci 0000:00:04.0 1af4:1000 driver=virtio-pci net=eth0 virtio=0
    pf 0000:03:00.0 8086:1572 driver=i40e net=ens1f0
    vf 0000:03:02.{0-2} 8086:154c pf=0000:03:00.0 id={0-2} driver=iavf net=ens1f0v{0-2}
    route eno1 default metric=100
    route ens1f0v0 default metric=20100
    route ens1f0v1 default metric=50
    route eth0 default metric=50
    route eno2 198.51.100.0/24
";
const VF: &str = "0000:03:02.0";

fn reason(netdev: &str) -> String {
    format!(
        "its network interface `{netdev}` carries the default route of the node, and `pciAddresses` does not name it"
    )
}

#[test]
fn the_functions_of_the_route_with_the_lowest_metric_are_kept_out() {
    let (_node, provider) = scan(NODE);
    assert_eq!(
        provider.select(json!({})),
        ["0000:01:00.0", "0000:01:00.1", VF, "0000:03:02.2"]
    );
    for (id, netdev) in [("0000:00:04.0", "eth0"), ("0000:03:02.1", "ens1f0v1")] {
        let why = provider.why_not(json!({"drivers": ["virtio-pci", "iavf"]}), id);
        assert_eq!(why, Some(reason(netdev)));
    }
    // A device that does not fit is not kept out.
    let why = provider.why_not(json!({"vendors": ["8086"]}), "0000:00:04.0");
    assert_eq!(why.unwrap(), "vendors: it has 1af4, not one of 8086");
}

#[test]
fn an_address_asks_for_them_all_the_same() {
    let (_node, provider) = scan(NODE);
    for id in ["0000:00:04.0", "0000:03:02.1"] {
        assert_eq!(provider.select(json!({"pciAddresses": [id]})), [id]);
    }
}

#[test]
fn a_virtual_function_that_was_found_without_the_route_stays() {
    let (node, mut provider) = scan(NODE);
    let selectors = || json!({"drivers": ["iavf"]});
    node.apply("route ens1f0v0 default metric=10");
    provider.rescan().unwrap();
    assert_eq!(
        provider.select(selectors()),
        [VF, "0000:03:02.1", "0000:03:02.2"]
    );
    provider.rescan_only(&[VF]).unwrap();
    provider.rescan_only(&["0000:03:02.2"]).unwrap();
    assert_eq!(provider.why_not(selectors(), VF), None);
    // One that is made anew is another one.
    node.apply("unplug 0000:03:02.0");
    provider.rescan_only(&[VF]).unwrap();
    node.apply("vf 0000:03:02.0 8086:154c pf=0000:03:00.0 id=0 driver=iavf net=ens1f0v0");
    provider.rescan_only(&[VF]).unwrap();
    assert_eq!(provider.why_not(selectors(), VF), Some(reason("ens1f0v0")));
}

#[test]
fn a_whole_function_goes_with_the_route_and_comes_back() {
    let (node, mut provider) = scan(NODE);
    let id = "0000:01:00.1";
    assert_eq!(provider.why_not(json!({}), id), None);
    let table = node.path().join("proc/net/route");
    let before = std::fs::read(&table).unwrap();
    node.apply("route eno2 default metric=10");
    provider.rescan().unwrap();
    assert_eq!(provider.why_not(json!({}), id), Some(reason("eno2")));
    std::fs::write(&table, before).unwrap();
    provider.rescan().unwrap();
    assert_eq!(provider.why_not(json!({}), id), None);
}
