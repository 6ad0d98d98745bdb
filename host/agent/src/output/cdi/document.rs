//! The file format of CDI specifications, version 0.5.0, as far as these files use it.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use sriovdp_providers::bounded_read;
use sriovdp_sdk::{DeviceNode, Permissions};

use crate::pools::DeviceEdits;

/// The entry of a device with two nodes has 500 bytes. What is read takes up to ten times its size in memory.
const LARGEST: u64 = 4 << 20;

/// A specification file (CDI specification 0.5.0).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Document {
    #[serde(rename = "cdiVersion")]
    pub(super) version: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) devices: Vec<DeviceEntry>,
    #[serde(rename = "containerEdits", default)]
    pub(super) edits: Edits,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeviceEntry {
    pub(super) name: String,
    #[serde(rename = "containerEdits", default)]
    pub(super) edits: Edits,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Edits {
    #[serde(rename = "deviceNodes", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) nodes: Vec<NodeEntry>,
    /// Each as `NAME=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NodeEntry {
    pub(super) path: String,
    #[serde(rename = "hostPath", default)]
    pub(super) host_path: String,
    #[serde(default)]
    pub(super) permissions: String,
}

impl DeviceEntry {
    pub(super) fn new(id: &str, edits: &DeviceEdits) -> Self {
        let node = |node: &DeviceNode| NodeEntry {
            path: node.container_path.clone(),
            host_path: node.host_path.clone(),
            permissions: node.permissions.to_string(),
        };
        let env = edits.env.iter();
        Self {
            name: id.to_owned(),
            edits: Edits {
                nodes: edits.nodes.iter().map(node).collect(),
                env: env.map(|(name, value)| format!("{name}={value}")).collect(),
            },
        }
    }

    pub(super) fn into_edits(self) -> (String, DeviceEdits) {
        let node = |node: NodeEntry| {
            let permissions: Option<Permissions> = node.permissions.parse().ok();
            DeviceNode::new(node.host_path, node.path)
                .with_permissions(permissions.unwrap_or_default())
        };
        let variable = |text: String| {
            let (name, value) = text.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let edits = DeviceEdits {
            nodes: self.edits.nodes.into_iter().map(node).collect(),
            env: self.edits.env.into_iter().filter_map(variable).collect(),
        };
        (self.name, edits)
    }
}

/// Reads a specification that this plugin may have written. Others write to the directory as well.
pub(super) fn read(path: &Path) -> io::Result<Document> {
    let (file, _) = bounded_read::open(path)?;
    parse(&bounded_read::read(file, LARGEST)?)
}

/// Parses the text of one.
pub(super) fn parse(text: &[u8]) -> io::Result<Document> {
    Ok(serde_json::from_slice(text)?)
}
