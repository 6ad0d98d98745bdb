//! One provider behind its methods: JSON in, the author's trait, JSON out.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sriovdp_provider_abi::wire::method;
use sriovdp_provider_abi::{HostFunctions, feature, wire};

use super::convert::device_to_wire;
use super::plain::plain;
use super::scan::Scan;
use crate::matching::without_reasons;
use crate::node::{AllocationContext, Observer, unread};
use crate::{Context, Device, Discovery, Error, HostRoot, Mismatch, Node, Provider};

/// A provider with what it found in its last discovery.
pub struct Session<P: Provider> {
    provider: P,
    package: (&'static str, &'static str),
    /// Absent under test.
    host: Option<HostFunctions>,
    observer: Option<Observer>,
    scan: RwLock<Option<Arc<Scan<P::Facts>>>>,
}

impl<P: Provider> Session<P> {
    /// A provider before its first discovery.
    pub fn new(provider: P, package: (&'static str, &'static str)) -> Self {
        Self {
            provider,
            package,
            host: None,
            observer: None,
            scan: RwLock::new(None),
        }
    }

    /// The same provider with a host.
    #[must_use]
    pub fn attached_to(self, host: HostFunctions) -> Self {
        Self {
            host: Some(host),
            ..self
        }
    }

    /// The same provider, where `observer` is called before each read of the node.
    #[must_use]
    pub fn observed_by(self, observer: Observer) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Answers one method of [`wire::method`].
    ///
    /// # Errors
    ///
    /// The provider's own error, or the reason why the input cannot be understood.
    pub fn call(&self, method: &str, input: &str) -> Result<String, wire::Failure> {
        match method {
            method::MANIFEST => write(&self.manifest()),
            method::DISCOVER => write(&self.discover(read(input)?)?),
            method::CHECK => {
                let checked = self.check(read(input)?).map_err(with_visible_texts)?;
                write(&checked)
            }
            method::SELECT => write(&self.select(read(input)?)?),
            method::EXPLAIN => write(&self.explain(read(input)?)?),
            method::ALLOCATE => write(&self.allocate(read(input)?)?),
            method::PRE_START => write(&self.pre_start(read(input)?)?),
            method::CHECK_SETTINGS => {
                let request: wire::CheckSettingsRequest = read(input)?;
                let settings = self.provider.manifest().settings;
                let settings = settings.context("the provider has no settings")?;
                settings.check(request.settings)?;
                write(&wire::Checked::default())
            }
            unknown => Err(Error::new(format!(
                "this provider was built with SDK {}, which has no method `{unknown}`",
                crate::VERSION
            ))
            .into()),
        }
    }

    fn manifest(&self) -> wire::Manifest {
        let manifest = self.provider.manifest();
        let features = [
            (manifest.is_incremental, feature::INCREMENTAL),
            (manifest.has_pre_start, feature::PRE_START),
        ];
        let features = features.into_iter();
        wire::Manifest {
            package: self.package.0.to_owned(),
            version: self.package.1.to_owned(),
            sdk: crate::VERSION.to_owned(),
            summary: manifest.summary,
            device_type: manifest.device_type,
            cdi_class: manifest.cdi_class,
            default_device_type: manifest.is_default,
            extends: manifest.extends,
            brought_by_others: manifest.brought_by_others.into_iter().collect(),
            exclusive_keys: manifest.exclusive_keys,
            needs_host: manifest.needs_host,
            subsystems: manifest.subsystems,
            by_function: manifest.is_incremental,
            features: features
                .filter(|(has, _)| *has)
                .map(|(_, name)| name.to_owned())
                .collect(),
            schema: schemars::schema_for!(P::Selectors).to_value(),
            settings: manifest.settings.map(|settings| settings.schema()),
            replaceable: manifest.replaceable,
            replaces: manifest.replaces,
        }
    }

    fn discover(&self, request: wire::DiscoverRequest) -> Result<wire::Discovered, Error> {
        let functions = request.functions.into_iter().map(Into::into).collect();
        let extended = request.devices.into_iter().map(TryInto::try_into);
        let non_pci = request.non_pci.into_iter().map(TryInto::try_into);
        let extended = extended.chain(non_pci).collect::<Result<_, _>>()?;
        let part = request.part;
        let before = part.as_ref().map(|part| self.scan_of(part.since));
        let before = before.transpose()?;
        let part = part.map(|part| BTreeSet::from_iter(part.functions));
        let root = HostRoot::new(request.root).observed_by(self.observer.clone());
        let node = Node::new(root, functions, extended)
            .with_host(self.host)
            .with_settings(request.settings)
            .scoped(part);
        let (found, unread) = unread::during(|| self.provider.discover(&node));
        let Discovery { devices, excluded } = found?;
        let unread = unread.into_iter().filter(|&at| node.is_in_scope(at));
        let unread = unread.collect();
        let scan = match before {
            Some(before) => before.next(request.generation, node, devices)?,
            None => Scan::new(request.generation, node, devices)?,
        };
        let found = wire::Discovered {
            devices: scan.answered().map(device_to_wire).collect(),
            excluded,
            unread,
        };
        *self.scan.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(scan));
        Ok(found)
    }

    fn select(&self, request: wire::SelectRequest) -> Result<wire::Selected, wire::Failure> {
        let selectors = selectors::<P>(request.selectors)?;
        let scan = self.scan_of(request.generation)?;
        let mut selected = wire::Selected::default();
        for (position, device) in (0u32..).zip(scan.answered()) {
            let matched = without_reasons(|| self.provider.matches(&selectors, device));
            if matched.is_err() {
                continue;
            }
            if let Some(reason) = self.provider.kept_out(&selectors, device) {
                selected.kept_out.push((position, reason));
            } else {
                selected.admitted.push(position);
                if self.provider.matches_by_alias(&selectors, device) {
                    selected.by_alias.push(position);
                }
                let findings = self.provider.findings(&selectors, device).into_iter();
                selected.findings.extend(findings.map(|f| (position, f)));
            }
        }
        let node = scan.node().for_warnings();
        let warnings = self.provider.warnings(&node, &selectors);
        selected.warnings = warnings.into_iter().map(Into::into).collect();
        Ok(selected)
    }

    fn check(&self, request: wire::CheckRequest) -> Result<wire::Checked, wire::Failure> {
        let selectors = selectors::<P>(request.selectors)?;
        self.provider.check(&selectors)?;
        let warnings = self.provider.unmatchable(&selectors).into_iter();
        let warnings = warnings.map(|warning| with_visible_texts(warning.into()));
        Ok(wire::Checked {
            warnings: warnings.collect(),
        })
    }

    fn explain(&self, request: wire::ExplainRequest) -> Result<wire::Explained, wire::Failure> {
        let all = selectors::<P>(request.selectors.clone())?;
        let scan = self.scan_of(request.generation)?;
        let device = scan.device(&request.id)?;
        let mut mismatch = self.provider.matches(&all, device).err();
        if mismatch
            .as_ref()
            .is_some_and(|mismatch| mismatch.unreadable)
        {
            mismatch = self
                .readable_mismatch(request.selectors, device)?
                .or(mismatch);
        }
        let findings = self.provider.findings(&all, device);
        Ok(match mismatch {
            Some(mismatch) => wire::Explained {
                key: Some(mismatch.key.into_owned()),
                unreadable: mismatch.unreadable,
                reason: Some(mismatch.reason),
                findings,
            },
            None => {
                let reason = self.provider.kept_out(&all, device);
                wire::Explained {
                    key: None,
                    unreadable: reason.is_some(),
                    reason,
                    findings,
                }
            }
        })
    }

    /// The mismatch by a value that the device has, with each key alone: `matches` ends with its first mismatch, and a later
    /// key may refuse the device as well.
    fn readable_mismatch(
        &self,
        all: Value,
        device: &Device<P::Facts>,
    ) -> Result<Option<Mismatch>, wire::Failure> {
        let Value::Object(all) = all else {
            return Ok(None);
        };
        for (key, value) in all {
            let alone = selectors::<P>(Value::Object([(key, value)].into_iter().collect()))?;
            let mismatch = self.provider.matches(&alone, device).err();
            let mismatch = mismatch.filter(|mismatch| !mismatch.unreadable);
            if mismatch.is_some() {
                return Ok(mismatch);
            }
        }
        Ok(None)
    }

    fn allocate(&self, request: wire::AllocateRequest) -> Result<wire::Allocated, wire::Failure> {
        let devices = self.for_each_device(request, |node, selectors, device| {
            Ok(self.provider.allocate(node, selectors, device)?.into())
        })?;
        Ok(wire::Allocated { devices })
    }

    fn pre_start(&self, request: wire::AllocateRequest) -> Result<wire::Started, wire::Failure> {
        self.for_each_device(request, |node, selectors, device| {
            self.provider.pre_start(node, selectors, device)
        })?;
        Ok(wire::Started {})
    }

    fn for_each_device<T>(
        &self,
        request: wire::AllocateRequest,
        call: impl Fn(&Node, &P::Selectors, &Device<P::Facts>) -> Result<T, Error>,
    ) -> Result<Vec<T>, wire::Failure> {
        let selectors = selectors::<P>(request.selectors)?;
        let scan = self.last_scan()?;
        let context = AllocationContext {
            resource: request.resource,
            replaced: request.replaced,
        };
        let node = scan.node().for_allocation(context, request.settings);
        let ids = request.ids.iter();
        let results = ids.map(|id| call(&node, &selectors, scan.device(id)?));
        Ok(results.collect::<Result<_, Error>>()?)
    }

    fn last_scan(&self) -> Result<Arc<Scan<P::Facts>>, Error> {
        let scan = self.scan.read().unwrap_or_else(PoisonError::into_inner);
        scan.clone()
            .ok_or_else(|| Error::new("the provider has had no discovery yet"))
    }

    fn scan_of(&self, generation: u64) -> Result<Arc<Scan<P::Facts>>, Error> {
        let scan = self.last_scan()?;
        if scan.generation() == generation {
            return Ok(scan);
        }
        Err(Error::new(format!(
            "the host refers to scan {generation}, and the provider's last one is {}",
            scan.generation()
        )))
    }
}

impl<P: Provider> fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("package", &self.package)
            .finish_non_exhaustive()
    }
}

/// The same failure with quotes round an empty text, which cannot be seen between back-ticks.
fn with_visible_texts(failure: wire::Failure) -> wire::Failure {
    let chain = failure.chain.iter();
    wire::Failure {
        chain: chain.map(|text| text.replace("``", "`\"\"`")).collect(),
        ..failure
    }
}

/// The author's selector struct, with the place of a mistake.
fn selectors<P: Provider>(selectors: Value) -> Result<P::Selectors, wire::Failure> {
    typed(selectors)
}

/// A struct of the author, with the place of a mistake.
pub(super) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, wire::Failure> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        wire::Failure {
            path: (path != ".").then_some(path),
            ..plain(&error.into_inner().to_string()).into()
        }
    })
}

fn read<T: DeserializeOwned>(input: &str) -> Result<T, wire::Failure> {
    serde_json::from_str(input).map_err(|e| {
        Error::from_std(&e)
            .context("the provider cannot read the host's request")
            .into()
    })
}

fn write(output: &impl Serialize) -> Result<String, wire::Failure> {
    serde_json::to_string(output).map_err(|e| {
        Error::from_std(&e)
            .context("the provider cannot write its answer")
            .into()
    })
}
