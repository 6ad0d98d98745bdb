//! The registry of providers: which files of the provider directory are loaded, and which are refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::device_types::{DeviceType, DeviceTypes};
use super::list_files::{FileFingerprint, Listed, NoProvider};
use super::vetting::{Rules, VettedFile};
use super::{Provider, ProviderError, Timeouts};
use crate::blocking;

/// Files that are probed at a time, each by a short-lived process.
const MAX_PROBES: usize = 4;
/// Bytes in copies of files that are being probed; the next file waits for less.
const MAX_COPIES: u64 = 8 << 20;

/// The settings for providers.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// The directories, at least one. Of conflicting files, that of an earlier directory is loaded.
    pub directories: Vec<PathBuf>,
    /// The list of digests; without one, all files may be loaded.
    pub digests: Option<PathBuf>,
    /// The timeouts of their calls.
    pub timeouts: Timeouts,
    /// The program of the probe.
    pub program: PathBuf,
}

impl ProviderSettings {
    /// All files of `directories`, probed by this process's own program.
    pub fn new(directories: Vec<PathBuf>) -> Self {
        Self {
            directories,
            digests: None,
            timeouts: Timeouts::default(),
            program: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// The providers of a node.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    device_types: DeviceTypes,
    refused: Vec<Arc<Refused>>,
    /// Why directories, or the list of digests, are not used.
    unusable: Vec<Arc<ProviderError>>,
    /// The vetted files, so that a reload vets only new and changed ones.
    vetted: BTreeMap<PathBuf, FileFingerprint>,
    /// The list of digests at the last reload.
    digests: Option<FileFingerprint>,
    /// The file that hangs in the dynamic linker.
    hanging: Option<PathBuf>,
}

/// A refused file.
#[derive(Debug)]
pub struct Refused {
    /// The file.
    pub file: PathBuf,
    /// The reason.
    pub reason: ProviderError,
}

impl Providers {
    /// Vets and loads new and changed files of the directory, in the order of their names. A changed version of a loaded
    /// file is loaded beside the previous one and replaces it.
    pub async fn reload(&mut self, settings: &ProviderSettings) {
        self.unusable.clear();
        let directories = settings.directories.clone();
        let digests = settings.digests.clone();
        let listed = blocking::run(move || {
            let digests = digests.as_deref().map(FileFingerprint::of);
            Ok(Listed::of(&directories, digests))
        });
        let Listed {
            files,
            digests,
            unusable,
            errors,
        } = match listed.await {
            Ok(listed) => listed,
            Err(error) => Listed {
                errors: vec![error],
                ..Listed::default()
            },
        };
        self.unusable.extend(errors.into_iter().map(Arc::new));
        if !self.unusable.is_empty() && files.is_empty() {
            return;
        }
        self.forget_removed(&files, &unusable);
        self.retry_on_new_digests(digests);
        let rules = Rules::new(settings).await;
        // An unusable list is one error, and not one for each file.
        if let Some(error) = rules.unusable_list() {
            self.unusable = vec![Arc::new(ProviderError::Digest(error.into()))];
            return;
        }
        loop {
            let changed = self.changed(&files);
            let replaced = self.load_files(changed, &rules, settings.timeouts).await;
            // A new version may have resolved a conflict.
            if !replaced || !self.forget_conflicts() {
                break;
            }
        }
    }

    /// All loaded providers, in the order of loading.
    pub fn loaded(&self) -> &[Arc<Provider>] {
        self.device_types.providers()
    }

    /// The kernel subsystems whose uevents the loaded providers need.
    pub fn subsystems(&self) -> BTreeSet<String> {
        let named = self
            .loaded()
            .iter()
            .flat_map(|provider| &provider.manifest().subsystems);
        named.cloned().collect()
    }

    /// The refused files. A file that is loaded as well has changed since.
    pub fn refused(&self) -> &[Arc<Refused>] {
        &self.refused
    }

    /// Whether a file or a directory is refused for a reason that may be over soon, such as a lack of memory.
    pub fn are_to_be_retried(&self) -> bool {
        let refused = self.refused.iter().map(|refused| &refused.reason);
        let unusable = self.unusable.iter().map(Arc::as_ref);
        refused.chain(unusable).any(ProviderError::is_transient)
    }

    /// Why directories, or the list of digests, are not used.
    pub fn unusable(&self) -> impl Iterator<Item = &ProviderError> {
        self.unusable.iter().map(Arc::as_ref)
    }

    /// Why no provider is loaded from `directories`, unless one of them is [unusable](Self::unusable).
    pub fn none_loaded(&self, directories: &[PathBuf]) -> Option<ProviderError> {
        if !self.loaded().is_empty() || !self.unusable.is_empty() {
            return None;
        }
        let exists = directories.iter().any(|directory| directory.exists());
        let directories = directories.to_owned();
        Some(ProviderError::NoneLoaded(if !self.refused.is_empty() {
            NoProvider::Refused(directories)
        } else if exists {
            NoProvider::File(directories)
        } else {
            NoProvider::Directory(directories)
        }))
    }

    /// Loaded providers whose files are removed. They stay loaded.
    pub fn removed(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.loaded().iter().filter(|provider| {
            self.unusable.is_empty() && !self.vetted.contains_key(provider.file())
        })
    }

    /// The files of the directory, including refused ones.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.vetted.keys().map(PathBuf::as_path)
    }

    /// Whether a provider was loaded from `file`.
    pub fn is_loaded(&self, file: &Path) -> bool {
        self.device_types.of_file(file).is_some()
    }

    /// The device type `name`, or the default one, if its owner is loaded.
    pub fn device_type(&self, name: Option<&str>) -> Option<(&str, &DeviceType)> {
        self.device_types().find(|(key, device_type)| match name {
            Some(name) => *key == name,
            None => device_type
                .owner
                .as_ref()
                .is_some_and(|owner| owner.manifest().default_device_type),
        })
    }

    /// The device types that have an owner, by name.
    pub fn device_types(&self) -> impl Iterator<Item = (&str, &DeviceType)> {
        self.device_types.owned()
    }

    /// The files of an `unusable` directory are unknown, and not removed.
    fn forget_removed(&mut self, files: &[(FileFingerprint, PathBuf)], unusable: &[PathBuf]) {
        let present: BTreeSet<&PathBuf> = files.iter().map(|(_, file)| file).collect();
        let is_unknown = |file: &Path| unusable.iter().any(|dir| file.parent() == Some(dir));
        let is_kept = |file: &PathBuf| present.contains(file) || is_unknown(file);
        self.vetted.retain(|file, _| is_kept(file));
        self.refused.retain(|refused| is_kept(&refused.file));
    }

    fn retry_on_new_digests(&mut self, digests: Option<FileFingerprint>) {
        if std::mem::replace(&mut self.digests, digests) != digests {
            self.forget_refused(|reason| matches!(reason, ProviderError::Digest(_)));
        }
    }

    fn forget_conflicts(&mut self) -> bool {
        self.forget_refused(|reason| matches!(reason, ProviderError::Conflict { .. }))
    }

    fn forget_refused(&mut self, which: impl Fn(&ProviderError) -> bool) -> bool {
        let again = self.refused.iter().filter(|refused| which(&refused.reason));
        let again: Vec<PathBuf> = again.map(|refused| refused.file.clone()).collect();
        for file in &again {
            self.vetted.remove(file);
        }
        !again.is_empty()
    }

    /// The files whose current version was not vetted.
    fn changed(&mut self, files: &[(FileFingerprint, PathBuf)]) -> Vec<PathBuf> {
        let changed = files.iter().filter(|(fingerprint, file)| {
            let previous = self.vetted.insert(file.clone(), *fingerprint);
            previous != Some(*fingerprint)
        });
        changed.map(|(_, file)| file.clone()).collect()
    }

    /// Vets some files at a time and loads them in order. Returns whether a loaded version was replaced.
    async fn load_files(&mut self, files: Vec<PathBuf>, rules: &Rules, timeouts: Timeouts) -> bool {
        let again: BTreeSet<&PathBuf> = files.iter().collect();
        self.refused
            .retain(|refused| !again.contains(&refused.file));
        if !files.is_empty() {
            rules.prepare_probe();
        }
        let mut replaced = false;
        let mut waiting = files.into_iter();
        let mut probes = VecDeque::new();
        let mut copies = 0;
        loop {
            while probes.len() < MAX_PROBES
                && copies < MAX_COPIES
                && let Some(file) = waiting.next()
            {
                let inspected = rules.inspect(&file).await;
                let size = inspected
                    .as_ref()
                    .map_or(0, |inspected| inspected.copy.size());
                copies += size;
                let (rules, path) = (rules.clone(), file.clone());
                let vetted = tokio::spawn(async move { rules.probe(&path, inspected?).await });
                probes.push_back((file, size, AbortOnDropHandle::new(vetted)));
            }
            let Some((file, size, vetted)) = probes.pop_front() else {
                return replaced;
            };
            copies -= size;
            let vetted = vetted
                .await
                .unwrap_or_else(|error| Err(ProviderError::Read(std::io::Error::other(error))));
            let loaded = match vetted {
                Ok(vetted) => self.load(vetted, timeouts).await,
                Err(reason) => Err(reason),
            };
            match loaded {
                Ok(is_replacement) => replaced |= is_replacement,
                Err(reason) => {
                    if reason.is_transient() {
                        self.vetted.insert(file.clone(), FileFingerprint(None));
                    }
                    self.refused.push(Arc::new(Refused { file, reason }));
                }
            }
        }
    }

    /// Loads a vetted file. Returns whether it replaces a previous version.
    async fn load(
        &mut self,
        vetted: VettedFile,
        timeouts: Timeouts,
    ) -> Result<bool, ProviderError> {
        let previous = self.device_types.of_file(&vetted.file);
        if previous.is_some_and(|previous| previous.digest() == vetted.inspected.digest) {
            return Ok(false);
        }
        let is_replacement = previous.is_some();
        self.device_types
            .check_conflicts(&vetted.file, &vetted.manifest)?;
        // The hanging file holds the dynamic linker's lock, so another dlopen() would hang as well.
        if let Some(first) = &self.hanging {
            return Err(ProviderError::BlockedByHang(first.clone()));
        }
        let file = vetted.file.clone();
        let loaded = Provider::load(vetted, timeouts).await;
        if let Err(ProviderError::Hangs { .. }) = loaded {
            self.hanging = Some(file.clone());
        }
        let provider = loaded?;
        if is_replacement {
            tracing::info!(
                event = "provider_replaced",
                provider = provider.file_name(),
                package = provider.manifest().package,
                version = provider.manifest().version,
                sha256 = %provider.digest(),
                "loaded a new version of a provider"
            );
        }
        self.device_types.insert(Arc::new(provider));
        Ok(is_replacement)
    }
}
