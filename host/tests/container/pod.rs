//! A DaemonSet's pod on a written node, as the kubelet and the container runtime make it: volumes, mounts, processes.
//!
//! What the manifest has and this file does not implement fails the test, so that no field is ignored in silence.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// The part of a pod's specification that decides what its processes can do.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Pod {
    host_network: bool,
    automount_service_account_token: bool,
    #[serde(default)]
    init_containers: Vec<Container>,
    containers: Vec<Container>,
    volumes: Vec<BTreeMap<String, Value>>,
    // Where and when the pod is scheduled.
    #[serde(rename = "priorityClassName")]
    _priority_class_name: Value,
    #[serde(rename = "nodeSelector")]
    _node_selector: Value,
    #[serde(rename = "tolerations")]
    _tolerations: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Container {
    #[serde(default)]
    pub(crate) args: Vec<String>,
    #[serde(default)]
    pub(crate) command: Vec<String>,
    termination_message_path: Option<String>,
    security_context: SecurityContext,
    pub(crate) startup_probe: Option<Probe>,
    pub(crate) liveness_probe: Option<Probe>,
    pub(crate) readiness_probe: Option<Probe>,
    volume_mounts: Vec<VolumeMount>,
    #[serde(rename = "name")]
    _name: Value,
    #[serde(rename = "image")]
    _image: Value,
    #[serde(rename = "imagePullPolicy")]
    _image_pull_policy: Value,
    #[serde(rename = "terminationMessagePolicy")]
    _termination_message_policy: Option<Value>,
    #[serde(rename = "resources")]
    _resources: Value,
}

/// Both are the same for every container here.
#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SecurityContext {
    run_as_user: u32,
    privileged: bool,
    allow_privilege_escalation: bool,
    read_only_root_filesystem: bool,
    capabilities: Value,
    seccomp_profile: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Probe {
    pub(crate) exec: Exec,
    #[serde(rename = "periodSeconds")]
    _period_seconds: u32,
    #[serde(rename = "timeoutSeconds")]
    _timeout_seconds: u32,
    #[serde(rename = "failureThreshold")]
    _failure_threshold: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exec {
    pub(crate) command: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VolumeMount {
    name: String,
    mount_path: PathBuf,
    #[serde(default)]
    read_only: bool,
    sub_path: Option<PathBuf>,
}

/// A file or directory of the machine, and where a container has it.
pub(crate) struct Mount {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) access: Access,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
}

/// The volumes of a pod, each a path of the machine.
pub(crate) struct Volumes(BTreeMap<String, PathBuf>);

impl Pod {
    /// The pod of the only DaemonSet.
    pub(crate) fn of(objects: &[Value]) -> Self {
        let daemon_set = objects.iter().find(|one| one["kind"] == "DaemonSet");
        let template = &daemon_set.expect("a DaemonSet")["spec"]["template"];
        let pod: Self = serde_json::from_value(template["spec"].clone()).unwrap();
        // The test gives the pod a network of its own instead, in which it can do no more.
        assert!(pod.host_network);
        assert!(!pod.automount_service_account_token);
        pod
    }

    pub(crate) fn container(&self) -> &Container {
        assert_eq!(self.containers.len(), 1);
        &self.containers[0]
    }

    pub(crate) fn init_containers(&self) -> &[Container] {
        &self.init_containers
    }

    /// Makes the volumes: directories of `node`, what ConfigMaps among `objects` contain, empty directories, and for
    /// every image volume `image`.
    pub(crate) fn volumes(&self, objects: &[Value], node: &Path, image: &Path) -> Volumes {
        let below = node.with_file_name("volumes");
        let made = self.volumes.iter().map(|volume| {
            assert_eq!(volume.len(), 2, "a name and a source: {volume:?}");
            let name = volume["name"].as_str().unwrap().to_owned();
            let (kind, source) = volume.iter().find(|(key, _)| *key != "name").unwrap();
            let directory = below.join(&name);
            let path = match kind.as_str() {
                "hostPath" => host_path(node, source),
                "configMap" => {
                    write_config_map(&directory, &data(objects, source));
                    directory
                }
                "emptyDir" => {
                    std::fs::create_dir_all(&directory).unwrap();
                    let all_users = std::fs::Permissions::from_mode(0o777);
                    std::fs::set_permissions(&directory, all_users).unwrap();
                    directory
                }
                "image" => image.to_owned(),
                other => panic!("a volume of the kind `{other}`"),
            };
            (name, path)
        });
        Volumes(made.collect())
    }
}

impl Container {
    /// Fails unless the container asks for what the tests give it: root without any capability.
    pub(crate) fn assert_least_privilege(&self) {
        let expected = SecurityContext {
            run_as_user: 0,
            privileged: false,
            allow_privilege_escalation: false,
            read_only_root_filesystem: true,
            capabilities: serde_json::json!({"drop": ["ALL"]}),
            seccomp_profile: serde_json::json!({"type": "RuntimeDefault"}),
        };
        assert_eq!(self.security_context, expected);
    }

    /// The mounts of the manifest and the file for the termination message, which the kubelet adds.
    pub(crate) fn mounts(&self, volumes: &Volumes) -> Vec<Mount> {
        let of_volumes = self.volume_mounts.iter().map(|mount| {
            let mut source = volumes.0[&mount.name].clone();
            source.extend(&mount.sub_path);
            let access = match mount.read_only {
                true => Access::ReadOnly,
                false => Access::ReadWrite,
            };
            let target = mount.mount_path.clone();
            Mount {
                source,
                target,
                access,
            }
        });
        let mut mounts: Vec<Mount> = of_volumes.collect();
        if let Some(path) = &self.termination_message_path {
            let source = volumes.0["tmp"].with_file_name("termination-log");
            std::fs::write(&source, "").unwrap();
            mounts.push(Mount {
                source,
                target: path.into(),
                access: Access::ReadWrite,
            });
        }
        mounts
    }
}

impl Volumes {
    pub(crate) fn path(&self, name: &str) -> &Path {
        &self.0[name]
    }
}

fn host_path(node: &Path, source: &Value) -> PathBuf {
    let path = source["path"].as_str().unwrap();
    let path = node.join(path.strip_prefix('/').unwrap());
    match source["type"].as_str() {
        Some("Directory") => {}
        Some("DirectoryOrCreate") => std::fs::create_dir_all(&path).unwrap(),
        other => panic!("a hostPath of the type {other:?}"),
    }
    assert!(path.is_dir(), "{} is no directory", path.display());
    path
}

fn data(objects: &[Value], source: &Value) -> BTreeMap<String, String> {
    let found = objects
        .iter()
        .find(|one| one["kind"] == "ConfigMap" && one["metadata"]["name"] == source["name"]);
    let map = found.unwrap_or_else(|| panic!("no ConfigMap for {source}"));
    serde_json::from_value(map["data"].clone()).unwrap()
}

/// As the kubelet writes it: files behind a link that is replaced in one step.
pub(crate) fn write_config_map(directory: &Path, data: &BTreeMap<String, String>) {
    let number = std::fs::read_dir(directory).map_or(0, Iterator::count);
    let version = format!("..{number}");
    std::fs::create_dir_all(directory.join(&version)).unwrap();
    for (key, text) in data {
        std::fs::write(directory.join(&version).join(key), text).unwrap();
        // It is there after an update.
        let _ = symlink(Path::new("..data").join(key), directory.join(key));
    }
    symlink(&version, directory.join("..data_tmp")).unwrap();
    std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
}
