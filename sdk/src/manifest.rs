//! What a provider declares about itself before anything else is called.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::runtime::SettingsType;

/// The name, the role and the abilities of a provider.
///
/// ```
/// use sriovdp_sdk::Manifest;
///
/// let manifest = Manifest::device_type("fpga", "Example accelerators")
///     .watch_uevents(&["vfio"])
///     .incremental();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    pub(crate) summary: String,
    pub(crate) device_type: Option<String>,
    pub(crate) cdi_class: Option<String>,
    pub(crate) is_default: bool,
    pub(crate) extends: Vec<String>,
    /// Key and file name.
    pub(crate) brought_by_others: Vec<(String, String)>,
    /// Pairs of keys.
    pub(crate) exclusive_keys: Vec<(String, String)>,
    pub(crate) needs_host: Option<String>,
    pub(crate) subsystems: Vec<String>,
    pub(crate) is_incremental: bool,
    pub(crate) has_pre_start: bool,
    pub(crate) settings: Option<SettingsType>,
    pub(crate) replaceable: Vec<String>,
    pub(crate) replaces: Vec<String>,
}

impl Manifest {
    /// A provider that owns the device type `name`: it discovers the devices. Exactly one provider on a node owns each.
    ///
    /// `summary` is one sentence for `sriovdp providers`.
    pub fn device_type(name: &str, summary: &str) -> Self {
        Self {
            device_type: Some(name.to_owned()),
            cdi_class: Some(name.to_owned()),
            summary: summary.to_owned(),
            ..Self::default()
        }
    }

    /// A provider that extends the device types `of`: it adds selector keys, findings and device nodes to devices of other
    /// providers, which it gets from [`Node::devices`](crate::Node::devices).
    ///
    /// ```
    /// use sriovdp_sdk::prelude::*;
    /// use sriovdp_sdk::selector::CaseInsensitive;
    /// use sriovdp_sdk::BaseDevice;
    ///
    /// /// The slot that a network card is in, for `netDevice`.
    /// #[derive(Default)]
    /// struct Slot;
    ///
    /// #[selectors]
    /// struct Selectors {
    ///     /// Physical slots, as the labels on the machine name them.
    ///     slots: Vec<CaseInsensitive>,
    /// }
    ///
    /// type Label = Option<CaseInsensitive>;
    ///
    /// impl Provider for Slot {
    ///     type Selectors = Selectors;
    ///     type Facts = Label;
    ///
    ///     fn manifest(&self) -> Manifest {
    ///         Manifest::extension(&["netDevice"], "The slots of network cards")
    ///     }
    ///
    ///     fn discover(&self, node: &Node) -> Result<Discovery<Label>, Error> {
    ///         let slot = |device: &BaseDevice| {
    ///             let label = node.pci(device.function?).attribute("label")?;
    ///             Some(CaseInsensitive::from(label.as_str()))
    ///         };
    ///         let devices = node.devices().iter();
    ///         Ok(devices.map(|device| Device::extending(device, slot(device))).collect())
    ///     }
    ///
    ///     fn matches(&self, selectors: &Selectors, device: &Device<Label>) -> Result<(), Mismatch> {
    ///         one_of("slots", &selectors.slots, device.facts.as_ref())
    ///     }
    ///
    ///     fn allocate(&self, _: &Node, _: &Selectors, _: &Device<Label>) -> Result<Allocation, Error> {
    ///         Ok(Allocation::default())
    ///     }
    /// }
    /// ```
    ///
    /// A user writes its keys beside those of the owner, and a device has to match both:
    /// `"selectors": {"vendors": ["8086"], "slots": ["PCIe 3"]}`. The host calls an extension for a selector object only
    /// when one of its keys has a value other than `false`, an empty text and an empty list; and it calls
    /// [`discover`](crate::Provider::discover) only while there is such an object.
    pub fn extension(of: &[&str], summary: &str) -> Self {
        Self {
            extends: of.iter().map(|&name| name.to_owned()).collect(),
            summary: summary.to_owned(),
            ..Self::default()
        }
    }

    /// Names the class part of the CDI kind `<resource prefix>/<class>`, where it is not the name of the device type:
    /// letters, digits, `_` and `-`.
    #[must_use]
    pub fn cdi_class(mut self, class: &str) -> Self {
        self.cdi_class = Some(class.to_owned());
        self
    }

    /// Makes it the device type that is meant by a resource that names none. There can be one on a node.
    #[must_use]
    pub fn default_device_type(mut self) -> Self {
        self.is_default = true;
        self
    }

    /// Names kernel subsystems, as uevents spell them: an event of one of them triggers a discovery. Events of PCI
    /// functions and their network interfaces trigger one anyway; other changes take effect in the next discovery.
    #[must_use]
    pub fn watch_uevents(mut self, subsystems: &[&str]) -> Self {
        self.subsystems
            .extend(subsystems.iter().map(|&name| name.to_owned()));
        self
    }

    /// Declares that a discovery may be about some functions only, so that a change on a large node costs what the change
    /// is worth: 0.3 ms instead of 0.2 s on a node with 4,096 virtual functions.
    ///
    /// What the provider finds about a function must then depend only on that function, what is below it in sysfs, and
    /// its physical function. Properties of the whole node, such as routes, may count as well, but a change of them takes
    /// effect in the next discovery of everything, on the timer of the host.
    ///
    /// The kernel's events name the functions that have changed; the host adds the virtual functions of a physical one
    /// and the physical function of a virtual one. [`Node::functions`](crate::Node::functions) and
    /// [`Node::devices`](crate::Node::devices) have those that are there, and [`discover`](crate::Provider::discover)
    /// returns devices on these only; the SDK keeps all others, among them all that belong to no PCI function. [`Memory`](crate::Memory) does the same for what a
    /// provider remembers.
    #[must_use]
    pub fn incremental(mut self) -> Self {
        self.is_incremental = true;
        self
    }

    /// Gives the provider a section of its own in the configuration, `"providers": {"NAME": {…}}`, where `NAME` is the name of
    /// its file without `.so`. The fields of `T` are its keys; [`Node::settings`](crate::Node::settings) returns it.
    ///
    /// The host validates the section as it validates selectors: an unknown key has its place and "did you mean", and
    /// `sriovdp schema` has the keys. A section with a mistake refuses the resources of this provider only. A change
    /// takes effect with the next discovery, without a restart.
    ///
    /// ```
    /// use sriovdp_sdk::{Error, Manifest, Node};
    ///
    /// #[sriovdp_sdk::settings]
    /// #[serde(rename_all = "camelCase")]
    /// struct Settings {
    ///     /// Where the daemon of the cards listens.
    ///     health_socket: String,
    /// }
    ///
    /// fn manifest() -> Manifest {
    ///     Manifest::device_type("fpga", "Example accelerators").settings::<Settings>()
    /// }
    ///
    /// fn socket(node: &Node) -> Result<String, Error> {
    ///     Ok(node.settings::<Settings>()?.health_socket)
    /// }
    /// ```
    #[must_use]
    pub fn settings<T: DeserializeOwned + JsonSchema>(mut self) -> Self {
        self.settings = Some(SettingsType::of::<T>());
        self
    }

    /// Declares that [`pre_start`](crate::Provider::pre_start) has to be called before each container with one of the
    /// devices starts. It is a call of the kubelet more for each of them.
    #[must_use]
    pub fn pre_start(mut self) -> Self {
        self.has_pre_start = true;
        self
    }

    /// Names a part of what [`allocate`](crate::Provider::allocate) hands out, such as the nodes of VFIO,
    /// which an extension can replace. Then [`Node::is_replaced`](crate::Node::is_replaced) is whether one does, and a
    /// finding [`about`](crate::Finding::about) the part does not count.
    #[must_use]
    pub fn replaceable(mut self, part: &str) -> Self {
        self.replaceable.push(part.to_owned());
        self
    }

    /// Replaces a part of what the owner of the device type hands out, for each selector object with a key of this
    /// extension: the owner leaves it out, and this extension hands out something else in its place.
    ///
    /// A resource is refused where the owner has no such part, and where two extensions replace the same one. `netDevice` and
    /// `accelerator` have the part [`VFIO_PART`](crate::userspace::VFIO_PART).
    ///
    /// ```
    /// use sriovdp_sdk::prelude::*;
    /// use sriovdp_sdk::userspace::VFIO_PART;
    /// use sriovdp_sdk::{FindingKind, PciAddress};
    ///
    /// /// Virtual machines get the node of the device, and never that of its VFIO group.
    /// #[derive(Default)]
    /// struct CdevOnly;
    ///
    /// #[selectors]
    /// #[serde(rename_all = "camelCase")]
    /// struct Selectors {
    ///     /// `true`: no VFIO groups.
    ///     cdev_only: bool,
    /// }
    ///
    /// fn cdev(node: &Node, function: PciAddress) -> Result<String, Error> {
    ///     let entry = node.pci(function).list("vfio-dev").into_iter().next();
    ///     let entry = entry.ok_or_else(|| Error::new(format!("`{function}` has no VFIO device")))?;
    ///     let path = format!("/dev/vfio/devices/{entry}");
    ///     node.require_device_node(&path)?;
    ///     Ok(path)
    /// }
    ///
    /// impl Provider for CdevOnly {
    ///     type Selectors = Selectors;
    ///     type Facts = ();
    ///
    ///     fn manifest(&self) -> Manifest {
    ///         Manifest::extension(&["netDevice"], "VFIO devices without groups").replaces(VFIO_PART)
    ///     }
    ///
    ///     fn discover(&self, node: &Node) -> Result<Discovery<()>, Error> {
    ///         let devices = node.devices().iter().map(|device| {
    ///             let missing = device.function.and_then(|at| cdev(node, at).err());
    ///             let finding = missing.map(|missing| missing.to_finding(FindingKind::DeviceNode));
    ///             Device::extending(device, ()).with_findings(finding)
    ///         });
    ///         Ok(devices.collect())
    ///     }
    ///
    ///     fn matches(&self, _: &Selectors, _: &Device<()>) -> Result<(), Mismatch> {
    ///         Ok(())
    ///     }
    ///
    ///     fn allocate(&self, node: &Node, selectors: &Selectors, device: &Device<()>) -> Result<Allocation, Error> {
    ///         let mut allocation = Allocation::default();
    ///         if selectors.cdev_only {
    ///             let path = cdev(node, device.pci_function()?)?;
    ///             allocation.node(path.as_str()).info("vfio", "cdev", path);
    ///         }
    ///         Ok(allocation)
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn replaces(mut self, part: &str) -> Self {
        self.replaces.push(part.to_owned());
        self
    }

    /// Refuses a selector object with both `key`, which is this provider's, and `other`.
    #[must_use]
    pub fn conflicts_with(mut self, key: &str, other: &str) -> Self {
        self.exclusive_keys.push((key.to_owned(), other.to_owned()));
        self
    }

    /// Refuses hosts that were built with an SDK older than `version`, such as `1.4`.
    ///
    /// Older hosts then refuse the provider, with both versions. Most providers need no such line, because an older host
    /// ignores unknown data.
    #[must_use]
    pub fn needs_host(mut self, version: &str) -> Self {
        self.needs_host = Some(version.to_owned());
        self
    }

    /// Names the provider file `file` that brings the selector `key`, for the hint when that file is missing.
    #[must_use]
    pub fn provided_by(mut self, key: &str, file: &str) -> Self {
        self.brought_by_others
            .push((key.to_owned(), file.to_owned()));
        self
    }
}
