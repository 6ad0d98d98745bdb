//! Writes the software bill of materials, for `make release`: the packages that the program and the providers are linked from.
//!
//!     cargo metadata --locked --format-version 1 | cargo run -p sriovdp --example sbom -- PACKAGE...
//!
//! The format is CycloneDX 1.5 in JSON. Dependencies for tests and for building are not part of what is shipped.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Error;

use serde::Deserialize;
use serde_json::{Value, json};

/// What `cargo metadata` prints.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

fn main() -> Result<(), Error> {
    let metadata: Metadata = serde_json::from_reader(std::io::stdin().lock())?;
    let roots: BTreeSet<String> = std::env::args().skip(1).collect();
    let bill = bill(&metadata, &roots)?;
    serde_json::to_writer_pretty(std::io::stdout().lock(), &bill)?;
    Ok(())
}

fn bill(metadata: &Metadata, roots: &BTreeSet<String>) -> Result<Value, Error> {
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|p| (p.id.as_str(), p))
        .collect();
    let nodes = metadata.resolve.nodes.iter();
    let linked: BTreeMap<&str, Vec<&str>> = nodes
        .map(|node| (node.id.as_str(), node.linked().collect()))
        .collect();
    let is_root = |package: &&Package| package.source.is_none() && roots.contains(&package.name);
    let mut open: Vec<&str> = metadata
        .packages
        .iter()
        .filter(is_root)
        .map(|package| package.id.as_str())
        .collect();
    if open.len() != roots.len() {
        return Err(Error::other(
            "a package that was named is not in the workspace",
        ));
    }
    let mut shipped = BTreeSet::new();
    while let Some(id) = open.pop() {
        if shipped.insert(id) {
            open.extend(linked.get(id).into_iter().flatten());
        }
    }
    let reference = |id: &&str| packages.get(id).map(|package| package.reference());
    let dependencies = shipped.iter().filter_map(|id| {
        let others: Vec<String> = linked.get(id)?.iter().filter_map(reference).collect();
        Some(json!({"ref": reference(id)?, "dependsOn": others}))
    });
    let components = shipped.iter().filter_map(|id| packages.get(id));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "sriovdp", "version": env!("CARGO_PKG_VERSION")}},
        "components": components.map(|package| package.component()).collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    }))
}

impl Node {
    /// The packages that this one is linked with.
    fn linked(&self) -> impl Iterator<Item = &str> {
        let is_linked = |d: &&Dependency| d.dep_kinds.iter().any(|kind| kind.kind.is_none());
        let linked = self.deps.iter().filter(is_linked);
        linked.map(|dependency| dependency.pkg.as_str())
    }
}

impl Package {
    /// The package URL, by which scanners look up vulnerabilities.
    fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn component(&self) -> Value {
        let license = self.license.iter();
        json!({
            "type": "library",
            "bom-ref": self.reference(),
            "name": self.name,
            "version": self.version,
            "purl": self.reference(),
            "licenses": license.map(|license| json!({"expression": license})).collect::<Vec<_>>(),
        })
    }
}
