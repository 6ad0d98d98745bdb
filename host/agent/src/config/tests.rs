//! What a configuration means, and what its mistakes cost.

mod arbitrary;

use std::path::Path;

use expect_test::{Expect, expect};

use super::*;
use sriovdp_report::Report;

fn defaults() -> Defaults {
    Defaults {
        resource_prefix: "intel.com".to_owned(),
        registry: "/var/lib/kubelet/plugins_registry".into(),
    }
}

/// The largest file that is read, on one line and on many: line numbers must not be counted from the top for each value.
#[test]
fn a_file_of_20000_resources_takes_linear_time() {
    let begin = std::time::Instant::now();
    for separator in [",", ",\n"] {
        let resource = |n| {
            format!(
                r#"{{"resourceName": "r{n}", "selectors": [{{"pciAddresses": ["0000:00:00.{n}"], "drivers": ["a", "b"]}}],
                "health": {{"link": true}}, "excludeTopology": false, "additionalInfo": {{}}}}"#
            )
        };
        let list: Vec<String> = (0..20_000).map(resource).collect();
        let text = format!(r#"{{"resourceList": [{}]}}"#, list.join(separator));
        let parsed = parse::parse(&text, Path::new("config.json"), &defaults()).unwrap();
        assert_eq!((parsed.resources.len(), parsed.problems.len()), (20_000, 0));
    }
    let took = begin.elapsed();
    assert!(took < std::time::Duration::from_secs(60), "{took:?}");
}

/// Parses `text` and shows what came of it, one line for each resource and each problem.
#[track_caller]
#[allow(
    clippy::needless_pass_by_value,
    reason = "every caller makes one in place"
)]
fn check(text: &str, expected: Expect) {
    let shown = match parse::parse(text, Path::new("config.json"), &defaults()) {
        Err(error) => Report::error(&error).to_string(),
        Ok(configuration) => {
            let resources = configuration.resources.iter().map(show);
            let problems = configuration
                .problems
                .iter()
                .map(|problem| match problem.severity {
                    Severity::Refused => Report::error(problem).to_string(),
                    Severity::Warning => Report::warning(problem).to_string(),
                });
            resources.chain(problems).collect::<Vec<_>>().join("\n")
        }
    };
    expected.assert_eq(&shown);
}

fn show(resource: &ResourceSpec) -> String {
    let selectors: Vec<String> = resource
        .selection
        .alternatives
        .iter()
        .map(|selector| {
            let members = selector
                .members
                .iter()
                .map(|m| format!("{}={}", m.name, m.value.json().text));
            format!("{{{}}}", members.collect::<Vec<_>>().join(" "))
        })
        .collect();
    format!(
        "{} {} {}",
        resource.name,
        resource
            .selection
            .device_type
            .as_deref()
            .unwrap_or("(default)"),
        selectors.join(" or ")
    )
}

#[test]
fn keys_match_in_any_case_and_the_last_one_wins() {
    check(
        r#"{"ResourceList": [{"RESOURCENAME": "a", "resourceName": "b", "selectors": {"pfNames": ["x"], "PFNAMES": ["y"]}}]}"#,
        expect![[r#"
            intel.com/b (default) {PFNAMES=["y"]}
            warning: config.json:1:36: `resourceList[0].RESOURCENAME`: the key is there again further on, and this value has no effect
            hint: remove one of the two; the last one counts
            warning: config.json:1:87: `resourceList[0].selectors.pfNames`: the key is there again further on, and this value has no effect
            hint: remove one of the two; the last one counts"#]],
    );
}

#[test]
fn selectors_may_be_missing_null_an_object_or_a_list() {
    check(
        r#"{"resourceList": [
            {"resourceName": "a"},
            {"resourceName": "b", "selectors": null, "deviceType": ""},
            {"resourceName": "c", "deviceType": "accelerator", "selectors": {"vendors": ["8086"], "devices": null}},
            {"resourceName": "d", "resourcePrefix": "x.org", "selectors": [{"a": 1}, {}]}
        ]}"#,
        expect![[r#"
            intel.com/a (default) {}
            intel.com/b (default) {}
            intel.com/c accelerator {vendors=["8086"]}
            x.org/d (default) {a=1} or {}"#]],
    );
}

#[test]
fn a_policy_has_a_known_name() {
    check(
        r#"{"resourceList": [
            {"resourceName": "a", "allocationPolicy": "Packed"},
            {"resourceName": "b", "allocationPolicy": null},
            {"resourceName": "c", "allocationPolicy": "spraed"},
            {"resourceName": "d", "allocationPolicy": "random"}
        ]}"#,
        expect![[r#"
            intel.com/a (default) {}
            intel.com/b (default) {}
            error: config.json:4:55: `resourceList[2].allocationPolicy`: unknown policy `spraed`
            hint: did you mean `spread`?
            error: config.json:5:55: `resourceList[3].allocationPolicy`: unknown policy `random`
            hint: it is one of `balanced`, `packed`, `spread`"#]],
    );
}

#[test]
fn nothing_to_do_is_no_mistake() {
    check(r#"{"resourceList": null}"#, expect![""]);
    check(r#"{"resourceList": []}"#, expect![""]);
}

/// An empty list withdraws all pools, so a file without the list must not count as one.
#[test]
fn a_file_without_the_list() {
    let hint = |text: &str| match parse::parse(text, Path::new("config.json"), &defaults()) {
        Err(error) => Report::error(&error).to_string(),
        Ok(configuration) => panic!("{text}: {configuration:?}"),
    };
    let texts = [
        "{}",
        r#"{"resourceLists": [{"resourceName": "a"}]}"#,
        r#"{"version": 1, "resources": null}"#,
        r#"{"apiVersion": "v1", "kind": "ConfigMap", "data": {"config.json": "{}"}}"#,
        r#"{"resourceName": "a", "selectors": {}}"#,
        r#"{"providers": {}}"#,
    ];
    let shown: Vec<String> = texts.into_iter().map(hint).collect();
    expect![[r#"
        error: config.json:1:1: the configuration has no `resourceList`
        hint: the file is one JSON object: `{"resourceList": [{"resourceName": …}]}`; for no resources, write `{"resourceList": []}`
        error: config.json:1:1: the configuration has no `resourceList`
        hint: did you mean `resourceList` by `resourceLists`?
        error: config.json:1:1: the configuration has no `resourceList`
        hint: did you mean `resourceList` by `resources`?
        error: config.json:1:1: the configuration has no `resourceList`
        hint: the file is what the ConfigMap has as `config.json`, not the ConfigMap
        error: config.json:1:1: the configuration has no `resourceList`
        hint: `resourceName` belongs in the entries of `resourceList`; the file is one JSON object: `{"resourceList": [{"resourceName": …}]}`
        error: config.json:1:1: the configuration has no `resourceList`
        hint: the file is one JSON object: `{"resourceList": [{"resourceName": …}]}`; for no resources, write `{"resourceList": []}`"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn a_file_that_is_no_configuration() {
    check(
        "{\n  \"resourceList\": [\n  }",
        expect![[r#"
            error: config.json:3:3: `}` does not close the `[` of 2:19
            hint: close them in the order in which they were opened"#]],
    );
    check(
        "[1, 2]",
        expect![[r#"
            error: config.json:1:1: the configuration must be an object, and it is a list
            hint: the file is one JSON object: `{"resourceList": [{"resourceName": …}]}`"#]],
    );
    check(
        r#"{"resourceList": {}}"#,
        expect![[r#"
            error: config.json:1:18: `resourceList` must be a list, and it is an object
            hint: the file is one JSON object: `{"resourceList": [{"resourceName": …}]}`"#]],
    );
}

#[test]
fn a_mistake_costs_one_resource() {
    check(
        r#"{"resourceList": [
            {"selectors": {}},
            {"resourceName": "-x"},
            {"resourceName": "x", "resourcePrefix": "Intel.com"},
            {"resourceName": "good"},
            {"resourceName": "good"},
            {"resourceName": "empty", "selectors": []},
            {"resourceName": "null", "selectors": [null]},
            {"resourceName": "number", "selectors": 5},
            {"resourceName": "topology", "excludeTopology": "yes"},
            {"resourceName": "info", "additionalInfo": {"*": {"token": 5}}},
            7
        ]}"#,
        expect![[r#"
            intel.com/good (default) {}
            error: config.json:2:13: `resourceList[0]`: the entry has no `resourceName`
            hint: add a name, such as `"resourceName": "sriov_dpdk"`
            error: config.json:3:30: `resourceList[1].resourceName`: `-x` cannot be a resource name
            hint: a name has 1 to 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or a digit
            error: config.json:4:53: `resourceList[2].resourcePrefix`: `Intel.com` cannot be a resource prefix
            hint: a prefix is a lower-case domain name such as `example.com`, and not of `kubernetes.io`
            error: config.json:6:30: `resourceList[4].resourceName`: the name `intel.com/good` is already taken by `resourceList[3]`
            hint: join both into one entry with a list of selectors
            error: config.json:7:52: `resourceList[5].selectors`: an empty list selects nothing
            hint: write `{}` to select every device of the type, or remove the resource
            error: config.json:8:52: `resourceList[6].selectors[0]`: it must be an object, and it is null
            error: config.json:9:53: `resourceList[7].selectors`: it must be an object, and it is a number
            error: config.json:10:61: `resourceList[8].excludeTopology`: it must be a boolean, and it is a string
            hint: write `true` or `false` without quotes
            error: config.json:11:72: `resourceList[9].additionalInfo.*.token`: it must be a string, and it is a number
            hint: write it in quotes
            error: config.json:12:13: `resourceList[10]`: it must be an object, and it is a number"#]],
    );
}

/// A variable has `_` for a dot, and capital letters.
#[test]
fn resources_with_one_variable() {
    check(
        r#"{"resourceList": [{"resourceName": "x.y"}, {"resourceName": "X_Y"}, {"resourceName": "x-y"}]}"#,
        expect![[r#"
            intel.com/x.y (default) {}
            intel.com/X_Y (default) {}
            intel.com/x-y (default) {}
            warning: config.json:1:61: `resourceList[1].resourceName`: the variable `PCIDEVICE_INTEL_COM_X_Y` is also that of `intel.com/x.y`
            hint: a container that requests both gets the variable of one; rename one of them"#]],
    );
}

/// The providers decide which keys beside `selectors` matter.
#[test]
fn unknown_keys_beside_selectors_are_kept() {
    let text = r#"{"resourceList": [{"resourceName": "a", "SelectorObjs": 1, "sriovMode": true, "x": null}]}"#;
    let parsed = parse::parse(text, Path::new("config.json"), &defaults()).unwrap();
    assert!(parsed.problems.is_empty());
    let strays = &parsed.resources[0].selection.strays;
    let names: Vec<&str> = strays.iter().map(|stray| stray.name.as_str()).collect();
    assert_eq!(names, ["sriovMode"]);
}

#[test]
fn keys_beside_the_list() {
    check(
        r#"{"$schema": 3, "version": 3, "resourcePrefix": "x.org", "resourceList": [], "resourceList": [{"resourceName": "a"}]}"#,
        expect![[r#"
            intel.com/a (default) {}
            warning: config.json:1:73: `resourceList`: the key is there again further on, and this value has no effect
            hint: remove one of the two; the last one counts
            warning: config.json:1:48: `resourcePrefix`: the key is not known and has no effect
            hint: it belongs in the entries of `resourceList`"#]],
    );
}

/// All mistakes of an entry at once.
#[test]
fn an_entry_with_many_mistakes() {
    check(
        r#"{"resourceList": [{
            "resourceName": "intel.com/x", "resourcePrefix": "Intel.com/",
            "excludeTopology": 1, "allocationPolicy": "pakced",
            "health": {"link": 1, "existence": 2},
            "additionalInfo": {"*": {"a": 1, "b": 2}, "c": []},
            "selectors": [{"a": 1, "A": 2}, 3, 4]
        }]}"#,
        expect![[r#"
            error: config.json:2:62: `resourceList[0].resourcePrefix`: `Intel.com/` cannot be a resource prefix
            hint: the prefix is what is before the slash, without the slash
            error: config.json:2:29: `resourceList[0].resourceName`: `intel.com/x` cannot be a resource name
            hint: what is before the slash is the prefix: write "resourcePrefix": "intel.com", "resourceName": "x"
            warning: config.json:6:33: `resourceList[0].selectors[0].a`: the key is there again further on, and this value has no effect
            hint: remove one of the two; the last one counts
            error: config.json:6:45: `resourceList[0].selectors[1]`: it must be an object, and it is a number
            error: config.json:6:48: `resourceList[0].selectors[2]`: it must be an object, and it is a number
            error: config.json:3:32: `resourceList[0].excludeTopology`: it must be a boolean, and it is a number
            hint: write `true` or `false` without quotes
            error: config.json:3:55: `resourceList[0].allocationPolicy`: unknown policy `pakced`
            hint: did you mean `packed`?
            error: config.json:4:32: `resourceList[0].health.link`: it must be a boolean, and it is a number
            hint: write `true` or `false` without quotes
            error: config.json:4:48: `resourceList[0].health.existence`: it must be a boolean, and it is a number
            hint: write `true` or `false` without quotes
            error: config.json:5:43: `resourceList[0].additionalInfo.*.a`: it must be a string, and it is a number
            hint: write it in quotes
            error: config.json:5:51: `resourceList[0].additionalInfo.*.b`: it must be a string, and it is a number
            hint: write it in quotes
            error: config.json:5:60: `resourceList[0].additionalInfo.c`: it must be an object, and it is a list"#]],
    );
}

#[test]
fn what_counts_for_health() {
    let health = |text: &str| {
        let text = format!(r#"{{"resourceList": [{{"resourceName": "a", "health": {text}}}]}}"#);
        let parsed = parse::parse(&text, Path::new("config.json"), &defaults()).unwrap();
        parsed.resources[0].health
    };
    let all = HealthChecks::default();
    assert!(all.link && all.existence);
    assert_eq!(health("null"), all);
    assert_eq!(health("{}"), all);
    assert_eq!(
        health(r#"{"LINK": false}"#),
        HealthChecks { link: false, ..all }
    );
    check(
        r#"{"resourceList": [
            {"resourceName": "a", "health": {"links": false}},
            {"resourceName": "b", "health": {"existence": "no"}},
            {"resourceName": "c", "health": false}
        ]}"#,
        expect![[r#"
            intel.com/a (default) {}
            warning: config.json:2:55: `resourceList[0].health.links`: the key is not known and has no effect
            hint: did you mean `link`?
            error: config.json:3:59: `resourceList[1].health.existence`: it must be a boolean, and it is a string
            hint: write `true` or `false` without quotes
            error: config.json:4:45: `resourceList[2].health`: it must be an object, and it is a boolean"#]],
    );
}
