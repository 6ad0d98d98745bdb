//! What a container gets beside device nodes: environment variables, annotations, permissions and names of CDI devices.

use serde_json::{Value, json};
use sriovdp_fake_kubelet::FakeKubelet;

use crate::test_node::{RegistrationMode, TestNode};

const POOL: &str = "intel.com/raw";
const CONFIG: &str = r#"{"resourceList": [{"resourceName": "raw", "deviceType": "raw", "selectors": {"extra": true}}]}"#;

/// A node with a device type of two devices and an extension of it, which contribute these to a container.
fn node(owner: &[Value], extension: &Value) -> TestNode {
    let node = TestNode::without_providers("", RegistrationMode::Watcher);
    node.configure(CONFIG);
    let devices = json!([{"id": "d0", "a": "0000:01:00.0"}, {"id": "d1", "a": "0000:01:00.1"}]);
    let discovered = |answers: Value| {
        [
            ("discover", json!({"devices": devices})),
            ("select", json!({"admitted": [0, 1]})),
            ("allocate", json!({"devices": answers})),
        ]
    };
    node.provide_scripted("owner", &discovered(json!(owner)));
    let manifest = json!({
        "package": "e", "version": "1", "sdk": "1.0.0", "summary": "s", "extends": ["raw"],
        "schema": {"properties": {"extra": {"type": "boolean"}}},
    });
    let mut answers = discovered(json!(vec![extension; owner.len()])).to_vec();
    answers.push(("manifest", manifest));
    node.provide_scripted("extension", &answers);
    node
}

async fn offered(kubelet: &FakeKubelet) {
    let both = kubelet.wait_for(POOL, |view| view.allocatable() == 2);
    both.await.unwrap();
}

fn contributions() -> [Value; 2] {
    let of = |n: usize| {
        json!({
            "nodes": [[format!("/dev/x{n}"), format!("/dev/x{n}")], ["/dev/control", "/dev/control"]],
            "permissions": {"/dev/control": "r"},
            "mounts": [["/usr/lib/x", "/usr/lib/x", true]],
            "env": {"X_PROVIDER": "x=1"},
            "env_lists": {"X_DEVICES": format!("x{n}")},
            "annotations": {"example.com/fabric": "blue"},
            "cdi_devices": ["example.com/helper=all"],
        })
    };
    [of(0), of(1)]
}

#[tokio::test]
async fn equal_contributions_merge_and_lists_are_joined() {
    let node = node(
        &contributions(),
        &json!({"env": {"X_PROVIDER": "x=1", "Y": "2"}}),
    );
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    offered(&kubelet).await;
    let container = kubelet.allocate(POOL, &["d0", "d1"]).await.unwrap();
    let devices = container.devices.iter();
    let devices: Vec<_> = devices.map(|d| (&*d.host_path, &*d.permissions)).collect();
    assert_eq!(
        devices,
        [("/dev/x0", "rw"), ("/dev/control", "r"), ("/dev/x1", "rw")]
    );
    assert_eq!(container.mounts.len(), 1);
    assert_eq!(container.envs["X_PROVIDER"], "x=1");
    assert_eq!(container.envs["X_DEVICES"], "x0,x1");
    assert_eq!(container.envs["Y"], "2");
    assert_eq!(container.envs["PCIDEVICE_INTEL_COM_RAW"], "d0,d1");
    assert_eq!(container.annotations["example.com/fabric"], "blue");
    let names: Vec<&str> = container.cdi_devices.iter().map(|d| &*d.name).collect();
    assert_eq!(names, ["example.com/helper=all"]);
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn with_cdi_the_entry_of_a_device_has_its_variables() {
    let node = node(&contributions(), &json!({"env": {"Y": "2"}}));
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon_with(&["--use-cdi", "--cdi-names=annotations"]);
    offered(&kubelet).await;
    let container = kubelet.allocate(POOL, &["d0", "d1"]).await.unwrap();
    assert!(container.devices.is_empty(), "{:?}", container.devices);
    let mut names: Vec<&str> = container.envs.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "PCIDEVICE_INTEL_COM_RAW",
            "PCIDEVICE_INTEL_COM_RAW_INFO",
            "X_DEVICES"
        ]
    );
    let annotation = &container.annotations["cdi.k8s.io/intel.com_raw"];
    assert!(
        annotation.ends_with("=d1,example.com/helper=all"),
        "{annotation}"
    );
    assert_eq!(container.annotations["example.com/fabric"], "blue");
    let directory = std::fs::read_dir(node.root().join("var/run/cdi")).unwrap();
    let file = directory.flatten().next().expect("a specification");
    let spec: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
    let edits = &spec["devices"][0]["containerEdits"];
    assert_eq!(edits["env"], json!(["X_PROVIDER=x=1", "Y=2"]));
    assert_eq!(edits["deviceNodes"][1]["permissions"], "r");
}

#[tokio::test]
async fn different_contributions_conflict_by_name() {
    let conflict = "the providers `owner.so` and `extension.so` contribute different values for";
    for (owner, extension, expected) in [
        (
            json!({"env": {"A": "1"}}),
            json!({"env": {"A": "2"}}),
            format!("{conflict} the environment variable `A` to one container"),
        ),
        (
            json!({"env": {"A": "1"}}),
            json!({"env_lists": {"A": "1"}}),
            format!("{conflict} the environment variable `A`"),
        ),
        (
            json!({"annotations": {"a": "1"}}),
            json!({"annotations": {"a": "2"}}),
            format!("{conflict} the annotation `a`"),
        ),
        (
            json!({"nodes": [["/dev/a", "/dev/x"]]}),
            json!({"companions": [["/dev/b", "/dev/x"]]}),
            format!("{conflict} the device node `/dev/x`"),
        ),
        (
            json!({"mounts": [["/a", "/x", true]]}),
            json!({"mounts": [["/a", "/x", false]]}),
            format!("{conflict} the mount at `/x`"),
        ),
        (
            json!({"info": {"s": {"k": "1"}}}),
            json!({"info": {"s": {"k": "2"}}}),
            format!("{conflict} the key `s.k`"),
        ),
    ] {
        let node = node(&[owner], &extension);
        let kubelet = node.kubelet().await;
        let _daemon = node.daemon();
        offered(&kubelet).await;
        let refused = kubelet.allocate(POOL, &["d0"]).await.unwrap_err();
        assert!(refused.to_string().contains(&expected), "{refused}");
    }
}

#[tokio::test]
async fn invalid_contributions_are_refused_with_provider_and_reason() {
    for (extension, expected) in [
        (
            json!({"env": {"PCIDEVICE_INTEL_COM_A": "1"}}),
            "the environment variable `PCIDEVICE_INTEL_COM_A` belongs to the host",
        ),
        (
            json!({"nodes": [["/dev/a", "/dev/a"]], "permissions": {"/dev/a": "x"}}),
            "`x` cannot be the permissions of a device node",
        ),
        (
            json!({"cdi_devices": ["gpu"]}),
            "`gpu` cannot be the name of a CDI device",
        ),
        (
            json!({"annotations": {"cdi.k8s.io/a": "b=c"}}),
            "`cdi.k8s.io/a` belongs to the host",
        ),
    ] {
        let node = node(&[json!({})], &extension);
        let kubelet = node.kubelet().await;
        let _daemon = node.daemon();
        offered(&kubelet).await;
        let refused = kubelet
            .allocate(POOL, &["d0"])
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
