//! The pod of each manifest registers its resources, and its commands work inside.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pod::write_config_map;
use crate::runtime::{Runtime, status};
use crate::world::{Node, World, kustomized, rendered, runtime};

const RESOURCE: &str = "intel.com/sriov_dpdk";
const DEVICE: &str = "0000:41:10.2";

/// The kernel's number for a filter in `/proc/PID/status`.
const SECCOMP_MODE_FILTER: &str = "2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_set_of_kustomize_serves_without_privileges() {
    let Some(runtime) = runtime() else { return };
    let world = Node::new(kustomized("deployments")).start(&runtime).await;
    serves(&world).await;

    let status = status(world.running.id().unwrap());
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(set), "0000000000000000", "{set}");
    }
    assert_eq!(status("NoNewPrivs"), "1");
    if matches!(runtime, Runtime::Oci(_)) {
        assert_eq!(status("Seccomp"), SECCOMP_MODE_FILTER);
    }
    for command in [
        "status",
        "status -o json",
        "events",
        "metrics",
        "providers",
        "list",
        "rescan",
        "report -",
        "check /etc/pcidp/config.json",
    ] {
        let command = format!("/usr/bin/sriovdp {command}");
        let command: Vec<String> = command.split(' ').map(str::to_owned).collect();
        assert!(!world.succeeds(&command).is_empty(), "{command:?}");
    }

    // An update of the ConfigMap takes effect.
    let config =
        r#"{"resourceList": [{"resourceName": "other", "selectors": {"drivers": ["vfio-pci"]}}]}"#;
    let data = BTreeMap::from([("config.json".to_owned(), config.to_owned())]);
    write_config_map(world.volumes.path("config"), &data);
    world.registered("intel.com/other").await;

    let log = world.running.log();
    for level in ["WARN", "ERROR"] {
        assert!(!log.contains(level), "{log}");
    }
    assert_eq!(world.running.terminate().code(), Some(0), "{log}");
}

/// The chart with one option, which adds a mount.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_set_of_the_chart_serves_with_cdi() {
    let Some(runtime) = runtime() else { return };
    let world = Node::new(rendered("cdi")).start(&runtime).await;
    serves(&world).await;
    let container = world.kubelet.allocate(RESOURCE, &[DEVICE]).await.unwrap();
    assert_eq!(container.cdi_devices.len(), 1, "{container:?}");
    let specifications = std::fs::read_dir(world.on_node("var/run/cdi")).unwrap();
    assert!(specifications.count() > 0);
}

/// The rendering with one other value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_set_of_the_chart_serves_another_directory_of_the_kubelet() {
    let Some(runtime) = runtime() else { return };
    let world = Node::new(rendered("kubelet-dir")).start(&runtime).await;
    serves(&world).await;
}

/// Every probe succeeds, the resource is registered, and an Allocate returns the device and leaves its device-info file.
async fn serves(world: &World) {
    let container = world.pod.container();
    world.probe(container.startup_probe.as_ref());
    let live = world.probe(container.liveness_probe.as_ref());
    assert_eq!(live, "OK: daemon is alive\n");
    world.registered(RESOURCE).await;
    world.probe(container.readiness_probe.as_ref());
    let allocated = world.kubelet.allocate(RESOURCE, &[DEVICE]).await.unwrap();
    assert_eq!(allocated.envs["PCIDEVICE_INTEL_COM_SRIOV_DPDK"], DEVICE);
    let file = "var/run/k8s.cni.cncf.io/devinfo/dp/intel.com-sriov_dpdk-0000:41:10.2-device.json";
    let file = std::fs::read(world.on_node(file)).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(file["pci"]["pci-address"], DEVICE);
    assert_eq!(format!("{:?}", world.kubelet.violations()), "[]");
}
