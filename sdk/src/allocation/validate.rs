//! What a contribution may be: names, paths and sizes.

use super::Allocation;
use crate::Error;

/// What an environment variable of the host begins with.
const HOST_PREFIX: &str = "PCIDEVICE_";
/// The annotations of CDI belong to the host, which has the names of all devices.
const CDI_ANNOTATION: &str = "cdi.k8s.io/";
/// The longest `NAME=value` of a process, with its end (Linux: `MAX_ARG_STRLEN`).
const LONGEST_VARIABLE: usize = 128 * 1024;
/// The most entries of each kind.
const MOST: usize = 64;
/// The most bytes of names and values together.
const LARGEST: usize = 256 * 1024;

impl Allocation {
    /// Checks what the host checks of each contribution; in a test, call it with what `allocate` returned.
    ///
    /// * Device nodes are below `/dev`, on the node and in the container.
    /// * The name of an environment variable has letters, digits, `_`, `-` and `.`, and begins with no digit and not with
    ///   `PCIDEVICE_`. A variable has at most 128 KiB, which is the limit of the kernel; an item of a list has no comma.
    /// * The key of an annotation is one of Kubernetes, `name` or `example.com/name`, and does not begin with `cdi.k8s.io/`.
    /// * The name of a CDI device is `vendor.com/class=name`.
    /// * There are at most 64 variables, annotations and CDI devices each, and they have at most 256 KiB together.
    ///
    /// # Errors
    ///
    /// The first contribution that is not valid. The Allocate then fails with this error.
    pub fn validate(&self) -> Result<(), Error> {
        let nodes = self.nodes.iter().chain(&self.companions);
        let mut paths = nodes.flat_map(|node| [&node.host_path, &node.container_path]);
        if let Some(path) = paths.find(|path| !is_device_path(path)) {
            return Err(Error::new(format!(
                "the device node `{}` is not below `/dev`",
                path.escape_debug()
            )));
        }
        for (name, value) in self.env.iter().chain(&self.env_lists) {
            validate_variable(name, value)?;
        }
        for (name, item) in &self.env_lists {
            if item.contains(',') {
                return Err(Error::new(format!(
                    "an item of the environment variable `{name}` has a comma"
                ))
                .with_hint(
                    "items are joined by commas; add each with a name of its own, or use `env`",
                ));
            }
            if self.env.contains_key(name) {
                return Err(Error::new(format!(
                    "the environment variable `{name}` is set as a value and as a list"
                )));
            }
        }
        for key in self.annotations.keys() {
            validate_annotation(key)?;
        }
        for name in &self.cdi_devices {
            if !is_cdi_device(name) {
                return Err(Error::new(format!(
                    "`{}` cannot be the name of a CDI device",
                    name.escape_debug()
                ))
                .with_hint("write it as `vendor.com/class=name`"));
            }
        }
        self.validate_size()
    }

    fn validate_size(&self) -> Result<(), Error> {
        let kinds = [
            (
                "environment variables",
                self.env.len() + self.env_lists.len(),
            ),
            ("annotations", self.annotations.len()),
            ("CDI devices", self.cdi_devices.len()),
        ];
        if let Some((kind, count)) = kinds.into_iter().find(|(_, count)| *count > MOST) {
            return Err(Error::new(format!(
                "{count} {kind} are more than {MOST} for one device"
            )));
        }
        let pairs = self.env.iter().chain(&self.env_lists);
        let pairs = pairs.chain(&self.annotations);
        let bytes: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
        if bytes > LARGEST {
            return Err(Error::new(format!(
                "environment variables and annotations of {bytes} bytes are more than {LARGEST} for one device"
            )));
        }
        Ok(())
    }
}

fn validate_variable(name: &str, value: &str) -> Result<(), Error> {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let begins_with_digit = name.as_bytes().first().is_none_or(u8::is_ascii_digit);
    if begins_with_digit || !name.bytes().all(is_letter) {
        return Err(Error::new(format!(
            "`{}` cannot be the name of an environment variable",
            name.escape_debug()
        ))
        .with_hint("it has letters, digits, `_`, `-` and `.`, and begins with no digit"));
    }
    if name.starts_with(HOST_PREFIX) {
        return Err(Error::new(format!(
            "the environment variable `{name}` belongs to the host, as all that begin with `{HOST_PREFIX}`"
        ))
        .with_hint("use another name, or add the value to `_INFO` with `Allocation::info`"));
    }
    if value.contains('\0') {
        return Err(Error::new(format!(
            "the value of the environment variable `{name}` has a zero byte"
        )));
    }
    let length = name.len() + value.len() + 2;
    if length > LONGEST_VARIABLE {
        return Err(Error::new(format!(
            "the environment variable `{name}` has {length} bytes, and the kernel accepts {LONGEST_VARIABLE}"
        )));
    }
    Ok(())
}

/// The rule of Kubernetes for keys of annotations, and what belongs to the host.
fn validate_annotation(key: &str) -> Result<(), Error> {
    let error = |what: &str| Error::new(format!("`{}` {what}", key.escape_debug()));
    if key.starts_with(CDI_ANNOTATION) {
        return Err(error("belongs to the host, as all annotations of CDI")
            .with_hint("add the device with `Allocation::cdi_device`"));
    }
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_prefix = |prefix: &str| {
        let is_label =
            |label: &str| is_word(label, b"-") && !label.bytes().any(|b| b.is_ascii_uppercase());
        prefix.len() <= 253 && prefix.split('.').all(is_label)
    };
    if name.len() > 63 || !is_word(name, b"-_.") || !prefix.is_none_or(is_prefix) {
        return Err(
            error("cannot be the key of an annotation").with_hint("write it as `example.com/name`")
        );
    }
    Ok(())
}

/// The rule of CDI for qualified names (CDI specification, "CDI device"), with the vendors and classes of all versions.
fn is_cdi_device(text: &str) -> bool {
    let Some((vendor, (class, name))) = text
        .split_once('/')
        .and_then(|(vendor, rest)| Some((vendor, rest.split_once('=')?)))
    else {
        return false;
    };
    let is_kind = |part: &str| {
        // The CDI library's version 0.5.4 crashes with one character.
        part.len() > 1 && part.as_bytes()[0].is_ascii_alphabetic() && is_word(part, b"_-.")
    };
    text.len() <= 253 && is_kind(vendor) && is_kind(class) && is_word(name, b"_-.:")
}

/// Letters and digits, and `inner` between them.
fn is_word(text: &str, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || inner.contains(b))
}

fn is_device_path(path: &str) -> bool {
    path.strip_prefix("/dev/").is_some_and(|rest| {
        !rest.is_empty() && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(build: impl FnOnce(&mut Allocation) -> &mut Allocation) -> String {
        let mut allocation = Allocation::default();
        build(&mut allocation);
        allocation.validate().unwrap_err().to_string()
    }

    #[test]
    fn names_of_variables() {
        let mut allocation = Allocation::default();
        allocation.env("FI_PROVIDER", "cxi").env("_a.b-1", "");
        allocation.env_list("FI_CXI_DEVICE_NAME", "cxi0");
        allocation.validate().unwrap();
        for name in ["", "1a", "a b", "a=b", "ä", "a\0"] {
            let error = refused(|a| a.env(name, "v"));
            assert!(
                error.contains("cannot be the name of an environment"),
                "{error}"
            );
        }
        let error = refused(|a| a.env_list("PCIDEVICE_INTEL_COM_A", "v"));
        assert!(error.contains("belongs to the host"), "{error}");
        let error = refused(|a| a.env_list("A", "0,1"));
        assert!(error.contains("has a comma"), "{error}");
        let error = refused(|a| a.env_list("A", "0").env("A", "1"));
        assert!(error.contains("as a value and as a list"), "{error}");
        let error = refused(|a| a.env("A", "0\0"));
        assert!(error.contains("zero byte"), "{error}");
    }

    #[test]
    fn variables_have_a_size() {
        let mut allocation = Allocation::default();
        allocation.env("A", "x".repeat(LONGEST_VARIABLE - 3));
        allocation.validate().unwrap();
        let error = refused(|a| a.env("A", "x".repeat(LONGEST_VARIABLE - 2)));
        assert!(
            error.contains("131073 bytes, and the kernel accepts 131072"),
            "{error}"
        );
        let long = "x".repeat(100_000);
        let error = refused(|a| a.env("A", &*long).env("B", &*long).annotation("c", &*long));
        assert!(error.contains("300003 bytes are more than"), "{error}");
        let many = |a: &mut Allocation| {
            for n in 0..=MOST {
                a.env(format!("V{n}"), "");
            }
        };
        let mut allocation = Allocation::default();
        many(&mut allocation);
        let error = allocation.validate().unwrap_err().to_string();
        assert!(
            error.contains("65 environment variables are more"),
            "{error}"
        );
    }

    #[test]
    fn keys_of_annotations() {
        let mut allocation = Allocation::default();
        allocation
            .annotation("a", "")
            .annotation("example.com/A_b.c", "any text");
        allocation.validate().unwrap();
        for key in [
            "",
            "/a",
            "a/",
            "a/b/c",
            "Example.com/a",
            "a..b/c",
            "-a",
            "a b",
        ] {
            let error = refused(|a| a.annotation(key, ""));
            assert!(
                error.contains("cannot be the key of an annotation"),
                "{error}"
            );
        }
        let error = refused(|a| a.annotation("cdi.k8s.io/x", ""));
        assert!(error.contains("belongs to the host"), "{error}");
    }

    #[test]
    fn names_of_cdi_devices() {
        for name in ["nvidia.com/gpu=all", "x1.y/a-b=0000:17:00.0", "v.c/cl=0"] {
            assert!(is_cdi_device(name), "{name}");
        }
        for name in [
            "",
            "gpu=0",
            "a.b/c=0",
            "v.c/class=",
            "v.c/class",
            "1v.c/class=0",
            "v.c/class=a,b",
        ] {
            assert!(!is_cdi_device(name), "{name}");
        }
    }

    #[test]
    fn only_device_nodes_are_allocated() {
        for (path, expected) in [
            ("/dev/vfio/19", true),
            ("/dev/", false),
            ("/dev", false),
            ("/dev/../etc/shadow", false),
            ("/dev//x", false),
            ("/etc/shadow", false),
            ("dev/null", false),
        ] {
            assert_eq!(is_device_path(path), expected, "{path}");
        }
    }
}
