//! What the archive says about itself, and that its layers are applied.

use std::process::Command;

use object::{Architecture, Object, ObjectSection};
use serde_json::Value;

use crate::archive::{apply, run};
use crate::world::archive;

/// What an image may have by the OCI annotation specification, and what each of this project has.
const SPECIFIED: [&str; 14] = [
    "authors",
    "base.digest",
    "base.name",
    "created",
    "description",
    "documentation",
    "licenses",
    "ref.name",
    "revision",
    "source",
    "title",
    "url",
    "vendor",
    "version",
];
const REQUIRED: [&str; 6] = [
    "created",
    "description",
    "licenses",
    "revision",
    "title",
    "version",
];

#[test]
fn annotations_and_labels_are_those_of_the_specification() {
    let archive = archive();
    let annotations = archive.manifest["annotations"].as_object().unwrap();
    let keys: Vec<&str> = annotations
        .keys()
        .map(|key| key.strip_prefix("org.opencontainers.image.").unwrap())
        .collect();
    assert!(keys.iter().all(|key| SPECIFIED.contains(key)), "{keys:?}");
    assert!(REQUIRED.iter().all(|key| keys.contains(key)), "{keys:?}");
    assert_eq!(
        archive.config["config"]["Labels"],
        archive.manifest["annotations"]
    );
    let value = |key: &str| {
        annotations[&format!("org.opencontainers.image.{key}")]
            .as_str()
            .unwrap()
    };
    assert_eq!(value("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(value("licenses"), "Apache-2.0");
    // RFC 3339, in UTC.
    let created = value("created").as_bytes();
    assert_eq!((created.len(), created[10], created[19]), (20, b'T', b'Z'));
    assert_eq!(archive.config["created"], value("created"));
}

#[test]
fn the_image_is_of_the_architecture_of_its_program() {
    let archive = archive();
    let root = tempfile::tempdir().unwrap();
    archive.unpack(root.path());
    let entry = &archive.config["config"]["Entrypoint"];
    assert_eq!(*entry, serde_json::json!(["/usr/bin/sriovdp"]));
    let program = std::fs::read(root.path().join("usr/bin/sriovdp")).unwrap();
    let architecture = object::File::parse(&*program).unwrap().architecture();
    let expected = match architecture {
        Architecture::X86_64 => "amd64",
        Architecture::Aarch64 => "arm64",
        Architecture::PowerPc64 => "ppc64le",
        other => panic!("{other:?}"),
    };
    assert_eq!(archive.config["architecture"], expected);
    assert_eq!(archive.config["os"], "linux");
}

/// The section `.dep-v0`, which vulnerability scanners read: a zlib stream with JSON. `make dist` writes one stored block.
#[test]
fn each_binary_lists_the_packages_that_it_is_linked_from() {
    let archive = archive();
    let root = tempfile::tempdir().unwrap();
    archive.unpack(root.path());
    let providers = std::fs::read_dir(root.path().join("opt/sriovdp/providers")).unwrap();
    let mut files: Vec<_> = providers.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 5);
    files.push(root.path().join("usr/bin/sriovdp"));
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let binary = object::File::parse(&*bytes).unwrap();
        let section = binary.section_by_name(".dep-v0").unwrap();
        let stream = section.data().unwrap();
        let header = [0x78, 0x01, 0x01];
        assert_eq!(stream[..3], header, "{}", file.display());
        let list: Value = serde_json::from_slice(&stream[7..stream.len() - 4]).unwrap();
        let packages = list["packages"].as_array().unwrap();
        let has = |key: &str, value: &Value| packages.iter().any(|one| one[key] == *value);
        assert!(has("root", &Value::Bool(true)), "{}", file.display());
        for name in ["sriovdp-sdk", "serde_json"] {
            assert!(has("name", &name.into()), "{}: {name}", file.display());
        }
    }
}

#[test]
fn a_layer_removes_files_of_the_layers_below() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let layers: [&[&str]; 2] = [
        &["kept", "removed", "replaced/old", "gone/deep/file"],
        &[
            ".wh.removed",
            ".wh.gone",
            "replaced/.wh..wh..opq",
            "replaced/new",
        ],
    ];
    for (number, files) in layers.iter().enumerate() {
        let source = directory.path().join(format!("layer-{number}"));
        for file in *files {
            let file = source.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let layer = directory.path().join("layer.tar");
        run(Command::new("tar")
            .arg("-cf")
            .arg(&layer)
            .arg("-C")
            .arg(source)
            .arg("."));
        apply(&layer, &root);
    }
    let found = run(Command::new("sh")
        .arg("-c")
        .arg("find . -type f | sort")
        .current_dir(&root));
    assert_eq!(found, "./kept\n./replaced/new\n");
}
