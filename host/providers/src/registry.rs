//! The provider directory as it was last seen: which files are loaded, which are refused, and what has become of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::device_types::{DeviceType, DeviceTypes};
use super::list_files::NoProvider;
use super::vetting::{Candidate, Rules};
use super::{Provider, ProviderError, Timeouts, list_files, path_trust};
use crate::blocking;

/// Files that are probed at a time. Each costs a short-lived process
const AT_A_TIME: usize = 4;
/// and a copy in memory; with so many bytes in copies, the next file waits.
const COPIES: u64 = 8 << 20;

/// Where providers are, and what they have to keep to.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// The directory.
    pub directory: PathBuf,
    /// The list of the files that may be loaded; all may without one.
    pub digests: Option<PathBuf>,
    /// How long they may take.
    pub timeouts: Timeouts,
    /// The program that probes them.
    pub program: PathBuf,
}

impl ProviderSettings {
    /// All files of `directory`, probed by the program of this process, whatever has become of its file since.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            digests: None,
            timeouts: Timeouts::default(),
            program: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// The providers of a node.
#[derive(Debug, Default)]
pub struct Providers {
    roster: DeviceTypes,
    refused: Vec<Refused>,
    /// Why the directory as a whole is not used, as of the last look.
    unusable: Option<ProviderError>,
    /// The files that were looked at, so that the next look takes only new and changed ones.
    seen: BTreeMap<PathBuf, FileFingerprint>,
    /// The list of digests as it was.
    list: Option<FileFingerprint>,
    /// The file that did not come back from being opened.
    hanging: Option<PathBuf>,
}

/// What a file was when it was looked at; another one differs in something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileFingerprint(Option<(u64, u64, i64, i64)>);

impl FileFingerprint {
    fn of(file: &Path) -> Self {
        let metadata = std::fs::metadata(file).ok();
        // The time of change moves with owner and mode as well, which may be what was refused.
        Self(metadata.map(|m| (m.ino(), m.size(), m.ctime(), m.ctime_nsec())))
    }
}

/// A file that was refused.
#[derive(Debug)]
pub struct Refused {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub reason: ProviderError,
}

impl Providers {
    /// Takes what is new in the directory, in the order of the names. A file that was refused is judged again when it
    /// has changed, for it may have been half copied; one that is loaded is loaded anew, beside its predecessor, when
    /// its content has changed.
    pub async fn take_new(&mut self, settings: &ProviderSettings) {
        self.unusable = None;
        let directory = settings.directory.clone();
        let digests = settings.digests.clone();
        let listed = blocking::run(move || {
            let files = list(&directory)?;
            let stamped = files
                .into_iter()
                .map(|file| (FileFingerprint::of(&file), file));
            Ok((
                stamped.collect(),
                digests.as_deref().map(FileFingerprint::of),
            ))
        });
        let (files, digests): (Vec<(FileFingerprint, PathBuf)>, _) = match listed.await {
            Ok(listed) => listed,
            Err(error) => {
                self.unusable = Some(error);
                return;
            }
        };
        self.forget(&files);
        self.retry_on_new_digests(digests);
        let rules = Rules::new(settings).await;
        // A list that cannot be used allows no file, which is one mistake and not one of each file.
        if let Some(error) = rules.unusable_list() {
            self.unusable = Some(ProviderError::Digest(error.into()));
            return;
        }
        loop {
            let changed = self.changed(&files);
            let taken = self.take(changed, &rules, settings.timeouts).await;
            // What was in the way of a refused file may be gone with the old version of another one.
            if !taken || !self.forget_conflicts() {
                break;
            }
        }
    }

    /// The same providers for another state of the plugin in this process, which a library is loaded into only once.
    #[must_use]
    pub fn afresh(&self) -> Self {
        let is_loaded = |file: &PathBuf| self.is_loaded(file);
        let seen = self.seen.iter().filter(|(file, _)| is_loaded(file));
        Self {
            roster: self.roster.clone(),
            seen: seen.map(|(file, stamp)| (file.clone(), *stamp)).collect(),
            list: self.list,
            hanging: self.hanging.clone(),
            ..Self::default()
        }
    }

    /// Every loaded provider, in the order in which they were taken.
    pub fn loaded(&self) -> &[Arc<Provider>] {
        self.roster.providers()
    }

    /// The kernel subsystems that the loaded providers want to hear of.
    pub fn subsystems(&self) -> BTreeSet<String> {
        let named = self
            .loaded()
            .iter()
            .flat_map(|provider| &provider.manifest().subsystems);
        named.cloned().collect()
    }

    /// The files that were refused. One that is loaded as well has changed since.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Why the directory as a whole is not used.
    pub fn unusable(&self) -> Option<&ProviderError> {
        self.unusable.as_ref()
    }

    /// Why no provider is loaded from `directory`; nothing when one is, or the directory is [unusable](Self::unusable).
    pub fn none_loaded(&self, directory: &Path) -> Option<ProviderError> {
        if !self.loaded().is_empty() || self.unusable.is_some() {
            return None;
        }
        let directory = directory.to_owned();
        Some(ProviderError::NoneLoaded(if !self.refused.is_empty() {
            NoProvider::Refused(directory)
        } else if directory.exists() {
            NoProvider::File(directory)
        } else {
            NoProvider::Directory(directory)
        }))
    }

    /// Providers whose files are no longer there. They stay loaded.
    pub fn removed(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.loaded()
            .iter()
            .filter(|provider| self.unusable.is_none() && !self.seen.contains_key(provider.file()))
    }

    /// The files of the directory, refused ones among them.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.seen.keys().map(PathBuf::as_path)
    }

    /// Whether a provider was loaded from `file`.
    pub fn is_loaded(&self, file: &Path) -> bool {
        self.roster.of_file(file).is_some()
    }

    /// The device type `name`, if its owner is loaded; without a name, the default one.
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
        self.roster.owned()
    }

    /// Files that are gone are as good as never seen.
    fn forget(&mut self, files: &[(FileFingerprint, PathBuf)]) {
        let present: BTreeSet<&PathBuf> = files.iter().map(|(_, file)| file).collect();
        self.seen.retain(|file, _| present.contains(file));
        self.refused
            .retain(|refused| present.contains(&refused.file));
    }

    /// Another list of digests may allow what the last one did not.
    fn retry_on_new_digests(&mut self, stamp: Option<FileFingerprint>) {
        if std::mem::replace(&mut self.list, stamp) != stamp {
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
            self.seen.remove(file);
        }
        !again.is_empty()
    }

    /// The files that were not looked at as they are now.
    fn changed(&mut self, files: &[(FileFingerprint, PathBuf)]) -> Vec<PathBuf> {
        let changed = files.iter().filter(|(stamp, file)| {
            let before = self.seen.insert(file.clone(), *stamp);
            before != Some(*stamp)
        });
        changed.map(|(_, file)| file.clone()).collect()
    }

    /// Judges some files at a time and takes those that are good in their order. Returns whether a file has changed
    /// what was loaded from it before.
    async fn take(&mut self, files: Vec<PathBuf>, rules: &Rules, timeouts: Timeouts) -> bool {
        let again: BTreeSet<&PathBuf> = files.iter().collect();
        self.refused
            .retain(|refused| !again.contains(&refused.file));
        let mut replaced = false;
        let mut waiting = files.into_iter();
        let mut judging = VecDeque::new();
        let mut copies = 0;
        loop {
            while judging.len() < AT_A_TIME
                && copies < COPIES
                && let Some(file) = waiting.next()
            {
                let verified = rules.verify(&file).await;
                let size = verified.as_ref().map_or(0, |verified| verified.copy.size());
                copies += size;
                let (rules, path) = (rules.clone(), file.clone());
                let judged = tokio::spawn(async move { rules.judge(&path, verified?).await });
                judging.push_back((file, size, AbortOnDropHandle::new(judged)));
            }
            let Some((file, size, judged)) = judging.pop_front() else {
                return replaced;
            };
            copies -= size;
            let judged = judged
                .await
                .unwrap_or_else(|error| Err(ProviderError::Read(std::io::Error::other(error))));
            let taken = match judged {
                Ok(candidate) => self.admit(candidate, timeouts).await,
                Err(reason) => Err(reason),
            };
            match taken {
                Ok(is_replacement) => replaced |= is_replacement,
                Err(reason) => {
                    if reason.may_pass() {
                        self.seen.insert(file.clone(), FileFingerprint(None));
                    }
                    self.refused.push(Refused { file, reason });
                }
            }
        }
    }

    /// Loads a file that was judged to be good. Returns whether it replaces what was loaded from it before.
    async fn admit(
        &mut self,
        candidate: Candidate,
        timeouts: Timeouts,
    ) -> Result<bool, ProviderError> {
        let before = self.roster.of_file(&candidate.file);
        if before.is_some_and(|before| before.digest() == candidate.verified.digest) {
            return Ok(false);
        }
        let is_replacement = before.is_some();
        self.roster
            .check_conflicts(&candidate.file, &candidate.declared)?;
        // A library that hangs while it is opened holds the dynamic linker's lock, and so would the next one.
        if let Some(first) = &self.hanging {
            return Err(ProviderError::BlockedByHang(first.clone()));
        }
        let file = candidate.file.clone();
        let loaded = Provider::load(candidate, timeouts).await;
        if let Err(ProviderError::Hangs { .. }) = loaded {
            self.hanging = Some(file.clone());
        }
        let provider = loaded?;
        if is_replacement {
            tracing::info!(
                "the provider `{}` has changed and is loaded anew: {} {}, sha256 {}",
                provider.file_name(),
                provider.manifest().package,
                provider.manifest().version,
                provider.digest()
            );
        }
        self.roster.take(Arc::new(provider));
        Ok(is_replacement)
    }
}

/// The files of the directory, if nobody else may put any there.
fn list(directory: &Path) -> Result<Vec<PathBuf>, ProviderError> {
    let files = list_files::find(directory)?;
    if !files.is_empty() {
        path_trust::check(directory).map_err(|source| ProviderError::Directory {
            path: directory.to_owned(),
            source,
        })?;
    }
    Ok(files)
}
