//! Device-info files: what Multus and CNIs may read about an allocated device.
//!
//! A file is written when its device is allocated, and the kubelet does not repeat that for a pod that it has admitted.
//! So files outlive the plugin, and one is removed when its device has left its pool, after the grace period: a pod that
//! is being created may not have its network yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;

use super::{WriteError, remove, remove_unfinished, write_whole};
use crate::config::ResourceName;
use crate::pools::{DeviceInfoFile, Pool, REMOVAL_GRACE_PERIOD};

/// Writes the file of one device.
///
/// # Errors
///
/// When the directory cannot be made or written to.
pub fn write(directory: &Path, file: &DeviceInfoFile) -> Result<(), WriteError> {
    write_whole(directory, &file.name, &file.content).map(drop)
}

/// The files of the published pools, as far as they are to be removed.
#[derive(Debug, Default)]
pub struct DeviceInfoFiles {
    directory: PathBuf,
    /// The last state of each pool.
    pools: BTreeMap<ResourceName, Arc<Pool>>,
    /// Files whose device is in no pool.
    removals: BTreeMap<String, FileRemoval>,
}

#[derive(Debug)]
struct FileRemoval {
    resource: ResourceName,
    id: String,
    due: Instant,
}

impl DeviceInfoFiles {
    /// Those in `directory`, which need not exist.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            pools: BTreeMap::new(),
            removals: BTreeMap::new(),
        }
    }

    /// Takes the current pools, and removes the files of devices that have left them. The directory is listed when there
    /// is a new pool, since an earlier run may have written files for it.
    ///
    /// The files of a resource that is not among `pools` stay: its containers keep running.
    ///
    /// # Errors
    ///
    /// For each file that cannot be removed. It is tried again with the next call.
    pub fn follow(&mut self, pools: Vec<Arc<Pool>>, now: Instant) -> Vec<WriteError> {
        let before = std::mem::take(&mut self.pools);
        let mut new = BTreeSet::new();
        for pool in pools {
            let name = pool.resource.name.clone();
            match before.get(&name) {
                None => drop(new.insert(name.clone())),
                // A device is in the list until its grace period has ended.
                Some(old) if !Arc::ptr_eq(old, &pool) => {
                    for device in &old.devices {
                        if pool.device(device.id.as_str()).is_none() {
                            self.schedule(&name, device.id.as_str(), now);
                        }
                    }
                }
                Some(_) => {}
            }
            self.pools.insert(name, pool);
        }
        self.find_stale(&new, now);
        self.remove_due(now)
    }

    fn schedule(&mut self, resource: &ResourceName, id: &str, due: Instant) {
        let removal = FileRemoval {
            resource: resource.clone(),
            id: id.to_owned(),
            due,
        };
        self.removals
            .entry(resource.device_info_file(id))
            .or_insert(removal);
    }

    /// Finds files of earlier runs for devices that are in no pool. Their grace period begins now.
    fn find_stale(&mut self, resources: &BTreeSet<ResourceName>, now: Instant) {
        if resources.is_empty() {
            return;
        }
        for entry in std::fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            remove_unfinished(&entry.path());
            let file = entry.file_name();
            let Some(file) = file.to_str() else { continue };
            for resource in resources {
                if let Some(id) = resource.device_of_info_file(file)
                    && !self.is_member(resource, id)
                {
                    self.schedule(resource, id, now + REMOVAL_GRACE_PERIOD);
                }
            }
        }
    }

    fn remove_due(&mut self, now: Instant) -> Vec<WriteError> {
        let mut failures = Vec::new();
        for (file, removal) in std::mem::take(&mut self.removals) {
            let is_stale = self.pools.contains_key(&removal.resource)
                && !self.is_member(&removal.resource, &removal.id)
                && !self.belongs_to_a_member(&file);
            if is_stale && removal.due <= now {
                let removed = remove(self.directory.join(&file));
                let Err(error) = removed else { continue };
                failures.push(error);
            }
            if is_stale {
                self.removals.insert(file, removal);
            }
        }
        failures
    }

    fn is_member(&self, resource: &ResourceName, id: &str) -> bool {
        let pool = self.pools.get(resource);
        pool.is_some_and(|pool| pool.device(id).is_some())
    }

    /// The names of resources and ids may have dashes, so the file of one resource's device can have the name of
    /// another's.
    fn belongs_to_a_member(&self, file: &str) -> bool {
        self.pools.iter().any(|(resource, pool)| {
            let id = resource.rest_of_info_file(file);
            id.is_some_and(|id| pool.device(id).is_some())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pools::sample;

    /// A directory with files, and the published pools.
    struct Node {
        directory: tempfile::TempDir,
        files: DeviceInfoFiles,
        start: Instant,
    }

    impl Node {
        fn with(files: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            for file in files {
                std::fs::write(directory.path().join(file), "{}").unwrap();
            }
            Self {
                files: DeviceInfoFiles::new(directory.path().to_owned()),
                directory,
                start: Instant::now(),
            }
        }

        /// The files that are left after `pools` were published so many seconds after the start.
        fn publish(&mut self, seconds: u64, pools: &[&Arc<Pool>]) -> Vec<String> {
            let pools = pools.iter().map(|&pool| Arc::clone(pool)).collect();
            let failures = self
                .files
                .follow(pools, self.start + Duration::from_secs(seconds));
            assert!(failures.is_empty(), "{failures:?}");
            let entries = std::fs::read_dir(self.directory.path()).unwrap().flatten();
            let mut left: Vec<_> = entries
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect();
            left.sort();
            left
        }
    }

    fn pool(name: &str, ids: &[&str]) -> Arc<Pool> {
        let resource = sample::resource("x.y", name);
        let devices = ids.iter().map(|id| sample::device(id)).collect();
        Arc::new(Pool { resource, devices })
    }

    #[test]
    fn a_file_is_removed_with_its_device() {
        let all = ["x.y-a-0-device.json", "x.y-a-1-device.json"];
        let mut node = Node::with(&all);
        assert_eq!(node.publish(0, &[&pool("a", &["0", "1", "2"])]), all);
        assert_eq!(node.publish(1, &[&pool("a", &["0"])]), [all[0]]);
    }

    #[test]
    fn files_of_an_earlier_run_stay_for_the_grace_period() {
        let all = ["x.y-a-0-device.json", "x.y-a-1-device.json"];
        let mut node = Node::with(&all);
        let (short, whole) = (pool("a", &["0"]), pool("a", &["0", "1"]));
        assert_eq!(node.publish(0, &[&short]), all);
        assert_eq!(node.publish(59, &[&short]), all);
        // A device that returns keeps its file.
        assert_eq!(node.publish(59, &[&whole]), all);
        assert_eq!(node.publish(200, &[&whole]), all);

        let mut node = Node::with(&all);
        node.publish(0, &[&short]);
        assert_eq!(node.publish(60, &[&short]), [all[0]]);
    }

    #[test]
    fn files_of_others_stay() {
        let all = [
            "x.y-a-0-device.json.bak",
            "x.y-a-b-1-device.json",
            "x.y-other-1-device.json",
            "z-a-1-device.json",
        ];
        let mut node = Node::with(&all);
        let a = pool("a", &["0"]);
        node.publish(0, &[&a]);
        assert_eq!(node.publish(100, &[&a]), all);
    }

    #[test]
    fn a_file_with_two_readings_stays_for_the_other_one() {
        let file = "x.y-a-b-1-device.json";
        let mut node = Node::with(&[file]);
        let other = pool("a-b", &["1"]);
        node.publish(0, &[&pool("a", &["b-1"]), &other]);
        let a = pool("a", &[]);
        assert_eq!(node.publish(1, &[&a, &other]), [file]);
        // The whole id of a device that left a published pool is certain.
        let mut node = Node::with(&[file]);
        node.publish(0, &[&pool("a", &["b-1"])]);
        assert!(node.publish(1, &[&a]).is_empty());
    }

    #[test]
    fn a_withdrawn_resource_keeps_its_files() {
        let all = ["x.y-a-0-device.json"];
        let mut node = Node::with(&all);
        node.publish(0, &[&pool("a", &["0"])]);
        assert_eq!(node.publish(1, &[]), all);
        assert_eq!(node.publish(200, &[]), all);
        // It returns without the device, whose grace period begins then.
        let a = pool("a", &[]);
        assert_eq!(node.publish(300, &[&a]), all);
        assert!(node.publish(360, &[&a]).is_empty());
    }

    #[test]
    fn without_a_change_nothing_is_read() {
        let mut node = Node::with(&[]);
        let a = pool("a", &[]);
        node.publish(0, &[&a]);
        std::fs::write(node.directory.path().join("x.y-a-9-device.json"), "{}").unwrap();
        assert_eq!(node.publish(100, &[&a]), ["x.y-a-9-device.json"]);
        assert_eq!(node.publish(300, &[&a]), ["x.y-a-9-device.json"]);
    }

    #[test]
    fn a_removal_that_fails_is_retried() {
        let mut node = Node::with(&[]);
        let directory = node.directory.path().join("x.y-a-0-device.json");
        std::fs::create_dir(&directory).unwrap();
        let now = node.start;
        node.files.follow(vec![pool("a", &["0"])], now);
        let a = pool("a", &[]);
        let failures = node.files.follow(vec![Arc::clone(&a)], now);
        assert!(
            failures[0]
                .to_string()
                .starts_with("cannot remove the file `")
        );
        std::fs::remove_dir(&directory).unwrap();
        std::fs::write(&directory, "{}").unwrap();
        assert!(node.publish(1, &[&a]).is_empty());
    }
}
