//! Texts that would be written through their own links, or that are far larger as a node.

use std::fs;
use std::path::Path;

use super::super::{Limits, Tree, restore};

/// A directory that has `root`, empty, and beside it `home` with the file `x/kept`.
fn beside_home() -> tempfile::TempDir {
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir(outer.path().join("root")).unwrap();
    fs::create_dir_all(outer.path().join("home/x")).unwrap();
    fs::write(outer.path().join("home/x/kept"), "kept").unwrap();
    outer
}

/// Nothing is written, neither below the root nor beside it.
#[track_caller]
fn untouched(outer: &Path, text: &str) {
    let names = |directory: &str| -> Vec<_> {
        let entries = fs::read_dir(outer.join(directory)).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    assert!(names("root").is_empty(), "{text}");
    assert_eq!((names("."), names("home")).1, ["x"], "{text}");
    assert_eq!(names(".").len(), 2, "{text}");
    let kept = fs::read_to_string(outer.join("home/x/kept"));
    assert_eq!(kept.unwrap(), "kept", "{text}");
}

#[test]
fn nothing_is_written_below_a_link() {
    let outer = beside_home();
    let root = outer.path().join("root");
    let home = outer.path().join("home");
    let home = home.to_str().unwrap();
    let cycle = "/sys/c -> c/d\n".to_owned();
    let chain: String = (0..60).map(|n| format!("/l{n} -> l{}\n", n + 1)).collect();
    for (text, of_restore, of_write) in [
        (
            format!("/sys/a/x -> y\n/sys/a -> {home}"),
            "its link `/sys/a` leads out of the node",
            "the entry `/sys/a/x` is below the link `/sys/a`",
        ),
        (
            "/sys/a/x -> y\n/sys/a -> ../../home".to_owned(),
            "its link `/sys/a` leads out of the node",
            "the entry `/sys/a/x` is below the link `/sys/a`",
        ),
        (
            "/sys/a/b/x/ \n/sys/a -> b".to_owned(),
            "the entry `/sys/a/b/x` is below the link `/sys/a`",
            "the entry `/sys/a/b/x` is below the link `/sys/a`",
        ),
        (
            "/sys/a/x = y\n/sys/a.b = y\n/sys/a -> b".to_owned(),
            "the entry `/sys/a/x` is below the link `/sys/a`",
            "the entry `/sys/a/x` is below the link `/sys/a`",
        ),
        (
            "/.. -> home".to_owned(),
            "the entry `/dev` is below the link ``",
            "the entry `/dev` is below the link ``",
        ),
        (
            format!("/sys/a -> nowhere/../../../home\n{cycle}"),
            "its link `/sys/a` leads out of the node",
            "",
        ),
        (cycle, "its link `/sys/c` leads out of the node", ""),
        (
            format!("{chain}/l0/x = y"),
            "the entry `/l40/x` is below the link `/l40`",
            "the entry `/l40/x` is below the link `/l40`",
        ),
    ] {
        let error = restore(&text, &root, Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), of_restore, "{text}");
        untouched(outer.path(), &text);
        if of_write.is_empty() {
            continue;
        }
        let error = Tree::parse(&text).unwrap().write(&root).unwrap_err();
        assert_eq!(error.to_string(), of_write, "{text}");
        untouched(outer.path(), &text);
    }
}

#[test]
fn the_names_of_devices_do_not_climb() {
    let outer = beside_home();
    for name in ["../../../../home/new", "a/./b", "a//b"] {
        let text = format!("net {name}");
        let Ok(tree) = Tree::parse(&text) else {
            continue;
        };
        let error = tree.write(&outer.path().join("root")).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(" has an empty part, `.` or `..`"),
            "{error}"
        );
        untouched(outer.path(), &text);
    }
}

/// An entry of a few bytes has a long path if a link makes it so.
#[test]
fn links_make_no_long_paths() {
    let outer = beside_home();
    let long = "a/".repeat(510);
    for (text, expected) in [
        (
            format!("/l -> {}", "a/".repeat(513)),
            "line 1: `a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/` is no path of a node: it is too long",
        ),
        (
            format!("/l -> {long}\n/l/{}", "b/".repeat(20)),
            "line 2: `/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a` is no path of a node: it is too long",
        ),
        (
            format!(
                "/l -> {long}\n{}/m -> l\n/l/m/m/x = y",
                long.replacen('a', "/a", 1)
            ),
            "line 3: `/a/a/a/a/",
        ),
        (
            format!(
                "/l -> {long}\n/k -> {}{}l\n/k/x = y",
                "a/".repeat(10),
                "../".repeat(10)
            ),
            "the entry `/l/x` is below the link `/l`",
        ),
    ] {
        let error = restore(&text, &outer.path().join("root"), Limits::default()).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(expected), "{error}");
        untouched(outer.path(), &text);
    }
}
