//! Functions of the scripts in `deployments`, without what they build.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::repository::{path, text};

/// The source of one function.
fn function(script: &str, name: &str) -> String {
    let text = text(&format!("deployments/{script}"));
    let start = text.find(&format!("\n{name}() {{")).unwrap();
    let end = start + text[start..].find("\n}").unwrap() + 2;
    format!("set -euo pipefail{}\n", &text[start..end])
}

#[track_caller]
fn output(command: &mut Command, directory: &Path) -> String {
    let output = command.arg("bash").arg(directory).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// `deployments/arch` and `make clean` remove the directory in which it mounts /dev. The namespace of this test keeps a
/// failure from the machine.
#[test]
fn mounts_for_a_registered_emulator_are_in_a_namespace() {
    let namespace = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "bash", "-c"]);
        unshare
    };
    let directory = tempfile::tempdir().unwrap();
    let registered = r#"mkdir "$1/binfmt" "$1/root"
echo 'flags: OCF' >"$1/binfmt/qemu-aarch64"
mount --bind "$1/binfmt" /proc/sys/fs/binfmt_misc
"#;
    let tried = namespace()
        .args([registered, "bash"])
        .arg(tempfile::tempdir().unwrap().path())
        .output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: this machine allows no mount namespace, or has no binfmt_misc"
        );
        return;
    }
    let emulated = r#"arch=aarch64
emulated sh -ec 'mount -t tmpfs none "$0"; touch "$0/mounted"; ls "$0"' "$1/root"
ls "$1/root"
"#;
    let source = function("arch", "emulated") + registered + emulated;
    let listed = output(namespace().arg(source), directory.path());
    assert_eq!(listed, "mounted\n");
}

#[test]
fn directories_of_an_archive_have_the_modes_of_installed_ones() {
    let directory = tempfile::tempdir().unwrap();
    let share = directory.path().join("usr/share");
    std::fs::create_dir_all(&share).unwrap();
    std::fs::write(share.join("page"), "").unwrap();
    for (path, mode) in [(share.join("page"), 0o600), (share, 0o700)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let source = function("release", "packed")
        + r#"SOURCE_DATE_EPOCH=0
packed -C "$1" usr | tar -tvz | cut -d ' ' -f 1
"#;
    let modes = output(Command::new("bash").args(["-c", &source]), directory.path());
    assert_eq!(modes, "drwxr-xr-x\ndrwxr-xr-x\n-rw-r--r--\n");
}

/// Distinct from a program that fails, which ends with 1 or 2.
#[test]
fn a_check_of_continuous_integration_that_skips_ends_with_3() {
    let checks: [&[&str]; 3] = [
        &["python3", "-B", "e2e", "--would-run-within", "0"],
        &["python3", "-B", "kubelet", "--would-run-within", "0"],
        // No package is of this architecture.
        &["env", "DEB_ARCH=none", "deployments/image/build", "--check"],
    ];
    for check in checks {
        let mut command = Command::new(check[0]);
        command.args(&check[1..]).current_dir(path(""));
        let Ok(output) = command.output() else {
            let _ = writeln!(std::io::stderr(), "SKIPPED: {} is missing", check[0]);
            continue;
        };
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.starts_with("skipped: "), "{check:?}: {output:?}");
        assert_eq!(output.status.code(), Some(3), "{check:?}");
    }
}
