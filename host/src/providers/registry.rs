//! What is loaded, and who brings what.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Provider, ProviderError, find};

/// The providers of a node.
#[derive(Debug, Default)]
pub struct Providers {
    device_types: BTreeMap<String, DeviceType>,
    refused: Vec<Refused>,
    /// The files that were looked at, so that the next look takes only new and changed ones.
    seen: BTreeMap<PathBuf, Stamp>,
    /// The file that did not come back from being opened.
    hanging: Option<PathBuf>,
    /// Files that changed after they were loaded.
    replaced: BTreeSet<PathBuf>,
}

/// A device type, its owner, and what extends it.
#[derive(Clone, Debug)]
pub struct DeviceType {
    /// The provider that discovers its devices. Absent while only extensions of it are loaded.
    pub owner: Option<Arc<Provider>>,
    /// Providers that add to it, by file name.
    pub extensions: Vec<Arc<Provider>>,
}

/// What a file was when it was looked at; another one differs in something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(Option<(u64, u64, i64, i64)>);

impl Stamp {
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
    /// Takes what is new in `directory`, in the order of the names. A file that was refused is judged again when it has
    /// changed, for it may have been half copied; one that is loaded stays as it was loaded.
    ///
    /// # Errors
    ///
    /// When the directory cannot be listed. A file that is no provider is in [`refused`](Self::refused) instead.
    pub async fn take_new(&mut self, directory: &Path) -> Result<(), ProviderError> {
        for file in find::find(directory)? {
            let stamp = Stamp::of(&file);
            if self.seen.insert(file.clone(), stamp) == Some(stamp) {
                continue;
            }
            if self.loaded().iter().any(|provider| provider.file() == file) {
                self.replaced.insert(file);
                continue;
            }
            self.refused.retain(|refused| refused.file != file);
            // A library that hangs while it is opened holds the dynamic linker's lock, and so would the next one.
            let loaded = match &self.hanging {
                Some(first) => Err(ProviderError::Behind(first.clone())),
                None => Provider::load(&file).await,
            };
            if let Err(ProviderError::Hangs(_)) = loaded {
                self.hanging = Some(file.clone());
            }
            if let Err(reason) = loaded.and_then(|provider| self.register(&Arc::new(provider))) {
                self.refused.push(Refused { file, reason });
            }
        }
        Ok(())
    }

    /// Files that changed after they were loaded. What they hold now counts from the next start on.
    pub fn replaced(&self) -> &BTreeSet<PathBuf> {
        &self.replaced
    }

    /// The device type `name`, if its owner is loaded; without a name, the default one.
    pub fn device_type(&self, name: Option<&str>) -> Option<(&str, &DeviceType)> {
        let owned = self
            .device_types
            .iter()
            .filter(|(_, device_type)| device_type.owner.is_some());
        let mut owned = owned.filter(|(key, device_type)| match name {
            Some(name) => *key == name,
            None => device_type
                .owner
                .as_ref()
                .is_some_and(|owner| owner.manifest().default_device_type),
        });
        owned
            .next()
            .map(|(key, device_type)| (key.as_str(), device_type))
    }

    /// The device types that have an owner, by name.
    pub fn device_types(&self) -> impl Iterator<Item = (&str, &DeviceType)> {
        let owned = self
            .device_types
            .iter()
            .filter(|(_, device_type)| device_type.owner.is_some());
        owned.map(|(name, device_type)| (name.as_str(), device_type))
    }

    /// Every loaded provider once, by file name.
    pub fn loaded(&self) -> Vec<Arc<Provider>> {
        let all = self
            .device_types
            .values()
            .flat_map(|t| t.owner.iter().chain(&t.extensions));
        let by_file: BTreeMap<&Path, &Arc<Provider>> =
            all.map(|provider| (provider.file(), provider)).collect();
        by_file.into_values().cloned().collect()
    }

    /// The kernel subsystems that the loaded providers want to hear of.
    pub fn subsystems(&self) -> BTreeSet<String> {
        let loaded = self.loaded();
        let named = loaded
            .iter()
            .flat_map(|provider| &provider.manifest().subsystems);
        named.cloned().collect()
    }

    /// The files that were refused.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Two owners of one device type, or of one key of a device type, are a conflict that the first file by name wins.
    fn register(&mut self, provider: &Arc<Provider>) -> Result<(), ProviderError> {
        let manifest = provider.manifest();
        let conflict = |what: String, first: &Arc<Provider>| ProviderError::Conflict {
            what,
            first: first.file_name(),
        };
        if let Some(name) = &manifest.device_type {
            if let Some((
                _,
                DeviceType {
                    owner: Some(first), ..
                },
            )) = self.device_type(Some(name))
            {
                return Err(conflict(format!("the device type `{name}`"), first));
            }
            if let (
                true,
                Some((
                    _,
                    DeviceType {
                        owner: Some(first), ..
                    },
                )),
            ) = (manifest.default_device_type, self.device_type(None))
            {
                return Err(conflict("the default device type".to_owned(), first));
            }
        }
        let touched: Vec<String> = manifest
            .device_type
            .iter()
            .chain(&manifest.extends)
            .cloned()
            .collect();
        for name in &touched {
            let Some(present) = self.device_types.get(name) else {
                continue;
            };
            for first in present.owner.iter().chain(&present.extensions) {
                let twice = first
                    .keys()
                    .find(|key| provider.keys().any(|own| own.eq_ignore_ascii_case(key)));
                if let Some(key) = twice {
                    return Err(conflict(
                        format!("the selector key `{key}` of `{name}`"),
                        first,
                    ));
                }
            }
        }
        if let Some(name) = manifest.device_type.clone() {
            self.entry(name).owner = Some(Arc::clone(provider));
        }
        for name in manifest.extends.clone() {
            self.entry(name).extensions.push(Arc::clone(provider));
        }
        Ok(())
    }

    fn entry(&mut self, name: String) -> &mut DeviceType {
        self.device_types.entry(name).or_insert_with(|| DeviceType {
            owner: None,
            extensions: Vec::new(),
        })
    }
}
