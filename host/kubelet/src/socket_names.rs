//! The names of a resource's sockets where each registration has a name of its own.

use std::path::Path;

/// `sun_path` of a unix socket address has 108 bytes, one of which ends it.
const LONGEST_SOCKET_PATH: usize = 107;
/// Room for the part that makes a name unique: thirteen digits of the time, and those of the counter.
const LONGEST_UNIQUE_PART: usize = 20;
/// A hash as hexadecimal digits.
const HASH: usize = 16;

/// `<prefix>_<name>`, for a file that belongs to a resource.
pub(super) fn file_stem(resource: &str) -> String {
    resource.replace('/', "_")
}

/// The prefix of all socket names of `resource` in `directory`, and of no other resource. A name that is too long for the
/// path of a socket is cut, and gets its hash.
pub(super) fn socket_prefix(directory: &Path, resource: &str) -> String {
    let stem = file_stem(resource);
    let rest = ".".len() + LONGEST_UNIQUE_PART + ".sock".len();
    let room = LONGEST_SOCKET_PATH.saturating_sub(directory.as_os_str().len() + 1 + rest);
    if stem.len() <= room {
        return stem;
    }
    let cut = stem.floor_char_boundary(room.saturating_sub("_".len() + HASH));
    format!("{}_{:016x}", &stem[..cut], hash(&stem))
}

/// `<prefix>.<unique part>.sock`, on which no process has listened in this directory since the kubelet started.
pub(super) fn unique_socket_name(prefix: &str) -> String {
    format!("{prefix}.{}.sock", unique_part())
}

/// The time makes it unique across restarts of the plugin, the counter within one.
fn unique_part() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since_epoch.map_or(0, |time| time.as_micros());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{micros:x}{count:x}")
}

/// FNV-1a: every version of the plugin has to compute the same name, which the standard library's hash does not promise.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTORY: &str = "/var/lib/kubelet/device-plugins";

    #[test]
    fn names_are_unique() {
        let prefix = socket_prefix(Path::new(DIRECTORY), "intel.com/x");
        assert_eq!(prefix, "intel.com_x");
        let (one, two) = (unique_socket_name(&prefix), unique_socket_name(&prefix));
        assert_ne!(one, two);
        assert!(
            one.starts_with("intel.com_x.") && one.ends_with(".sock"),
            "{one}"
        );
    }

    #[test]
    fn long_names_fit_and_differ() {
        let directory = Path::new(DIRECTORY);
        let long = "a".repeat(68);
        let one = socket_prefix(directory, &long);
        let other = socket_prefix(directory, &format!("{long}b"));
        assert_ne!(one, other);
        assert_eq!(one, socket_prefix(directory, &long));
        for name in [unique_socket_name(&one), unique_socket_name(&other)] {
            assert!(
                directory.join(&name).as_os_str().len() <= LONGEST_SOCKET_PATH,
                "{name}"
            );
        }
    }
}
