//! The SDK of a checkout, for a new crate while crates.io does not have it.

use std::fs;
use std::path::{Path, PathBuf};

use super::NewProviderError;

/// The line of its manifest by which the directory of the SDK is found.
const NAME: &str = "name = \"sriovdp-sdk\"";

/// Where the SDK is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdkCheckout {
    /// The directory of the SDK.
    directory: PathBuf,
    /// Whether the new crate is below the workspace of the SDK, which it is no member of.
    is_around: bool,
}

impl SdkCheckout {
    /// The SDK in `path`, a checkout or its directory `sdk`.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn at(path: &Path) -> Result<Self, NewProviderError> {
        let around = Self::around().map(|checkout| checkout.directory);
        let directories = [path.join("sdk"), path.to_owned()];
        let mut directories = directories
            .into_iter()
            .filter(|directory| is_sdk(directory));
        let directory = directories
            .next()
            .ok_or_else(|| NewProviderError::NoSdk(path.to_owned()))?;
        let is_around = around.is_some_and(|around| is_same(&around, &directory));
        Ok(Self {
            directory,
            is_around,
        })
    }

    /// The SDK of the checkout that the working directory is in.
    pub fn around() -> Option<Self> {
        let here = std::env::current_dir().ok()?;
        let (up, _) = (0..)
            .zip(here.ancestors())
            .find(|(_, directory)| is_sdk(&directory.join("sdk")))?;
        Some(Self {
            directory: PathBuf::from("../".repeat(up)).join("sdk"),
            is_around: true,
        })
    }

    /// The section of `Cargo.toml` of a crate in a directory below the working directory.
    pub(super) fn section(&self) -> String {
        let sdk = match self.directory.is_absolute() {
            true => self.directory.clone(),
            false => Path::new("..").join(&self.directory),
        };
        let workspace = match self.is_around {
            true => "\n# No member of the workspace of the checkout.\n[workspace]\n",
            false => "",
        };
        // A TOML string has the escapes of a Rust one for the characters of a path.
        format!(
            "# Until crates.io has these crates: those of a checkout of sriovdp.\n[patch.crates-io]\n\
             sriovdp-sdk = {{ path = {sdk:?} }}\nsriovdp-sdk-testing = {{ path = {:?} }}\n{workspace}",
            sdk.join("testing")
        )
    }
}

fn is_sdk(directory: &Path) -> bool {
    let manifest = fs::read_to_string(directory.join("Cargo.toml"));
    manifest.is_ok_and(|text| text.lines().any(|line| line == NAME))
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_of_a_checkout_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let sdk = directory.path().join("sdk");
        fs::create_dir(&sdk).unwrap();
        let refused = SdkCheckout::at(directory.path()).unwrap_err();
        assert!(matches!(refused, NewProviderError::NoSdk(_)), "{refused}");
        fs::write(
            sdk.join("Cargo.toml"),
            "[package]\nname = \"sriovdp-sdk\"\n",
        )
        .unwrap();
        for path in [directory.path(), &sdk] {
            let found = SdkCheckout::at(path).unwrap();
            assert!(found.section().contains(&format!("path = {sdk:?}")));
            assert!(!found.section().contains("[workspace]"));
        }
    }

    #[test]
    fn a_crate_in_the_checkout_is_a_workspace_of_its_own() {
        // The tests of a package run in its directory, `host/sriovdp`.
        let section = SdkCheckout::around().unwrap().section();
        assert!(
            section.contains("sriovdp-sdk = { path = \"../../../sdk\" }"),
            "{section}"
        );
        assert!(section.ends_with("[workspace]\n"), "{section}");
    }
}
