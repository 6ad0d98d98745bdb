//! The example configurations and pods are valid, and so is every configuration that a manifest embeds.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::repository::{files, list, of_kind, text};
use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

/// Accepted by the program without a word, and by the schema of its providers.
async fn valid(name: &str, config: &str) {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    node.provide_extensions();
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(0), "{name}:\n{output}");
    assert!(!output.contains("warning"), "{name}:\n{output}");
    let (_, schema, _) = node.run(&["schema"]).await;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let config: Value = serde_json::from_str(config).unwrap();
    let reported = validator.validate(&config);
    assert!(reported.is_ok(), "{name}: {reported:?}");
}

#[tokio::test]
async fn configurations() {
    let names = files("examples/configs", "json");
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        valid(&name, &text(&name)).await;
    }
}

#[tokio::test]
async fn config_maps() {
    let mut count = 0;
    for (name, map) in of_kind("ConfigMap") {
        for (key, config) in map["data"].as_object().expect("data") {
            valid(&format!("{name}: {key}"), config.as_str().unwrap()).await;
            count += 1;
        }
    }
    assert!(count > 0, "no config map has a configuration");
}

/// What the config map of `deployments` offers, by the prefix that the daemon set's arguments leave as it is.
fn offered() -> BTreeSet<String> {
    let (_, map) = of_kind("ConfigMap").remove(0);
    let config: Value = serde_json::from_str(map["data"]["config.json"].as_str().unwrap()).unwrap();
    let names = list(&config["resourceList"]).map(|resource| {
        let prefix = resource["resourcePrefix"].as_str().unwrap_or("intel.com");
        format!("{prefix}/{}", resource["resourceName"].as_str().unwrap())
    });
    names.collect()
}

#[test]
fn pods_ask_for_what_the_config_map_offers() {
    let offered = offered();
    let pods = of_kind("Pod");
    assert!(
        pods.len() >= 3,
        "a pod with Multus, one with DANM, and one without either"
    );
    for (file, pod) in pods {
        let containers = list(&pod["spec"]["containers"]);
        let limits = containers.filter_map(|one| one["resources"]["limits"].as_object());
        let names = limits.flat_map(|limits| limits.keys());
        let asked: BTreeSet<&String> = names.filter(|name| name.contains('/')).collect();
        assert!(!asked.is_empty(), "{file}");
        for name in asked {
            assert!(
                offered.contains(name),
                "{file}: `{name}` is not in {offered:?}"
            );
            // The variables that a command of the example reads are those of its resources.
            let read = pod.to_string();
            if read.contains("PCIDEVICE_") {
                let variable = name.replace(['/', '.'], "_").to_uppercase();
                assert!(
                    read.contains(&format!("$PCIDEVICE_{variable}_INFO")),
                    "{file}"
                );
            }
        }
    }
}

/// A network names the resource of its devices, and a pod that is attached to it asks for that resource.
#[test]
fn pods_are_attached_to_networks_of_their_resources() {
    let networks = of_kind("NetworkAttachmentDefinition")
        .into_iter()
        .map(|(file, network)| {
            let config = network["spec"]["config"].as_str().unwrap();
            assert!(serde_json::from_str::<Value>(config).is_ok(), "{file}");
            let resource = &network["metadata"]["annotations"]["k8s.v1.cni.cncf.io/resourceName"];
            (file, network["metadata"]["name"].clone(), resource.clone())
        });
    let danm = of_kind("DanmNet").into_iter().map(|(file, network)| {
        let resource = &network["spec"]["Options"]["device_pool"];
        (file, network["metadata"]["name"].clone(), resource.clone())
    });
    let networks: Vec<_> = networks.chain(danm).collect();
    assert_eq!(networks.len(), 2);
    for (file, name, resource) in networks {
        let (name, resource) = (name.as_str().unwrap(), resource.as_str().unwrap());
        let pods = of_kind("Pod");
        let (_, pod) = pods.iter().find(|(of, _)| *of == file).expect("its pod");
        assert!(offered().contains(resource), "{file}: {resource}");
        assert!(
            pod["metadata"]["annotations"].to_string().contains(name),
            "{file}"
        );
        assert!(
            pod["spec"]
                .to_string()
                .contains(&format!("\"{resource}\":\"1\"")),
            "{file}"
        );
    }
}

/// Each configuration for RDMA has devices on the machines that it is for.
#[tokio::test]
async fn configurations_of_rdma_on_their_nodes() {
    for (config, machine, pools) in [
        (
            "multi-rail",
            "efa-multi-rail",
            &["rail0: 1", "rail1: 1", "rail2: 1", "rail3: 1"][..],
        ),
        ("cloud-rdma", "efa-multi-rail", &["efa: 4"]),
        ("cloud-rdma", "erdma", &["erdma: 1"]),
        ("cloud-rdma", "mana", &["mana: 1"]),
    ] {
        let config = text(&format!("examples/configs/{config}.json"));
        let tree = text(&format!("examples/nodes/{machine}.tree"));
        let node = TestNode::with_config(&tree, RegistrationMode::Watcher, &config);
        node.provide_extensions();
        let (_, output, _) = node.run(&["check"]).await;
        for pool in pools {
            let expected = format!("intel.com/{pool} device");
            assert!(output.contains(&expected), "{machine}, {pool}:\n{output}");
        }
    }
}
