//! The provider of a vendor in a directory that the chart mounts, from each source.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::archive::digest;
use crate::cargo_build::Build;
use crate::runtime::Runtime;
use crate::world::{Node, World, archive, rendered, runtime, set_data};

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "cards", "deviceType": "acmeFpga", "selectors": {"devices": ["0x0001"]}}
]}"#;
const RESOURCE: &str = "intel.com/cards";

/// The provider file, as its developer builds it.
fn built() -> Vec<u8> {
    let library = Build::of("examples/providers/vendor-provider").library("acme_fpga");
    fs::read(library).unwrap()
}

/// The rendering of the chart with one directory from each source, for a list of allowed files.
fn node(allowed: &[u8]) -> Node {
    let mut objects = rendered("providers");
    set_data(&mut objects, "sriovdp-config", "config.json", CONFIG);
    set_data(
        &mut objects,
        "sriovdp-digests",
        "digests",
        &digests(allowed),
    );
    let node = Node::new(objects);
    // An image: an empty directory for the image volume, and the usual links for the init container.
    let image = node.vendors_image();
    fs::create_dir_all(image.join("providers")).unwrap();
    for name in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), image.join(name)).unwrap();
    }
    for directory in ["proc", "dev"] {
        fs::create_dir(image.join(directory)).unwrap();
    }
    // The init container copies what there is.
    fs::write(image.join("unrelated.so"), "").unwrap();
    node
}

/// What `sha256sum *.so` prints in docs/installing.md: the built-in files and that of the vendor.
fn digests(vendor: &[u8]) -> String {
    let root = tempfile::tempdir().unwrap();
    archive().unpack(root.path());
    let mut list = String::new();
    for entry in fs::read_dir(root.path().join("opt/sriovdp/providers"))
        .unwrap()
        .flatten()
    {
        let digest = digest(&fs::read(entry.path()).unwrap());
        writeln!(
            list,
            "{}  {}",
            &digest["sha256:".len()..],
            entry.file_name().display()
        )
        .unwrap();
    }
    let digest = digest(vendor);
    writeln!(list, "{}  acme.so", &digest["sha256:".len()..]).unwrap();
    list
}

async fn serves(node: Node, runtime: &Runtime) -> World {
    let world = node.start(runtime).await;
    serves_cards(&world).await;
    world
}

async fn serves_cards(world: &World) {
    world.registered(RESOURCE).await;
    let allocated = world
        .kubelet
        .allocate(RESOURCE, &["0000:17:00.1"])
        .await
        .unwrap();
    let nodes: Vec<&str> = allocated
        .devices
        .iter()
        .map(|one| &*one.host_path)
        .collect();
    assert_eq!(nodes, ["/dev/acme7"]);
}

fn install(directory: &Path, library: &[u8]) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join(".acme.so"), library).unwrap();
    fs::rename(directory.join(".acme.so"), directory.join("acme.so")).unwrap();
}

/// The package of the vendor may come later than the pod.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_in_a_directory_of_the_node_is_loaded_without_a_restart() {
    let Some(runtime) = runtime() else { return };
    let library = built();
    let world = node(&library).start(&runtime).await;
    world.probe(world.pod.container().liveness_probe.as_ref());
    install(&world.on_node("opt/acme/sriovdp"), &library);
    serves_cards(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_an_image_volume_is_loaded() {
    let Some(runtime) = runtime() else { return };
    let library = built();
    let node = node(&library);
    install(&node.vendors_image().join("providers"), &library);
    serves(node, &runtime).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_an_init_container_copies_is_loaded() {
    let Some(runtime) = runtime() else { return };
    let library = built();
    let node = node(&library);
    install(&node.vendors_image(), &library);
    serves(node, &runtime).await;
}

/// A file that the list has no digest of stays out, and the daemon serves without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_in_the_list_is_refused() {
    let Some(runtime) = runtime() else { return };
    let node = node(b"another version");
    install(&node.vendors_image().join("providers"), &built());
    let world = node.start(&runtime).await;
    world.probe(world.pod.container().liveness_probe.as_ref());
    world.logs(&["provider_refused", "acme.so"]);
    assert!(world.kubelet.resource(RESOURCE).is_none());
}
