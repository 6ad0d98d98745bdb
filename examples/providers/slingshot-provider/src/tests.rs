//! The extension on a node made of text.

use sriovdp_sdk_testing::{conformance, json, Harness};

use crate::Slingshot;

/// Two Slingshot adapters, one of them with virtual functions, and a card without CXI.
const NODE: &str = "
    pf 0000:21:00.0 17db:0501 driver=cxi_ss1 net=hsn0 numa=1
    vf 0000:21:00.{1-2} 17db:0502 pf=0000:21:00.0 id={0-1} driver=cxi_ss1
    pf 0000:a1:00.0 17db:0501 driver=cxi_ss1 net=hsn1
    pf 0000:03:00.0 8086:1572 driver=i40e net=eth0
    @0000:21:00.{0-2}/cxi/cxi{0-2}/dev = 242:{0-2}
    @0000:a1:00.0/cxi/cxi3/dev = 242:3
    dev /dev/cxi{0-3}
";
const VF: &str = "0000:21:00.2";

conformance!(Slingshot, NODE);

fn slingshot() -> Harness<Slingshot> {
    Harness::extending_functions(Slingshot, "netDevice", NODE)
}

#[test]
fn functions_with_a_cxi_device_are_selected() {
    let slingshot = slingshot();
    let cxi = ["0000:21:00.0", "0000:21:00.1", VF, "0000:a1:00.0"];
    assert_eq!(slingshot.select(json!({"isCxi": true})), cxi);
    assert_eq!(
        slingshot
            .why_not(json!({"isCxi": true}), "0000:03:00.0")
            .unwrap(),
        "isCxi: it has no CXI device"
    );
    assert_eq!(slingshot.why_not(json!({}), "0000:03:00.0"), None);
}

#[test]
fn a_container_gets_the_node_and_its_name() {
    let slingshot = slingshot();
    let [allocation] = &*slingshot.allocate(json!({"isCxi": true}), &[VF]).unwrap() else {
        panic!("one device");
    };
    assert_eq!(allocation.nodes[0].host_path, "/dev/cxi2");
    assert_eq!(allocation.info["cxi"]["dev-mount"], "/dev/cxi2");
    assert_eq!(allocation.env_lists["FI_CXI_DEVICE_NAME"], "cxi2");
    // The driver was bound again.
    slingshot.change("rm @0000:21:00.2/cxi\n@0000:21:00.2/cxi/cxi9/dev = 242:9\ndev /dev/cxi9");
    let again = slingshot.allocate(json!({"isCxi": true}), &[VF]).unwrap();
    assert_eq!(again[0].nodes[0].host_path, "/dev/cxi9");
    slingshot.change("rm @0000:21:00.2/cxi");
    let refused = slingshot.allocate(json!({"isCxi": true}), &[VF]);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "`0000:21:00.2` has no CXI device any more"
    );
    let without = slingshot.allocate_json(json!({}), VF).unwrap();
    assert_eq!(without, json!({}));
}

#[test]
fn a_missing_node_counts_where_containers_get_it() {
    let mut slingshot = slingshot();
    slingshot.change("nodev /dev/cxi2");
    slingshot.rescan().unwrap();
    assert_eq!(slingshot.findings_for(json!({}), VF), []);
    let findings = slingshot.findings_for(json!({"isCxi": true}), VF);
    assert_eq!(
        findings[0].reason,
        "cannot hand out the CXI device `cxi2`: the device node `/dev/cxi2` does not exist on this node"
    );
}
