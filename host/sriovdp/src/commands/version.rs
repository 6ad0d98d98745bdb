//! `sriovdp version`: the version, the commit, and how the program was built.

use serde::Serialize;

use super::Output;
use super::output::{Columns, Document};

#[derive(Serialize)]
struct Version {
    version: &'static str,
    /// `null` in a build for development.
    commit: Option<&'static str>,
    /// The version of the SDK that the program is built with.
    sdk: &'static str,
    interface: Interface,
    rustc: &'static str,
    target: &'static str,
}

/// The binary interface of providers.
#[derive(Serialize)]
struct Interface {
    version: &'static str,
    /// The versions that are loaded.
    loads: String,
}

pub(super) fn version(output: &mut Output) {
    let interface = sriovdp_provider_abi::VERSION;
    let major = interface.split('.').next().unwrap_or_default();
    output.document(&Version {
        version: env!("CARGO_PKG_VERSION"),
        commit: Some(env!("SRIOVDP_BUILD_COMMIT")).filter(|commit| !commit.is_empty()),
        sdk: sriovdp_sdk::VERSION,
        interface: Interface {
            version: interface,
            loads: format!("{major}.x"),
        },
        rustc: env!("SRIOVDP_BUILD_RUSTC"),
        target: env!("SRIOVDP_BUILD_TARGET"),
    });
}

impl Document for Version {
    const KIND: &'static str = "Version";

    fn print(&self, output: &mut Output, _: Columns) {
        let commit = self.commit.unwrap_or("unknown (a build for development)");
        let Interface { version, loads } = &self.interface;
        output.line(format_args!("sriovdp    {}", self.version));
        output.line(format_args!("commit     {commit}"));
        output.line(format_args!("SDK        {}", self.sdk));
        output.line(format_args!(
            "providers  ABI {loads} (ABI of this program: {version})"
        ));
        output.line(format_args!("compiler   {}", self.rustc));
        output.line(format_args!("target     {}", self.target));
    }
}
