//! A provider as the suite calls it: each answer is one, a refusal, or a violation of the rules.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Map, Value};

use super::Violation;
use super::meter::Meter;
use super::stage::Stage;
use sriovdp_provider_abi::method::Method;
use sriovdp_provider_abi::{method, wire};
use sriovdp_sdk::runtime::Session;
use sriovdp_sdk::{Error, PciAddress, Provider};

/// An answer, or the provider's own error.
pub(super) type Answer<T> = Result<Result<T, Error>, Violation>;

/// A new provider that serves one device type.
pub(super) struct Subject<P: Provider> {
    session: Session<P>,
    pub(super) meter: Meter,
    pub(super) manifest: wire::Manifest,
    pub(super) device_type: String,
    generation: u64,
    pub(super) found: wire::Discovered,
}

impl<P: Provider> Subject<P> {
    /// One for each device type that the provider owns or extends.
    pub(super) fn each() -> Result<Vec<Self>, Violation> {
        let manifest = Self::new(String::new())?.manifest;
        let names = manifest.device_type.into_iter().chain(manifest.extends);
        let subjects: Vec<Self> = names.map(Self::new).collect::<Result<_, _>>()?;
        if subjects.is_empty() {
            return Err(Violation::new(
                "the manifest names neither a device type nor what it extends",
            ));
        }
        Ok(subjects)
    }

    fn new(device_type: String) -> Result<Self, Violation> {
        let meter = Meter::default();
        let session = Session::new(P::default(), ("under-test", "0.0.0"));
        let session = session.observed_by(meter.observer());
        let manifest = call::<P, method::Manifest>(&session, &Map::new())?.map_err(|error| {
            Violation::new(format!("the manifest is refused: {}", with_causes(&error)))
        })?;
        Ok(Self {
            session,
            meter,
            manifest,
            device_type,
            generation: 0,
            found: wire::Discovered::default(),
        })
    }

    /// A discovery that may be refused; what was found before then stays.
    pub(super) fn discover(&mut self, stage: &Stage) -> Answer<()> {
        let extended = self.manifest.device_type.is_none();
        let request = stage.request(
            self.generation + 1,
            extended.then_some(self.device_type.as_str()),
        );
        Ok(
            call::<P, method::Discover>(&self.session, &request)?.map(|found| {
                self.generation += 1;
                self.found = found;
            }),
        )
    }

    /// What is found on the functions in `scope` of a node where nothing is wrong, because of `function`.
    pub(super) fn discover_part(
        &mut self,
        stage: &Stage,
        function: PciAddress,
        scope: &BTreeSet<PciAddress>,
    ) -> Result<wire::Discovered, Violation> {
        let extended = self.manifest.device_type.is_none();
        let mut request = stage.request(
            self.generation + 1,
            extended.then_some(self.device_type.as_str()),
        );
        request.restrict_to(wire::Part {
            since: self.generation,
            functions: scope.iter().copied().collect(),
        });
        let found = call::<P, method::Discover>(&self.session, &request)?.map_err(|error| {
            Violation::new(format!(
                "a discovery of {function} alone fails: {}",
                with_causes(&error)
            ))
        })?;
        self.generation += 1;
        Ok(found)
    }

    /// A discovery of a node where nothing is wrong.
    pub(super) fn discover_all(&mut self, stage: &Stage) -> Result<(), Violation> {
        self.discover(stage)?.map_err(|error| {
            Violation::new(format!(
                "the discovery of a node without any fault fails: {}",
                with_causes(&error)
            ))
        })
    }

    pub(super) fn check(&self, selectors: &Value) -> Answer<wire::Checked> {
        let request = wire::CheckRequest {
            device_type: self.device_type.clone(),
            selectors: selectors.clone(),
        };
        call::<P, method::Check>(&self.session, &request)
    }

    /// The ids of the devices that fit.
    pub(super) fn select(&self, selectors: &Value) -> Answer<Vec<String>> {
        let request = wire::SelectRequest {
            generation: self.generation,
            device_type: self.device_type.clone(),
            selectors: selectors.clone(),
        };
        let selected: Result<wire::Selected, Error> =
            call::<P, method::Select>(&self.session, &request)?;
        Ok(selected.map(|selected| {
            let admitted = selected.admitted.iter();
            admitted
                .map(|&position| self.found.devices[position as usize].id.to_string())
                .collect()
        }))
    }

    pub(super) fn explain(&self, selectors: &Value, id: &str) -> Answer<wire::Explained> {
        let request = wire::ExplainRequest {
            generation: self.generation,
            selectors: selectors.clone(),
            id: id.to_owned(),
        };
        call::<P, method::Explain>(&self.session, &request)
    }

    pub(super) fn allocate(&self, selectors: &Value, id: &str) -> Answer<wire::Allocation> {
        let request = wire::AllocateRequest {
            device_type: self.device_type.clone(),
            selectors: selectors.clone(),
            ids: vec![id.to_owned()],
        };
        let answer = call::<P, method::Allocate>(&self.session, &request)?;
        Ok(answer.map(|mut allocated| allocated.devices.remove(0)))
    }

    pub(super) fn ids(&self) -> Vec<String> {
        let devices = self.found.devices.iter();
        devices.map(|device| device.id.to_string()).collect()
    }

    /// The properties of its selectors in the schema.
    pub(super) fn keys(&self) -> Map<String, Value> {
        let properties = self.manifest.schema.get("properties");
        properties
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    }
}

/// An error with its causes.
pub(super) fn with_causes(error: &Error) -> String {
    let causes: String = error.causes().map(|cause| format!(": {cause}")).collect();
    format!("{error}{causes}")
}

fn call<P: Provider, M: Method>(session: &Session<P>, request: &M::Request) -> Answer<M::Response> {
    let method = M::NAME;
    let input = serde_json::to_string(request)
        .map_err(|error| Violation::new(format!("cannot write a request: {error}")))?;
    let called = catch_unwind(AssertUnwindSafe(|| session.call(method, &input)));
    match called {
        Ok(Ok(output)) => serde_json::from_str(&output).map(Ok).map_err(|error| {
            Violation::new(format!("the answer of `{method}` cannot be read: {error}"))
        }),
        Ok(Err(failure)) => Ok(Err(failure.into())),
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            // Dropping a payload may panic again.
            std::mem::forget(payload);
            let text = text.unwrap_or_else(|| "without a message".to_owned());
            Err(Violation::new(format!("`{method}` panics: {text}")))
        }
    }
}
