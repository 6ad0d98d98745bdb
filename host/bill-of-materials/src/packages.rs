//! The packages that some packages of the workspace are linked from, by the output of `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Error;
use std::path::PathBuf;

use serde::Deserialize;

/// What `cargo metadata` prints.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// A package of the workspace has none.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
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

/// Dependencies for tests and for building have a kind.
#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// The packages in the order of their names and versions.
pub(crate) struct Linked<'a> {
    pub(crate) packages: Vec<Entry<'a>>,
}

pub(crate) struct Entry<'a> {
    pub(crate) package: &'a Package,
    pub(crate) role: Role,
    /// The places of others in the list.
    pub(crate) dependencies: Vec<usize>,
}

#[derive(PartialEq, Eq)]
pub(crate) enum Role {
    Root,
    Dependency,
}

impl<'a> Linked<'a> {
    /// # Errors
    ///
    /// When a root is no package of the workspace.
    pub(crate) fn of(metadata: &'a Metadata, roots: &BTreeSet<String>) -> Result<Self, Error> {
        let all = metadata.packages.iter();
        let packages: BTreeMap<&str, &Package> = all.map(|p| (p.id.as_str(), p)).collect();
        let nodes = metadata.resolve.nodes.iter();
        let linked: BTreeMap<&str, Vec<&str>> = nodes
            .map(|node| (node.id.as_str(), node.linked(&packages).collect()))
            .collect();
        let is_root = |package: &Package| package.source.is_none() && roots.contains(&package.name);
        let mut open: Vec<&str> = metadata
            .packages
            .iter()
            .filter(|package| is_root(package))
            .map(|package| package.id.as_str())
            .collect();
        if roots.is_empty() || open.len() != roots.len() {
            return Err(Error::other("name packages of the workspace"));
        }
        let mut found = BTreeSet::new();
        while let Some(id) = open.pop() {
            if found.insert(id) {
                open.extend(linked.get(id).into_iter().flatten());
            }
        }
        let mut shipped: Vec<&Package> = found
            .iter()
            .filter_map(|id| packages.get(id).copied())
            .collect();
        shipped.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        let place = |id: &&str| shipped.iter().position(|package| package.id == *id);
        let entry = |package: &&'a Package| Entry {
            package,
            role: if is_root(package) {
                Role::Root
            } else {
                Role::Dependency
            },
            dependencies: {
                let others = linked.get(package.id.as_str()).into_iter().flatten();
                let mut places: Vec<usize> = others.filter_map(place).collect();
                places.sort_unstable();
                places
            },
        };
        Ok(Self {
            packages: shipped.iter().map(entry).collect(),
        })
    }
}

impl Node {
    /// The packages that this one is linked with. A procedural macro runs in the compiler.
    fn linked<'a>(&'a self, packages: &BTreeMap<&str, &Package>) -> impl Iterator<Item = &'a str> {
        let is_linked = |dependency: &&Dependency| {
            let is_macro = packages
                .get(dependency.pkg.as_str())
                .is_some_and(|package| package.is_procedural_macro());
            !is_macro && dependency.dep_kinds.iter().any(|kind| kind.kind.is_none())
        };
        let linked = self.deps.iter().filter(is_linked);
        linked.map(|dependency| dependency.pkg.as_str())
    }
}

impl Package {
    /// The package URL, by which scanners look up vulnerabilities.
    pub(crate) fn url(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn is_procedural_macro(&self) -> bool {
        let mut kinds = self.targets.iter().flat_map(|target| &target.kind);
        kinds.any(|kind| kind == "proc-macro")
    }
}
