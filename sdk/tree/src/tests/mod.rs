//! Each case is a text and what must be found on the node that it makes.

use std::fs;
use std::path::Path;

use super::{TempTree, Tree};

mod captured;
mod changes;
mod language;
mod round_trip;
mod routes;
mod strangers;
mod words;

const PF: &str = "pf 0000:41:00.0 8086:10c9 driver=igb net=eth0 numa=1";
const VF: &str = "vf 0000:41:10.0 8086:10ca pf=0000:41:00.0 id=0 driver=vfio-pci group=19";
const PF_AT: &str = "/sys/devices/pci0000:41/0000:41:00.0";
const VF_AT: &str = "/sys/devices/pci0000:41/0000:41:10.0";

/// Expectations are `PATH = TEXT`, `PATH -> TARGET` or `PATH absent`, one a line; `PF` and `VF` stand for the
/// directories of the two functions above.
#[track_caller]
fn expect(root: &Path, expectations: &str) {
    for line in expectations
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (path, expected) = line.split_once(' ').unwrap();
        let path =
            path.replacen("PF/", &format!("{PF_AT}/"), 1)
                .replacen("VF/", &format!("{VF_AT}/"), 1);
        assert_eq!(
            found(&root.join(path.trim_start_matches('/'))),
            expected,
            "{path}"
        );
    }
}

/// What is at `path`, in the form of an expectation.
fn found(path: &Path) -> String {
    if let Ok(target) = path.read_link() {
        return format!("-> {}", target.display());
    }
    match fs::read_to_string(path) {
        Ok(text) if text.is_empty() => "=".to_owned(),
        Ok(text) => format!("= {}", text.escape_debug()),
        Err(_) if path.is_dir() => "/".to_owned(),
        Err(_) => "absent".to_owned(),
    }
}

#[track_caller]
fn check(text: &str, expectations: &str) {
    expect(node(text).path(), expectations);
}

#[track_caller]
fn node(text: &str) -> TempTree {
    Tree::parse(text).unwrap().temp()
}

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(Tree::parse(text).unwrap_err().to_string(), message);
}
