//! Device types with their owners and extensions, and conflicts among them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::manifest::ValidManifest;
use super::{Provider, ProviderError};

/// The providers that passed their probes, and the device types that they own or extend.
#[derive(Clone, Debug, Default)]
pub(super) struct DeviceTypes {
    /// In the order of vetting.
    providers: Vec<Arc<Provider>>,
    device_types: BTreeMap<String, DeviceType>,
}

/// A device type, its owner, and its extensions.
#[derive(Clone, Debug, Default)]
pub struct DeviceType {
    /// The provider that discovers its devices. Absent while there are only extensions.
    pub owner: Option<Arc<Provider>>,
    /// The providers that extend it, in the order of vetting.
    pub extensions: Vec<Arc<Provider>>,
}

impl DeviceTypes {
    /// All providers.
    pub(super) fn providers(&self) -> &[Arc<Provider>] {
        &self.providers
    }

    /// The provider of `file`.
    pub(super) fn of_file(&self, file: &Path) -> Option<&Arc<Provider>> {
        self.providers
            .iter()
            .find(|provider| provider.file() == file)
    }

    /// Device types that have an owner, by name.
    pub(super) fn owned(&self) -> impl Iterator<Item = (&str, &DeviceType)> {
        self.device_types
            .iter()
            .filter(|(_, device_type)| device_type.owner.is_some())
            .map(|(name, device_type)| (name.as_str(), device_type))
    }

    /// Checks that no other provider owns the same device type or the same selector key of a device type. The provider
    /// that was vetted first wins; the previous version of `file` itself is no conflict.
    ///
    /// # Errors
    ///
    /// The conflict.
    pub(super) fn check_conflicts(
        &self,
        file: &Path,
        manifest: &ValidManifest,
    ) -> Result<(), ProviderError> {
        let (manifest, keys) = (&manifest.wire, &manifest.keys);
        let conflict = |what: String, first: &Arc<Provider>| {
            Err(ProviderError::Conflict {
                what,
                first: first.file_name(),
            })
        };
        for first in self.providers.iter().filter(|first| first.file() != file) {
            // Providers are known by their file names, in messages and across reconciles.
            if first.file().file_name() == file.file_name() {
                return Err(ProviderError::Conflict {
                    what: "a provider file of this name".to_owned(),
                    first: first.file().display().to_string(),
                });
            }
            let theirs = first.manifest();
            if let Some(name) = &manifest.device_type {
                if theirs.device_type.as_ref() == Some(name) {
                    return conflict(format!("the device type `{name}`"), first);
                }
                if manifest.default_device_type && theirs.default_device_type {
                    return conflict("the default device type".to_owned(), first);
                }
            }
            let concerned = |name: &&String| {
                theirs.device_type.as_ref() == Some(name) || theirs.extends.contains(name)
            };
            let mut shared = manifest.device_type.iter().chain(&manifest.extends);
            let Some(name) = shared.find(concerned) else {
                continue;
            };
            let twice = first
                .keys()
                .find(|key| keys.iter().any(|own| own.eq_ignore_ascii_case(key)));
            if let Some(key) = twice {
                return conflict(format!("the selector key `{key}` of `{name}`"), first);
            }
        }
        Ok(())
    }

    /// Adds a provider, which replaces a previous version from the same file.
    pub(super) fn insert(&mut self, provider: Arc<Provider>) {
        let before = self
            .providers
            .iter_mut()
            .find(|before| before.file() == provider.file());
        match before {
            Some(before) => *before = provider,
            None => self.providers.push(provider),
        }
        self.by_name();
    }

    /// Removes the providers that are not loaded and that `is_lost` is true of. Returns whether there was one.
    pub(super) fn remove_unloaded(&mut self, is_lost: impl Fn(&Provider) -> bool) -> bool {
        let before = self.providers.len();
        self.providers
            .retain(|provider| provider.is_loaded() || !is_lost(provider));
        let is_removed = self.providers.len() != before;
        if is_removed {
            self.by_name();
        }
        is_removed
    }

    fn by_name(&mut self) {
        self.device_types.clear();
        for provider in &self.providers {
            let manifest = provider.manifest();
            if let Some(name) = &manifest.device_type {
                let device_type = self.device_types.entry(name.clone()).or_default();
                device_type.owner = Some(Arc::clone(provider));
            }
            for name in &manifest.extends {
                let device_type = self.device_types.entry(name.clone()).or_default();
                device_type.extensions.push(Arc::clone(provider));
            }
        }
    }
}
