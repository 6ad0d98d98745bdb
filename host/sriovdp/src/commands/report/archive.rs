//! The files of a report as one compressed archive, which may also come from a stranger.

use std::io;
use std::io::{Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sriovdp_agent::config;
use sriovdp_sdk::Error;
use sriovdp_sdk::regular;
use sriovdp_sdk::regular::Limited;

/// The version of the format. Files and keys are added within it.
pub(in crate::commands) const FORMAT: u32 = 1;
/// The directory in the archive.
const DIRECTORY: &str = "sriovdp-report";
pub(super) const MANIFEST: &str = "report.json";
pub(super) const NODE: &str = "node.tree";
pub(super) const CONFIGURATION: &str = "config.json";

/// The limits for an archive from elsewhere.
const MAX_ENTRIES: usize = 100;
const MAX_UNPACKED: u64 = 256 << 20;
const MAX_MANIFEST: u64 = 1 << 20;
/// The text that [`sriovdp_tree::Limits`] allows.
const MAX_NODE: u64 = 64 << 20;

/// `report.json`: what the report is about. Unknown keys are those of newer programs.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::commands) struct Manifest {
    /// [`FORMAT`].
    pub(super) format: u32,
    pub(super) notice: String,
    pub(super) created: String,
    pub(super) version: String,
    pub(super) sdk: String,
    pub(super) kernel: String,
    pub(super) architecture: String,
    /// The options that decide about pools.
    pub(in crate::commands) resource_prefix: String,
    pub(in crate::commands) lenient: bool,
    pub(super) config_file: String,
    pub(super) replaced: Vec<String>,
    /// Why the daemon did not answer.
    pub(super) daemon: Option<String>,
    /// Why the node is not complete.
    pub(super) incomplete: Option<String>,
    pub(super) providers: Vec<ProviderFile>,
}

/// One file of the provider directories.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ProviderFile {
    pub(super) file: String,
    pub(super) package: Option<String>,
    pub(super) version: Option<String>,
    pub(super) sdk: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) refused: Option<String>,
}

/// What a replay needs of a report.
#[derive(Debug)]
pub(in crate::commands) struct Contents {
    pub(in crate::commands) manifest: Manifest,
    pub(in crate::commands) node: String,
    pub(in crate::commands) configuration: Option<String>,
}

/// One file of a report, compressed or not.
pub(super) struct ReportFile {
    name: &'static str,
    bytes: Vec<u8>,
    /// The length before its compression.
    length: Option<u64>,
}

impl ReportFile {
    pub(super) fn new(name: &'static str, text: String) -> Self {
        Self {
            name,
            bytes: text.into_bytes(),
            length: None,
        }
    }

    pub(super) fn compressed(name: &'static str, bytes: Vec<u8>, length: u64) -> Self {
        Self {
            name,
            bytes,
            length: Some(length),
        }
    }
}

/// Writes the files; the size of the archive.
pub(super) fn write(files: &[ReportFile], to: impl Write) -> io::Result<u64> {
    let to = Counted { to, length: 0 };
    let mut archive = tar::Builder::new(GzEncoder::new(to, Compression::default()));
    let now = UNIX_EPOCH.elapsed().unwrap_or_default();
    for ReportFile {
        name,
        bytes,
        length,
    } in files
    {
        let mut header = tar::Header::new_ustar();
        header.set_size(length.unwrap_or(bytes.len() as u64));
        header.set_mode(0o644);
        header.set_mtime(now.as_secs());
        let path = format!("{DIRECTORY}/{name}");
        match length {
            Some(_) => archive.append_data(&mut header, path, GzDecoder::new(&bytes[..]))?,
            None => archive.append_data(&mut header, path, &bytes[..])?,
        }
    }
    let mut written = archive.into_inner()?.finish()?;
    written.flush()?;
    Ok(written.length)
}

struct Counted<W> {
    to: W,
    length: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Reads the report at `path`, within limits. Nothing is unpacked to a file, and entries of other names are skipped.
///
/// # Errors
///
/// When it is no report, is damaged or too large, or has a newer format.
pub(in crate::commands) fn read(path: &Path) -> Result<Contents, Error> {
    let damaged = |error: &io::Error| {
        let error = match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::new("it ends early"),
            _ => Error::from_std(error),
        };
        error
            .context(format!("`{}` is not a complete report", path.display()))
            .with_hint("a report is the file that `sriovdp report` writes; transfer it again as a binary file")
    };
    let (file, _) = regular::open(path).map_err(|error| {
        Error::from_std(&error).context(format!("cannot open the report `{}`", path.display()))
    })?;
    let unpacked = Limited::new(GzDecoder::new(file), MAX_UNPACKED);
    let mut archive = tar::Archive::new(unpacked);
    let (mut manifest, mut node, mut configuration) = (None, None, None);
    // Without long names, sparse files and other extensions, which a report does not have.
    let entries = archive
        .entries()
        .map_err(|error| damaged(&error))?
        .raw(true);
    for (number, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|error| damaged(&error))?;
        if number >= MAX_ENTRIES {
            return Err(damaged(&io::Error::other(format!(
                "it has more than {MAX_ENTRIES} files"
            ))));
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(name) = name
            .strip_prefix(DIRECTORY)
            .and_then(|name| name.strip_prefix('/'))
        else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut text = |limit| text(&mut entry, limit).map_err(|error| damaged(&error));
        match name {
            MANIFEST => manifest = Some(parse(&text(MAX_MANIFEST)?, path)?),
            NODE => node = Some(text(MAX_NODE)?),
            CONFIGURATION => configuration = Some(text(config::MAX_SIZE)?),
            _ => {}
        }
    }
    match (manifest, node) {
        (Some(manifest), Some(node)) => Ok(Contents {
            manifest,
            node,
            configuration,
        }),
        (manifest, _) => {
            let missing = if manifest.is_none() { MANIFEST } else { NODE };
            Err(damaged(&io::Error::other(format!(
                "it has no `{DIRECTORY}/{missing}`"
            ))))
        }
    }
}

fn text(entry: impl Read, limit: u64) -> io::Result<String> {
    let bytes = regular::read(entry, limit)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn parse(text: &str, path: &Path) -> Result<Manifest, Error> {
    let manifest: Manifest = serde_json::from_str(text).map_err(|error| {
        Error::from_std(&error)
            .context(format!("cannot parse `{MANIFEST}` of `{}`", path.display()))
    })?;
    match manifest.format {
        1..=FORMAT => Ok(manifest),
        format => Err(Error::new(format!(
            "the report has the format {format}, and this program reads formats up to {FORMAT}"
        ))
        .with_hint("replay it with the version of sriovdp that wrote it, or with a newer one")),
    }
}
