//! A provider behind its methods, with what a host passes beside devices and selectors.

use serde_json::{Value, json};
use sriovdp_provider_abi::wire::method;

use super::Session;
use crate::prelude::*;
use crate::{BaseDevice, DeviceId};

/// Devices without a PCI function, as many as its settings have.
#[derive(Default)]
struct Queues;

#[derive(Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, rename_all = "camelCase")]
struct Settings {
    count: u8,
}

#[derive(Default, serde::Deserialize, schemars::JsonSchema)]
struct Selectors {}

impl Provider for Queues {
    type Selectors = Selectors;
    type Facts = ();

    fn manifest(&self) -> Manifest {
        Manifest::device_type("dsa", "Work queues")
            .settings::<Settings>()
            .replaceable("node")
            .incremental()
            .pre_start()
    }

    fn discover(&self, node: &Node) -> Result<Discovery<()>, Error> {
        let count = node.settings::<Settings>()?.count;
        let extended = node.devices().iter();
        let extended = extended.map(|base: &BaseDevice| Ok(Device::extending(base, ())));
        let queues = (0..count).map(|n| {
            let device = Device::new(DeviceId::new(format!("wq0.{n}"))?, ());
            Ok(device
                .with_numa_nodes([1, 3])
                .with_attribute("size", 16_i64))
        });
        queues.chain(extended).collect()
    }

    fn matches(&self, _: &Selectors, _: &Device<()>) -> Result<(), Mismatch> {
        Ok(())
    }

    fn allocate(
        &self,
        node: &Node,
        _: &Selectors,
        device: &Device<()>,
    ) -> Result<Allocation, Error> {
        let mut allocation = Allocation::default();
        if !node.is_replaced("node") {
            allocation.node(format!("/dev/dsa/{}", device.id));
        }
        allocation.env("QUEUES_OF", node.resource().unwrap_or_default());
        Ok(allocation)
    }

    fn pre_start(&self, _: &Node, _: &Selectors, device: &Device<()>) -> Result<(), Error> {
        match device.id.as_str() {
            "wq0.0" => Ok(()),
            id => Err(Error::new(format!("`{id}` cannot be reset"))),
        }
    }
}

fn call(session: &Session<Queues>, method: &str, request: &Value) -> Result<Value, Vec<String>> {
    let answer = session.call(method, &request.to_string());
    let answer =
        answer.map_err(|failure| [failure.chain, failure.path.into_iter().collect()].concat())?;
    Ok(serde_json::from_str(&answer).unwrap())
}

fn discovered(settings: &Value) -> (Session<Queues>, Value) {
    let session = Session::new(Queues, ("p", "0.0.0"));
    let request = json!({"root": "/none", "generation": 1, "functions": [], "settings": settings});
    let found = call(&session, method::DISCOVER, &request).unwrap();
    (session, found)
}

#[test]
fn a_section_is_validated_and_reaches_discovery() {
    let (session, found) = discovered(&json!({"count": 1}));
    let expected =
        json!([{"id": "wq0.0", "numa": 1, "numas": [3], "attrs": {"size": {"int": 16}}}]);
    assert_eq!(found["devices"], expected);
    let manifest = call(&session, method::MANIFEST, &json!({})).unwrap();
    assert!(
        manifest["settings"]["properties"]["count"].is_object(),
        "{manifest}"
    );
    assert_eq!(manifest["features"], json!(["incremental", "pre_start"]));
    let check = |settings: Value| {
        call(
            &session,
            method::CHECK_SETTINGS,
            &json!({ "settings": settings }),
        )
    };
    check(json!({"count": 7})).unwrap();
    let failure = check(json!({"count": 300})).unwrap_err();
    assert_eq!(
        failure,
        [
            "it must be a whole number from 0 to 255, and it is the integer `300`",
            "count"
        ]
    );
}

#[test]
fn an_owner_leaves_out_what_is_replaced() {
    let (session, _) = discovered(&json!({"count": 1}));
    let allocate = |more: Value| {
        let mut request = json!({"device_type": "dsa", "selectors": {}, "ids": ["wq0.0"]});
        for (key, value) in more.as_object().unwrap() {
            request[key] = value.clone();
        }
        call(&session, method::ALLOCATE, &request).unwrap()["devices"][0].clone()
    };
    let all = allocate(json!({"resource": "intel.com/wq"}));
    assert_eq!(
        all,
        json!({"nodes": [["/dev/dsa/wq0.0", "/dev/dsa/wq0.0"]], "env": {"QUEUES_OF": "intel.com/wq"}})
    );
    assert_eq!(
        allocate(json!({"replaced": ["node"]})),
        json!({"env": {"QUEUES_OF": ""}})
    );
}

#[test]
fn a_start_is_prepared_for_each_device() {
    let (session, _) = discovered(&json!({"count": 2}));
    let start = |ids: Value| {
        let request = json!({"device_type": "dsa", "selectors": {}, "ids": ids});
        call(&session, method::PRE_START, &request)
    };
    start(json!(["wq0.0"])).unwrap();
    let failure = start(json!(["wq0.0", "wq0.1"])).unwrap_err();
    assert_eq!(failure, ["`wq0.1` cannot be reset"]);
}

#[test]
fn devices_without_a_function_stay_in_a_discovery_of_functions() {
    let (session, _) = discovered(&json!({"count": 1}));
    let part = json!({"since": 1, "functions": ["0000:17:00.0"]});
    let request = json!({
        "root": "/none", "generation": 2, "functions": [], "part": part, "settings": {"count": 3},
    });
    let found = call(&session, method::DISCOVER, &request).unwrap();
    assert_eq!(found["devices"], json!([]));
    let request = json!({"device_type": "dsa", "selectors": {}, "ids": ["wq0.0"]});
    call(&session, method::ALLOCATE, &request).unwrap();
    let request = json!({"root": "/none", "generation": 3, "functions": [], "non_pci": [{"t": "x", "id": "y"}]});
    let found = call(&session, method::DISCOVER, &request).unwrap();
    assert_eq!(found["devices"], json!([{"id": "y"}]));
}
