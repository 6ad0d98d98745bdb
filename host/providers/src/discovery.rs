//! A provider's discovery, and the calls that refer to it. Positions end here: devices have ids above.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use sriovdp_provider_abi::wire;
use sriovdp_sdk::{BaseDevice, DeviceId, Error, Finding, FindingKind, PciAddress, PciFunction};

use super::calls::{Discover, Explain, Select};
use super::device_extras::{DeviceExtras, attributes};
use super::{CallError, PendingCall, Provider};

/// What a provider is to discover.
#[derive(Clone, Debug)]
pub struct DiscoverRequest<'a> {
    /// The directory that stands for `/`.
    pub root: &'a str,
    /// The number of the scan.
    pub generation: u64,
    /// The PCI bus.
    pub functions: &'a [PciFunction],
    /// For an extension: the devices of the device types that it extends.
    pub devices: Vec<BaseDevice>,
    /// The functions of an incremental discovery: the scan before is the one that the provider answered last.
    pub part: Option<&'a BTreeSet<PciAddress>>,
    /// The provider's section of the configuration.
    pub settings: Option<&'a Value>,
}

/// A provider's answer to a discovery.
#[derive(Debug)]
pub struct Discovered {
    /// What later calls refer to.
    pub discovery: Discovery,
    /// The devices, in the provider's order.
    pub devices: Vec<ProviderDevice>,
    /// What is left out on purpose.
    pub excluded: Vec<Excluded>,
    /// The functions of which something could not be read.
    pub unread: Vec<PciAddress>,
}

/// A device of a discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderDevice {
    /// The id for the kubelet.
    pub id: DeviceId,
    /// The PCI function that it is or belongs to; absent where neither the provider nor the id names it.
    pub function: Option<PciAddress>,
    /// The NUMA node.
    pub numa_node: Option<u32>,
    /// Why it is unhealthy.
    pub findings: Vec<Finding>,
    /// It takes nothing of its function or parent.
    pub is_independent: bool,
    /// What few devices have.
    pub extras: Option<Arc<DeviceExtras>>,
}

/// What a provider leaves out on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The id of a device, or another name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A discovery that a provider has answered.
#[derive(Debug)]
pub struct Discovery {
    provider: Arc<Provider>,
    generation: u64,
    is_partial: bool,
    /// In the order of the answer, which positions of later answers refer to.
    devices: Vec<DeviceId>,
}

/// The devices that match selectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// By id.
    pub devices: BTreeSet<DeviceId>,
    /// Those of the devices that match by an alias only.
    pub by_alias: BTreeSet<DeviceId>,
    /// Why devices are unhealthy for these selectors alone; most have no entry.
    pub findings: BTreeMap<DeviceId, Vec<Finding>>,
    /// The devices that match and that a provider keeps out all the same, with the reason.
    pub kept_out: BTreeMap<DeviceId, String>,
    /// Warnings about these selectors on this node.
    pub warnings: Vec<Error>,
}

/// The result of selectors for one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Why the device does not match; absent when it does.
    pub mismatch: Option<Mismatch>,
    /// Why the device is unhealthy for these selectors alone.
    pub findings: Vec<Finding>,
}

/// Why a device does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The selector key; absent where the device matches and is kept out.
    pub key: Option<String>,
    /// What the device has instead.
    pub reason: String,
    /// No value of the device differs: what the key needs cannot be read now.
    pub unreadable: bool,
}

impl Provider {
    /// Starts a discovery.
    ///
    /// # Errors
    ///
    /// When an earlier call has not returned yet, or no thread can be started for this one.
    pub fn discover(
        self: &Arc<Self>,
        request: &DiscoverRequest<'_>,
    ) -> Result<PendingCall<Discovered>, CallError> {
        let (generation, part) = (request.generation, request.part);
        let is_in_scope = |address| part.is_none_or(|part| part.contains(&address));
        let functions = request.functions.iter();
        let devices = request.devices.iter();
        let params = wire::DiscoverRequest {
            root: request.root.to_owned(),
            generation,
            functions: functions
                .filter(|function| is_in_scope(function.address))
                .map(Into::into)
                .collect(),
            devices: devices
                .clone()
                .filter_map(|device| Some((device, device.function?)))
                .filter(|(_, function)| is_in_scope(*function))
                .map(|(d, at)| wire::ExtendedDevice::new(&d.device_type, d.id.as_str(), at))
                .collect(),
            non_pci: devices
                .filter(|device| device.function.is_none() && part.is_none())
                .map(|d| wire::NonPciDevice::new(&d.device_type, d.id.as_str()))
                .collect(),
            part: part.map(|part| wire::Part {
                since: generation - 1,
                functions: part.iter().copied().collect(),
            }),
            settings: request.settings.cloned(),
        };
        let is_partial = part.is_some();
        let provider = Arc::clone(self);
        self.start::<Discover, _>(params, move |answer| {
            let devices = answer.devices.into_iter();
            let devices = devices.map(|device| ProviderDevice::new(device, &provider));
            let devices: Vec<ProviderDevice> = devices.collect::<Result<_, Error>>()?;
            let excluded = answer.excluded.into_iter();
            Ok(Discovered {
                discovery: Discovery {
                    provider,
                    generation,
                    is_partial,
                    devices: devices.iter().map(|device| device.id.clone()).collect(),
                },
                devices,
                excluded: excluded
                    .map(|(name, reason)| Excluded { name, reason })
                    .collect(),
                unread: answer.unread,
            })
        })
    }
}

impl Discovery {
    /// The provider.
    pub fn provider(&self) -> &Arc<Provider> {
        &self.provider
    }

    /// The number of the scan.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether it was incremental: selectors then match devices on its functions only.
    pub fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Whether the provider found nothing.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// The devices that match `selectors`.
    ///
    /// # Errors
    ///
    /// The provider's error, or that it has not answered in time.
    pub async fn select(&self, device_type: &str, selectors: &Value) -> Result<Matches, CallError> {
        let params = wire::SelectRequest {
            generation: self.generation,
            device_type: device_type.to_owned(),
            selectors: selectors.clone(),
        };
        let answer = self.provider.call::<Select>(params).await?;
        let id = |position: u32| self.devices.get(usize::try_from(position).ok()?).cloned();
        let kept_out = answer.kept_out.into_iter();
        let kept_out: BTreeMap<DeviceId, String> = kept_out
            .filter_map(|(position, reason)| Some((id(position)?, reason)))
            .collect();
        let mut findings = BTreeMap::<DeviceId, Vec<Finding>>::new();
        for (position, finding) in answer.findings {
            if let Some(id) = id(position) {
                findings.entry(id).or_default().push(finding);
            }
        }
        let mut devices: BTreeSet<DeviceId> = answer.admitted.into_iter().filter_map(id).collect();
        devices.retain(|id| !kept_out.contains_key(id));
        let by_alias = answer.by_alias.into_iter().filter_map(id);
        Ok(Matches {
            by_alias: by_alias.filter(|id| devices.contains(id)).collect(),
            devices,
            findings,
            kept_out,
            warnings: answer.warnings.into_iter().map(Into::into).collect(),
        })
    }

    /// Why the device `id` does not match `selectors`.
    ///
    /// # Errors
    ///
    /// The provider's error, or that it has not answered in time.
    pub async fn explain(&self, selectors: &Value, id: &str) -> Result<Explained, CallError> {
        let params = wire::ExplainRequest {
            generation: self.generation,
            selectors: selectors.clone(),
            id: id.to_owned(),
        };
        let answer = self.provider.call::<Explain>(params).await?;
        let (key, unreadable) = (answer.key, answer.unreadable);
        Ok(Explained {
            mismatch: answer.reason.map(|reason| Mismatch {
                key,
                reason,
                unreadable,
            }),
            findings: answer.findings,
        })
    }
}

impl Matches {
    /// The devices that match these selectors and those of `other`. One that either matches by an alias only is an alias
    /// for both, and one that either keeps out is kept out by both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let fits = |this: &Self, id: &DeviceId| {
            this.devices.contains(id) || this.kept_out.contains_key(id)
        };
        let mut kept_out = other.kept_out.clone();
        kept_out.retain(|id, _| fits(&self, id));
        self.kept_out.retain(|id, _| fits(&other, id));
        self.kept_out.extend(kept_out);
        self.devices
            .retain(|id| other.devices.contains(id) && !self.kept_out.contains_key(id));
        self.by_alias.extend(other.by_alias);
        self.by_alias.retain(|id| self.devices.contains(id));
        for (id, findings) in other.findings {
            self.findings.entry(id).or_default().extend(findings);
        }
        self.warnings.extend(other.warnings);
        self
    }
}

impl ProviderDevice {
    fn new(device: wire::Device, provider: &Provider) -> Result<Self, Error> {
        let extras = DeviceExtras {
            other_numa_nodes: device.other_numa_nodes,
            parent: device.parent,
            attributes: attributes(device.attributes, |id, error| {
                provider.attribute_dropped(device.id.as_str(), id, error);
            }),
        };
        extras
            .validate()
            .map_err(|error| error.context(format!("the device `{}` is invalid", device.id)))?;
        Ok(Self {
            is_independent: device.independent,
            extras: (extras != DeviceExtras::default()).then(|| Arc::new(extras)),
            function: device.function.or_else(|| device.id.as_str().parse().ok()),
            id: device.id,
            numa_node: device.numa_node,
            findings: match device.unhealthy {
                // Providers of SDKs before `findings` have one reason at most, without a kind.
                Some(reason) if device.findings.is_empty() => {
                    vec![Finding::new(FindingKind::Other, reason)]
                }
                _ => device.findings,
            },
        })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "`{key}`: ")?;
        }
        f.write_str(&self.reason)
    }
}
