//! Archives that are no reports, and names on a node that are meant for a reader's browser.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::report;
use crate::test_node::{RegistrationMode, TestNode};

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive of files, each with its name below the directory of reports.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = Header::new_ustar();
        header.set_size(text.len() as u64);
        let name = format!("sriovdp-report/{name}");
        builder
            .append_data(&mut header, name, text.as_bytes())
            .unwrap();
    }
    compressed(&builder.into_inner().unwrap())
}

fn with_tree(tree: &str) -> Vec<u8> {
    archive(&[("report.json", r#"{"format": 1}"#), ("node.tree", tree)])
}

/// An archive whose tree is a link.
fn linked() -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder
        .append_link(&mut header, "sriovdp-report/node.tree", "/etc/passwd")
        .unwrap();
    compressed(&builder.into_inner().unwrap())
}

#[tokio::test]
async fn each_archive_that_is_no_report_is_one_sentence() {
    let node = TestNode::without_providers("", RegistrationMode::Watcher);
    let outside = node.root().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let scratch = node.root().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let newer = json!({"format": 7, "novelty": {}}).to_string();
    let many: Vec<(String, &str)> = (0..200).map(|n| (format!("{n}"), "")).collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, text)| (name.as_str(), *text))
        .collect();
    let whole = with_tree(&"/sys/a/b/c = 0\n".repeat(100));
    let link = format!("/sys/a -> {}\n", outside.display());
    let dangling = format!(
        "/etc/pcidp/config.json -> {}/new\n",
        "../".repeat(9) + &outside.to_string_lossy()
    );
    let through = format!("/sys/a/file = written\n{link}");
    // A victim that a link made through a link would replace.
    std::fs::create_dir(outside.join("x")).unwrap();
    std::fs::write(outside.join("x/kept"), "kept").unwrap();
    let replacing = format!("/sys/a/x -> y\n{link}");
    let replacing_upwards = "/sys/a/x -> y\n/sys/a -> ../../../outside".to_owned();
    let long = format!("/sys/a -> {}\n", "a/".repeat(600));
    let longer = format!("/l -> {0}\n/l/{0} = a\n", ["a"; 300].join("/"));
    for (name, bytes, expected) in [
        (
            "text",
            b"no archive".to_vec(),
            "` is not a complete report\nCaused by: ",
        ),
        (
            "empty",
            Vec::new(),
            "` is not a complete report\nCaused by: it ",
        ),
        (
            "compressed text",
            compressed(b"no archive"),
            "` is not a complete report\nCaused by: ",
        ),
        (
            "other archive",
            archive(&[("a", "b")]),
            "Caused by: it has no `sriovdp-report/report.json`",
        ),
        (
            "without a node",
            archive(&[("report.json", r#"{"format": 1}"#)]),
            "Caused by: it has no `sriovdp-report/node.tree`",
        ),
        (
            "truncated",
            whole[..whole.len() / 2].to_vec(),
            "` is not a complete report\nCaused by: it ends early",
        ),
        (
            "newer",
            archive(&[("report.json", &newer), ("novelty", "")]),
            "the report has the format 7, and this program reads formats up to 1\nhint: ",
        ),
        (
            "without a format",
            archive(&[("report.json", "{}")]),
            "the report has the format 0",
        ),
        (
            "no JSON",
            archive(&[("report.json", "{")]),
            "cannot parse `report.json`",
        ),
        (
            "long",
            archive(&[("report.json", &" ".repeat(2 << 20))]),
            "Caused by: it is longer than 1048576 bytes",
        ),
        (
            "many",
            archive(&many),
            "Caused by: it has more than 100 files",
        ),
        (
            "linked",
            linked(),
            "Caused by: it has no `sriovdp-report/report.json`",
        ),
        (
            "words",
            with_tree("pf 0000:41:00.0 8086:10c9"),
            "Caused by: line 1: `pf` is no entry of a captured node",
        ),
        (
            "link",
            with_tree(&link),
            "Caused by: its link `/sys/a` leads out of the node",
        ),
        // What is outside does not exist, so the link leads nowhere, and the configuration is written beside it.
        (
            "to a new file",
            archive(&[
                ("report.json", r#"{"format": 1}"#),
                ("node.tree", &dangling),
                ("config.json", "{"),
            ]),
            "error: ",
        ),
        (
            "through a link",
            with_tree(&through),
            "Caused by: its link `/sys/a` leads out of the node",
        ),
        (
            "a link through a link",
            with_tree(&replacing),
            "Caused by: its link `/sys/a` leads out of the node",
        ),
        (
            "a link through a relative link",
            with_tree(&replacing_upwards),
            "Caused by: its link `/sys/a` leads out of the node",
        ),
        (
            "a link through a link inside",
            with_tree("/sys/a/x -> y\n/sys/a -> b\n/sys/b/x/kept = kept"),
            "Caused by: the entry `/sys/a/x` is below the link `/sys/a`",
        ),
        (
            "a long target",
            with_tree(&long),
            "a/a/` is no path of a node: it is too long",
        ),
        (
            "a long path through a link",
            with_tree(&longer),
            "Caused by: line 2: `/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a` is no path",
        ),
        (
            "upwards",
            with_tree("/sys/b -> ../../../../../../../../etc"),
            "Caused by: its link `/sys/b` leads out of the node",
        ),
    ] {
        let path = node.root().join("report");
        std::fs::write(&path, bytes).unwrap();
        let arguments = ["replay", &path.to_string_lossy(), "list"];
        let mut command = node.command(&arguments);
        let output = command.env("TMPDIR", &scratch).output().await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(1), 0),
            "{name}: {error}"
        );
        assert!(
            error.starts_with("error: ") && error.matches("error: ").count() == 1,
            "{name}: {error}"
        );
        assert!(error.contains(expected), "{name}: {error}");
        assert_eq!(entries(&scratch), 0, "{name}");
    }
    assert_eq!(entries(&outside), 1);
    let kept = std::fs::read_to_string(outside.join("x/kept"));
    assert_eq!(kept.unwrap(), "kept");
    for (arguments, expected) in [
        (
            &["replay", "no/such/file"][..],
            "error: cannot open the report `no/such/file`\nCaused by: ",
        ),
        (
            &["replay", "/dev"],
            "error: cannot open the report `/dev`\nCaused by: it is not a regular file\n",
        ),
        (
            &["replay", "x", "rescan"],
            "error: `replay` runs `check`, `list` or `explain`\nhint: ",
        ),
        (
            &["replay", "x", "list", "--odd"],
            "error: `replay` runs `check`, `list` or `explain`\nCaused by: unexpected argument '--odd' found\nhint: ",
        ),
    ] {
        let (code, output, error) = node.run(arguments).await;
        assert_eq!((code, output.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(error.starts_with(expected), "{error}");
    }
}

fn entries(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[tokio::test]
async fn names_of_the_node_are_text_on_the_page() {
    let name = "<img src=x onerror=alert(1)>";
    let tree = format!(
        "pf 0000:41:00.0 8086:10c9 driver=igb net=eth0
        vf 0000:41:10.0 8086:10ca pf=0000:41:00.0 id=0 driver=\"><svg>
        @0000:41:00.0/net/{}/
          operstate = </li><b>\\x1b[31m",
        name.replace(' ', "\\x20").replace('/', "")
    );
    let config =
        r#"{"resourceList": [{"resourceName": "a", "selectors": {"drivers": ["'><i>"]}}]}"#;
    let node = TestNode::with_config(&tree, RegistrationMode::Watcher, config);
    let (_, files) = report(&node).await;
    let page = &files["report.html"];
    for part in ["<img", "<svg", "'><i>", "\u{1b}", "onerror=alert(1)>"] {
        assert!(!page.contains(part), "{part}: {page}");
    }
    assert!(
        page.contains("&lt;img src=x onerror=alert(1)&gt;"),
        "{page}"
    );
    assert!(page.contains("&quot;&gt;&lt;svg&gt;"), "{page}");
}

/// A browser ignores a style whose digest differs from that of the policy.
#[tokio::test]
async fn the_policy_allows_the_style_of_the_page_and_nothing_else() {
    let node = TestNode::without_providers("", RegistrationMode::Watcher);
    let (_, files) = report(&node).await;
    let page = &files["report.html"];
    let style = page.split("<style>").nth(1).unwrap();
    let style = style.split("</style>").next().unwrap();
    let digest = base64(&Sha256::digest(style));
    let policy = format!("content=\"default-src 'none'; style-src 'sha256-{digest}'\"");
    assert!(
        page.contains(&policy),
        "the digest of `page.css` is {digest}"
    );
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let of_three = |three: &[u8]| {
        let bits = three
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let digit = |n: usize| match n > three.len() {
            true => '=',
            false => char::from(DIGITS[bits >> (18 - 6 * n) & 63]),
        };
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(of_three).collect()
}
