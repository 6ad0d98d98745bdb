//! What a directory may be full of: files that are none, the same file twice, too many, and good ones in between.

use std::os::unix::fs::{PermissionsExt, symlink};

use sriovdp_providers::{ProviderSettings, Providers};

use super::made::{Made, good, with_other_bytes, write};
use crate::world::{CAPTURED, Daemon, Way, World, built};

const GOOD: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;

/// What `sriovdp providers` says of the files whose names begin with `start`.
async fn about(world: &World, start: &str) -> Vec<String> {
    let (_, output, _) = world.run(&["providers"]).await;
    let output = output.replace("PROVIDERS/", "");
    let lines = output.lines().filter(|line| line.starts_with(start));
    lines.map(str::to_owned).collect()
}

async fn serves(world: &World) -> Daemon {
    let kubelet = world.kubelet().await;
    let daemon = world.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    daemon
}

#[tokio::test]
async fn what_is_no_file() {
    let world = World::with_config(CAPTURED, Way::Watcher, GOOD);
    let at = |name: &str| world.provider_dir().join(name);
    std::fs::create_dir(at("bad-directory.so")).unwrap();
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, at("bad-fifo.so"), kind, mode, 0).unwrap();
    symlink("bad-loop.so", at("bad-loop.so")).unwrap();
    symlink("nowhere", at("bad-link.so")).unwrap();
    let told = about(&world, "bad-").await;
    let expected = [
        "bad-directory.so: refused: cannot read it: it is not a regular file",
        "bad-fifo.so: refused: cannot read it: it is not a regular file",
        "bad-link.so: refused: cannot follow the path at `nowhere`: No such file or directory (os error 2)",
        "bad-loop.so: refused: cannot follow the path at `bad-loop.so`: Too many levels of symbolic links (os error 40)",
    ];
    assert_eq!(told, expected);
    serves(&world).await.ends_well().await;
}

/// Everything at once costs the good ones nothing, and little room in the log.
#[tokio::test]
async fn a_thousand_files() {
    let world = World::with_config(CAPTURED, Way::Watcher, GOOD);
    for n in 0..990 {
        write(
            &world.provider_dir().join(format!("bad-{n:03}.so")),
            b"#!/bin/sh\n",
        );
    }
    // Every one of these is whole, and would be loaded if it were alone.
    for n in 990..1000 {
        write(
            &world.provider_dir().join(format!("bad-{n:03}.so")),
            &good(),
        );
    }
    let mut daemon = serves(&world).await;
    let log = daemon.log();
    assert_eq!(log.matches("it is not an ELF file").count(), 5);
    let conflict = "it brings the device type `accelerator`, which `accelerator.so` already brings";
    assert_eq!(log.matches(conflict).count(), 5);
    let others = "990 further files of the provider directory";
    assert_eq!(log.matches(others).count(), 1, "{log}");
    assert_eq!(about(&world, "bad-").await.len(), 1000);
    daemon.ends_well().await;
}

/// A provider of its own for each of ten device types, and two that want what another one has.
#[tokio::test]
async fn ten_good_ones_and_who_brings_what() {
    let world = World::with_config(CAPTURED, Way::Watcher, GOOD);
    // The same number of bytes, wherever the name is.
    for n in 0..10 {
        let name = format!("accelerat{n:02}");
        let Made::Bytes(bytes) = with_other_bytes(b"accelerator", name.as_bytes()) else {
            unreachable!("it makes bytes");
        };
        write(&world.provider_dir().join(format!("ten-{n}.so")), &bytes);
    }
    let told = about(&world, "ten-").await;
    assert_eq!(told.len(), 10, "{told:?}");
    for (n, line) in told.iter().enumerate() {
        let expected = format!("ten-{n}.so: device type accelerat{n:02} (sriovdp-accelerat{n:02} ");
        assert!(line.starts_with(&expected), "{line}");
    }
    serves(&world).await.ends_well().await;
}

/// The first file by name has what two of them claim.
#[tokio::test]
async fn conflicts() {
    let mut world = World::with_config(CAPTURED, Way::Watcher, GOOD);
    write(&world.provider_dir().join("bad-type.so"), &good());
    write(
        &world.provider_dir().join("extends-a.so"),
        &std::fs::read(built("sriovdp_mellanox_rdma")).unwrap(),
    );
    write(
        &world.provider_dir().join("extends-b.so"),
        &std::fs::read(built("sriovdp_mellanox_rdma")).unwrap(),
    );
    let told = about(&world, "accelerator.so").await;
    assert!(
        told[0].starts_with("accelerator.so: device type accelerator"),
        "{told:?}"
    );
    let hint = "(hint: remove one of the two files; the first one by name counts)";
    assert_eq!(
        about(&world, "bad-type.so").await,
        [format!(
            "bad-type.so: refused: it brings the device type `accelerator`, which `accelerator.so` already brings {hint}"
        )]
    );
    // One extension of two device types.
    let told = about(&world, "extends-").await;
    assert!(
        told[0].starts_with("extends-a.so: extension of netDevice, auxNetDevice "),
        "{told:?}"
    );
    assert_eq!(
        told[1..],
        [format!(
            "extends-b.so: refused: it brings the selector key `isRdma` of `netDevice`, which `extends-a.so` already brings {hint}"
        )]
    );
    // An extension of what nobody brings is loaded, and waits for it.
    let answer = r#"manifest={"package": "p", "version": "1", "sdk": "1.0.0", "summary": "s", "extends": ["nobody"], "schema": {}}"#;
    world.environment("RAW_PROVIDER", answer);
    world.provide("raw", &built("sriovdp_raw_provider"));
    let told = about(&world, "raw.so").await;
    assert_eq!(told, ["raw.so: extension of nobody (p 1, SDK 1.0.0)"]);
    serves(&world).await.ends_well().await;
}

/// Nothing is known about a file that could not be probed, so it is tried again; what the probe says is not believed
/// when it is no answer.
#[tokio::test]
async fn a_probe_that_does_not_work() {
    let world = World::new(CAPTURED, Way::Watcher);
    let mut providers = Providers::default();
    let mut told = async |program: &str| {
        let settings = ProviderSettings {
            program: program.into(),
            ..ProviderSettings::new(world.provider_dir().to_owned())
        };
        providers.take_new(&settings).await;
        let refused = providers.refused().iter();
        let reasons: Vec<String> = refused.map(|refused| refused.reason.to_string()).collect();
        (providers.loaded().len(), reasons)
    };
    let all = |reason: &str| vec![reason.to_owned(); 3];
    assert_eq!(
        told("/no/such/program").await,
        (
            0,
            all("it cannot be probed: cannot run `/no/such/program` for it")
        )
    );
    // Without a change of the files. This one prints its arguments.
    let garbage = "its probe ended without an answer that can be read";
    assert_eq!(told("/bin/echo").await, (0, all(garbage)));
    // Now they were judged, and are not judged again.
    assert_eq!(
        told(&sriovdp_tests::program().display().to_string()).await,
        (0, all(garbage))
    );
}

/// Files that others may change, and directories in which others may put files.
#[tokio::test]
async fn what_others_may_change() {
    let world = World::with_config(CAPTURED, Way::Watcher, GOOD);
    let directory = world.provider_dir().to_owned();
    let set =
        |mode| std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o775);
    let (code, output, errors) = world.run(&["providers"]).await;
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert_eq!(
        errors,
        "error: the provider directory `PROVIDERS` is not used\nCaused by: the directory `PROVIDERS` has the mode 0775, so others than its owner may put files in it\nhint: `chmod go-w PROVIDERS`\n"
    );
    let kubelet = world.kubelet().await;
    let mut daemon = world.daemon();
    daemon.says("is not used: the directory").await;
    // The cure that is named is one.
    set(0o755);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    daemon.ends_well().await;
    // A link to a file in somebody else's hands.
    let elsewhere = tempfile::tempdir().unwrap();
    let open = elsewhere.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    write(&open.join("x.so"), &good());
    symlink(open.join("x.so"), directory.join("bad-link.so")).unwrap();
    let told = about(&world, "bad-link.so").await;
    assert!(
        told[0].contains("open` has the mode 0777, so others than its owner may put files in it"),
        "{told:?}"
    );
}
