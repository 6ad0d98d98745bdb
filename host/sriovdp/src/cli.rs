//! The command line: the Go plugin's options with one or two dashes, and our own.

mod command;
mod help;
mod values;
mod without_effect;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

pub use command::{Command, HealthCheck, NodeCommand, OutputFormat, Printing, ProviderCommand};
pub use without_effect::WithoutEffect;

use values::{level, listening_address, milliseconds, prefix, seconds, socket_directory};

/// The provider directory without an option.
pub const PROVIDER_DIR: &str = "/opt/sriovdp/providers";

/// The configuration file without an option.
pub const CONFIG_FILE: &str = "/etc/pcidp/config.json";

/// The SR-IOV network device plugin for Kubernetes.
///
/// Finds network devices and accelerators, groups them into the pools of the configuration, and offers the pools to
/// the kubelet. Device types are shared libraries in the provider directory.
#[derive(Clone, Debug, Parser)]
#[command(name = "sriovdp", version, about, max_term_width = 100)]
pub struct Arguments {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub common: Common,

    /// How to register with the kubelet.
    #[arg(long, value_enum, default_value_t = Registration::Auto, help_heading = "Kubelet")]
    pub registration: Registration,

    /// Pass device nodes to containers through the Container Device Interface: specifications in /var/run/cdi, and
    /// device names in the Allocate response.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        // Go programs also take `1`, `t`, `TRUE` and their opposites.
        value_parser = clap::builder::BoolishValueParser::new(),
        action = clap::ArgAction::Set,
        help_heading = "Kubelet"
    )]
    pub use_cdi: bool,

    /// With --use-cdi, how the device names reach the container runtime.
    #[arg(long, value_enum, default_value_t = CdiNames::Field, help_heading = "Kubelet")]
    pub cdi_names: CdiNames,

    /// The kubelet's directory.
    #[arg(
        global = true,
        long,
        value_name = "DIR",
        default_value = "/var/lib/kubelet",
        help_heading = "Kubelet"
    )]
    pub kubelet_dir: PathBuf,

    /// The interval between full reconciles (resync), in seconds; SIGHUP starts one at once.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, allow_negative_numbers = true, help_heading = "Node")]
    pub rescan_interval: Duration,

    /// Serve metrics over HTTP at this address, such as 127.0.0.1:9810: /metrics, /healthz and /readyz.
    #[arg(long, value_name = "ADDRESS", value_parser = listening_address, help_heading = "Monitoring")]
    pub metrics_listen: Option<SocketAddr>,

    /// A series `sriov_kubepoddevice` for each device of a pod, where the SR-IOV network metrics exporter does not run.
    #[arg(long, requires = "metrics_listen", help_heading = "Monitoring")]
    pub metrics_pod_devices: bool,

    #[command(flatten)]
    pub logging: Logging,
}

/// The options of all commands.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// The configuration file.
    #[arg(
        global = true,
        long,
        value_name = "FILE",
        default_value = CONFIG_FILE
    )]
    pub config_file: PathBuf,

    /// The prefix of resources without `resourcePrefix`.
    #[arg(
        global = true,
        long,
        value_name = "PREFIX",
        default_value = "intel.com",
        value_parser = prefix
    )]
    pub resource_prefix: String,

    /// Ignore unknown selector keys with a warning, as the Go plugin does, instead of refusing the resource.
    #[arg(global = true, long)]
    pub lenient: bool,

    /// The directory of the provider libraries. Given several times, of files that conflict when
    /// the daemon starts, the one in the earlier directory is loaded.
    #[arg(
        global = true,
        long,
        value_name = "DIR",
        default_value = PROVIDER_DIR,
        help_heading = "Node"
    )]
    pub provider_dir: Vec<PathBuf>,

    /// Load only the provider files in this list, which has the format of `sha256sum`.
    #[arg(global = true, long, value_name = "FILE", help_heading = "Node")]
    pub provider_digests: Option<PathBuf>,

    /// Reduce every timeout of provider calls to at most this many milliseconds.
    #[arg(global = true, long, value_name = "MILLISECONDS", hide = true, value_parser = milliseconds, allow_negative_numbers = true)]
    pub provider_timeout: Option<Duration>,

    /// The directory of the socket that `health`, `status`, `events` and `metrics` query.
    #[arg(
        global = true,
        long,
        env = "SRIOV_HEALTHCHECK_SOCKET_DIR",
        hide_env_values = true,
        value_name = "DIR",
        default_value = "/tmp",
        value_parser = socket_directory,
        help_heading = "Node"
    )]
    pub healthcheck_socket_dir: PathBuf,

    /// When output has colours.
    #[arg(global = true, long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,

    /// The directory that replaces `/` in paths below /sys, /proc, /dev, /etc/pcidp, /var/lib/kubelet, /var/run and /tmp
    /// (the local socket).
    #[arg(
        global = true,
        long,
        value_name = "DIR",
        default_value = "/",
        help_heading = "Node"
    )]
    pub root: PathBuf,
}

/// Logging, and the options of the Go plugin's logging library.
#[derive(Clone, Debug, clap::Args)]
pub struct Logging {
    /// error, warn, info, debug or trace; the Go plugin's numbers mean info.
    #[arg(global = true, long, value_name = "LEVEL", default_value = "info", value_parser = level, help_heading = "Log")]
    pub log_level: tracing::Level,

    /// One line of text or one JSON object for each event.
    #[arg(global = true, long, value_enum, default_value_t = LogFormat::Text, help_heading = "Log")]
    pub log_format: LogFormat,

    #[command(flatten)]
    pub without_effect: WithoutEffect,
}

/// When output has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless the variable NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How to register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Registration {
    /// Through the plugin watcher where its directory exists, else through kubelet.sock.
    Auto,
    /// Through the plugin watcher.
    Watcher,
    /// Through kubelet.sock.
    Register,
}

/// How the names of CDI devices reach the container runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CdiNames {
    /// In the field of the Allocate response, since Kubernetes 1.29.
    Field,
    /// As annotations, for kubelets before 1.29.
    Annotations,
}

/// The log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Success = 0,
    /// The command failed, or reported an error.
    Failure = 1,
    /// The command line is invalid, or `health` got no answer.
    Usage = 2,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Arguments {
    /// Parses a command line, in which long options may have one dash, as Go programs take them.
    ///
    /// # Errors
    ///
    /// clap's own error, which prints itself; help and version are among them.
    pub fn parse_go_style(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().map(two_dashes).collect();
        let mut command = command().color(color_of_errors(&arguments));
        let matches = command.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// The command line, with the help of each command.
#[must_use]
pub fn command() -> clap::Command {
    help::complete(Arguments::command(), help::WithoutEffect::Accepted)
}

/// The same with only the options that have an effect on each command, for completions and pages of a manual.
#[must_use]
pub fn command_for_completion() -> clap::Command {
    help::complete(Arguments::command(), help::WithoutEffect::Absent)
}

/// What `--color` means for an error of the command line itself, which is not parsed then.
fn color_of_errors(arguments: &[OsString]) -> clap::ColorChoice {
    let mut values = arguments.iter().enumerate().filter_map(|(n, argument)| {
        match argument.to_str()?.strip_prefix("--color")? {
            "" => arguments.get(n + 1)?.to_str(),
            value => value.strip_prefix('='),
        }
    });
    match values.next() {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}

/// `-config-file` becomes `--config-file`; `-v`, `-v=3` and values stay.
fn two_dashes(argument: OsString) -> OsString {
    let Some(text) = argument.to_str() else {
        return argument;
    };
    let mut letters = text.chars();
    let single =
        letters.next() == Some('-') && letters.next().is_some_and(|c| c.is_ascii_alphabetic());
    match letters.next() {
        Some(second) if single && second != '=' => format!("-{text}").into(),
        _ => argument,
    }
}

#[cfg(test)]
mod tests;
