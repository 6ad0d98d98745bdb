//! A file on its way to a provider: verified, probed, and with a manifest that makes sense, but not loaded yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sriovdp_provider_abi::wire;

use super::digests::{Digest, Digests, UnusableList};
use super::elf::Note;
use super::inspect_file::{Allowed, Verified, verify};
use super::manifest::Declared;
use super::probe::{Probed, probe};
use super::{ProviderError, ProviderSettings};
use crate::blocking;

/// What decides over a file.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    allowed: Arc<Allowed>,
    program: PathBuf,
    probe: Duration,
}

/// A file that may be loaded.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) file: PathBuf,
    pub(super) verified: Verified,
    pub(super) declared: Declared,
    /// Why a discovery without any devices fails, if it does.
    pub(super) discovery: Option<sriovdp_sdk::Error>,
}

/// What there is to know of a file that may be loaded.
#[derive(Debug)]
pub struct Inspection {
    /// What the SDK wrote into it.
    pub note: Note,
    /// Its digest.
    pub digest: Digest,
    /// Whether a list of digests names it.
    pub is_listed: bool,
    /// What it says of itself.
    pub manifest: wire::Manifest,
    /// The selector keys that it declares.
    pub keys: Vec<String>,
    /// Why a discovery without any devices fails, if it does.
    pub discovery: Option<sriovdp_sdk::Error>,
    /// How long it took to find out.
    pub took: Duration,
}

/// Checks a file as it is checked before it is loaded, and does not load it.
///
/// # Errors
///
/// Why it would be refused.
pub async fn inspect(
    file: &Path,
    settings: &ProviderSettings,
) -> Result<Inspection, ProviderError> {
    let begin = Instant::now();
    let rules = Rules::new(settings).await;
    let verified = rules.verify(file).await?;
    let candidate = rules.judge(file, verified).await?;
    Ok(Inspection {
        note: candidate.verified.note,
        digest: candidate.verified.digest,
        is_listed: rules.allowed.is_some(),
        manifest: candidate.declared.manifest,
        keys: candidate.declared.keys,
        discovery: candidate.discovery,
        took: begin.elapsed(),
    })
}

impl Rules {
    /// Reads the list of digests, if there is one. One that cannot be used allows nothing.
    pub(super) async fn new(settings: &ProviderSettings) -> Self {
        let allowed = match settings.digests.clone() {
            Some(list) => Some(blocking::run(move || Digests::read(&list)).await),
            None => None,
        };
        Self {
            allowed: Arc::new(allowed),
            program: settings.program.clone(),
            probe: settings.timeouts.probe,
        }
    }

    /// Why the list of digests allows no file.
    pub(super) fn unusable_list(&self) -> Option<UnusableList> {
        self.allowed.as_ref().as_ref()?.as_ref().err().cloned()
    }

    /// Judges a file without running any of it.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(super) async fn verify(&self, file: &Path) -> Result<Verified, ProviderError> {
        let (path, allowed) = (file.to_owned(), Arc::clone(&self.allowed));
        blocking::run(move || verify(&path, &allowed)).await
    }

    /// Probes a verified file, and judges what it says of itself.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(super) async fn judge(
        &self,
        file: &Path,
        verified: Verified,
    ) -> Result<Candidate, ProviderError> {
        let Probed {
            manifest,
            discovery,
        } = probe(&self.program, &verified.copy, self.probe).await?;
        Ok(Candidate {
            file: file.to_owned(),
            verified,
            declared: Declared::new(manifest)?,
            discovery,
        })
    }
}
