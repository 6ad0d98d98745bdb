//! Loads a sealed copy of a file: the dynamic linker, the interface check, and what the host lends.

// The one module of the host that is unsafe: running a foreign library cannot be anything else.
#![allow(unsafe_code, reason = "it opens shared libraries")]

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use abi_stable::library::{AbiHeaderRef, LibraryError, ROOT_MODULE_LOADER_NAME_WITH_NUL};
use abi_stable::std_types::{RErr, ROk, RStr, RString};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use sriovdp_provider_abi::{HostFunctions, Outcome, ProviderModuleRef, wire};

use super::ProviderError;
use sriovdp_report::excerpt;

/// Loads the library in `copy`. It stays loaded for as long as the process lives.
///
/// # Errors
///
/// When it cannot be linked, or its interface is another one.
pub(super) fn open(copy: File) -> Result<ProviderModuleRef, ProviderError> {
    // The linker knows a library by the name that it was opened with, so this descriptor must never be closed: with
    // its number used again, opening the next library would silently return this one.
    let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
    std::mem::forget(copy);
    // SAFETY: opening a library runs its constructors. The file was verified to be one that the SDK built, and whoever
    // may write to the provider directory is trusted as much as whoever may replace this program.
    let library =
        unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }.map_err(|e| link_error(&e))?;
    let symbol = CStr::from_bytes_with_nul(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes())
        .map_err(|error| ProviderError::Link(error.to_string()))?;
    // SAFETY: `abi_stable` defines the type of the static with this name; its magic bytes are checked next.
    let header = unsafe { library.get::<AbiHeaderRef>(symbol.to_bytes_with_nul()) }
        .map_err(|e| link_error(&e))?;
    let header = *header;
    // A library that is closed would take its code with it, and threads may be in it.
    std::mem::forget(library);
    let header = header.upgrade().map_err(|e| interface_error(&e))?;
    header
        .init_root_module::<ProviderModuleRef>()
        .map_err(|e| interface_error(&e))
}

/// The functions that the host lends to every provider.
pub(super) fn host_functions() -> HostFunctions {
    HostFunctions {
        call: from_provider,
    }
}

extern "C" fn from_provider(method: RStr<'_>, input: RStr<'_>) -> Outcome {
    let called = catch_unwind(AssertUnwindSafe(|| match method.as_str() {
        wire::method::LOG => {
            log_for_provider(input.as_str());
            ROk(RString::from("{}"))
        }
        wire::method::DEVLINK => match sriovdp_netlink::ask_devlink(input.as_str()) {
            Some(answer) => ROk(RString::from(answer)),
            None => refuse("this host does not know the question to devlink".to_owned()),
        },
        wire::method::DEFAULT_ROUTES => ROk(RString::from(sriovdp_netlink::default_routes())),
        unknown => refuse(format!(
            "this host, SDK {}, has no method `{unknown}`",
            sriovdp_sdk::VERSION
        )),
    }));
    called.unwrap_or_else(|payload| {
        // Dropping a payload may panic again, and this frame must not unwind.
        std::mem::forget(payload);
        refuse("the host panicked".to_owned())
    })
}

fn refuse(message: String) -> Outcome {
    let failure = wire::Failure {
        chain: vec![message],
        hint: None,
        path: None,
    };
    RErr(serde_json::to_string(&failure).unwrap_or_default().into())
}

fn log_for_provider(record: &str) {
    let Ok(record) = serde_json::from_str::<wire::LogRecord>(record) else {
        return;
    };
    let (provider, message) = (excerpt(&record.provider), excerpt(&record.message));
    let provider = provider.as_str();
    match record.level.as_str() {
        "error" => tracing::error!(provider, "{message}"),
        "warn" => tracing::warn!(provider, "{message}"),
        "info" => tracing::info!(provider, "{message}"),
        "debug" => tracing::debug!(provider, "{message}"),
        _ => tracing::trace!(provider, "{message}"),
    }
}

/// libloading keeps the linker's own words in the source.
fn link_error(error: &libloading::Error) -> ProviderError {
    let told =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    // The path of the sealed copy tells the reader nothing; the name of another library does.
    let words = match told.split_once(": ") {
        Some((path, words)) if path.starts_with("/proc/self/fd/") => words,
        _ => told.as_str(),
    };
    ProviderError::Link(words.replace(char::from(0), ""))
}

/// `abi_stable` tells a difference in a thousand lines. The first line of what is wrong, and the versions, are enough
/// for a person; the whole text is there at the level `debug`.
fn interface_error(error: &LibraryError) -> ProviderError {
    let text = error.to_string();
    tracing::debug!("abi_stable says: {text}");
    let first = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Error:"));
    let line = first.or_else(|| text.lines().find(|line| !line.trim().is_empty()));
    ProviderError::Interface(
        line.unwrap_or("it differs")
            .trim()
            .chars()
            .take(200)
            .collect(),
    )
}
