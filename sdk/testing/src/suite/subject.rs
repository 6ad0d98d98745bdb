//! A provider as the suite calls it: each answer is one, a refusal, or a violation of the rules.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Violation;
use super::meter::Meter;
use super::stage::Stage;
use super::worker::{Called, Worker};
use sriovdp_provider_abi::method::Method;
use sriovdp_provider_abi::{limits, method, wire};
use sriovdp_sdk::runtime::Session;
use sriovdp_sdk::{Error, PciAddress, Provider};

/// An answer, or the provider's own error.
pub(super) type Answer<T> = Result<Result<T, Error>, Violation>;

/// A new provider that serves one device type.
pub(super) struct Subject {
    calls: Calls,
    pub(super) meter: Meter,
    pub(super) manifest: wire::Manifest,
    pub(super) device_type: String,
    /// Its section of the configuration.
    pub(super) settings: Option<Value>,
    generation: u64,
    pub(super) found: wire::Discovered,
}

/// Calls of one provider, each with its limit.
struct Calls {
    worker: Worker,
    meter: Meter,
    discover: Duration,
    other: Duration,
}

/// For calls that are counted rather than timed, on machines of any speed.
const UNHURRIED: Duration = Duration::from_secs(120);

impl Subject {
    /// One for each device type that the provider owns or extends.
    pub(super) fn each<P: Provider>() -> Result<Vec<Self>, Violation> {
        let manifest = Self::new::<P>(String::new())?.manifest;
        let names = manifest.device_type.into_iter().chain(manifest.extends);
        let subjects: Vec<Self> = names.map(Self::new::<P>).collect::<Result<_, _>>()?;
        if subjects.is_empty() {
            return Err(Violation::new(
                "the manifest names neither a device type nor what it extends",
            ));
        }
        Ok(subjects)
    }

    fn new<P: Provider>(device_type: String) -> Result<Self, Violation> {
        let meter = Meter::default();
        let session = Session::new(P::default(), ("under-test", "0.0.0"));
        let worker = Worker::new(session.observed_by(meter.observer()));
        meter.expect_on(worker.thread());
        let calls = Calls {
            worker,
            meter: meter.clone(),
            discover: limits::DISCOVERY_WAIT,
            other: limits::CALL_TIMEOUT,
        };
        let manifest = calls
            .call::<method::Manifest>(&Map::new())?
            .map_err(|error| {
                Violation::new(format!("the manifest is refused: {}", with_causes(&error)))
            })?;
        Ok(Self {
            calls,
            meter,
            manifest,
            device_type,
            settings: None,
            generation: 0,
            found: wire::Discovered::default(),
        })
    }

    /// Calls on a node of thousands of devices take as long as the machine needs.
    pub(super) fn without_haste(&mut self) {
        self.calls.discover = UNHURRIED;
        self.calls.other = UNHURRIED;
    }

    /// A discovery that may be refused; what was found before then stays.
    pub(super) fn discover(&mut self, stage: &Stage) -> Answer<()> {
        let extended = self.manifest.device_type.is_none();
        let request = wire::DiscoverRequest {
            settings: self.settings.clone(),
            ..stage.request(
                self.generation + 1,
                extended.then_some(self.device_type.as_str()),
            )
        };
        Ok(self.calls.call::<method::Discover>(&request)?.map(|found| {
            self.generation += 1;
            self.found = found;
        }))
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
        let found = self
            .calls
            .call::<method::Discover>(&request)?
            .map_err(|error| {
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
                "`discover` fails on a node without any fault: {}; a node without the hardware or the files of the \
                 provider has no devices, which is no error",
                with_causes(&error)
            ))
        })
    }

    pub(super) fn check(&self, selectors: &Value) -> Answer<wire::Checked> {
        let request = wire::CheckRequest {
            device_type: self.device_type.clone(),
            selectors: selectors.clone(),
        };
        self.calls.call::<method::Check>(&request)
    }

    /// Whether `check` refuses selectors for another reason than a key that has to be there: where it refuses those
    /// without any key, the others count without it.
    pub(super) fn refuses(&self, selectors: &Value) -> Result<bool, Violation> {
        Ok(self.check(selectors)?.is_err() && self.check(&json!({}))?.is_ok())
    }

    /// The ids of the devices that fit.
    pub(super) fn select(&self, selectors: &Value) -> Answer<Vec<String>> {
        let selected = self.selected(selectors)?;
        Ok(selected.map(|selected| {
            let admitted = selected.admitted.iter();
            admitted
                .map(|&position| self.found.devices[position as usize].id.to_string())
                .collect()
        }))
    }

    /// The whole answer of `select`.
    pub(super) fn selected(&self, selectors: &Value) -> Answer<wire::Selected> {
        let request = wire::SelectRequest {
            generation: self.generation,
            device_type: self.device_type.clone(),
            selectors: selectors.clone(),
        };
        self.calls.call::<method::Select>(&request)
    }

    pub(super) fn explain(&self, selectors: &Value, id: &str) -> Answer<wire::Explained> {
        let request = wire::ExplainRequest {
            generation: self.generation,
            selectors: selectors.clone(),
            id: id.to_owned(),
        };
        self.calls.call::<method::Explain>(&request)
    }

    pub(super) fn check_settings(&self, settings: &Value) -> Answer<wire::Checked> {
        let settings = settings.clone();
        self.calls
            .call::<method::CheckSettings>(&wire::CheckSettingsRequest { settings })
    }

    pub(super) fn pre_start(&self, selectors: &Value, id: &str) -> Answer<wire::Started> {
        self.calls
            .call::<method::PreStart>(&self.allocate_request(selectors, id))
    }

    pub(super) fn allocate(&self, selectors: &Value, id: &str) -> Answer<wire::Allocation> {
        let request = self.allocate_request(selectors, id);
        let answer = self.calls.call::<method::Allocate>(&request)?;
        Ok(answer.map(|mut allocated| allocated.devices.remove(0)))
    }

    fn allocate_request(&self, selectors: &Value, id: &str) -> wire::AllocateRequest {
        wire::AllocateRequest {
            device_type: self.device_type.clone(),
            selectors: selectors.clone(),
            ids: vec![id.to_owned()],
            resource: Some("example.com/devices".to_owned()),
            settings: self.settings.clone(),
            ..wire::AllocateRequest::default()
        }
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

impl Calls {
    fn call<M: Method>(&self, request: &M::Request) -> Answer<M::Response> {
        let method = M::NAME;
        let input = serde_json::to_string(request)
            .map_err(|error| Violation::new(format!("cannot write a request: {error}")))?;
        let limit = match method {
            wire::method::DISCOVER => self.discover,
            _ => self.other,
        };
        let output = of_method(method, limit, self.worker.call(method, input, limit))?;
        if let Some(path) = self.meter.read_elsewhere() {
            return Err(Violation::new(format!(
                "`{method}` reads `{path}` on a thread of its own: a read that fails there is not noted, and its device \
                 leaves the pool instead of keeping its attributes"
            )));
        }
        match output {
            Ok(output) => serde_json::from_str(&output).map(Ok).map_err(|error| {
                Violation::new(format!("the answer of `{method}` cannot be read: {error}"))
            }),
            Err(error) => Ok(Err(error)),
        }
    }
}

fn of_method(
    method: &str,
    limit: Duration,
    called: Called,
) -> Result<Result<String, Error>, Violation> {
    match called {
        Called::Answered(output) => Ok(Ok(output)),
        Called::Failed(failure) => Ok(Err(failure.into())),
        Called::Panicked(text) => Err(Violation::new(format!("`{method}` panics: {text}"))),
        Called::Late if method == wire::method::DISCOVER => Err(Violation::new(format!(
            "`discover` has not returned within {limit:?}: a host then reconciles without the answer, and gives up after \
             {:?}",
            limits::DISCOVERY_TIMEOUT
        ))),
        Called::Late => Err(Violation::new(format!(
            "`{method}` has not returned within {limit:?}, after which a host gives up"
        ))),
    }
}

/// An error with its causes.
pub(super) fn with_causes(error: &Error) -> String {
    let causes: String = error.causes().map(|cause| format!(": {cause}")).collect();
    format!("{error}{causes}")
}
