//! The files of this repository that tests read: manifests, configurations, documents.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file or directory of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

pub(crate) fn text(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all files below `directory` that end in `extension`, in order.
pub(crate) fn files(directory: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path(directory)).unwrap().flatten() {
        let name = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            if entry.file_name() != "target" {
                found.extend(files(&name, extension));
            }
        } else if Path::new(&name).extension().is_some_and(|e| e == extension) {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// The sources of the program.
pub(crate) const HOST: [&str; 7] = [
    "host/agent/src",
    "host/authority-filter/src",
    "host/kubelet/src",
    "host/netlink/src",
    "host/providers/src",
    "host/report/src",
    "host/sriovdp/src",
];

/// A source without its module of tests, which is the last item of a file that has it.
pub(crate) fn without_tests(source: &str) -> &str {
    let mut tests = source.match_indices("#[cfg(test)]\nmod ");
    let is_inline = |at: usize| {
        let module = source[at..].lines().nth(1);
        module.is_some_and(|line| line.ends_with('{'))
    };
    let inline = tests.find(|(at, _)| is_inline(*at));
    inline.map_or(source, |(at, _)| &source[..at])
}

#[test]
fn only_an_inline_module_of_tests_is_left_out() {
    let source = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nuse a;\nfn b() {}\n";
    assert_eq!(without_tests(source), source);
    let inline = format!("{source}#[cfg(test)]\nmod tests {{\n}}\n");
    assert_eq!(without_tests(&inline), source);
}

/// The documents of a YAML file.
pub(crate) fn documents(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All documents of one kind in the manifests and examples, each with the name of its file. Templates of the chart are
/// not YAML, and the tests of the alerts are no objects.
pub(crate) fn of_kind(kind: &str) -> Vec<(String, Value)> {
    let files = ["deployments", "examples"].map(|directory| files(directory, "yaml"));
    let files = files.into_iter().flatten().filter(|file| {
        !file.starts_with("deployments/helm/") && file != "deployments/monitoring/tests.yaml"
    });
    let documents = files.flat_map(|file| {
        documents(&file)
            .into_iter()
            .map(move |one| (file.clone(), one))
    });
    documents.filter(|(_, one)| one["kind"] == kind).collect()
}

/// The members of a list, and none of what is no list.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
