//! Resource names, by the rules of the kubelets that have to take them.

use std::fmt;
use std::path::Path;

/// The kubelet prepends `requests.` to a resource name and wants the result to be a qualified name of at most 253
/// bytes, so this much is left for the prefix.
const LONGEST_PREFIX: usize = 244;
const LONGEST_NAME: usize = 63;
/// How the names of device-info files end.
const DEVICE_INFO_END: &str = "-device.json";
/// `sun_path` of a unix socket address holds 108 bytes, one of which ends it.
pub const LONGEST_SOCKET_PATH: usize = 107;

/// The name of an extended resource: `<prefix>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceName {
    prefix: String,
    name: String,
}

/// Why something is no resource name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The part behind the slash.
    #[error("`{0}` cannot be a resource name")]
    Name(String),
    /// The part before the slash.
    #[error("`{0}` cannot be a resource prefix")]
    Prefix(String),
    /// Both are fine, and the socket's path becomes too long.
    #[error(
        "the socket path `{path}` is {length} bytes long, and a socket path has at most {LONGEST_SOCKET_PATH}"
    )]
    SocketPath {
        /// The path.
        path: String,
        /// Its length in bytes.
        length: usize,
    },
}

impl NameError {
    /// The format of a valid name.
    pub fn hint(&self) -> String {
        match self {
            Self::Name(name) if name.contains('/') => {
                let (prefix, rest) = name.rsplit_once('/').unwrap_or_default();
                format!(
                    "what is before the slash is the prefix: write \"resourcePrefix\": {prefix:?}, \"resourceName\": {rest:?}"
                )
            }
            Self::Name(_) => "a name has 1 to 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter \
                              or a digit"
                .to_owned(),
            Self::Prefix(prefix) if prefix.contains('/') => {
                "the prefix is what is before the slash, without the slash".to_owned()
            }
            Self::Prefix(_) => "a prefix is a lower-case domain name such as `example.com`, and not of `kubernetes.io`"
                .to_owned(),
            Self::SocketPath { .. } => "shorten the resource name or its prefix".to_owned(),
        }
    }
}

impl ResourceName {
    /// A name that kubelets accept, and whose socket fits below `registry`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn new(prefix: &str, name: &str, registry: &Path) -> Result<Self, NameError> {
        if !is_name(name) {
            return Err(NameError::Name(name.to_owned()));
        }
        Self::check_prefix(prefix)?;
        let resource = Self {
            prefix: prefix.to_owned(),
            name: name.to_owned(),
        };
        let path = registry.join(format!("{}.sock", resource.file_stem()));
        let length = path.as_os_str().len();
        if length > LONGEST_SOCKET_PATH {
            let path = path.display().to_string();
            return Err(NameError::SocketPath { path, length });
        }
        Ok(resource)
    }

    /// Whether a text can be the part before the slash.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub fn check_prefix(prefix: &str) -> Result<(), NameError> {
        match is_prefix(prefix) {
            true => Ok(()),
            false => Err(NameError::Prefix(prefix.to_owned())),
        }
    }

    /// The part before the slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The part behind the slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `<prefix>_<name>`, which the names of sockets begin with.
    pub fn file_stem(&self) -> String {
        format!("{}_{}", self.prefix, self.name)
    }

    /// The name of the device-info file for the device `id` (Device Information Specification 1.1.0, section
    /// 4.1).
    pub fn device_info_file(&self, id: &str) -> String {
        format!("{}-{}-{id}{DEVICE_INFO_END}", self.prefix, self.name)
    }

    /// What stands for the device in the name of a device-info file, if it can be one of this resource.
    pub fn rest_of_info_file<'a>(&self, file: &'a str) -> Option<&'a str> {
        let rest = file.strip_prefix(&self.prefix)?.strip_prefix('-')?;
        let rest = rest.strip_prefix(&self.name)?.strip_prefix('-')?;
        rest.strip_suffix(DEVICE_INFO_END)
    }

    /// The device of a device-info file of this resource. An id with a dash is not recognised: in
    /// `intel.com-a-b-x-device.json`, `b-x` could be a device of `a`, and `x` one of `a-b`, which need not be ours.
    pub fn device_of_info_file<'a>(&self, file: &'a str) -> Option<&'a str> {
        let id = self.rest_of_info_file(file)?;
        (!id.is_empty() && !id.contains('-')).then_some(id)
    }

    /// The variable that lists a container's devices. Dots become `_` and dashes stay, because KubeVirt and DPDK
    /// scripts compute the same name.
    pub fn variable(&self) -> String {
        format!("PCIDEVICE_{}_{}", self.prefix, self.name)
            .replace('.', "_")
            .to_uppercase()
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.prefix, self.name)
    }
}

fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= LONGEST_NAME && begins_and_ends_alphanumeric(text) && text.bytes().all(inner)
}

fn is_prefix(text: &str) -> bool {
    let is_label = |label: &str| {
        begins_and_ends_alphanumeric(label)
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= LONGEST_PREFIX
        && text.split('.').all(is_label)
        && !text.starts_with("requests.")
        && !text.ends_with("kubernetes.io")
}

fn begins_and_ends_alphanumeric(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    edge(bytes.first()) && edge(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(prefix: &str, name: &str) -> Result<ResourceName, NameError> {
        ResourceName::new(prefix, name, Path::new("/var/lib/kubelet/plugins_registry"))
    }

    #[test]
    fn names_that_kubelets_take() {
        for (prefix, rest) in [
            ("intel.com", "sriov_dpdk"),
            ("a", "x"),
            ("openshift.io", "Mixed-Case.0"),
        ] {
            assert!(name(prefix, rest).is_ok(), "{prefix}/{rest}");
        }
        assert!(name("i", &"a".repeat(60)).is_ok());
    }

    #[test]
    fn names_that_kubelets_refuse() {
        for bad in ["", "-x", "x_", ".x", "a/b", "a b", "dpdk!", &"a".repeat(64)] {
            assert_eq!(
                name("intel.com", bad),
                Err(NameError::Name(bad.to_owned())),
                "{bad}"
            );
        }
        for bad in [
            "",
            "Intel.com",
            "ex_ample.com",
            "a..b",
            "-a.b",
            "kubernetes.io",
            "x.kubernetes.io",
            "requests.a",
        ] {
            assert_eq!(
                name(bad, "x"),
                Err(NameError::Prefix(bad.to_owned())),
                "{bad}"
            );
        }
        let long = name(
            "a-long-prefix.of-a-long-organisation.example.org",
            &"a".repeat(60),
        );
        assert!(
            matches!(long, Err(NameError::SocketPath { length: 148, .. })),
            "{long:?}"
        );
    }

    #[test]
    fn device_info_files_name_one_resource() {
        let (short, long) = (name("x.y", "a").unwrap(), name("x.y", "a-b").unwrap());
        assert_eq!(
            long.device_info_file("0000:03:02.0"),
            "x.y-a-b-0000:03:02.0-device.json"
        );
        for (file, of_short, of_long) in [
            ("x.y-a-0000:03:02.0-device.json", Some("0000:03:02.0"), None),
            (
                "x.y-a-b-0000:03:02.0-device.json",
                None,
                Some("0000:03:02.0"),
            ),
            ("x.y-a-b-device.json", Some("b"), None),
            ("x.y-a-b-c-device.json", None, Some("c")),
            ("x.y-a--device.json", None, None),
            ("x.y-a-device.json", None, None),
            ("x.y-ab-c-device.json", None, None),
            ("x.y-a-0000:03:02.0-device.json.bak", None, None),
            ("z-x.y-a-c-device.json", None, None),
        ] {
            assert_eq!(short.device_of_info_file(file), of_short, "{file}");
            assert_eq!(long.device_of_info_file(file), of_long, "{file}");
        }
    }

    #[test]
    fn variables_keep_dashes() {
        assert_eq!(
            name("intel.com", "a-b.c").unwrap().variable(),
            "PCIDEVICE_INTEL_COM_A-B_C"
        );
    }
}
