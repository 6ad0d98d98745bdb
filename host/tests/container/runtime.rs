//! Containers: by `crun` or `runc` where one is installed, else by `unshare` with the same mounts and rights.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::archive::run;
use crate::pod::{Access, Mount};

/// The profile of containerd 2.4 for a container without capabilities (`RuntimeDefault`), for the machine's architecture.
const SECCOMP: &str = include_str!("seccomp.json");

/// Makes the mounts and enters the root directory without a capability. The arguments: the root directory, for each mount
/// `ro` or `rw`, the source and the target, then `--` and the process.
const START: &str = r#"set -e
root=$1; shift
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    mount --rbind "$2" "$root$3"
    if [ "$1" = ro ]; then mount -o remount,bind,ro "$root$3"; fi
    shift 3
done
shift
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
program=$1; shift
exec capsh --no-new-privs --drop=all --chroot="$root" --shell="$program" -- "$@""#;

/// Enters a container as a probe does. The arguments: the root directory, then the process.
const EXEC: &str = r#"root=$1; program=$2; shift 2
exec capsh --no-new-privs --drop=all --chroot="$root" --shell="$program" -- "$@""#;

/// What starts containers.
#[derive(Clone)]
pub(crate) enum Runtime {
    /// This program, `crun` or `runc`.
    Oci(PathBuf),
    /// Namespaces and a root directory, without a seccomp profile.
    Namespaces,
}

/// Which process, in which root directory, with which mounts.
pub(crate) struct Specification<'a> {
    pub(crate) root: &'a Path,
    pub(crate) process: &'a [String],
    pub(crate) environment: &'a [String],
    pub(crate) mounts: &'a [Mount],
}

/// A container that runs. It is killed when it is dropped.
pub(crate) struct Running {
    runtime: Runtime,
    directory: PathBuf,
    root: PathBuf,
    environment: Vec<String>,
    child: std::process::Child,
}

impl Runtime {
    /// That of this machine.
    pub(crate) fn installed() -> Self {
        let directories = std::env::var_os("PATH").unwrap_or_default();
        let found = ["runc", "crun"].iter().find_map(|name| {
            let mut paths = std::env::split_paths(&directories).map(|path| path.join(name));
            paths.find(|path| path.is_file())
        });
        match found {
            Some(path) if is_root_of_the_machine() => Self::Oci(path),
            _ => Self::Namespaces,
        }
    }

    /// Starts the process; its output goes to the file `log` in `directory`, which is the container's own.
    pub(crate) fn start(&self, directory: &Path, container: &Specification<'_>) -> Running {
        std::fs::create_dir_all(directory).unwrap();
        for mount in container.mounts {
            make_mount_point(container.root, mount);
        }
        let mut command = match self {
            Self::Oci(program) => {
                let bundle = serde_json::to_vec_pretty(&bundle(container)).unwrap();
                std::fs::write(directory.join("config.json"), bundle).unwrap();
                let mut command = oci(program, directory);
                command.arg("run").arg("--bundle").arg(directory).arg("it");
                command
            }
            Self::Namespaces => {
                let mut command = namespaces("unshare", container.environment);
                if !rustix::process::geteuid().is_root() {
                    command.arg("--map-root-user");
                }
                let arguments = ["--mount", "--pid", "--net", "--ipc", "--fork"];
                command.args(arguments).arg("--kill-child");
                command.args(["sh", "-c", START, "sh"]).arg(container.root);
                for mount in container.mounts {
                    let access = if mount.access == Access::ReadOnly {
                        "ro"
                    } else {
                        "rw"
                    };
                    command.arg(access).arg(&mount.source).arg(&mount.target);
                }
                // `capsh` does not search for programs.
                let (program, arguments) = container.process.split_first().unwrap();
                command.arg("--").arg(Path::new("/usr/bin").join(program));
                command.args(arguments);
                command
            }
        };
        let log = File::create(directory.join("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap());
        Running {
            runtime: self.clone(),
            directory: directory.to_owned(),
            root: container.root.to_owned(),
            environment: container.environment.to_vec(),
            child: command.stderr(log).spawn().unwrap(),
        }
    }
}

impl Running {
    /// Runs another process in the container, with the rights of the first.
    pub(crate) fn exec(&self, process: &[String]) -> Output {
        let mut command = match &self.runtime {
            Runtime::Oci(program) => {
                let mut command = oci(program, &self.directory);
                command.args(["exec", "it"]);
                command
            }
            Runtime::Namespaces => {
                let mut command = namespaces("nsenter", &self.environment);
                if !rustix::process::geteuid().is_root() {
                    command.args(["--user", "--preserve-credentials"]);
                }
                let id = self.id().expect("it runs").as_raw_nonzero().to_string();
                command.args(["--mount", "--pid", "--net", "--ipc", "--target", &id]);
                command.args(["sh", "-c", EXEC, "sh"]).arg(&self.root);
                command
            }
        };
        command.args(process).stdin(Stdio::null()).output().unwrap()
    }

    /// The first process of the container, by its id on this machine.
    pub(crate) fn id(&self) -> Option<Pid> {
        let id = match &self.runtime {
            Runtime::Oci(program) => {
                let state = oci(program, &self.directory).args(["state", "it"]).output();
                let state: Value = serde_json::from_slice(&state.unwrap().stdout).ok()?;
                i32::try_from(state["pid"].as_i64()?).ok()?
            }
            Runtime::Namespaces => {
                let id = self.child.id();
                let children = format!("/proc/{id}/task/{id}/children");
                let children = std::fs::read_to_string(children).ok()?;
                children.split_whitespace().next()?.parse().ok()?
            }
        };
        Pid::from_raw(id)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap()
    }

    /// Sends SIGTERM as the kubelet does, and waits.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let id = self.id().expect("it runs");
        rustix::process::kill_process(id, Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        // `runc` and `unshare` return the status as a code.
        ExitStatus::from_raw(status.into_raw())
    }

    /// Waits for a container that ends by itself.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.log())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Runtime::Oci(program) = &self.runtime {
            let mut delete = oci(program, &self.directory);
            let _ = delete.args(["delete", "--force", "it"]).output();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rather than of a user namespace, whose root may not make the cgroup that these programs need.
fn is_root_of_the_machine() -> bool {
    let ids = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    let all: Vec<&str> = ids.split_whitespace().collect();
    rustix::process::geteuid().is_root() && all == ["0", "0", "4294967295"]
}

/// The program with a directory for its state, which belongs to one container.
fn oci(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--root").arg(directory.join("state"));
    if program.ends_with("crun") {
        command.arg("--cgroup-manager=disabled");
    }
    command
}

/// A program of util-linux, which passes the environment on.
fn namespaces(program: &str, environment: &[String]) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    let path = std::env::var("PATH").unwrap_or_default();
    // `sh` and `capsh` are found by it. The containers of these tests do not use theirs.
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    let variables = environment.iter().filter_map(|one| one.split_once('='));
    command.envs(variables.filter(|(name, _)| *name != "PATH"));
    command
}

fn make_mount_point(root: &Path, mount: &Mount) {
    let target = root.join(mount.target.strip_prefix("/").unwrap());
    if mount.source.is_dir() {
        std::fs::create_dir_all(target).unwrap();
    } else if !target.exists() && !mount.target.starts_with("/dev") {
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, "").unwrap();
    }
}

/// The `config.json` of the OCI runtime specification, as containerd writes it for the container of such a pod.
fn bundle(container: &Specification<'_>) -> Value {
    let mut mounts = vec![json!({"destination": "/proc", "type": "proc", "source": "proc"})];
    mounts.extend(container.mounts.iter().map(|mount| {
        let access = if mount.access == Access::ReadOnly {
            "ro"
        } else {
            "rw"
        };
        json!({
            "destination": mount.target, "source": mount.source, "type": "bind",
            "options": ["rbind", "rprivate", access],
        })
    }));
    let seccomp: Value = serde_json::from_str(SECCOMP).unwrap();
    let namespaces = ["pid", "mount", "network", "ipc"].map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/", "noNewPrivileges": true,
            "args": container.process, "env": container.environment,
            "capabilities": {"bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": []},
        },
        "root": {"path": container.root, "readonly": true},
        "mounts": mounts,
        "linux": {
            "namespaces": namespaces, "seccomp": seccomp,
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

/// Why this machine cannot run the containers.
pub(crate) fn obstacle(runtime: &Runtime) -> Option<String> {
    if let Runtime::Oci(_) = runtime {
        return None;
    }
    let mut command = namespaces("unshare", &[]);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let output = command
        .args([
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--fork",
            "capsh",
            "--drop=all",
            "--",
        ])
        .args(["-c", "true"])
        .output();
    match output {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("cannot run `unshare`: {error}")),
    }
}

/// What a process may do, as the kernel reports it: `CapEff` and the like.
pub(crate) fn status(id: Pid) -> impl Fn(&str) -> String {
    let status = run(Command::new("cat").arg(format!("/proc/{}/status", id.as_raw_nonzero())));
    move |key| {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(&format!("{key}:")));
        line.unwrap_or_else(|| panic!("no {key}")).trim().to_owned()
    }
}
