//! The provider's side of the boundary: what `export_provider!` expands to.

use std::sync::OnceLock;

use abi_stable::library::{CheckTypeLayout, LibHeader, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::std_types::{RErr, ROk, RResult, RStr, RString};
use serde::{Deserialize, Serialize};
use sriovdp_provider_abi::wire::method;
use sriovdp_provider_abi::{HostFunctions, Outcome, ProviderModule, ProviderModuleRef, wire};

use super::{Session, guard};
use crate::{Error, Provider};

/// The provider that a library exports, and the static that it lives in.
pub trait Export: 'static {
    /// The author's type.
    type Provider: Provider;

    /// Package name and version of the library.
    const PACKAGE: (&'static str, &'static str);

    /// Where the provider lives.
    fn state() -> &'static State<Self::Provider>;
}

/// The library's only global: empty until the host attaches.
#[derive(Debug)]
pub struct State<P: Provider>(OnceLock<Session<P>>);

impl<P: Provider> State<P> {
    /// Before the host attaches.
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }
}

impl<P: Provider> Default for State<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// What this SDK uses of the host's [`Settings`](wire::Settings).
#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    log_level: Option<String>,
}

/// The header by which `abi_stable` finds the module of a library.
pub const fn header<E: Export>() -> LibHeader {
    // SAFETY: `construct::<E>` returns a `PrefixRef` that was made from `ProviderModuleRef`, the module named here.
    unsafe {
        LibHeader::from_constructor::<ProviderModuleRef>(construct::<E>, CheckTypeLayout::Yes)
    }
}

extern "C" fn construct<E: Export>() -> RootModuleResult {
    abi_stable::library::__call_root_module_loader(module::<E>)
}

fn module<E: Export>() -> ProviderModuleRef {
    ProviderModule {
        attach: attach::<E>,
        call: call::<E>,
    }
    .leak_into_prefix()
}

extern "C" fn attach<E: Export>(host: HostFunctions, settings: RStr<'_>) -> Outcome {
    guard::install_hook();
    answer(guard::guarded("attach", || {
        let settings: Settings = serde_json::from_str(settings.as_str())
            .map_err(|e| Error::from_std(&e).context("cannot read the host's settings"))?;
        forward_log(host, E::PACKAGE.0, settings.log_level.as_deref());
        E::state()
            .0
            .get_or_init(|| Session::new(E::Provider::default(), E::PACKAGE).attached_to(host));
        Ok("{}".to_owned())
    }))
}

extern "C" fn call<E: Export>(method: RStr<'_>, input: RStr<'_>) -> Outcome {
    let method = method.as_str();
    let mut path = None;
    let result = guard::guarded(method, || {
        let session = E::state().0.get();
        let session = session.ok_or_else(|| Error::new("the host has not attached yet"))?;
        session.call(method, input.as_str()).map_err(|failure| {
            path = failure.path.clone();
            failure.into()
        })
    });
    match result {
        Ok(output) => answer(Ok(output)),
        Err(error) => refuse(&wire::Failure {
            path,
            ..error.into()
        }),
    }
}

fn answer(result: Result<String, Error>) -> Outcome {
    match result {
        Ok(output) => ROk(output.into()),
        Err(error) => refuse(&error.into()),
    }
}

fn refuse(failure: &wire::Failure) -> Outcome {
    // Serialising strings cannot fail; an empty text is still an answer, which the host reports.
    RErr(serde_json::to_string(failure).unwrap_or_default().into())
}

/// Sends what the provider logs to the host.
struct Forward {
    host: HostFunctions,
    package: &'static str,
}

impl log::Log for Forward {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let record = wire::LogRecord {
            provider: self.package.to_owned(),
            level: record.level().as_str().to_ascii_lowercase(),
            message: record.args().to_string(),
        };
        if let Ok(text) = to_rstring(&record) {
            // A log line that the host refuses is lost.
            let _: RResult<RString, RString> =
                (self.host.call)(RStr::from(method::LOG), text.as_rstr());
        }
    }

    fn flush(&self) {}
}

fn to_rstring(value: &impl Serialize) -> Result<RString, serde_json::Error> {
    serde_json::to_string(value).map(RString::from)
}

fn forward_log(host: HostFunctions, package: &'static str, level: Option<&str>) {
    let level = level
        .and_then(|level| level.parse().ok())
        .unwrap_or(log::LevelFilter::Info);
    // A second attach in one process finds the first one's logger, which does the same.
    if log::set_boxed_logger(Box::new(Forward { host, package })).is_ok() {
        log::set_max_level(level);
    }
}
