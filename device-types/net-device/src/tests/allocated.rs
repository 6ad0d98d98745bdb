//! What a container gets: device nodes, `_INFO` and the device-info file, or a refusal.

use serde_json::{Value, json};

use super::{allocate, refused, scan};

const CARD: &str = "
    pf 0000:03:00.0 8086:1572 driver=i40e net=ens1f0
    vf 0000:03:02.0 8086:154c pf=0000:03:00.0 id=0 driver=vfio-pci group=40
    vf 0000:03:02.1 8086:154c pf=0000:03:00.0 id=1 driver=vfio-pci group=1 noiommu=1
    vf 0000:03:02.2 8086:154c pf=0000:03:00.0 id=2 driver=iavf net=ens1f0v2
    vf 0000:03:02.3 8086:154c pf=0000:03:00.0 id=3 driver=igb_uio uio=3
    dev /dev/vhost-net
    dev /dev/net/tun
";

fn pci(id: &str) -> Value {
    json!({"type": "pci", "pci": {"pci-address": id}})
}

#[test]
fn nodes_follow_the_driver() {
    let (_node, provider) = scan(CARD);
    for (id, nodes, info) in [
        (
            "0000:03:02.0",
            json!([
                ["/dev/vfio/vfio", "/dev/vfio/vfio"],
                ["/dev/vfio/40", "/dev/vfio/40"]
            ]),
            json!({"vfio": {"mount": "/dev/vfio/vfio", "dev-mount": "/dev/vfio/40"}}),
        ),
        (
            "0000:03:02.1",
            json!([
                ["/dev/vfio/vfio", "/dev/vfio/vfio"],
                ["/dev/vfio/noiommu-1", "/dev/vfio/1"]
            ]),
            json!({"vfio": {"mount": "/dev/vfio/vfio", "dev-mount": "/dev/vfio/1"}}),
        ),
        (
            "0000:03:02.3",
            json!([["/dev/uio3", "/dev/uio3"]]),
            json!({"uio": {"mount": "/dev/uio3"}}),
        ),
    ] {
        let expected = json!({"nodes": nodes, "info": info, "device_info": pci(id)});
        assert_eq!(allocate(&provider, json!({}), id), expected, "{id}");
    }
    assert_eq!(
        allocate(&provider, json!({}), "0000:03:02.2"),
        json!({"device_info": pci("0000:03:02.2")})
    );
}

const CDEV: &str = "
    file @0000:03:02.0/vfio-dev/vfio0/dev 243:0
    dev /dev/vfio/devices/vfio0
    dev /dev/iommu
";

#[test]
fn a_function_has_a_vfio_node_of_its_own_where_the_kernel_makes_one() {
    let vfio = |tree: &str| {
        let (_node, provider) = scan(&format!("{CARD}{tree}"));
        let got = allocate(&provider, json!({}), "0000:03:02.0");
        (got["nodes"].clone(), got["info"]["vfio"].clone())
    };
    let same = |path: &str| json!([path, path]);
    let [container, group, cdev] =
        ["/dev/vfio/vfio", "/dev/vfio/40", "/dev/vfio/devices/vfio0"].map(same);
    let groups = json!({"mount": "/dev/vfio/vfio", "dev-mount": "/dev/vfio/40"});
    // A kernel without the option has the entry, and no character device.
    let entry = "dir @0000:03:02.0/vfio-dev/vfio0";
    assert_eq!(vfio(entry), (json!([container, group]), groups.clone()));
    let mut both = groups;
    both["cdev"] = "/dev/vfio/devices/vfio0".into();
    assert_eq!(vfio(CDEV), (json!([container, group, cdev]), both));
    // A kernel without groups.
    let alone = format!("{CDEV}nodev /dev/vfio/vfio\nnodev /dev/vfio/40");
    let only = json!({"cdev": "/dev/vfio/devices/vfio0"});
    assert_eq!(vfio(&alone), (json!([cdev]), only.clone()));
    let without_iommu_group = format!("{CDEV}rm @0000:03:02.0/iommu_group");
    assert_eq!(vfio(&without_iommu_group), (json!([cdev]), only));
}

#[test]
fn the_node_of_iommufd_comes_last() {
    let selectors = || json!({"needIommufd": true});
    let (node, provider) = scan(&format!("{CARD}{CDEV}"));
    let got = allocate(&provider, selectors(), "0000:03:02.0");
    assert_eq!(got["companions"], json!([["/dev/iommu", "/dev/iommu"]]));
    assert_eq!(got["info"]["vfio"]["iommu"], "/dev/iommu");
    assert!(provider.warnings(selectors()).is_empty());
    node.apply("nodev /dev/iommu");
    assert_eq!(
        refused(&provider, selectors(), "0000:03:02.0"),
        "cannot give the container the device node of `needIommufd`: \
         the device node `/dev/iommu` does not exist on this node"
    );
    assert_eq!(provider.warnings(selectors()).len(), 1);
}

#[test]
fn nodes_follow_each_driver_of_a_framework() {
    let vfio = ["vfio-pci", "mlx5_vfio_pci", "nvgrace-gpu-vfio-pci"];
    let uio = ["uio", "igb_uio", "uio_pci_generic"];
    let kernel = ["ice", "vfio", "vfio-pci-core", "myvfio-pci"];
    let all = vfio
        .iter()
        .zip(["/dev/vfio/9"; 3])
        .chain(uio.iter().zip(["/dev/uio0"; 3]));
    for (driver, last) in all.chain(kernel.iter().zip([""; 4])) {
        let (_node, provider) = scan(&format!(
            "pci 0000:01:00.0 8086:1533 driver={driver} group=9 uio=0
             dev /dev/vfio/vfio
             dev /dev/vfio/9"
        ));
        let allocated = allocate(&provider, json!({}), "0000:01:00.0");
        let found = allocated["nodes"]
            .as_array()
            .and_then(|nodes| nodes.last()?[0].as_str())
            .unwrap_or_default();
        assert_eq!(found, last, "{driver}");
    }
}

#[test]
fn a_missing_node_group_or_entry_is_named() {
    let of = |change: &str, id: &str| {
        let (node, provider) = scan(CARD);
        node.apply(change);
        refused(&provider, json!({}), id)
    };
    assert_eq!(
        of("nodev /dev/vfio/40", "0000:03:02.0"),
        "cannot hand out `0000:03:02.0`, which is bound to `vfio-pci`: \
         the device node `/dev/vfio/40` does not exist on this node"
    );
    assert!(of("nodev /dev/vfio/vfio", "0000:03:02.0").contains("`/dev/vfio/vfio`"));
    assert!(of("nodev /dev/vfio/noiommu-1", "0000:03:02.1").contains("`/dev/vfio/noiommu-1`"));
    assert!(of("nodev /dev/uio3", "0000:03:02.3").contains("`/dev/uio3`"));
    assert_eq!(
        of("rm @0000:03:02.0/iommu_group", "0000:03:02.0"),
        "`0000:03:02.0` is bound to `vfio-pci` and has no IOMMU group"
    );
    assert_eq!(
        of("rm @0000:03:02.3/uio/uio3", "0000:03:02.3"),
        "`0000:03:02.3` is bound to `igb_uio` and has no entry in its directory `uio`"
    );
    assert_eq!(
        of("rm @0000:03:02.2/driver", "0000:03:02.2"),
        "no driver is bound to `0000:03:02.2`"
    );
}

#[test]
fn the_driver_of_now_counts() {
    let (node, provider) = scan(CARD);
    node.apply(
        "link @0000:03:02.0/driver ../../../bus/pci/drivers/iavf
         link @0000:03:02.3/driver ../../../bus/pci/drivers/iavf",
    );
    assert_eq!(
        allocate(&provider, json!({"devices": ["154c"]}), "0000:03:02.0").get("nodes"),
        None
    );
    let dpdk = json!({"drivers": ["vfio-pci", "igb_uio"]});
    assert_eq!(
        refused(&provider, dpdk, "0000:03:02.3"),
        "`0000:03:02.3` no longer matches its resource: `drivers`: it has iavf, not one of vfio-pci, igb_uio"
    );
}

#[test]
fn vhost_net_accompanies_the_device() {
    let (node, provider) = scan(CARD);
    let vm = || json!({"needVhostNet": true});
    let companions = json!([
        ["/dev/vhost-net", "/dev/vhost-net"],
        ["/dev/net/tun", "/dev/net/tun"]
    ]);
    let vhost = json!({"net-mount": "/dev/vhost-net", "tun-mount": "/dev/net/tun"});
    let kernel = allocate(&provider, vm(), "0000:03:02.2");
    assert_eq!(kernel["companions"], companions);
    assert_eq!(kernel["info"], json!({"vhost": vhost}));
    let vfio = allocate(&provider, vm(), "0000:03:02.0");
    assert_eq!(vfio["companions"], companions);
    assert_eq!(vfio["nodes"].as_array().map(Vec::len), Some(2));
    assert_eq!(vfio["info"]["vhost"], vhost);
    assert_eq!(provider.warnings(vm()), [""; 0]);

    for path in ["/dev/net/tun", "/dev/vhost-net"] {
        node.apply(&format!("nodev {path}"));
        assert_eq!(
            refused(&provider, vm(), "0000:03:02.2"),
            format!(
                "cannot give the container the device nodes of `needVhostNet`: \
                 the device node `{path}` does not exist on this node"
            )
        );
    }
    // A warning names each of them before a pod requests a device; the devices stay healthy.
    assert_eq!(
        provider.warnings(vm()),
        ["/dev/vhost-net", "/dev/net/tun"].map(|path| format!(
            "no pod gets a device, because of `needVhostNet`: the device node `{path}` does not exist on this node"
        ))
    );
    assert_eq!(provider.warnings(json!({})), [""; 0]);
}

#[test]
fn a_complete_device_info_file_names_the_physical_function_and_the_representor() {
    const SWITCH: &str = "
        pf 0000:5e:00.1 15b3:1017 driver=mlx5_core net=r0,r1,r2,p1 switch=abc
        file /sys/class/net/p1/phys_port_name p1
        file /sys/class/net/r0/phys_port_name pf0vf1
        file /sys/class/net/r1/phys_port_name pf1vf1
        file /sys/class/net/r2/phys_port_name c1pf1vf1
        vf 0000:5e:02.{0-1} 15b3:1018 pf=0000:5e:00.1 id={0-1} driver=mlx5_core
        vdpa vdpa1 on=0000:5e:02.1 driver=virtio_vdpa
        pci 0000:99:00.0 8086:1533 driver=igb
        dev /dev/vhost-net
        dev /dev/net/tun
    ";
    let (_node, provider) = scan(SWITCH);
    let info = |mut selectors: Value, id| {
        selectors["completeDeviceInfo"] = true.into();
        allocate(&provider, selectors, id)["device_info"].clone()
    };
    assert_eq!(
        info(json!({"needVhostNet": true}), "0000:5e:02.1")["pci"],
        json!({
            "pci-address": "0000:5e:02.1",
            "pf-pci-address": "0000:5e:00.1",
            "representor-device": "r1",
            "vhost-net": "/dev/vhost-net",
        })
    );
    assert_eq!(
        info(json!({"vdpaType": "virtio"}), "0000:5e:02.1")["vdpa"],
        json!({
            "parent-device": "vdpa1",
            "driver": "virtio",
            "pci-address": "0000:5e:02.1",
            "pf-pci-address": "0000:5e:00.1",
            "representor-device": "r1",
        })
    );
    assert_eq!(
        info(json!({}), "0000:5e:02.0")["pci"],
        json!({"pci-address": "0000:5e:02.0", "pf-pci-address": "0000:5e:00.1"})
    );
    assert_eq!(info(json!({}), "0000:99:00.0"), pci("0000:99:00.0"));
}
