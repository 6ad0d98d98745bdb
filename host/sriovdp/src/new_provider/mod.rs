//! `sriovdp provider new`: writes the crate of a new provider, which builds and passes its tests.

mod names;
mod sdk;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sriovdp_report::Hint;

pub use names::PackageName;
pub use sdk::SdkCheckout;

const CARGO: &str = include_str!("Cargo.toml.template");
const README: &str = include_str!("README.md.template");
/// Instead of the section of a [`SdkCheckout`].
const NO_SDK: &str = "\
# Until crates.io has these crates, `sriovdp provider new NAME --sdk PATH` writes this section for a checkout of sriovdp:
# [patch.crates-io]
# sriovdp-sdk = { path = \"../sriovdp/sdk\" }
# sriovdp-sdk-testing = { path = \"../sriovdp/sdk/testing\" }
";
const IGNORE: &str = "/target\n";

/// What the new provider is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProvider {
    /// The package, and the directory that it is written to.
    pub name: PackageName,
    /// The device type that it extends; without one it owns a device type of its own.
    pub extends: Option<String>,
    /// The SDK that it is built with; without it that of crates.io.
    pub sdk: Option<SdkCheckout>,
}

/// Why a crate was not written.
#[derive(Debug, thiserror::Error)]
pub enum NewProviderError {
    /// There is something in the way.
    #[error("`{}` is there already", .0.display())]
    Exists(PathBuf),
    /// There is no SDK in the place that is said to have it.
    #[error("`{}` has no SDK", .0.display())]
    NoSdk(PathBuf),
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Hint for NewProviderError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Exists(_) => Some("choose another name, or go to another directory".to_owned()),
            Self::NoSdk(_) => {
                Some("`--sdk` takes a checkout of sriovdp, or its directory `sdk`".to_owned())
            }
            Self::Write { .. } => None,
        }
    }
}

impl NewProvider {
    /// Writes the crate to a new directory below `parent`, and returns its files.
    ///
    /// # Errors
    ///
    /// When the directory is there already, or something cannot be written.
    pub fn write(&self, parent: &Path) -> Result<Vec<PathBuf>, NewProviderError> {
        let directory = parent.join(self.name.as_str());
        if directory.symlink_metadata().is_ok() {
            return Err(NewProviderError::Exists(directory));
        }
        let (lib, tests) = match self.extends {
            None => (
                include_str!("device_type/lib.rs"),
                include_str!("device_type/tests.rs"),
            ),
            Some(_) => (
                include_str!("extension/lib.rs"),
                include_str!("extension/tests.rs"),
            ),
        };
        let files = [
            ("Cargo.toml", CARGO),
            ("README.md", README),
            (".gitignore", IGNORE),
            ("src/lib.rs", lib),
            ("src/tests.rs", tests),
        ];
        let written = files.map(|(name, template)| {
            let path = directory.join(name);
            write(&path, &self.fill(template)).map_err(|source| NewProviderError::Write {
                path: path.clone(),
                source,
            })?;
            Ok(path)
        });
        written.into_iter().collect()
    }

    /// A template with the names of this provider.
    fn fill(&self, template: &str) -> String {
        let device_type = self.name.camel_case();
        let (what, resource) = match &self.extends {
            None => (
                format!("The device type `{device_type}`"),
                format!(r#""deviceType": "{device_type}", "selectors": {{"devices": ["0001"]}}"#),
            ),
            Some(extended) => (
                format!("An extension of the device type `{extended}`"),
                format!(r#""deviceType": "{extended}", "selectors": {{"labels": ["uplink"]}}"#),
            ),
        };
        let configuration =
            format!(r#"{{"resourceList": [{{"resourceName": "mine", {resource}}}]}}"#);
        template
            .replace("provider-name", self.name.as_str())
            .replace("provider_name", &self.name.snake_case())
            .replace("ProviderName", &self.name.pascal_case())
            .replace("deviceTypeName", &device_type)
            .replace("extendedType", self.extends.as_deref().unwrap_or_default())
            .replace("WHAT_IT_IS", &what)
            .replace("CONFIGURATION", &configuration)
            .replace(
                "SDK_SECTION\n",
                &self
                    .sdk
                    .as_ref()
                    .map_or_else(|| NO_SDK.to_owned(), SdkCheckout::section),
            )
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over() {
        let parent = tempfile::tempdir().unwrap();
        let new = NewProvider {
            name: "acme-fpga".parse().unwrap(),
            extends: None,
            sdk: None,
        };
        assert_eq!(new.write(parent.path()).unwrap().len(), 5);
        let refused = new.write(parent.path()).unwrap_err();
        assert!(matches!(refused, NewProviderError::Exists(_)), "{refused}");
    }

    #[test]
    fn no_placeholder_is_left() {
        let parent = tempfile::tempdir().unwrap();
        for extends in [None, Some("someType".to_owned())] {
            let name = if extends.is_some() {
                "acme-labels"
            } else {
                "acme-fpga"
            };
            let new = NewProvider {
                name: name.parse().unwrap(),
                extends,
                sdk: None,
            };
            for file in new.write(parent.path()).unwrap() {
                let text = fs::read_to_string(&file).unwrap();
                for placeholder in [
                    "provider-name",
                    "provider_name",
                    "ProviderName",
                    "deviceTypeName",
                    "extendedType",
                    "WHAT_IT_IS",
                    "CONFIGURATION",
                    "SDK_SECTION",
                ] {
                    assert!(
                        !text.contains(placeholder),
                        "{}: {placeholder}",
                        file.display()
                    );
                }
            }
        }
    }
}
