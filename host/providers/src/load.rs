//! Loads a sealed copy with the dynamic linker, checks the ABI's layouts, and provides the host's functions.

#![allow(unsafe_code, reason = "it opens shared libraries")]

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use abi_stable::library::{AbiHeaderRef, LibraryError, ROOT_MODULE_LOADER_NAME_WITH_NUL};
use abi_stable::std_types::{RErr, ROk, RStr, RString};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use sriovdp_provider_abi::{HostFunctions, Outcome, ProviderModuleRef, wire};

use super::{ProviderError, TRACE_TARGET};
use sriovdp_report::excerpt;

/// Loads the library in `copy`. It stays loaded for as long as the process lives.
///
/// # Errors
///
/// When the linker refuses it or its ABI differs.
pub(super) fn open(copy: File) -> Result<ProviderModuleRef, ProviderError> {
    // The linker identifies a library by its path, so this descriptor must never be closed: once its number is reused,
    // opening the next library would silently return this one.
    let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
    std::mem::forget(copy);
    // SAFETY: opening a library runs its constructors. Vetting has found the SDK's note in the file, and users who may
    // write to the provider directory are trusted as much as those who may replace this program.
    let library =
        unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }.map_err(|e| link_error(&e))?;
    let symbol = CStr::from_bytes_with_nul(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes())
        .map_err(|error| ProviderError::Link(error.to_string()))?;
    // SAFETY: `abi_stable` defines the type of the static with this name; its magic bytes are checked next.
    let header = unsafe { library.get::<AbiHeaderRef>(symbol.to_bytes_with_nul()) }
        .map_err(|e| link_error(&e))?;
    let header = *header;
    // Libraries are never unloaded: threads may run their code.
    std::mem::forget(library);
    let header = header.upgrade().map_err(|e| interface_error(&e))?;
    header
        .init_root_module::<ProviderModuleRef>()
        .map_err(|e| interface_error(&e))
}

/// The host functions that providers may call.
pub(super) fn host_functions() -> HostFunctions {
    HostFunctions {
        call: from_provider,
    }
}

extern "C" fn from_provider(method: RStr<'_>, input: RStr<'_>) -> Outcome {
    let called = catch_unwind(AssertUnwindSafe(|| match method.as_str() {
        wire::method::LOG => {
            log_record(input.as_str());
            ROk(RString::from("{}"))
        }
        wire::method::DEVLINK => match sriovdp_netlink::query_devlink(input.as_str()) {
            Some(answer) => ROk(RString::from(answer)),
            None => refuse("this host does not support this devlink request".to_owned()),
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

/// Logs a message of a provider.
fn log_record(record: &str) {
    let Ok(record) = serde_json::from_str::<wire::LogRecord>(record) else {
        return;
    };
    let (provider, message) = (excerpt(&record.provider), excerpt(&record.message));
    let provider = provider.as_str();
    match record.level.as_str() {
        "error" => tracing::error!(event = "provider_log", provider, "{message}"),
        "warn" => tracing::warn!(event = "provider_log", provider, "{message}"),
        "info" => tracing::info!(event = "provider_log", provider, "{message}"),
        "debug" => tracing::debug!(event = "provider_log", provider, "{message}"),
        _ => {
            tracing::debug!(target: TRACE_TARGET, event = "provider_log", provider, "{message}");
        }
    }
}

/// The linker's message is the source of libloading's error.
fn link_error(error: &libloading::Error) -> ProviderError {
    let message =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    // The path of the sealed copy is meaningless to users; the name of a missing library is not.
    let reason = match message.split_once(": ") {
        Some((path, reason)) if path.starts_with("/proc/self/fd/") => reason,
        _ => message.as_str(),
    };
    ProviderError::Link(reason.replace(char::from(0), ""))
}

/// `abi_stable` describes a difference in about a thousand lines. The error has the first reason, and the debug log all.
fn interface_error(error: &LibraryError) -> ProviderError {
    let text = error.to_string();
    tracing::debug!(
        event = "provider_abi_differs",
        details = text,
        "layouts differ"
    );
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
