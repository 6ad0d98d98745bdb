//! What fuzz targets of `fuzz/` call of this crate: each function takes bytes from outside, and panics where a promise is
//! broken.

use std::path::Path;

use crate::config;
use crate::config::Defaults;
use crate::events;
use crate::output;

/// A configuration, whose resource names are fit for a socket.
pub fn configuration(text: &[u8]) {
    let defaults = Defaults {
        resource_prefix: "intel.com".to_owned(),
        registry: "/var/lib/kubelet/plugins_registry".into(),
    };
    let parsed = config::parse(text, Path::new("config.json"), &defaults);
    for resource in parsed.into_iter().flat_map(|parsed| parsed.resources) {
        let stem = resource.name.file_stem();
        assert!(!stem.contains('/') && !stem.starts_with('.'), "{stem}");
        assert!(!resource.selection.alternatives.is_empty());
    }
}

/// A CDI specification in the directory that all plugins share.
pub fn cdi(text: &[u8]) {
    let _ = output::cdi::is_specification(text);
}

/// A message of the kernel.
pub fn events(message: &[u8]) {
    let _ = events::scopes(message);
}
