//! A node that is captured, and written again elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::{Limits, RestoreError, capture, restore};
use super::{PF, VF, check, found, node};

const CAPTURED: &str = include_str!("../../../../examples/nodes/igb-guest.tree");

/// Every path below `root` with what is there, without directories.
fn contents(root: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                directories.push(path);
                continue;
            }
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            all.insert(name, found(&path));
        }
    }
    all
}

fn captured(root: &Path, limits: Limits) -> (String, Option<&'static str>) {
    let mut text = Vec::new();
    let limit = capture(root, limits, &mut text).unwrap();
    (String::from_utf8(text).unwrap(), limit)
}

fn again(root: &Path) -> tempfile::TempDir {
    let (text, limit) = captured(root, Limits::default());
    assert_eq!(limit, None);
    let directory = tempfile::tempdir().unwrap();
    restore(&text, directory.path(), Limits::default()).unwrap();
    directory
}

#[test]
fn a_captured_kernel_is_the_same_again() {
    let node = node(CAPTURED);
    let (mut before, after) = (contents(node.path()), contents(again(node.path()).path()));
    // Lists of drivers repeat what the devices have, and the device nodes of classes without hardware are in `/dev`.
    before.retain(|path, _| !path.contains("/drivers/"));
    let missing: Vec<_> = before
        .iter()
        .filter(|(path, found)| after.get(*path) != Some(found))
        .collect();
    let left_out = [
        "abi_version",
        "proc/net/route",
        "class/misc/",
        "class/vfio/",
        "netdevsim",
        "virtual/misc",
        "virtual/net/lo",
        "class/net/lo",
        "virtual/vfio",
    ];
    let unexpected = missing
        .iter()
        .filter(|(path, _)| !left_out.iter().any(|part| path.contains(part)));
    assert_eq!(
        unexpected.collect::<Vec<_>>(),
        Vec::<&(&String, &String)>::new()
    );
    assert!(after.len() > 500, "{} files", after.len());
}

#[test]
fn names_and_contents_keep_every_byte() {
    let odd = format!(
        "{PF}\n{VF}\n@0000:41:00.0/\n  a\\x20\\x23\\x7b1-2\\x7d = \\x20 x #  {{y \\xff\\x09z \n  \\x40pf = \\n\n  \
         two = a\\n\\n\n  l\\x20 -> ../a\\x20b\\x0a\n  card/card0/state = ready"
    );
    check(
        &odd,
        r"
        PF/two = a\n\n
        PF/card/card0/state = ready\n
        ",
    );
    let node = node(&odd);
    let after = contents(again(node.path()).path());
    let of_pf = contents(node.path());
    let of_pf = of_pf
        .iter()
        .filter(|(path, _)| path.contains("0000:41:00.0/"));
    for (path, found) in of_pf.filter(|(path, _)| !path.contains("/drivers/")) {
        assert_eq!(after.get(path), Some(found), "{path}");
    }
}

#[test]
fn a_limit_ends_a_capture_and_keeps_what_was_read() {
    let node = node(CAPTURED);
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        captured(node.path(), limits)
    };
    let (text, limit) = limits(|limits| limits.files = 100);
    assert_eq!(limit, Some("the number of files"));
    assert!(text.lines().count() > 90);
    assert_eq!(limits(|limits| limits.bytes = 1000).1, Some("the size"));
    let none = limits(|limits| limits.time = std::time::Duration::ZERO);
    assert_eq!(none, (String::new(), Some("the time")));
}

#[test]
fn a_text_of_a_stranger_stays_within_the_directory_and_the_limits() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("secret"), "").unwrap();
    for (number, (text, message)) in [
        (
            "pf 0000:41:00.0 8086:10c9",
            "line 1: `pf` is no entry of a captured node",
        ),
        (
            "/sys/a{1-9999999} = x\n/sys/b -> /etc",
            "its link `/sys/b` leads out of the node",
        ),
        ("/a -> ../../secret", "its link `/a` leads out of the node"),
        (
            "/top -> .\n/x/y/b -> ../../top\n/x/y/a -> b/../../secret",
            "its link `/x/y/a` leads out of the node",
        ),
        (
            "/a/passwd = x\n/a -> /etc",
            "its link `/a` leads out of the node",
        ),
        ("/a/b = x\n/a = y", "cannot write `ROOT/a/b`: "),
        ("/../../secret = written\n/sys/c -> nowhere", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let root = outer.path().join(format!("{number}/root"));
        fs::create_dir_all(&root).unwrap();
        let result = restore(text, &root, Limits::default()).map_err(|error| error.to_string());
        let result = result
            .err()
            .unwrap_or_default()
            .replace(root.to_str().unwrap(), "ROOT");
        assert!(
            result.starts_with(message) && message.is_empty() == result.is_empty(),
            "{text}: {result}"
        );
    }
    assert_eq!(fs::read_to_string(outer.path().join("secret")).unwrap(), "");
    let deep = format!("/{}", "a/".repeat(600));
    let few = Limits {
        files: 50,
        ..Limits::default()
    };
    for (text, limits) in [
        (deep, Limits::default()),
        (
            "a/b/c/d/e/f/g/".repeat(9).as_str().replacen('a', "/a", 1),
            few,
        ),
        ("/sys/a = x\n".repeat(60), few),
        ("# x".repeat(600), Limits { bytes: 1000, ..few }),
    ] {
        let root = tempfile::tempdir().unwrap();
        let error = restore(&text, root.path(), limits).unwrap_err();
        assert!(
            matches!(&error, RestoreError::TooLarge { .. })
                || error.to_string().contains(" more than ")
                || error.to_string().contains("too long"),
            "{error}"
        );
    }
}
