//! The command line: the Go plugin's options with one or two dashes, and our own.

mod values;
mod without_effect;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

pub use without_effect::WithoutEffect;

use values::{age, level, milliseconds, prefix, seconds, socket_directory, word};

use crate::new_provider::PackageName;

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
    #[arg(long, value_name = "ADDRESS", help_heading = "Monitoring")]
    pub metrics_listen: Option<SocketAddr>,

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
        default_value = "/etc/pcidp/config.json"
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
        default_value = "/opt/sriovdp/providers",
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
        value_name = "DIR",
        default_value = "/tmp",
        value_parser = socket_directory,
        help_heading = "Node"
    )]
    pub healthcheck_socket_dir: PathBuf,

    /// The directory that replaces `/` in paths below /sys, /proc, /dev, /etc/pcidp, /var/lib/kubelet and /var/run.
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

/// What to do instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// List the provider files: the device type or extension of each, or why it is refused.
    Providers,
    /// Check one provider file, or create the crate of a new provider.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Check the configuration against the providers, without a kubelet.
    Check {
        /// The file to check instead of `--config-file`. With `--root`, the path is below that, or else outside.
        #[arg(value_name = "CONFIG")]
        file: Option<PathBuf>,
        /// Print what will change on this node when this program replaces the Go plugin (v3.11), and nothing else.
        #[arg(long)]
        migrate: bool,
        /// The output format of --migrate.
        #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Text, requires = "migrate")]
        output: OutputFormat,
    },
    /// List the pools and their devices.
    List {
        /// The output format.
        #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Text)]
        output: OutputFormat,
    },
    /// Explain for each device which resource has it, and why every other one does not match.
    Explain {
        /// Only this device: an id, a PCI address, or a network interface.
        #[arg(value_name = "DEVICE")]
        named: Option<String>,
        /// Only this resource.
        #[arg(long, value_name = "PREFIX/NAME")]
        resource: Option<String>,
        /// The same as the argument DEVICE.
        #[arg(long, value_name = "DEVICE", conflicts_with = "named")]
        device: Option<String>,
        /// The output format.
        #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Text)]
        output: OutputFormat,
    },
    /// Request a full reconcile from the running daemon. Events of the kernel trigger reconciles without this.
    Rescan,
    /// Query the running daemon, for the kubelet's probes; ends with 1 when it is not ready, and with 2 when it does not
    /// answer.
    Health {
        /// What to query.
        #[arg(value_enum)]
        check: HealthCheck,
    },
    /// Print the state of the running daemon: registrations, last reconcile, providers, configuration, devices.
    Status {
        /// How to print it.
        #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Text)]
        output: OutputFormat,
    },
    /// Print the newest log events of the running daemon: what changed on the node, and why.
    Events {
        /// Only the events of this time, such as 90s, 30m, 1h or 2d.
        #[arg(long, value_name = "TIME", value_parser = age)]
        since: Option<Duration>,
        /// How to print it; JSON is one object for each event.
        #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Text)]
        output: OutputFormat,
    },
    /// Print the metrics of the running daemon once; counters are among them when it serves --metrics-listen.
    Metrics,
    /// Print the JSON schema of the configuration, with the selectors of the loaded providers.
    Schema,
    /// Probe the provider on standard input, and report each step to the parent process.
    #[command(name = sriovdp_providers::probe::COMMAND, hide = true)]
    ProbeProvider,
}

/// What `health` queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HealthCheck {
    /// The daemon works.
    Liveness,
    /// At least one device is healthy, which is the Go plugin's readiness.
    Readiness,
    /// Every resource is registered with the kubelet.
    Registered,
}

/// The commands for one provider.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ProviderCommand {
    /// Create the crate of a new provider in a new directory; it builds, and its tests pass.
    New {
        /// The name of the crate, such as acme-fpga.
        #[arg(value_name = "NAME")]
        name: PackageName,
        /// Extend this device type of another provider instead of owning one.
        #[arg(long, value_name = "DEVICE_TYPE", value_parser = word)]
        extends: Option<String>,
    },
    /// Vet a file step by step as the daemon does, without a node and without checking conflicts with other files.
    Check {
        /// The file.
        file: PathBuf,
    },
}

/// The output format of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
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
        Self::try_parse_from(arguments.into_iter().map(two_dashes))
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
