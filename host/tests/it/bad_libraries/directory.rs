//! What a directory may be full of: files that are none, the same file twice, too many, and good ones in between.

use std::os::unix::fs::{PermissionsExt, symlink};

use sriovdp_providers::{ProviderSettings, Providers};

use super::build::{ENDS_ITS_PARENT, Made, good, with_other_bytes, write};
use crate::test_node::{CAPTURED, Daemon, RegistrationMode, TestNode, built};

const GOOD: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;

/// The output of `sriovdp providers` about the files whose names begin with `start`.
async fn about(node: &TestNode, start: &str) -> Vec<String> {
    let (_, output, _) = node.run(&["providers"]).await;
    let output = output.replace("PROVIDERS/", "");
    let lines = output.lines().filter(|line| line.starts_with(start));
    lines.map(str::to_owned).collect()
}

async fn serves(node: &TestNode) -> Daemon {
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    daemon
}

#[tokio::test]
async fn non_files_in_the_provider_directory_are_refused() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    let at = |name: &str| node.provider_dir().join(name);
    std::fs::create_dir(at("bad-directory.so")).unwrap();
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, at("bad-fifo.so"), kind, mode, 0).unwrap();
    symlink("bad-loop.so", at("bad-loop.so")).unwrap();
    symlink("nowhere", at("bad-link.so")).unwrap();
    let reported = about(&node, "bad-").await;
    let expected = [
        "bad-directory.so: refused: cannot read it: it is not a regular file",
        "bad-fifo.so: refused: cannot read it: it is not a regular file",
        "bad-link.so: refused: cannot follow the path at `nowhere`: No such file or directory (os error 2)",
        "bad-loop.so: refused: cannot follow the path at `bad-loop.so`: Too many levels of symbolic links (os error 40)",
    ];
    assert_eq!(reported, expected);
    serves(&node).await.terminates_cleanly().await;
}

/// Everything at once costs the good ones nothing, and little room in the log.
#[tokio::test]
async fn provider_directory_with_a_thousand_files() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    for n in 0..990 {
        write(
            &node.provider_dir().join(format!("bad-{n:03}.so")),
            b"#!/bin/sh\n",
        );
    }
    // Every one of these is whole, and would be loaded if it were alone.
    for n in 990..1000 {
        write(&node.provider_dir().join(format!("bad-{n:03}.so")), &good());
    }
    let mut daemon = serves(&node).await;
    let log = daemon.log();
    assert_eq!(log.matches("it is not an ELF file").count(), 5);
    let conflict = "conflict: `accelerator.so` already provides the device type `accelerator`";
    assert_eq!(log.matches(conflict).count(), 5);
    let others = daemon.logs("providers_refused_more").with("count", 990);
    assert_eq!(others.now().len(), 1, "{log}");
    assert_eq!(about(&node, "bad-").await.len(), 1000);
    daemon.terminates_cleanly().await;
}

/// A provider of its own for each of ten device types, and two that want what another one has.
#[tokio::test]
async fn providers_lists_libraries_and_their_device_types() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    // The same number of bytes, wherever the name is.
    for n in 0..10 {
        let name = format!("accelerat{n:02}");
        let Made::Bytes(bytes) = with_other_bytes(b"accelerator", name.as_bytes()) else {
            unreachable!("it makes bytes");
        };
        write(&node.provider_dir().join(format!("ten-{n}.so")), &bytes);
    }
    let reported = about(&node, "ten-").await;
    assert_eq!(reported.len(), 10, "{reported:?}");
    for (n, line) in reported.iter().enumerate() {
        let expected = format!("ten-{n}.so: device type accelerat{n:02} (sriovdp-accelerat{n:02} ");
        assert!(line.starts_with(&expected), "{line}");
    }
    serves(&node).await.terminates_cleanly().await;
}

/// The first file by name has what two of them claim.
#[tokio::test]
async fn conflicts() {
    let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    write(&node.provider_dir().join("bad-type.so"), &good());
    write(
        &node.provider_dir().join("extends-a.so"),
        &std::fs::read(built("sriovdp_mellanox_rdma")).unwrap(),
    );
    write(
        &node.provider_dir().join("extends-b.so"),
        &std::fs::read(built("sriovdp_mellanox_rdma")).unwrap(),
    );
    let reported = about(&node, "accelerator.so").await;
    assert!(
        reported[0].starts_with("accelerator.so: device type accelerator"),
        "{reported:?}"
    );
    let hint = "(hint: remove one of the two files; the first one by name counts)";
    assert_eq!(
        about(&node, "bad-type.so").await,
        [format!(
            "bad-type.so: refused: conflict: `accelerator.so` already provides the device type `accelerator` {hint}"
        )]
    );
    // One extension of two device types.
    let reported = about(&node, "extends-").await;
    assert!(
        reported[0].starts_with("extends-a.so: extension of netDevice, auxNetDevice "),
        "{reported:?}"
    );
    assert_eq!(
        reported[1..],
        [format!(
            "extends-b.so: refused: conflict: `extends-a.so` already provides the selector key `isRdma` of `netDevice` {hint}"
        )]
    );
    // An extension of an absent device type is loaded, and waits for it.
    let answer = r#"manifest={"package": "p", "version": "1", "sdk": "1.0.0", "summary": "s", "extends": ["absent"], "schema": {}}"#;
    node.environment("RAW_PROVIDER", answer);
    node.provide("raw", &built("sriovdp_raw_provider"));
    let reported = about(&node, "raw.so").await;
    assert_eq!(reported, ["raw.so: extension of absent (p 1, SDK 1.0.0)"]);
    serves(&node).await.terminates_cleanly().await;
}

/// Nothing is known about a file that could not be probed, so it is tried again; the output of the probe is not trusted
/// when it is no answer.
#[tokio::test]
async fn a_probe_that_does_not_work() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let mut providers = Providers::default();
    let mut reported = async |program: &str| {
        let settings = ProviderSettings {
            program: program.into(),
            ..ProviderSettings::new(vec![node.provider_dir().to_owned()])
        };
        providers.reload(&settings).await;
        let refused = providers.refused().iter();
        let reasons: Vec<String> = refused.map(|refused| refused.reason.to_string()).collect();
        (providers.all().len(), reasons)
    };
    let all = |reason: &str| vec![reason.to_owned(); 3];
    assert_eq!(
        reported("/no/such/program").await,
        (0, all("cannot run its probe, `/no/such/program`"))
    );
    // Without a change of the files. This one prints its arguments.
    let ended = all("cannot run its probe, `/bin/echo`");
    assert_eq!(reported("/bin/echo").await, (0, ended));
    // The first process ends without an answer, and every file is vetted by another one.
    let program = node.root().join("ends-once");
    let script = format!(
        "#!/bin/sh\nmkdir \"$0.first\" 2>/dev/null && exit\nexec {} \"$@\"\n",
        sriovdp_tests::program().display()
    );
    // By another process: a descriptor that a fork of this one has open for writing would prevent the start.
    let mut writes = tokio::process::Command::new("sh");
    writes.args(["-c", "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh"]);
    let written = writes.arg(&program).arg(script).status();
    assert!(written.await.unwrap().success());
    assert_eq!(reported(program.to_str().unwrap()).await, (3, Vec::new()));
}

/// The others are probed by other processes.
#[tokio::test]
async fn a_file_that_ends_the_process_of_the_probe_affects_no_other() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let scratch = tempfile::tempdir().unwrap();
    let (ends, _) = Made::C(ENDS_ITS_PARENT).make(scratch.path());
    node.provide("a", &ends);
    let reported = about(&node, "").await;
    let (refused, others): (Vec<_>, Vec<_>) = reported
        .iter()
        .filter(|line| line.contains(".so: "))
        .partition(|line| line.contains(": refused: "));
    assert_eq!(others.len(), 3, "{reported:?}");
    let [refused] = refused[..] else {
        panic!("{reported:?}");
    };
    assert!(
        refused.starts_with("a.so: refused: cannot run its probe"),
        "{refused}"
    );
}

/// Files that others may change, and directories in which others may put files.
#[tokio::test]
async fn world_writable_provider_files_are_refused() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    let directory = node.provider_dir().to_owned();
    let set =
        |mode| std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o775);
    let (code, output, errors) = node.run(&["providers"]).await;
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert_eq!(
        errors,
        "error: the provider directory `PROVIDERS` is not used\nCaused by: the directory `PROVIDERS` has the mode 0775, so others than its owner may put files in it\nhint: `chmod go-w PROVIDERS`\n"
    );
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    daemon
        .logs("providers_unreadable")
        .containing("error", "has the mode 0775")
        .await;
    // The cure that is named is one.
    set(0o755);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    daemon.terminates_cleanly().await;
    // A link to a file of another user.
    let elsewhere = tempfile::tempdir().unwrap();
    let open = elsewhere.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    write(&open.join("x.so"), &good());
    symlink(open.join("x.so"), directory.join("bad-link.so")).unwrap();
    let reported = about(&node, "bad-link.so").await;
    assert!(
        reported[0]
            .contains("open` has the mode 0777, so others than its owner may put files in it"),
        "{reported:?}"
    );
}
