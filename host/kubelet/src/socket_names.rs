//! The names of a resource's sockets where each registration has a name of its own.

use std::path::Path;

/// `sun_path` of a unix socket address has 108 bytes, one of which ends it.
const LONGEST_SOCKET_PATH: usize = 107;
/// Room for the part that makes a name unique: thirteen digits of the time, and those of the counter.
const LONGEST_UNIQUE_PART: usize = 20;
/// A hash as hexadecimal digits.
const HASH: usize = 16;

/// The prefix of all socket names of the resource with this `stem` in `directory`, and of no other resource. A stem that
/// is too long for the path of a socket is cut, and gets its hash.
pub(super) fn socket_prefix(directory: &Path, stem: &str) -> String {
    let rest = ".".len() + LONGEST_UNIQUE_PART + ".sock".len();
    let room = LONGEST_SOCKET_PATH.saturating_sub(directory.as_os_str().len() + 1 + rest);
    if stem.len() <= room {
        return stem.to_owned();
    }
    let cut = stem.floor_char_boundary(room.saturating_sub("_".len() + HASH));
    format!("{}_{:016x}", &stem[..cut], hash(stem))
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
    use std::os::unix::net::UnixListener;

    use super::super::instance_lock;
    use super::*;

    const DIRECTORY: &str = "/var/lib/kubelet/device-plugins";

    #[test]
    fn names_are_unique() {
        let prefix = socket_prefix(Path::new(DIRECTORY), "intel.com_x");
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

    #[tokio::test]
    async fn another_instance_is_found_by_a_long_name_too() {
        let dir = tempfile::tempdir().unwrap();
        let bind = |prefix: &str| {
            let path = dir.path().join(unique_socket_name(prefix));
            (path.clone(), UnixListener::bind(path).unwrap())
        };
        let stem = "a".repeat(90);
        let ours = socket_prefix(dir.path(), &stem);
        let (listening, _listener) = bind(&ours);
        let (abandoned, listener) = bind(&ours);
        drop(listener);
        let (_, _other_resource) = bind(&socket_prefix(dir.path(), &format!("{stem}b")));
        let found = instance_lock::listening_sockets(dir.path(), &ours).await;
        assert_eq!(found, [listening]);
        assert!(!abandoned.exists());
    }
}
