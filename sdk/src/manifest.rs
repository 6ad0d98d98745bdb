//! What a provider says about itself before it is asked for anything.

/// Which part of the configuration a provider serves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// It owns a `deviceType`: it discovers the devices and builds what a container gets.
    DeviceType {
        /// The value of `deviceType` in the configuration. Exactly one provider owns each.
        name: String,
        /// The class part of the CDI kind `<resource prefix>/<class>`: letters, digits, `_` and `-`.
        cdi_class: String,
        /// Whether it is meant by a resource that names no device type.
        is_default: bool,
    },
    /// It adds selector keys, facts and device nodes to device types that other providers own.
    Extension {
        /// The device types that it extends.
        of: Vec<String>,
    },
}

/// The name tag of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// What it serves.
    pub role: Role,
    /// One sentence for `sriovdp providers`.
    pub summary: String,
    /// Selector keys that users may expect here and that another provider file brings: key, file name. They make the
    /// hint when such a key is used without that file.
    pub brought_by_others: Vec<(String, String)>,
    /// Pairs of selector keys that make no sense together in one selector object: one of this provider's, and one of
    /// any provider's.
    pub exclusive_keys: Vec<(String, String)>,
    /// The oldest host that will do, as the version of the SDK that it was built with.
    pub needs_host: Option<String>,
    /// Kernel subsystems whose uevents are a reason to discover again.
    pub subsystems: Vec<String>,
    /// Whether a discovery may be about some functions only.
    pub by_function: bool,
}

impl Manifest {
    /// A provider that owns the device type `name`.
    pub fn device_type(name: &str, summary: &str) -> Self {
        Self {
            role: Role::DeviceType {
                name: name.to_owned(),
                cdi_class: name.to_owned(),
                is_default: false,
            },
            summary: summary.to_owned(),
            brought_by_others: Vec::new(),
            exclusive_keys: Vec::new(),
            needs_host: None,
            subsystems: Vec::new(),
            by_function: false,
        }
    }

    /// A provider that extends the device types `of`.
    pub fn extension(of: &[&str], summary: &str) -> Self {
        Self {
            role: Role::Extension {
                of: of.iter().map(|&name| name.to_owned()).collect(),
            },
            summary: summary.to_owned(),
            brought_by_others: Vec::new(),
            exclusive_keys: Vec::new(),
            needs_host: None,
            subsystems: Vec::new(),
            by_function: false,
        }
    }

    /// Names the CDI class, where it is not the device type's own name.
    #[must_use]
    pub fn cdi_class(mut self, class: &str) -> Self {
        if let Role::DeviceType { cdi_class, .. } = &mut self.role {
            class.clone_into(cdi_class);
        }
        self
    }

    /// Makes it the device type that is meant by a resource that names none. There can be one on a node.
    #[must_use]
    pub fn default_device_type(mut self) -> Self {
        if let Role::DeviceType { is_default, .. } = &mut self.role {
            *is_default = true;
        }
        self
    }

    /// Names kernel subsystems, as uevents spell them, whose devices this provider looks at: when one of them comes,
    /// changes or goes, the node is discovered again at once. PCI functions and their network interfaces are followed
    /// anyway; what nobody follows is found by the next look for another reason.
    #[must_use]
    pub fn watch_uevents(mut self, subsystems: &[&str]) -> Self {
        self.subsystems
            .extend(subsystems.iter().map(|&name| name.to_owned()));
        self
    }

    /// Says that a discovery may be about some functions only, which makes a change on a large node cost what the change
    /// is worth.
    ///
    /// What the provider finds about a function then has to depend on nothing but that function, what is below it in
    /// sysfs, and its physical function. Something that the whole node has in common, such as routes, may count as
    /// well, but that it has changed is seen in the next discovery of everything only, which the host's timer
    /// brings about.
    ///
    /// The kernel's events say which functions have changed; the host adds the virtual functions of a physical one and
    /// the physical function of a virtual one. [`Node::functions`](crate::Node::functions) has those of them that are
    /// there, and [`Node::devices`](crate::Node::devices) only devices on them; devices on other functions stay as they
    /// are, so [`discover`](crate::Provider::discover) names none. What it remembers from one discovery to the next it
    /// has to keep for the others: see [`Node::is_in_scope`](crate::Node::is_in_scope).
    #[must_use]
    pub fn incremental(mut self) -> Self {
        self.by_function = true;
        self
    }

    /// Says that a selector object cannot ask for both `key`, which is this provider's, and `other`.
    #[must_use]
    pub fn conflicts_with(mut self, key: &str, other: &str) -> Self {
        self.exclusive_keys.push((key.to_owned(), other.to_owned()));
        self
    }

    /// Says that the provider is of no use without something that came with SDK `version` of the host, such as `1.4`.
    ///
    /// Older hosts refuse it by name and version. Most providers need no such line: an older host ignores what it does
    /// not know.
    #[must_use]
    pub fn needs_host(mut self, version: &str) -> Self {
        self.needs_host = Some(version.to_owned());
        self
    }

    /// Says that `key` is a selector that the provider file `file` brings.
    #[must_use]
    pub fn provided_by(mut self, key: &str, file: &str) -> Self {
        self.brought_by_others
            .push((key.to_owned(), file.to_owned()));
        self
    }
}
