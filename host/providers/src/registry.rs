//! The registry of providers: which files of the provider directory are loaded or available, and which are refused.

mod loading;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::device_types::{DeviceType, DeviceTypes};
use super::list_files::{FileFingerprint, Listed, NoProvider};
use super::vetting::Rules;
use super::{Provider, ProviderError, Timeouts};
use crate::blocking;
use loading::Reload;

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
    /// Vets new and changed files, as [`Self::reload_needed`] does, and loads all.
    pub async fn reload(&mut self, settings: &ProviderSettings) {
        self.reload_needed(settings, &|_| true).await;
    }

    /// Vets new and changed files of the directory, in the order of their names, and loads the providers that are
    /// `needed`; the others are available. A changed version of a loaded file is loaded beside the previous one and
    /// replaces it.
    pub async fn reload_needed(
        &mut self,
        settings: &ProviderSettings,
        needed: &(dyn Fn(&Provider) -> bool + Sync),
    ) {
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
        if self.forget_removed(&files, &unusable) {
            self.forget_conflicts();
        }
        self.retry_on_new_digests(digests);
        let rules = Rules::new(settings).await;
        // An unusable list is one error, and not one for each file.
        if let Some(error) = rules.unusable_list() {
            self.unusable = vec![Arc::new(ProviderError::Digest(error.into()))];
            return;
        }
        let context = Reload {
            rules: &rules,
            timeouts: settings.timeouts,
            needed,
        };
        loop {
            let changed = self.changed(&files);
            let replaced = self.load_files(changed, &context).await;
            let removed = self.load_needed(&context).await;
            // That may have resolved a conflict.
            if !(replaced || removed) || !self.forget_conflicts() {
                break;
            }
        }
    }

    /// All providers, loaded or available, in the order of vetting.
    pub fn all(&self) -> &[Arc<Provider>] {
        self.device_types.providers()
    }

    /// The loaded providers.
    pub fn loaded(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.all().iter().filter(|provider| provider.is_loaded())
    }

    /// The kernel subsystems whose uevents the providers need, also those that are loaded later: an event may arrive between
    /// their first discovery and the end of its reconcile.
    pub fn subsystems(&self) -> BTreeSet<String> {
        let named = self
            .all()
            .iter()
            .flat_map(|provider| &provider.manifest().subsystems);
        named.cloned().collect()
    }

    /// The refused files. One whose provider is loaded has changed since; one whose provider is available is retried.
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

    /// Why no provider is loaded from `directories` or available, unless one of them is [unusable](Self::unusable).
    pub fn none_loaded(&self, directories: &[PathBuf]) -> Option<ProviderError> {
        if !self.all().is_empty() || !self.unusable.is_empty() {
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
        self.loaded().filter(|provider| {
            self.unusable.is_empty() && !self.vetted.contains_key(provider.file())
        })
    }

    /// The files of the directory, including refused ones.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.vetted.keys().map(PathBuf::as_path)
    }

    /// Whether a provider was loaded from `file`.
    pub fn is_loaded(&self, file: &Path) -> bool {
        let provider = self.device_types.of_file(file);
        provider.is_some_and(|provider| provider.is_loaded())
    }

    /// The device type `name`, or the default one, if it has an owner.
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

    /// Returns whether a provider is not available any more. The files of an `unusable` directory are unknown, and not
    /// removed.
    fn forget_removed(
        &mut self,
        files: &[(FileFingerprint, PathBuf)],
        unusable: &[PathBuf],
    ) -> bool {
        let present: BTreeSet<&Path> = files.iter().map(|(_, file)| file.as_path()).collect();
        let is_unknown = |file: &Path| unusable.iter().any(|dir| file.parent() == Some(dir));
        let is_kept = |file: &Path| present.contains(file) || is_unknown(file);
        self.vetted.retain(|file, _| is_kept(file));
        self.refused.retain(|refused| is_kept(&refused.file));
        self.device_types
            .remove_unloaded(|provider| !is_kept(provider.file()))
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
}
