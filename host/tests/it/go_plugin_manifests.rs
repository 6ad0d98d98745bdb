//! The containers that other projects start with the Go plugin's image: the daemon serves with their arguments, and their
//! probes succeed.

use std::time::Duration;

use serde_json::Value;

use crate::repository::{documents, files, list};
use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const CONFIG: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;

fn words(list_of_words: &Value) -> Vec<&str> {
    list(list_of_words)
        .map(|word| word.as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_daemon_serves_with_them_and_their_probes_succeed() {
    let files = files("host/tests/manifests", "yaml");
    let mut probed = 0;
    for file in &files {
        let [container] = &documents(file)[..] else {
            panic!("{file}: one document")
        };
        let mut node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
        for variable in list(&container["env"]) {
            let [name, value] = ["name", "value"].map(|key| variable[key].as_str().unwrap());
            node.environment(name, value);
        }
        let arguments = words(&container["args"]);
        let value = |option: &str| arguments.iter().find_map(|a| a.strip_prefix(option));
        let config = value("--config-file=").unwrap_or("/etc/pcidp/config.json");
        let config = node.root().join(config.trim_start_matches('/'));
        std::fs::create_dir_all(config.parent().unwrap()).unwrap();
        std::fs::write(config, CONFIG).unwrap();
        let kubelet = node.kubelet().await;
        let daemon = node.daemon_with(&arguments);
        let resource = format!("{}/a", value("--resource-prefix=").unwrap_or("intel.com"));
        let served = kubelet.wait_for(&resource, |view| view.allocatable() == 4);
        assert!(served.await.is_ok(), "{file}: {}", daemon.log());
        for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let command = words(&container[kind]["exec"]["command"]);
            let Some((program, arguments)) = command.split_first() else {
                continue;
            };
            assert_eq!(*program, "sriovdp", "{file}");
            // The first reconcile is over, and its status follows at once.
            let succeeds = tokio::time::timeout(Duration::from_secs(30), async {
                while node.run(arguments).await.0 != Some(0) {}
            });
            assert!(
                succeeds.await.is_ok(),
                "{file}: {command:?}: {}",
                daemon.log()
            );
            probed += 1;
        }
    }
    assert!(
        files.len() >= 4 && probed >= 5,
        "{files:?}: {probed} probes"
    );
}
