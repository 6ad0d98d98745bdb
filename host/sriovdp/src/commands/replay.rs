//! `sriovdp replay`: runs `check`, `list` or `explain` on the node of a report.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use sriovdp_agent::config;
use sriovdp_sdk::{Error, regular};
use sriovdp_tree::{Limits, RestoreError};
use tempfile::TempDir;

use super::report;
use super::report::Contents;
use crate::cli::{Arguments, CONFIG_FILE, Command};

/// The command line for the node of a report, and the directory with this node, which goes with the value.
pub(super) struct Replay {
    pub(super) arguments: Arguments,
    pub(super) command: Command,
    _node: TempDir,
}

/// Writes the node of the report to a private directory.
///
/// `command_line` is `check`, `list` or `explain` with its arguments; `check` if it is empty. Options that decide about
/// pools are those of the report, and providers are those of this machine.
///
/// # Errors
///
/// When the report cannot be used, or the command is another one.
pub(super) fn prepare(
    outer: &Arguments,
    path: &Path,
    command_line: &[OsString],
) -> Result<Replay, Error> {
    let (mut arguments, command) = parse(command_line)?;
    let is_elsewhere = |given: &Arguments| {
        given.common.root != Path::new("/") || given.kubelet_dir != Path::new(report::KUBELET)
    };
    if is_elsewhere(outer) || is_elsewhere(&arguments) {
        let message = "`replay` reads the node of the report, so it takes neither `--root` nor `--kubelet-dir`";
        return Err(Error::new(message));
    }
    let config_files = [&arguments, outer].map(|given| given.common.config_file.clone());
    let mut config_files = config_files.into_iter();
    let given = config_files.find(|file| file != Path::new(CONFIG_FILE));
    let Contents {
        manifest,
        node,
        configuration,
    } = report::read(path)?;
    let (config_file, configuration) = match given {
        Some(file) => {
            let (file, text) = configuration_here(&file)?;
            (file, Some(text))
        }
        None => (
            CONFIG_FILE.to_owned(),
            configuration.map(String::into_bytes),
        ),
    };
    // One text, so that the limits and the refusals of links hold for both.
    let configuration = configuration.map(|text| sriovdp_tree::file(&config_file, &text));
    let node = format!("{node}\n{}", configuration.unwrap_or_default());
    let directory = restore(&node).map_err(|error| {
        Error::from_std(&error).context(format!("cannot replay the report `{}`", path.display()))
    })?;
    let common = &mut arguments.common;
    common.config_file = PathBuf::from(config_file);
    arguments.kubelet_dir = PathBuf::from(report::KUBELET);
    common.root = directory.path().to_owned();
    common.resource_prefix = manifest.resource_prefix;
    common.lenient |= manifest.lenient;
    if common.provider_dir == [PathBuf::from(crate::cli::PROVIDER_DIR)] {
        common.provider_dir.clone_from(&outer.common.provider_dir);
    }
    if common.provider_digests.is_none() {
        common
            .provider_digests
            .clone_from(&outer.common.provider_digests);
    }
    Ok(Replay {
        arguments,
        command,
        _node: directory,
    })
}

/// A configuration of this machine, with its path, which it also gets on the node.
fn configuration_here(file: &Path) -> Result<(String, Vec<u8>), Error> {
    let path = std::fs::canonicalize(file);
    let read = path.and_then(|path| {
        let (opened, _) = regular::open(&path)?;
        Ok((path, regular::read(opened, config::MAX_SIZE)?))
    });
    let (path, text) = read.map_err(|error| {
        let context = format!("cannot read the configuration file `{}`", file.display());
        Error::from_std(&error).context(context)
    })?;
    Ok((path.to_string_lossy().into_owned(), text))
}

/// In memory if there is room, as sysfs is: a disk takes minutes for the hundred thousand small files of a large node.
fn restore(node: &str) -> Result<TempDir, RestoreError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("sriovdp-replay-");
    let restored = |directory: io::Result<TempDir>| {
        let directory = directory?;
        sriovdp_tree::restore(node, directory.path(), Limits::default())?;
        Ok(directory)
    };
    let in_memory = match std::env::var_os("TMPDIR") {
        None => Some(restored(builder.tempdir_in("/dev/shm"))),
        Some(_) => None,
    };
    match in_memory {
        None | Some(Err(RestoreError::Write(_))) => restored(builder.tempdir()),
        Some(result) => result,
    }
}

fn parse(command_line: &[OsString]) -> Result<(Arguments, Command), Error> {
    let default = [OsString::from("check")];
    let given = if command_line.is_empty() {
        &default
    } else {
        command_line
    };
    let all = [OsString::from("sriovdp")]
        .into_iter()
        .chain(given.iter().cloned());
    let wrong = || {
        Error::new("`replay` runs `check`, `list` or `explain`")
            .with_hint("write the report first: `sriovdp replay REPORT list -o json`")
    };
    let arguments =
        Arguments::parse_go_style(all).map_err(|error| wrong().caused_by(first_line(&error)))?;
    match &arguments.command {
        Some(
            command @ (Command::Check { .. } | Command::List { .. } | Command::Explain { .. }),
        ) => {
            let command = command.clone();
            Ok((arguments, command))
        }
        _ => Err(wrong()),
    }
}

/// clap's message without its usage.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
