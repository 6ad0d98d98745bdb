//! `sriovdp provider new`: a crate to begin with, which builds and passes its tests.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sriovdp_report::Hint;

const CARGO: &str = include_str!("Cargo.toml.template");
const README: &str = include_str!("README.md.template");
const IGNORE: &str = "/target\n";

/// The name of a package that is a provider: lower case words with `-` between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageName(String);

/// What the new provider is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProvider {
    /// The package, and the directory that it is written to.
    pub name: PackageName,
    /// The device type that it extends; without one it owns a device type of its own.
    pub extends: Option<String>,
}

/// Why a crate was not written.
#[derive(Debug, thiserror::Error)]
pub enum NewProviderError {
    /// There is something in the way.
    #[error("`{}` is there already", .0.display())]
    Exists(PathBuf),
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
        let directory = parent.join(&self.name.0);
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
            .replace("provider-name", &self.name.0)
            .replace("provider_name", &self.name.0.replace('-', "_"))
            .replace("ProviderName", &self.name.pascal_case())
            .replace("deviceTypeName", &device_type)
            .replace("extendedType", self.extends.as_deref().unwrap_or_default())
            .replace("WHAT_IT_IS", &what)
            .replace("CONFIGURATION", &configuration)
    }
}

impl PackageName {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn pascal_case(&self) -> String {
        let words = self.0.split('-');
        words
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect()
    }

    fn camel_case(&self) -> String {
        let pascal = self.pascal_case();
        pascal[..1].to_lowercase() + &pascal[1..]
    }
}

impl FromStr for PackageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        // One word alone may be a keyword or a crate that every program has, which cargo refuses.
        if text.contains('-') && text.split('-').all(is_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                "write at least two words in lower case with `-` between them, such as `acme-fpga`: one word alone may \
                 be a keyword of Rust or the name of a crate that the provider needs, and cargo refuses both"
                    .to_owned(),
            )
        }
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
    fn names_are_packages() {
        let name: PackageName = "acme-fpga-x9".parse().unwrap();
        assert_eq!(name.pascal_case(), "AcmeFpgaX9");
        assert_eq!(name.camel_case(), "acmeFpgaX9");
        for wrong in [
            "",
            "fpga",
            "Acme-fpga",
            "acme_fpga",
            "acme--fpga",
            "-acme",
            "acme-",
            "acme-../x",
            "acme-9",
        ] {
            assert!(wrong.parse::<PackageName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_written_over() {
        let parent = tempfile::tempdir().unwrap();
        let new = NewProvider {
            name: "acme-fpga".parse().unwrap(),
            extends: None,
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
