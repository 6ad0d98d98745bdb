//! `ddpProfiles` over small nodes, with a program that stands for `ddptool`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sriovdp_sdk::{BaseDevice, DeviceId};
use sriovdp_sdk_testing::{Harness, TempTree, Tree};

use crate::IntelDdp;
use crate::ddptool::{Ddptool, Timeouts};

const GTP: &str = "GTPv1-C/U IPv4/IPv6 payload";
const PPPOE: &str = "PPPoE/PPPoL2TPv2 payload";
const XL710: &str = "
    pf 0000:03:00.0 8086:1572 driver=i40e net=ens1f0
    vf 0000:03:02.{0-6} 8086:154c pf=0000:03:00.0 id={0-6} driver=iavf
    vf 0000:04:02.0 15b3:1018 pf=0000:03:00.0 id=7 driver=mlx5_core
";
const LONG: Duration = Duration::from_secs(60);

/// A node, and the extension after a discovery of these functions with the program `tool`.
fn scan(tree: &str, tool: Ddptool, ids: &[&str]) -> (TempTree, Harness<IntelDdp>) {
    let node = Tree::parse(tree).expect("a node").temp();
    let device = |id: &&str| {
        let function: sriovdp_sdk::PciAddress = id.parse().expect("an address");
        BaseDevice::new("netDevice", DeviceId::from(function), function)
    };
    let provider = IntelDdp {
        tool,
        ..IntelDdp::default()
    };
    let harness = Harness::extending(provider, node.path(), ids.iter().map(device).collect());
    (node, harness)
}

fn tool(program: &str, run: Duration) -> Ddptool {
    Ddptool {
        program: Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join(program),
        everywhere: true,
        timeouts: Timeouts { run, scan: LONG },
    }
}

fn profile(name: &str) -> Value {
    json!({"ddpProfiles": [name]})
}

#[test]
fn the_tool_names_the_profile() {
    let ids = [
        "0000:03:02.0",
        "0000:03:02.1",
        "0000:03:02.2",
        "0000:03:02.3",
        "0000:03:02.5",
        "0000:04:02.0",
    ];
    let (_node, provider) = scan(XL710, tool("ddptool", LONG), &ids);
    assert_eq!(provider.select(profile(GTP)), ids[..1]);
    assert_eq!(
        provider.select(json!({"ddpProfiles": [PPPOE, GTP]})),
        ids[..2]
    );
    assert_eq!(provider.select(profile(&GTP.to_lowercase())), [""; 0]);
    assert_eq!(provider.select(json!({"ddpProfiles": []})), ids);
    assert_eq!(
        provider.why_not(profile(GTP), ids[1]),
        Some(format!("ddpProfiles: it has {PPPOE}, not one of {GTP}"))
    );
    // No profile, no JSON, a profile without a name, and a card of another vendor, which the tool is not run for.
    for id in &ids[2..] {
        let reason = format!("ddpProfiles: it has none, and the selector has {GTP}");
        assert_eq!(provider.why_not(profile(GTP), id), Some(reason), "{id}");
    }
    let allocated = provider
        .allocate_json(profile(GTP), ids[0])
        .expect("an allocation");
    assert_eq!(allocated, json!({}));
}

#[test]
fn a_tool_that_hangs_or_does_not_stop_is_ended() {
    let ids = ["0000:03:02.4", "0000:03:02.6", "0000:03:02.0"];
    // Long for a program that answers, short for one that sleeps for ten minutes.
    let (_node, provider) = scan(XL710, tool("ddptool", Duration::from_secs(2)), &ids);
    assert_eq!(provider.select(profile(GTP)), ids[2..]);
}

#[test]
fn a_tool_that_is_missing_or_cannot_run_is_none() {
    for program in ["no-such-program", ""] {
        let (_node, provider) = scan(XL710, tool(program, LONG), &["0000:03:02.0"]);
        assert_eq!(provider.select(profile(GTP)), [""; 0], "{program}");
    }
}

#[test]
fn devlink_names_the_package_of_the_card() {
    let ids = ["0000:18:00.1", "0000:18:01.0", "0000:18:01.1"];
    let (node, mut provider) = scan(
        r#"
        pf 0000:18:00.0 8086:1592 driver=ice net=ens2f0
        pf 0000:18:00.1 8086:1592 driver=ice net=ens2f1
        vf 0000:18:01.{0-1} 8086:1889 pf=0000:18:00.0 id={0-1} driver=iavf
        devlink pci/0000:18:00.0 info.fw.app.name="ICE COMMS Package" info.fw.app=1.3.37.0
        devlink pci/0000:18:00.1 info.fw.app.name="ICE OS Default Package"
        "#,
        Ddptool::default(),
        &ids,
    );
    assert_eq!(provider.select(profile("ICE COMMS Package")), ids[1..]);
    assert_eq!(provider.select(profile("ICE OS Default Package")), ids[..1]);
    node.apply(r#"devlink pci/0000:18:01.1 info.fw.app.name="its own""#);
    provider.rescan().expect("a scan");
    assert_eq!(provider.select(profile("its own")), ids[2..]);
}

#[test]
fn the_real_tool_speaks_of_its_own_machine_only() {
    let elsewhere = sriovdp_sdk::HostRoot::new("/some/root");
    assert!(!Ddptool::default().works_below(&elsewhere));
    assert!(Ddptool::default().works_below(&sriovdp_sdk::HostRoot::new("/")));
}

sriovdp_sdk_testing::conformance!(IntelDdp);
