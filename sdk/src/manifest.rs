//! What a provider declares about itself before anything else is called.

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
    ///             let label = node.pci(device.function).attribute("label")?;
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
    /// returns devices on these only; the SDK keeps all others. [`Memory`](crate::Memory) does the same for what a
    /// provider remembers.
    #[must_use]
    pub fn incremental(mut self) -> Self {
        self.is_incremental = true;
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
