//! Files of the plugin that are mounts of their own, such as a ConfigMap's key with `subPath`: the kernel goes on showing
//! the file that was mounted, so one that replaces it on the node never gets here, and only a write into it does.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::Reconciler;
use super::log_on_change::{Entry, LogOnChange};
use sriovdp_providers::blocking;

/// More than a node has providers; each costs a watch of the kernel.
const MOST_FILES: usize = 256;

impl Reconciler {
    /// The files that decide what is offered: the configuration, the list of digests, and the providers.
    pub fn files(&self) -> Vec<PathBuf> {
        let settings = &self.settings;
        let configuration = settings.tree.below_root(&settings.config_file);
        let files = [configuration].into_iter();
        let files = files.chain(settings.providers.digests.clone());
        let providers = self.providers.files().map(Path::to_path_buf);
        files.chain(providers).take(MOST_FILES).collect()
    }

    /// Those of them that are mounted alone.
    pub async fn mounted_files(&self) -> Vec<PathBuf> {
        let files = self.files();
        let mounted = blocking::run(move || {
            let files = files.into_iter();
            files.filter(|file| is_mount_point(file)).collect()
        });
        mounted.await
    }

    pub(super) async fn log_single_files(&self, log: &mut LogOnChange) {
        for file in self.mounted_files().await {
            let entry = Entry::warn(
                "file_mounted",
                "the file is mounted alone, so a replacement on the node has no effect; mount its directory: a \
                 ConfigMap without `subPath`, a `hostPath` of the type `Directory`",
            );
            log.add(entry.path(file.display()));
        }
    }
}

/// Kernels before 5.8 do not report it (Linux: `statx(2)`).
fn is_mount_point(file: &Path) -> bool {
    let status = statx(CWD, file, AtFlags::empty(), StatxFlags::empty());
    status.is_ok_and(|status| {
        let known = status.stx_attributes_mask & status.stx_attributes;
        known.contains(StatxAttributes::MOUNT_ROOT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_known() {
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/proc/self/status")));
        assert!(!is_mount_point(Path::new("/proc/no/such/file")));
    }
}
