//! What the sockets of a resource are called where each registration has a name of its own.

use std::path::Path;

use crate::config::LONGEST_SOCKET_PATH;

/// Room for the word that makes a name fresh: thirteen digits of the time, and those of the counter.
const LONGEST_WORD: usize = 20;
/// A hash as hexadecimal digits.
const HASH: usize = 16;

/// What the names of all sockets of the resource with this `stem` begin with in `directory`, and those of no other one.
/// A stem that is too long for the path of a socket is cut, and its hash tells it from others with the same beginning.
pub(super) fn beginning(directory: &Path, stem: &str) -> String {
    let rest = ".".len() + LONGEST_WORD + ".sock".len();
    let room = LONGEST_SOCKET_PATH.saturating_sub(directory.as_os_str().len() + 1 + rest);
    if stem.len() <= room {
        return stem.to_owned();
    }
    // Resource names are ASCII.
    let cut = &stem[..room.saturating_sub("_".len() + HASH).min(stem.len())];
    format!("{cut}_{:016x}", hash(stem))
}

/// `<beginning>.<fresh>.sock`, under which no process has listened in this directory since the kubelet started.
pub(super) fn fresh(beginning: &str) -> String {
    format!("{beginning}.{}.sock", fresh_word())
}

/// The time makes it fresh across restarts of the plugin, the counter within one.
fn fresh_word() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since_epoch.map_or(0, |time| time.as_micros());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{micros:x}{count:x}")
}

/// FNV-1a. Another version of the plugin has to come to the same name, which the standard library's hash does not
/// promise.
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
    fn names_are_fresh() {
        let beginning = beginning(Path::new(DIRECTORY), "intel.com_x");
        assert_eq!(beginning, "intel.com_x");
        let (one, two) = (fresh(&beginning), fresh(&beginning));
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
        let one = beginning(directory, &long);
        let other = beginning(directory, &format!("{long}b"));
        assert_ne!(one, other);
        assert_eq!(one, beginning(directory, &long));
        for name in [fresh(&one), fresh(&other)] {
            assert!(
                directory.join(&name).as_os_str().len() <= LONGEST_SOCKET_PATH,
                "{name}"
            );
        }
    }

    #[tokio::test]
    async fn another_instance_is_found_by_a_long_name_too() {
        let dir = tempfile::tempdir().unwrap();
        let bind = |beginning: &str| {
            let path = dir.path().join(fresh(beginning));
            (path.clone(), UnixListener::bind(path).unwrap())
        };
        let stem = "a".repeat(90);
        let ours = beginning(dir.path(), &stem);
        let (living, _listener) = bind(&ours);
        let (dead, listener) = bind(&ours);
        drop(listener);
        let (_, _other_resource) = bind(&beginning(dir.path(), &format!("{stem}b")));
        let found = instance_lock::listening_sockets(dir.path(), &ours).await;
        assert_eq!(found, [living]);
        assert!(!dead.exists());
    }
}
