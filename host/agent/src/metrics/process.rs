//! The metrics of a process that Prometheus' client libraries have, from `/proc/self` and the clock of its CPU time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::text::{Family, Kind, Text};

/// What cannot be read is left out.
pub(super) fn write(text: &mut Text) {
    let gauge = |name, help| Family {
        name,
        kind: Kind::Gauge,
        help,
    };
    let cpu = Family {
        name: "process_cpu_seconds_total",
        kind: Kind::Counter,
        help: "User and system CPU time.",
    };
    let resident = gauge("process_resident_memory_bytes", "Resident memory.");
    let virtual_memory = gauge("process_virtual_memory_bytes", "Virtual memory.");
    let descriptors = gauge("process_open_fds", "Open file descriptors.");
    let most = gauge("process_max_fds", "The limit of open file descriptors.");
    let threads = gauge("process_threads", "Threads.");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let values = [
        (cpu, cpu_seconds()),
        (resident, value(&status, "VmRSS:").map(|kib| kib * 1024.0)),
        (
            virtual_memory,
            value(&status, "VmSize:").map(|kib| kib * 1024.0),
        ),
        (threads, value(&status, "Threads:")),
        (descriptors, open_descriptors()),
        (most, max_descriptors()),
    ];
    for (family, value) in values {
        if let Some(value) = value {
            text.family(&family);
            text.sample(family.name, &[], value);
        }
    }
}

/// The number at `key` of `/proc/self/status`; memory is in KiB there (`man 5 proc_pid_status`).
fn value(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    let time = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()?;
    Some(time.as_secs_f64())
}

fn open_descriptors() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // The listing has a descriptor of its own.
    u32::try_from(count.saturating_sub(1)).ok().map(f64::from)
}

fn max_descriptors() -> Option<f64> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    u32::try_from(limit).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::super::text::Format;
    use super::*;

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let mut text = Text::new(Format::Prometheus);
        write(&mut text);
        let text = text.finish();
        let value = |name: &str| value(&text, &format!("{name} ")).unwrap();
        assert!(value("process_resident_memory_bytes") > 1e5);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(value("process_threads") >= 1.0 && value("process_cpu_seconds_total") > 0.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(open_descriptors().unwrap() >= 3.0);
    }
}
