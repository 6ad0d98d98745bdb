//! What every file of the repository has to keep to, beyond what a compiler checks.

use std::path::{Path, PathBuf};

use crate::repository::{HOST, without_tests};

/// Longer files need a reason, which is then written here.
const LONGEST: usize = 350;
const LONG_FOR_A_REASON: [(&str, &str); 0] = [];

/// Words of device types. A new device type changes no line of the host.
const WORDS_OF_DEVICE_TYPES: [&str; 12] = [
    "netDevice",
    "auxNetDevice",
    "\"accelerator\"",
    "vfio",
    "uio",
    "vdpa",
    "vhost",
    "rdma",
    "infiniband",
    "ddp",
    "mellanox",
    "pfNames",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Rust files below `directory`, without what is built or generated.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir()
            && !["target", "gen", ".git"]
                .iter()
                .any(|skipped| name == *skipped)
        {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_file_begins_with_a_doc_comment() {
    let files = sources(&repository());
    assert!(files.len() > 50, "the search finds too little");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("//! "),
            "`{}` has no `//!` first line",
            file.display()
        );
    }
}

#[test]
fn files_are_small() {
    for file in sources(&repository()) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        let reason = LONG_FOR_A_REASON
            .iter()
            .any(|(name, _)| file.ends_with(name));
        assert!(
            lines <= LONGEST || reason,
            "`{}` has {lines} lines",
            file.display()
        );
    }
}

#[test]
fn the_host_has_no_word_of_any_device_type() {
    for file in HOST.map(|part| sources(&repository().join(part))).concat() {
        let text = std::fs::read_to_string(&file).unwrap();
        if file.ends_with("tests.rs") {
            continue;
        }
        let code = without_tests(&text);
        for word in WORDS_OF_DEVICE_TYPES {
            let is_part = |c: char| c.is_ascii_alphanumeric();
            let found = code.match_indices(word).find(|(at, _)| {
                let before = code[..*at].chars().next_back().is_some_and(is_part);
                let after = code[at + word.len()..].chars().next().is_some_and(is_part);
                !before && !after
            });
            assert!(found.is_none(), "`{}` contains `{word}`", file.display());
        }
    }
}

/// A FIFO, a device or a file of any size at a path must not block the plugin or take its memory.
#[test]
fn files_are_read_in_one_bounded_way() {
    let allowed = [
        "sdk/src/regular.rs",
        // It opens a directory to lock it.
        "host/kubelet/src/registration/instance_lock.rs",
    ];
    let unbounded = [
        "fs::read(",
        "read_to_string(",
        "File::open(",
        "File::options(",
    ];
    for crates in HOST
        .into_iter()
        .chain(["sdk/src", "sdk/abi", "sdk/pci-scan", "device-types"])
    {
        for file in sources(&repository().join(crates)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = without_tests(&text);
            let path = file.to_string_lossy();
            let is_test = path.contains("/tests/");
            if is_test || path.ends_with("tests.rs") || allowed.iter().any(|a| file.ends_with(a)) {
                continue;
            }
            let found = unbounded.iter().find(|call| code.contains(**call));
            assert!(
                found.is_none(),
                "`{path}` reads a file by {found:?} and not by `sriovdp_sdk::regular`"
            );
        }
    }
}

#[test]
fn unsafe_code_is_where_libraries_are_opened_and_nowhere_else() {
    let allowed = [
        "host/providers/src/load.rs",
        "host/providers/src/malloc.rs",
        "host/providers/src/exit_now.rs",
        "host/providers/src/probe/child.rs",
        "sdk/src/runtime/export.rs",
        // A provider that breaks a promise which the compiler would keep.
        "host/tests/raw-provider/src/lib.rs",
        // It calls C.
        "examples/providers/c-provider/src/core.rs",
    ];
    for file in sources(&repository()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let has_unsafe = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
        });
        let is_allowed =
            allowed.iter().any(|name| file.ends_with(name)) || file.ends_with("tidy.rs");
        assert!(
            !has_unsafe || is_allowed,
            "`{}` has unsafe code",
            file.display()
        );
    }
}

/// The oldest Rust for providers, 1.85, has no chains of `let`. A build with it is among the tests that take minutes.
#[test]
fn crates_for_providers_have_no_let_chains() {
    let directories = [
        "src",
        "abi/src",
        "macros/src",
        "pci-scan/src",
        "testing/src",
        "tree/src",
    ];
    let sdk = repository().join("sdk");
    for file in directories
        .iter()
        .flat_map(|directory| sources(&sdk.join(directory)))
    {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default());
        let code = code.collect::<Vec<_>>().join(" ");
        let mut conditions = code.split("if let ").skip(1);
        let is_chain = |rest: &str| {
            rest.split('{')
                .next()
                .is_some_and(|let_| let_.contains("&&"))
        };
        assert!(
            !code.contains("&& let ") && !conditions.any(is_chain),
            "`{}` has a chain of `let`",
            file.display()
        );
    }
}

#[test]
fn providers_use_what_every_vendor_has() {
    let directories = ["device-types", "examples"];
    let files = directories.map(|directory| sources(&repository().join(directory)));
    for file in files.concat() {
        let text = std::fs::read_to_string(&file).unwrap();
        for hidden in ["sriovdp_provider_abi", "sdk::runtime", "sdk::{runtime"] {
            let found = text.contains(hidden);
            assert!(
                !found,
                "`{}` uses `{hidden}`, which is the host's",
                file.display()
            );
        }
    }
}

/// Cargo leaves link-time optimization out for a library that is linked into others as well, and reports nothing.
#[test]
fn providers_are_optimized_at_link_time() {
    for directory in ["device-types", "examples/providers"] {
        let manifests = crate::repository::files(directory, "toml");
        let crates = manifests
            .iter()
            .filter(|file| file.ends_with("/Cargo.toml"));
        for file in crates {
            let manifest = crate::repository::text(file);
            assert!(
                manifest.contains("\ncrate-type = [\"cdylib\"]\n"),
                "{file} is not a `cdylib` alone"
            );
        }
    }
}
