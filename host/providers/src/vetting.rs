//! Vetting: a file is inspected and probed and its manifest validated, before it is loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sriovdp_provider_abi::wire;

use super::digests::{Digest, Digests, UnusableList};
use super::elf::Note;
use super::inspect_file::{Allowed, InspectedFile, inspect_file};
use super::list_files::is_provider_name;
use super::manifest::ValidManifest;
use super::probe::{Probed, Probes};
use super::{ProviderError, ProviderSettings};
use crate::blocking;

/// The settings of vetting.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    allowed: Arc<Allowed>,
    probes: Arc<Probes>,
}

/// A file that passed.
#[derive(Debug)]
pub(super) struct VettedFile {
    pub(super) file: PathBuf,
    pub(super) inspected: InspectedFile,
    pub(super) manifest: ValidManifest,
    /// The error of the discovery on an empty node.
    pub(super) discovery: Option<sriovdp_sdk::Error>,
}

/// What vetting found out about a file that passed.
#[derive(Debug)]
pub struct Inspection {
    /// The SDK's note.
    pub note: Note,
    /// The file's digest.
    pub digest: Digest,
    /// Whether a provider directory may have a file of this name.
    pub is_provider_name: bool,
    /// Whether a list of digests names the file.
    pub is_listed: bool,
    /// The provider's manifest.
    pub manifest: wire::Manifest,
    /// The selector keys of the manifest's schema.
    pub keys: Vec<String>,
    /// The error of the discovery on an empty node.
    pub discovery: Option<sriovdp_sdk::Error>,
    /// The duration of vetting.
    pub took: Duration,
}

/// Vets a file without loading it.
///
/// # Errors
///
/// The reason to refuse it.
pub async fn inspect(
    file: &Path,
    settings: &ProviderSettings,
) -> Result<Inspection, ProviderError> {
    let begin = Instant::now();
    let rules = Rules::new(settings).await;
    rules.prepare_probe();
    let inspected = rules.inspect(file).await?;
    let vetted = rules.probe(file, inspected).await?;
    Ok(Inspection {
        note: vetted.inspected.note,
        digest: vetted.inspected.digest,
        is_provider_name: is_provider_name(file),
        is_listed: rules.allowed.is_some(),
        manifest: vetted.manifest.wire,
        keys: vetted.manifest.keys,
        discovery: vetted.discovery,
        took: begin.elapsed(),
    })
}

impl Rules {
    /// Reads the list of digests, if one is configured. An unusable list allows nothing.
    pub(super) async fn new(settings: &ProviderSettings) -> Self {
        let allowed = match settings.digests.clone() {
            Some(list) => Some(blocking::run(move || Digests::read(&list)).await),
            None => None,
        };
        Self {
            allowed: Arc::new(allowed),
            probes: Arc::new(Probes::new(
                settings.program.clone(),
                settings.timeouts.probe,
            )),
        }
    }

    /// Why the list of digests is unusable.
    pub(super) fn unusable_list(&self) -> Option<UnusableList> {
        self.allowed.as_ref().as_ref()?.as_ref().err().cloned()
    }

    /// Prepares the probe while the first file is inspected.
    pub(super) fn prepare_probe(&self) {
        self.probes.prepare();
    }

    /// Checks a file without running any of it.
    ///
    /// # Errors
    ///
    /// The reason to refuse it.
    pub(super) async fn inspect(&self, file: &Path) -> Result<InspectedFile, ProviderError> {
        let (path, allowed) = (file.to_owned(), Arc::clone(&self.allowed));
        blocking::run(move || inspect_file(&path, &allowed)).await
    }

    /// Probes an inspected file and validates its manifest.
    ///
    /// # Errors
    ///
    /// The reason to refuse it.
    pub(super) async fn probe(
        &self,
        file: &Path,
        inspected: InspectedFile,
    ) -> Result<VettedFile, ProviderError> {
        let Probed {
            manifest,
            discovery,
        } = self.probes.probe(&inspected.copy).await?;
        Ok(VettedFile {
            file: file.to_owned(),
            inspected,
            manifest: ValidManifest::new(manifest)?,
            discovery,
        })
    }
}
