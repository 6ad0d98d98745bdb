//! The image as a directory: the files of `make dist` from this build, the libraries of the base, and a node.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, ProgramHeader};
use sriovdp_sdk_testing::Tree;
use tokio::process::Command;

use crate::repository;
use crate::test_node::{CAPTURED, built};

/// The libraries of the base image (glibc and GCC's run-time library) that may be needed, besides the dynamic linker.
const BASE: [&str; 3] = ["libc.so.6", "libm.so.6", "libgcc_s.so.1"];

/// Enters the directory, with what every container runtime adds: `/proc`, where libraries are loaded by their names and
/// the program finds itself, and `/dev/null`.
const ENTER: &str = r#"mount --rbind /proc "$0/proc" && mount --bind /dev/null "$0/dev/null" && exec chroot "$0" "$@""#;

/// A root directory that has what the image has, and nothing else.
pub(super) struct Image(tempfile::TempDir);

/// The names of the built-in providers, as the Makefile installs them.
pub(super) fn providers() -> Vec<String> {
    let makefile = repository::text("Makefile");
    let names = makefile
        .lines()
        .find_map(|line| line.strip_prefix("PROVIDERS := "));
    let names: Vec<String> = names
        .expect("providers")
        .split(' ')
        .map(str::to_owned)
        .collect();
    assert_eq!(names.len(), 5, "{names:?}");
    names
}

impl Image {
    /// The files of this build; or nothing, when this machine allows no user to enter a directory of their own. Then the
    /// reason is written past the capture of the test's output, so that it is in every log.
    pub(super) fn assemble() -> Option<Self> {
        let image = Self(tempfile::tempdir().unwrap());
        Tree::parse(CAPTURED).unwrap().write(image.root()).unwrap();
        for directory in ["proc", "etc"] {
            std::fs::create_dir_all(image.root().join(directory)).unwrap();
        }
        image.write("dev/null", "");
        let program = &sriovdp_tests::program();
        image.install(program, "usr/bin/sriovdp", 0o755);
        for name in providers() {
            let library = built(&format!("sriovdp_{}", name.replace('-', "_")));
            image.install(&library, &format!("opt/sriovdp/providers/{name}.so"), 0o644);
            image.install_libraries_of(&library);
        }
        image.install_libraries_of(program);
        if let Err(reason) = image.can_be_entered() {
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: the image's files were not run by themselves, because this machine does not let a user \
                 enter a directory of their own: {reason}"
            );
            return None;
        }
        Some(image)
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    /// The program inside, with nothing of the environment but where programs are.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::from(unshare());
        command
            .args(["sh", "-c", ENTER])
            .arg(self.root())
            .arg("/usr/bin/sriovdp")
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Every file, by its path inside.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut directories = vec![self.root().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                }
                let path = entry.path();
                found.insert(
                    path.strip_prefix(self.root())
                        .unwrap()
                        .display()
                        .to_string(),
                );
            }
        }
        found
    }

    /// Where the program's standard error goes, as a container runtime would keep it.
    pub(super) fn log(&self) -> File {
        self.write("var/log", "");
        File::create(self.root().join("var/log")).unwrap()
    }

    pub(super) fn logged(&self) -> String {
        std::fs::read_to_string(self.root().join("var/log")).unwrap_or_default()
    }

    fn install(&self, from: &Path, to: &str, mode: u32) {
        let to = self.root().join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, &to).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; `cargo build --workspace` makes it",
                from.display()
            )
        });
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What the dynamic linker of this machine would load for `file`, at the same places.
    fn install_libraries_of(&self, file: &Path) {
        let linker = dynamic_linker(&sriovdp_tests::program());
        let listed = std::process::Command::new(&linker)
            .arg("--list")
            .arg(file)
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f...)`
        for (name, rest) in listed
            .lines()
            .filter_map(|line| line.trim().split_once(" => "))
        {
            let path = rest.split(" (").next().unwrap();
            if Path::new(path) != linker {
                assert!(
                    BASE.contains(&name),
                    "{} needs `{name}`, which the base lacks",
                    file.display()
                );
                self.install(Path::new(path), path, 0o755);
            }
        }
        self.install(&linker, linker.to_str().unwrap(), 0o755);
    }

    /// The program has no part in it: whatever it does inside is for the tests to judge.
    fn can_be_entered(&self) -> Result<(), String> {
        let tried = unshare()
            .args(["mount", "--rbind", "/proc"])
            .arg(self.root().join("proc"))
            .output();
        match tried {
            Err(error) => Err(format!("cannot run `unshare`: {error}")),
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

/// Namespaces of users and mounts, in which this user is root; the machine outside stays as it is.
fn unshare() -> std::process::Command {
    let mut command = std::process::Command::new("unshare");
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path);
    command.args(["--map-root-user", "--mount"]);
    command
}

/// The program that the kernel starts in place of `program`.
fn dynamic_linker(program: &Path) -> PathBuf {
    let bytes = std::fs::read(program).unwrap();
    let header = FileHeader64::<Endianness>::parse(&*bytes).unwrap();
    let endian = header.endian().unwrap();
    let segments = header.program_headers(endian, &*bytes).unwrap();
    let found = segments
        .iter()
        .find_map(|segment| segment.interpreter(endian, &*bytes).unwrap());
    PathBuf::from(String::from_utf8(found.expect("it is linked dynamically").to_vec()).unwrap())
}
