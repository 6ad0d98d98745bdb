//! An image as an OCI archive: its digests are verified, and its layers become a root directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// What a file name begins with that stands for the removal of a file of a lower layer.
const WHITEOUT: &str = ".wh.";
/// The file that removes what lower layers have in its directory.
const OPAQUE: &str = ".wh..wh..opq";

/// An archive whose blobs have the digests and sizes that name them.
pub(crate) struct Archive {
    directory: TempDir,
    pub(crate) manifest: Value,
    pub(crate) config: Value,
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        run(Command::new("tar")
            .arg("-xf")
            .arg(path)
            .arg("-C")
            .arg(directory.path()));
        let read = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
        let layout: Value = serde_json::from_slice(&read("oci-layout")).unwrap();
        assert_eq!(layout["imageLayoutVersion"], "1.0.0");
        let index: Value = serde_json::from_slice(&read("index.json")).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 1, "one image");
        let manifest = json(directory.path(), &manifests[0]);
        let config = json(directory.path(), &manifest["config"]);
        Self {
            directory,
            manifest,
            config,
        }
    }

    /// Applies the layers in their order.
    pub(crate) fn unpack(&self, root: &Path) {
        let layers = self.manifest["layers"].as_array().unwrap();
        let diff_ids = self.config["rootfs"]["diff_ids"].as_array().unwrap();
        assert_eq!(layers.len(), diff_ids.len());
        let uncompressed = self.directory.path().join("layer.tar");
        for (layer, diff_id) in layers.iter().zip(diff_ids) {
            let output = Command::new("gzip")
                .arg("-dc")
                .arg(blob(self.directory.path(), layer))
                .output()
                .unwrap();
            assert!(output.status.success(), "{layer}");
            assert_eq!(digest(&output.stdout), *diff_id);
            std::fs::write(&uncompressed, output.stdout).unwrap();
            apply(&uncompressed, root);
        }
    }
}

/// Unpacks a layer over the lower ones: first its removals, then its files.
pub(crate) fn apply(layer: &Path, root: &Path) {
    let listed = run(Command::new("tar").arg("-tf").arg(layer));
    for entry in listed.lines() {
        let path = root.join(entry.trim_start_matches("./"));
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            continue;
        };
        let name = name.to_str().unwrap();
        if name == OPAQUE {
            for lower in std::fs::read_dir(parent).into_iter().flatten().flatten() {
                remove(&lower.path());
            }
        } else if let Some(lower) = name.strip_prefix(WHITEOUT) {
            remove(&parent.join(lower));
        }
    }
    run(Command::new("tar")
        .args(["-xpf"])
        .arg(layer)
        .arg("-C")
        .arg(root)
        .args(["--wildcards", "--exclude=.wh.*"]));
}

fn remove(path: &Path) {
    if path.is_dir() && !path.is_symlink() {
        std::fs::remove_dir_all(path).unwrap();
    } else {
        std::fs::remove_file(path).unwrap();
    }
}

/// The file of a descriptor.
fn blob(directory: &Path, descriptor: &Value) -> PathBuf {
    let name = descriptor["digest"].as_str().unwrap();
    let path = directory.join("blobs").join(name.replace(':', "/"));
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(digest(&bytes), name);
    assert_eq!(descriptor["size"], bytes.len(), "{name}");
    path
}

fn json(directory: &Path, descriptor: &Value) -> Value {
    let bytes = std::fs::read(blob(directory, descriptor)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hexadecimal: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}

/// Runs a command that has to succeed, and returns its standard output.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
