//! What is in the file of a pool, and when it is written.

use serde_json::{Value, json};
use sriovdp_sdk::{DeviceNode, Permissions};

use super::*;
use crate::pools::sample::allocated as device;

fn resource(prefix: &str, name: &str) -> ResourceName {
    ResourceName::new(prefix, name, Path::new("/r")).unwrap()
}

fn content(directory: &Path, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(directory.join(file)).unwrap()).unwrap()
}

#[test]
fn a_pool_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let spec = PoolSpec::open(dir.path(), &resource("intel.com", "dpdk"), "net-pci").unwrap();
    let entry = device("0000:03:02.0", &["/dev/vfio/40"]);
    spec.update([entry, device("0000:03:02.1", &[])]).unwrap();
    assert_eq!(
        content(dir.path(), "sriov-dp-intel.com-net-pci-dpdk.yaml"),
        json!({
            "cdiVersion": "0.5.0",
            "kind": "intel.com/net-pci",
            "containerEdits": {},
            "devices": [{"name": "0000:03:02.0", "containerEdits": {"deviceNodes": [
                {"path": "/dev/vfio/40", "hostPath": "/dev/vfio/40", "permissions": "rw"}
            ]}}]
        })
    );
    assert_eq!(
        spec.qualified("0000:03:02.0"),
        "intel.com/net-pci=0000:03:02.0"
    );
    spec.retain(|_| false).unwrap();
    assert!(
        std::fs::read_dir(dir.path()).unwrap().next().is_none(),
        "no devices, no file"
    );
}

#[test]
fn entries_outlive_the_plugin() {
    let dir = tempfile::tempdir().unwrap();
    let open = || PoolSpec::open(dir.path(), &resource("intel.com", "rdma"), "net-pci").unwrap();
    open()
        .update([device("a", &["/dev/infiniband/uverbs0"])])
        .unwrap();
    // The nodes of the device are in a pod's namespace now.
    open()
        .update([device("a", &[]), device("b", &["/dev/x"])])
        .unwrap();
    let written = content(dir.path(), open().file());
    let names: Vec<&Value> = written["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["name"])
        .collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_file_that_another_program_has_changed_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let name = resource("intel.com", "dpdk");
    let spec = PoolSpec::open(dir.path(), &name, "net-pci").unwrap();
    let path = dir.path().join(spec.file());
    let allocated = || device("a", &["/dev/vfio/1"]);
    spec.update([allocated()]).unwrap();
    let complete = std::fs::read(&path).unwrap();
    let other = String::from_utf8(complete.clone()).unwrap();
    let other = other.replace("/dev/vfio/1", "/dev/vfio/2");
    let again: [&dyn Fn(); 2] = [&|| spec.update([allocated()]).unwrap(), &|| {
        spec.restore().unwrap();
    }];
    for again in again {
        let changes: [&dyn Fn(); 3] = [
            &|| std::fs::remove_file(&path).unwrap(),
            &|| std::fs::write(&path, "{}").unwrap(),
            &|| {
                std::fs::write(&path, &other).unwrap();
                // Within one tick of the clock, older kernels leave the time as it is.
                let file = std::fs::File::options().write(true).open(&path).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            },
        ];
        for change in changes {
            change();
            again();
            assert_eq!(std::fs::read(&path).unwrap(), complete);
        }
    }
    let inode = || FileIdentity::of(&path);
    let before = inode();
    spec.restore().unwrap();
    assert_eq!(inode(), before, "an unchanged file stays");
}

#[test]
fn a_file_that_cannot_be_read_stays_until_there_are_entries() {
    let dir = tempfile::tempdir().unwrap();
    let name = resource("intel.com", "dpdk");
    let file = PoolSpec::open(dir.path(), &name, "net-pci").unwrap();
    let path = dir.path().join(file.file());
    std::fs::write(&path, "no JSON").unwrap();
    let spec = PoolSpec::open(dir.path(), &name, "net-pci").unwrap();
    spec.retain(|_| true).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "no JSON");
    spec.update([device("a", &["/dev/vfio/1"])]).unwrap();
    assert_ne!(std::fs::read_to_string(&path).unwrap(), "no JSON");
}

#[test]
fn variables_and_permissions_are_in_the_entry() {
    let dir = tempfile::tempdir().unwrap();
    let name = resource("intel.com", "x");
    let open = || PoolSpec::open(dir.path(), &name, "net-pci").unwrap();
    let mut with_env = device("a", &["/dev/x"]);
    let read = Permissions::READ;
    with_env.edits.nodes[0] = DeviceNode::new("/dev/x", "/dev/y").with_permissions(read);
    with_env.edits.env.insert("A".to_owned(), "b=c".to_owned());
    open().update([with_env.clone()]).unwrap();
    let edits = |content: Value| content["devices"][0]["containerEdits"].clone();
    let expected = json!({
        "deviceNodes": [{"path": "/dev/y", "hostPath": "/dev/x", "permissions": "r"}],
        "env": ["A=b=c"],
    });
    assert_eq!(edits(content(dir.path(), open().file())), expected);
    // The node is in a pod's namespace now.
    with_env.edits.nodes.clear();
    open().update([with_env]).unwrap();
    assert_eq!(edits(content(dir.path(), open().file())), expected);
}

#[test]
fn a_write_that_fails_is_retried() {
    let dir = tempfile::tempdir().unwrap();
    let x = resource("intel.com", "x");
    let spec = PoolSpec::open(dir.path(), &x, "net-pci").unwrap();
    let entry = |id: &str| [device(id, &["/dev/x"])];
    spec.update(entry("a")).unwrap();
    let (path, aside) = (dir.path().join(spec.file()), dir.path().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    spec.update(entry("b")).unwrap_err();
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    spec.update(entry("b")).unwrap();
    let written = content(dir.path(), spec.file());
    assert_eq!(written["devices"].as_array().unwrap().len(), 2);
}

#[test]
fn vendors_and_classes_of_the_cdi_library() {
    for (text, vendor, class) in [
        ("intel.com", true, false),
        ("net-pci", true, true),
        ("x", false, false),
        ("0a", false, false),
        ("a-", false, false),
    ] {
        assert_eq!((is_vendor(text), is_class(text)), (vendor, class), "{text}");
    }
}
