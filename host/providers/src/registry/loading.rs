//! A reload of the registry: changed files are vetted, and what is needed is loaded.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::{Providers, Refused};
use crate::inspect_file::InspectedFile;
use crate::list_files::FileFingerprint;
use crate::sealed::SealedCopy;
use crate::vetting::{Rules, VettedFile};
use crate::{Provider, ProviderError, Timeouts};

/// Files that are probed at a time, each by a short-lived process: the five of this project at once.
const MAX_PROBES: usize = 6;
/// Bytes in files that are being probed; the next file waits for less. Their copies have no more.
const MAX_BYTES: u64 = 8 << 20;

/// What one reload needs beside the files.
pub(super) struct Reload<'a> {
    pub(super) rules: &'a Rules,
    pub(super) timeouts: Timeouts,
    pub(super) needed: &'a (dyn Fn(&Provider) -> bool + Sync),
}

impl Providers {
    /// Vets some files at a time, and adds their providers in order. Returns whether a previous version was replaced or removed.
    pub(super) async fn load_files(&mut self, files: Vec<PathBuf>, context: &Reload<'_>) -> bool {
        let rules = context.rules;
        let again: BTreeSet<&PathBuf> = files.iter().collect();
        self.refused
            .retain(|refused| !again.contains(&refused.file));
        if !files.is_empty() {
            rules.prepare_probe();
        }
        let mut replaced = false;
        let mut waiting = files.into_iter();
        let mut probes = VecDeque::new();
        let mut bytes = 0;
        loop {
            while probes.len() < MAX_PROBES
                && bytes < MAX_BYTES
                && let Some(file) = waiting.next()
            {
                let size = self.vetted.get(&file).map_or(0, FileFingerprint::size);
                bytes += size;
                let (rules, path) = (rules.clone(), file.clone());
                let vetted = tokio::spawn(async move {
                    let inspected = rules.inspect(&path).await?;
                    rules.probe(&path, inspected).await
                });
                probes.push_back((file, size, AbortOnDropHandle::new(vetted)));
            }
            let Some((file, size, vetted)) = probes.pop_front() else {
                return replaced;
            };
            bytes -= size;
            let vetted = vetted
                .await
                .unwrap_or_else(|error| Err(ProviderError::Read(std::io::Error::other(error))));
            let loaded = match vetted {
                Ok(vetted) => self.load(vetted, context).await,
                Err(reason) => Err(reason),
            };
            match loaded {
                Ok(is_replacement) => replaced |= is_replacement,
                Err(reason) => replaced |= self.refuse(file, reason),
            }
        }
    }

    /// Refuses a file, which its available provider could only be loaded from. A shortage is no verdict about the file, so
    /// the provider stays available for the retry. Returns whether it was removed.
    fn refuse(&mut self, file: PathBuf, reason: ProviderError) -> bool {
        let is_removed = if reason.is_transient() {
            self.vetted.insert(file.clone(), FileFingerprint(None));
            false
        } else {
            self.device_types
                .remove_unloaded(|provider| provider.file() == file)
        };
        self.refused.push(Arc::new(Refused { file, reason }));
        is_removed
    }

    /// Loads the available providers that have become needed. Returns whether one was removed.
    pub(super) async fn load_needed(&mut self, context: &Reload<'_>) -> bool {
        let is_refused = |file| self.refused.iter().any(|refused| refused.file == file);
        let needed = self.all().iter();
        let needed = needed.filter(|provider| !provider.is_loaded() && (context.needed)(provider));
        let needed = needed.filter(|provider| !is_refused(provider.file()));
        let needed: Vec<Arc<Provider>> = needed.cloned().collect();
        let mut removed = false;
        for provider in needed {
            let file = provider.file().to_owned();
            let loaded = match context.rules.inspect(&file).await {
                // Other bytes than those of the probe: the next reload vets them.
                Ok(inspected) if inspected.digest != provider.digest() => {
                    self.vetted.insert(file, FileFingerprint(None));
                    continue;
                }
                Ok(inspected) => self.load_library(&provider, inspected.copy).await,
                Err(reason) => Err(reason),
            };
            if let Err(reason) = loaded {
                removed |= self.refuse(file, reason);
            }
        }
        removed
    }

    async fn load_library(
        &mut self,
        provider: &Provider,
        copy: SealedCopy,
    ) -> Result<(), ProviderError> {
        // The hanging file holds the dynamic linker's lock, so another dlopen() would hang as well.
        if let Some(first) = &self.hanging {
            return Err(ProviderError::BlockedByHang(first.clone()));
        }
        let loaded = provider.load(copy).await;
        if let Err(ProviderError::Hangs { .. }) = loaded {
            self.hanging = Some(provider.file().to_owned());
        }
        loaded
    }

    /// Adds the provider of a vetted file, and loads it if it is needed. Returns whether it replaces a previous version.
    async fn load(
        &mut self,
        vetted: VettedFile,
        context: &Reload<'_>,
    ) -> Result<bool, ProviderError> {
        let VettedFile {
            file,
            inspected: InspectedFile { copy, digest, .. },
            manifest,
            ..
        } = vetted;
        let previous = self.device_types.of_file(&file);
        if previous.is_some_and(|previous| previous.digest() == digest) {
            return Ok(false);
        }
        let is_replacement = previous.is_some();
        self.device_types.check_conflicts(&file, &manifest)?;
        let provider = Provider::new(file, digest, manifest, context.timeouts);
        if (context.needed)(&provider) {
            self.load_library(&provider, copy).await?;
        }
        if is_replacement && provider.is_loaded() {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_shortage_leaves_a_provider_available() {
        let file = Path::new("test.so");
        let mut providers = Providers::default();
        providers.device_types.insert(Provider::available(file));
        let shortage = ProviderError::Copy(Errno::NOMEM.into());
        assert!(!providers.refuse(file.to_owned(), shortage));
        assert!(providers.are_to_be_retried());
        assert_eq!(providers.vetted[file], FileFingerprint(None));
        assert!(providers.device_type(Some("test")).is_some());
        let verdict = ProviderError::BeingWritten;
        assert!(providers.refuse(file.to_owned(), verdict));
        assert!(providers.device_type(Some("test")).is_none());
    }
}
