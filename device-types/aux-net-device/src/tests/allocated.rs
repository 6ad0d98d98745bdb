//! What containers get of subfunctions, and when they are refused.

use crate::AuxNetDevice;
use serde_json::{Value, json};
use sriovdp_sdk_testing::Harness;

use super::scan;

const CARD: &str = "
    pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
    pf 0000:08:00.1 15b3:a2d6 driver=mlx5_core net=p1
    sf mlx5_core.sf.2 on=0000:08:00.0 num=88 net=s88
    dev /dev/vhost-net
    dev /dev/net/tun
";

fn plain() -> Value {
    json!({"auxTypes": ["sf"]})
}

fn vm() -> Value {
    json!({"auxTypes": ["sf"], "needVhostNet": true})
}

/// What a container gets for the subfunction, as JSON.
#[track_caller]
fn allocate(provider: &Harness<AuxNetDevice>, selectors: Value) -> Value {
    let allocated = provider.allocate_json(selectors, "mlx5_core.sf.2");
    allocated.expect("an allocation")
}

/// The message and causes of an allocation that must fail, as one text.
#[track_caller]
fn refused(provider: &Harness<AuxNetDevice>, selectors: Value) -> String {
    let allocated = provider.allocate(selectors, &["mlx5_core.sf.2"]);
    let error = allocated.expect_err("a refusal");
    assert!(error.hint().is_some(), "no cure: {error:?}");
    let causes = error.causes().map(|cause| format!(": {cause}"));
    format!("{error}{}", causes.collect::<String>())
}

#[test]
fn a_subfunction_brings_no_device_node_and_no_device_info() {
    let (node, provider) = scan(CARD);
    assert_eq!(allocate(&provider, plain()), json!({}));
    // Its interface is no condition: a pod that is being deleted may still have it.
    node.apply("rm @mlx5_core.sf.2/net/s88");
    assert_eq!(allocate(&provider, plain()), json!({}));
}

#[test]
fn vhost_net_accompanies_it() {
    let (node, provider) = scan(CARD);
    assert_eq!(
        allocate(&provider, vm()),
        json!({
            "companions": [["/dev/vhost-net", "/dev/vhost-net"], ["/dev/net/tun", "/dev/net/tun"]],
            "info": {"vhost": {"net-mount": "/dev/vhost-net", "tun-mount": "/dev/net/tun"}},
        })
    );
    for path in ["/dev/net/tun", "/dev/vhost-net"] {
        node.apply(&format!("nodev {path}"));
        assert_eq!(
            refused(&provider, vm()),
            format!(
                "cannot give the container the device nodes of `needVhostNet`: \
                 the device node `{path}` does not exist on this node"
            )
        );
    }
    assert_eq!(provider.warnings(vm()).len(), 2);
    assert_eq!(provider.warnings(plain()), [""; 0]);
    assert_eq!(allocate(&provider, plain()), json!({}));
}

#[test]
fn a_subfunction_that_is_gone_or_another_one_by_now_is_refused() {
    let (node, mut provider) = scan(CARD);
    node.apply("unplug mlx5_core.sf.2");
    assert_eq!(
        refused(&provider, plain()),
        "cannot hand out `mlx5_core.sf.2`: it is not on the auxiliary bus any more"
    );
    node.apply("sf mlx5_core.sf.2 on=0000:08:00.0 num=7");
    assert_eq!(
        refused(&provider, plain()),
        "`mlx5_core.sf.2` was subfunction 88 of 0000:08:00.0 in the last scan, \
         and is subfunction 7 of 0000:08:00.0 by now"
    );
    node.apply("unplug mlx5_core.sf.2");
    node.apply("sf mlx5_core.sf.2 on=0000:08:00.1 num=88");
    assert_eq!(
        refused(&provider, plain()),
        "`mlx5_core.sf.2` was subfunction 88 of 0000:08:00.0 in the last scan, \
         and is subfunction 88 of 0000:08:00.1 by now"
    );

    provider.rescan().expect("a discovery");
    assert_eq!(allocate(&provider, plain()), json!({}));
}

#[test]
fn a_device_info_file_names_no_function() {
    let (_node, provider) = scan(CARD);
    assert_eq!(allocate(&provider, plain()), json!({}));
    let selectors = json!({"auxTypes": ["sf"], "completeDeviceInfo": true});
    assert_eq!(
        allocate(&provider, selectors),
        json!({"device_info": {"type": "pci"}})
    );
}

#[test]
fn a_vdpa_device_is_handed_out_to_resources_that_select_it() {
    const VDPA: &str = "
        sf mlx5_core.sf.3 on=0000:08:00.1 num=3
        vdpa vdpa0 on=mlx5_core.sf.2 driver=vhost_vdpa dev=vhost-vdpa-0
        vdpa vdpa1 on=mlx5_core.sf.3 driver=virtio_vdpa
    ";
    let selectors = |kind: &str| json!({"auxTypes": ["sf"], "vdpaType": kind});
    let (node, mut provider) = scan(&format!("{CARD}{VDPA}"));
    assert_eq!(provider.select(selectors("vhost")), ["mlx5_core.sf.2"]);
    assert_eq!(provider.select(selectors("virtio")), ["mlx5_core.sf.3"]);
    assert_eq!(
        provider.why_not(selectors("vhost"), "mlx5_core.sf.3"),
        Some("vdpaType: it has virtio, not one of vhost".to_owned())
    );
    // There is no PCI address: that of the parent is another device.
    assert_eq!(
        allocate(&provider, selectors("vhost")),
        json!({
            "nodes": [["/dev/vhost-vdpa-0", "/dev/vhost-vdpa-0"]],
            "info": {"vdpa": {"mount": "/dev/vhost-vdpa-0"}},
            "device_info": {
                "type": "vdpa",
                "vdpa": {"parent-device": "vdpa0", "driver": "vhost", "path": "/dev/vhost-vdpa-0"},
            },
        })
    );
    assert_eq!(allocate(&provider, plain()), json!({}));
    node.apply("nodev /dev/vhost-vdpa-0");
    provider.rescan().expect("a scan");
    assert_eq!(provider.findings("mlx5_core.sf.2"), []);
    let findings = provider.findings_for(selectors("vhost"), "mlx5_core.sf.2");
    assert_eq!(findings.len(), 1);
    assert!(refused(&provider, selectors("vhost")).contains("`/dev/vhost-vdpa-0` does not exist"));
    node.apply("rm @vdpa0/driver");
    assert_eq!(
        refused(&provider, selectors("vhost")),
        "the vDPA device `vdpa0` of `mlx5_core.sf.2` is not bound to `vhost_vdpa` any more"
    );
}
