//! The metrics of docs/monitoring.md: alerts and dashboard use no other, and each alert leads to a section of the
//! troubleshooting page. `make monitoring` tests the alerts with promtool.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::repository::{documents, list, text};

/// The rows of the table `| metric | type | labels | meaning |`: name and type.
fn documented() -> Vec<(String, String)> {
    let page = text("docs/monitoring.md");
    let (_, table) = page.split_once("| metric | type |").expect("the table");
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let rows = rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let name = cells.next().unwrap().trim_matches('`').to_owned();
        (name, cells.next().unwrap().to_owned())
    });
    rows.collect()
}

/// The metrics that an expression names.
fn named(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| {
        let prefixes = ["sriov_device_plugin_", "sriovdp_", "process_"];
        prefixes.iter().any(|prefix| word.starts_with(prefix))
    })
}

fn alerts() -> Vec<Value> {
    let rule = documents("deployments/monitoring/prometheusrule.yaml").remove(0);
    list(&rule["spec"]["groups"][0]["rules"]).cloned().collect()
}

#[test]
fn alerts_and_dashboard_use_documented_metrics() {
    let mut series = BTreeSet::new();
    for (name, kind) in documented() {
        if kind == "histogram" {
            series.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")));
        }
        assert!(series.insert(name.clone()), "{name} has two rows");
    }
    assert!(series.len() > 20, "{series:?}");
    let dashboard: Value =
        serde_json::from_str(&text("deployments/monitoring/dashboard.json")).unwrap();
    let targets = list(&dashboard["panels"]).flat_map(|panel| list(&panel["targets"]));
    let variables =
        list(&dashboard["templating"]["list"]).filter_map(|one| one["definition"].as_str());
    let alerts = alerts();
    let expressions = targets
        .chain(&alerts)
        .map(|one| one["expr"].as_str().unwrap());
    let mut used = 0;
    for expression in expressions.chain(variables) {
        for name in named(expression) {
            assert!(
                series.contains(name),
                "docs/monitoring.md lacks `{name}`: {expression}"
            );
            used += 1;
        }
    }
    assert!(used > 30, "{used}");
}

#[test]
fn each_alert_has_a_test_and_a_section_to_read() {
    let sections: Vec<String> = text("docs/troubleshooting.md")
        .lines()
        .filter_map(anchor)
        .collect();
    let tests = documents("deployments/monitoring/tests.yaml").remove(0);
    let tested: Vec<&Value> = list(&tests["tests"]).map(|test| &test["name"]).collect();
    let alerts = alerts();
    assert_eq!(
        alerts
            .iter()
            .map(|alert| &alert["alert"])
            .collect::<Vec<_>>(),
        tested
    );
    let page = text("docs/monitoring.md");
    for alert in &alerts {
        let runbook = alert["annotations"]["runbook_url"].as_str().unwrap();
        let section = runbook.strip_prefix("docs/troubleshooting.md#").unwrap();
        assert!(
            sections.iter().any(|one| one == section),
            "{runbook}: {sections:?}"
        );
        let name = alert["alert"].as_str().unwrap();
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/monitoring.md lacks `{name}`"
        );
    }
}

/// In back-ticks, a word with an underscore is an event, unless it stands for something else.
#[test]
fn the_named_events_are_rows_of_the_log_page() {
    let log = text("docs/logging.md");
    let annotations = alerts();
    let annotations = annotations
        .iter()
        .map(|alert| alert["annotations"]["description"].as_str().unwrap());
    let page = text("docs/troubleshooting.md");
    let mut count = 0;
    for text in annotations.chain([page.as_str()]) {
        for word in text.split('`').skip(1).step_by(2) {
            let is_event =
                word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let is_other = [
                "sriovdp_",
                "process_",
                "sriov_numvfs",
                "plugins_registry",
                "vhost_",
                "ib_uverbs",
            ]
            .iter()
            .any(|other| word.starts_with(other));
            if is_event && !is_other {
                assert!(
                    log.contains(&format!("\n| `{word}` |")),
                    "docs/logging.md lacks `{word}`"
                );
                count += 1;
            }
        }
    }
    assert!(count > 15, "{count}");
}

/// The anchor of a heading, as hosts of Markdown make it.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix("## ")?.to_lowercase();
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.collect::<String>().replace(' ', "-"))
}
