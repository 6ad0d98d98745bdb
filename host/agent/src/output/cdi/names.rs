//! How the names of a container's CDI devices get to the container runtime.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::config::ResourceName;

/// What annotations for CDI begin with (CDI specification, "Kubernetes").
const ANNOTATION_PREFIX: &str = "cdi.k8s.io/";
/// The longest name of an annotation behind its prefix, for Kubernetes as well as for CDI.
const LONGEST: usize = 63;

/// The way that the names take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CdiNames {
    /// In the field for them of the answer to the kubelet, from Kubernetes 1.29 on.
    Field,
    /// As annotations, one key for each resource, for kubelets before 1.29.
    Annotations,
}

/// The key under which a resource's names are annotated.
///
/// The kubelet merges the answers of all resources in a container by key and keeps one value, so no two resources may
/// have the same. A prefix has no `_`, so the two parts are distinct.
pub fn annotation(resource: &ResourceName) -> String {
    let whole = resource.file_stem();
    if whole.len() <= LONGEST {
        return format!("{ANNOTATION_PREFIX}{whole}");
    }
    let mut hasher = DefaultHasher::new();
    whole.hash(&mut hasher);
    let end = format!("_{:016x}", hasher.finish());
    // Resource names are ASCII.
    let begin = whole.get(..LONGEST - end.len()).unwrap_or_default();
    format!("{ANNOTATION_PREFIX}{begin}{end}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_resource_has_a_valid_key_of_its_own() {
        let long = "a".repeat(60);
        let resources = [
            ("intel.com", "dpdk"),
            ("intel.com", "dp_dk"),
            ("intel.com", "dp-dk.0"),
            ("example.org", "dpdk"),
            ("x", &long),
            ("xy.example", &long),
            ("xy.example", &format!("{long}1")),
            ("xy.example", &format!("{long}2")),
        ];
        let keys: BTreeSet<String> = resources
            .iter()
            .map(|(prefix, name)| {
                annotation(&ResourceName::new(prefix, name, Path::new("/r")).unwrap())
            })
            .collect();
        assert_eq!(keys.len(), resources.len(), "{keys:?}");
        assert!(keys.contains("cdi.k8s.io/intel.com_dpdk"));
        for key in keys {
            let name = key.strip_prefix("cdi.k8s.io/").unwrap();
            let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
            assert!(
                name.len() <= 63
                    && edge(name.bytes().next())
                    && edge(name.bytes().last())
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
                "{key}"
            );
        }
    }
}
