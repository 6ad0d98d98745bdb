//! The device manager and the plugin watcher of a real kubelet, as a program that is started and killed as a kubelet is.
//!
//! The program's paths are compiled in, so it runs with the node's directory mounted over `/var/lib/kubelet`, in a mount
//! namespace of its own.

mod events;
mod protocol;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::sync::oneshot;

use crate::error::Error;
use crate::journal::EventKind;
use crate::node;
use crate::shared::{Shared, lock};

use protocol::{Answer, Line};
pub(crate) use protocol::{Boot, Command, Pod};

/// Mounts the directory of its first argument over the kubelet's, and becomes the program of its second.
const MOUNT: &str = r#"
[ -d /var/lib/kubelet ] || { mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/kubelet; } || exit
mount --bind "$1" /var/lib/kubelet && exec "$2""#;

/// One life of the program. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Program {
    child: Mutex<Child>,
    commands: Mutex<ChildStdin>,
    pending: Pending,
}

/// The commands without an answer; `None` when the program has ended.
type Pending = Arc<Mutex<Option<BTreeMap<u64, oneshot::Sender<Answer>>>>>;

impl Program {
    /// Starts the program. Its events change the state until it ends.
    pub(crate) fn start(shared: &Arc<Shared>, program: &Path, boot: &Boot) -> Result<Self, Error> {
        let failed = |source| Error::Start {
            program: program.to_owned(),
            source,
        };
        let directory = shared.node.kubelet_directory();
        node::create_directory(&directory)?;
        let log = directory.with_file_name("device-manager.log");
        let stderr = File::options().create(true).append(true).open(&log);
        let mut command = process::Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command
            .args(["--", "sh", "-c", MOUNT, "sh"])
            .args([&directory, program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.map_err(failed)?)
            // Ctrl-C at a terminal ends the test, which kills the program.
            .process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(commands), Some(events)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are pipes");
        };
        let program = Self {
            child: Mutex::new(child),
            commands: Mutex::new(commands),
            pending: Arc::new(Mutex::new(Some(BTreeMap::new()))),
        };
        let (shared, pending) = (Arc::clone(shared), Arc::clone(&program.pending));
        thread::spawn(move || read(&shared, &pending, events));
        program.write(boot);
        Ok(program)
    }

    /// Kills the program and waits for its end.
    pub(crate) fn kill(&self) {
        // Without pending commands, its end is no crash.
        lock(&self.pending).take();
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Sends a command; `None` if the program ends before it answers.
    pub(crate) async fn call(&self, command: Command) -> Option<Answer> {
        let (sender, answer) = oneshot::channel();
        let line = {
            let mut pending = lock(&self.pending);
            let pending = pending.as_mut()?;
            let id = pending.last_key_value().map_or(1, |(id, _)| id + 1);
            pending.insert(id, sender);
            command.line(id)
        };
        self.write(&line);
        answer.await.ok()
    }

    /// Sends a command whose answer has nothing.
    pub(crate) fn notify(&self, command: Command) {
        self.write(&command.line(0));
    }

    /// The end of the program is noticed by the reader of its events.
    fn write(&self, line: &impl serde::Serialize) {
        let mut line = serde_json::to_string(line).expect("only strings and numbers");
        line.push('\n');
        let _ = lock(&self.commands).write_all(line.as_bytes());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read(shared: &Shared, pending: &Pending, events: ChildStdout) {
    for line in BufReader::new(events).lines().map_while(Result::ok) {
        let line: Line = match serde_json::from_str(&line) {
            Ok(line) => line,
            Err(error) => panic!("`{line}` is no event of the device manager: {error}"),
        };
        // Killed meanwhile: what it wrote before is not read any more.
        if lock(pending).is_none() {
            return;
        }
        match line {
            Line::Answer(answer) => {
                shared.update(|state| state.set_health(&answer.health));
                let sender = lock(pending)
                    .as_mut()
                    .and_then(|all| all.remove(&answer.id));
                // A caller that does not wait any more has dropped its end.
                if let Some(sender) = sender {
                    drop(sender.send(answer));
                }
            }
            event => shared.update(|state| state.apply(&shared.node, event)),
        }
    }
    let unexpected = lock(pending).take().is_some();
    if unexpected {
        shared.update(|state| state.journal.note(EventKind::Crashed));
    }
}
