//! The captured node of a report, compressed while it is read: the memory of the daemon's container bounds a report.

use std::io;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sriovdp_provider_abi::wire::{DevlinkHandle, DevlinkQuestion};
use sriovdp_tree::Limits;

use super::redact::Redactor;

/// How long the capture may take, also when the kernel blocks a read.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long devlink may take for all devices.
const DEVLINK_TIME: Duration = Duration::from_secs(5);

/// The redacted text.
#[derive(Debug)]
pub(super) struct Node {
    /// Compressed by gzip.
    pub(super) compressed: Vec<u8>,
    /// Before the compression.
    pub(super) length: u64,
    /// Why it is not complete.
    pub(super) incomplete: Option<String>,
    pub(super) redactor: Redactor,
}

/// Receives the lines of a capture, until it is closed.
#[derive(Clone)]
struct Sink(Arc<Mutex<Option<Lines>>>);

struct Lines {
    redactor: Redactor,
    encoder: GzEncoder<Vec<u8>>,
    length: u64,
}

/// Captures the node below `root`, and appends `more`.
///
/// # Errors
///
/// When the text cannot be compressed, for a lack of memory.
pub(super) async fn capture(root: &Path, more: String, redactor: Redactor) -> io::Result<Node> {
    let sink = Sink(Arc::new(Mutex::new(Some(Lines {
        redactor,
        encoder: GzEncoder::new(Vec::new(), Compression::default()),
        length: 0,
    }))));
    let (mut to, root) = (sink.clone(), root.to_owned());
    let captured = tokio::task::spawn_blocking(move || {
        to.write_all(more.as_bytes())?;
        let limit = sriovdp_tree::capture(&root, Limits::default(), &mut to)?;
        if root == Path::new("/") {
            to.write_all(devlink().as_bytes())?;
        }
        io::Result::Ok(limit)
    });
    let incomplete = match tokio::time::timeout(TIMEOUT, captured).await {
        Ok(Ok(limit)) => limit?.map(|limit| format!("{limit} of what was read reached its limit")),
        Ok(Err(panic)) => return Err(io::Error::other(panic)),
        Err(_) => Some(format!("the kernel blocked a read for {TIMEOUT:?}")),
    };
    let lines = sink.lock().take();
    let lines = lines.ok_or_else(|| io::Error::other("the capture is closed"))?;
    Ok(Node {
        compressed: lines.encoder.finish()?,
        length: lines.length,
        incomplete,
        redactor: lines.redactor,
    })
}

impl Sink {
    fn lock(&self) -> MutexGuard<'_, Option<Lines>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each call has whole lines.
impl Write for Sink {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut lines = self.lock();
        let Some(lines) = &mut *lines else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let redacted = lines.redactor.node(&String::from_utf8_lossy(text));
        lines.length += redacted.len() as u64;
        lines.encoder.write_all(redacted.as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What devlink answers, as the files that stand for it below another root. Serial numbers are left out.
fn devlink() -> String {
    let begun = std::time::Instant::now();
    let query = |question: DevlinkQuestion| -> Option<Value> {
        let question = serde_json::to_string(&question).ok()?;
        let is_late = begun.elapsed() > DEVLINK_TIME;
        let answer = if is_late {
            None
        } else {
            sriovdp_netlink::query_devlink(&question)
        };
        serde_json::from_str(&answer?).ok()
    };
    let mut text = String::new();
    let devices: Vec<String> = query(DevlinkQuestion::Devices)
        .and_then(|devices| serde_json::from_value(devices).ok())
        .unwrap_or_default();
    for device in devices {
        let Some((bus, name)) = device.split_once('/') else {
            continue;
        };
        let handle = || DevlinkHandle {
            bus: bus.to_owned(),
            device: name.to_owned(),
        };
        let mut add = |file: &str, value: &Value| {
            if let Some(value) = value.as_str() {
                let path = format!("/netlink/devlink/{device}/{file}");
                text += &sriovdp_tree::file(&path, value.as_bytes());
            }
        };
        add(
            "eswitch",
            &query(DevlinkQuestion::Eswitch(handle())).unwrap_or_default(),
        );
        let info = query(DevlinkQuestion::Info(handle()));
        for (key, value) in info.iter().filter_map(Value::as_object).flatten() {
            if !key.contains("serial") {
                add(&format!("info.{key}"), value);
            }
        }
    }
    text
}

/// The devices that pods have, as the kubelet's checkpoint has them, without the pods.
pub(super) fn checkpoint<'a>(
    kubelet: &str,
    devices: impl Iterator<Item = (&'a str, &'a [String])>,
) -> String {
    let entries: Vec<Value> = devices
        .flat_map(|(id, resources)| resources.iter().map(move |resource| (id, resource)))
        .map(|(id, resource)| json!({"ResourceName": resource, "DeviceIDs": [id]}))
        .collect();
    if entries.is_empty() {
        return String::new();
    }
    let path = format!("{kubelet}/device-plugins/kubelet_internal_checkpoint");
    let checkpoint = json!({"Data": {"PodDeviceEntries": entries}}).to_string();
    sriovdp_tree::file(&path, checkpoint.as_bytes())
}
