//! Settings of the process itself, before anything else.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit};

/// Directories get the mode 0755, files at most 0644, and sockets 0755, to which only their owner may connect; that is
/// what the Go plugin's have in a container. What the process was started with, does not count.
const UMASK: Mode = Mode::WGRP.union(Mode::WOTH);

/// The core file of a process that crashes has the configuration in it, and a probe is expected to crash. With a limit
/// of 0 the kernel still starts the program that `core_pattern` names; with 1 it does neither (`format_corename` and
/// `RLIMIT_CORE` in `fs/coredump.c`). `PR_SET_DUMPABLE` would hide `/proc/PID/exe` from `sriovdp rescan`.
const NO_CORE: Rlimit = Rlimit {
    current: Some(1),
    maximum: Some(1),
};

/// Makes the modes of what the process creates independent of the umask that it was started with.
pub fn set_umask() {
    rustix::process::umask(UMASK);
}

/// Writes no core file, whatever happens.
pub fn disable_core_file() {
    if rustix::process::setrlimit(Resource::Core, NO_CORE).is_err() {
        // The limit is 0 already, and only a privileged process may raise it.
        let limit = rustix::process::getrlimit(Resource::Core);
        let current = limit.maximum;
        let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current, ..limit });
    }
}
