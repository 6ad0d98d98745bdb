//! Each device is in one pool at most, and it is the first in the file that selects it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::for_each;

const NODE: &str = "
    pf 0000:03:00.0 8086:1592 driver=ice net=ens1f0
    vf 0000:03:01.{0-3} 8086:1889 pf=0000:03:00.0 id={0-3} driver=iavf
    pf 0000:5e:00.0 15b3:1017 driver=mlx5_core net=ens2f0
    vf 0000:5e:00.{1-4} 15b3:1018 pf=0000:5e:00.0 id={0-3} driver=mlx5_core
";

/// A virtual function of the node, as selectors see it.
struct Function {
    id: String,
    vendor: &'static str,
    driver: &'static str,
    pf: &'static str,
    index: u32,
}

fn functions() -> Vec<Function> {
    let of = |prefix: &str, first: u32, vendor, driver, pf| {
        let functions = (0..4).map(|index| Function {
            id: format!("{prefix}{}", first + index),
            vendor,
            driver,
            pf,
            index,
        });
        functions.collect::<Vec<_>>()
    };
    let mut all = of("0000:03:01.", 0, "8086", "iavf", "ens1f0");
    all.extend(of("0000:5e:00.", 1, "15b3", "mlx5_core", "ens2f0"));
    all
}

/// One selector object; an absent list asks for nothing.
#[derive(Clone, Debug)]
struct Selector {
    vendors: Option<Vec<&'static str>>,
    drivers: Option<Vec<&'static str>>,
    /// Name, first and last number.
    pf_names: Option<Vec<(&'static str, u32, u32)>>,
}

impl Selector {
    fn admits(&self, function: &Function) -> bool {
        let pf_names = self.pf_names.as_deref();
        self.vendors
            .as_ref()
            .is_none_or(|all| all.contains(&function.vendor))
            && self
                .drivers
                .as_ref()
                .is_none_or(|all| all.contains(&function.driver))
            && pf_names.is_none_or(|all| {
                all.iter().any(|(name, first, last)| {
                    *name == function.pf && (*first..=*last).contains(&function.index)
                })
            })
    }

    fn to_json(&self) -> Value {
        let mut object = json!({"vendors": self.vendors, "drivers": self.drivers});
        if let Some(all) = &self.pf_names {
            let ranges = all
                .iter()
                .map(|(name, first, last)| format!("{name}#{first}-{last}"));
            object["pfNames"] = ranges.collect::<Vec<_>>().into();
        }
        object
    }
}

fn selector() -> impl Strategy<Value = Selector> {
    let some = |values: &'static [&'static str]| {
        prop::option::of(prop::collection::vec(prop::sample::select(values), 1..3))
    };
    let range = (
        prop::sample::select(&["ens1f0", "ens2f0", "ens9"][..]),
        0u32..4,
        0u32..4,
    );
    let range = range.prop_map(|(name, a, b)| (name, a.min(b), a.max(b)));
    (
        some(&["8086", "15b3", "10ee"]),
        some(&["iavf", "mlx5_core", "vfio-pci"]),
        prop::option::of(prop::collection::vec(range, 1..3)),
    )
        .prop_map(|(vendors, drivers, pf_names)| Selector {
            vendors,
            drivers,
            pf_names,
        })
}

/// Which functions each resource should have, by its number in the file.
fn expected(resources: &[Vec<Selector>]) -> BTreeMap<usize, BTreeSet<String>> {
    let mut pools: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for n in 0..resources.len() {
        pools.entry(n).or_default();
    }
    for function in functions() {
        let first = resources
            .iter()
            .position(|selectors| selectors.iter().any(|s| s.admits(&function)));
        if let Some(n) = first {
            pools.entry(n).or_default().insert(function.id);
        }
    }
    pools
}

#[test]
fn the_first_resource_that_selects_a_device_has_it() {
    let resources = prop::collection::vec(prop::collection::vec(selector(), 1..3), 1..6);
    for_each(
        NODE,
        &["list", "-o", "json"],
        &resources,
        |resources: &Vec<Vec<Selector>>| {
            // Names in the other order than the file's, since pools are logged by name.
            let entries = resources.iter().enumerate().map(|(n, selectors)| {
                let selectors: Vec<Value> = selectors.iter().map(Selector::to_json).collect();
                json!({"resourceName": format!("r{}", 9 - n), "selectors": selectors})
            });
            json!({"resourceList": entries.collect::<Vec<_>>()}).to_string()
        },
        |resources, code, output, errors| {
            assert_eq!(code, Some(0), "{errors}");
            let list: Value = serde_json::from_str(output).unwrap();
            let mut found = BTreeMap::new();
            for pool in list["items"].as_array().unwrap() {
                let name = pool["resource"].as_str().unwrap();
                let n: usize = name.strip_prefix("intel.com/r").unwrap().parse().unwrap();
                let devices = pool["devices"].as_array().unwrap().iter();
                let ids = devices.map(|device| device["id"].as_str().unwrap().to_owned());
                found.insert(9 - n, BTreeSet::from_iter(ids));
            }
            assert_eq!(found, expected(resources));
        },
    );
}
