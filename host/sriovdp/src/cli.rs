//! The command line: the Go plugin's options with one or two dashes, and our own.

mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use values::{level, milliseconds, prefix, seconds, word};

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

    /// Hand device nodes to containers through the Container Device Interface: specifications in /var/run/cdi, and
    /// their names in the answer to the kubelet.
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

    /// With --use-cdi, how the names get to the container runtime.
    #[arg(long, value_enum, default_value_t = CdiNames::Field, help_heading = "Kubelet")]
    pub cdi_names: CdiNames,

    /// Where the kubelet keeps its sockets.
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

    #[command(flatten)]
    pub logging: Logging,
}

/// What every command needs.
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

    /// The prefix of resources that name none.
    #[arg(
        global = true,
        long,
        value_name = "PREFIX",
        default_value = "intel.com",
        value_parser = prefix
    )]
    pub resource_prefix: String,

    /// Leave out selector keys that no provider knows, as the Go plugin does, instead of refusing the resource.
    #[arg(global = true, long)]
    pub lenient: bool,

    /// The directory of the provider libraries.
    #[arg(
        global = true,
        long,
        value_name = "DIR",
        default_value = "/opt/sriovdp/providers",
        help_heading = "Node"
    )]
    pub provider_dir: PathBuf,

    /// Load no provider but those in this list, which has lines as `sha256sum` prints them: digest, two blanks, file
    /// name.
    #[arg(global = true, long, value_name = "FILE", help_heading = "Node")]
    pub provider_digests: Option<PathBuf>,

    /// Reduce every timeout of provider calls to at most this many milliseconds.
    #[arg(global = true, long, value_name = "MILLISECONDS", hide = true, value_parser = milliseconds, allow_negative_numbers = true)]
    pub provider_timeout: Option<Duration>,

    /// A directory that stands for `/`: /sys, /proc, /dev, /etc/pcidp, /var/lib/kubelet and /var/run are looked up
    /// below it.
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

    #[arg(global = true, short = 'v', hide = true, value_name = "N")]
    verbosity: Option<String>,
    #[arg(global = true, long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    logtostderr: Option<String>,
    #[arg(global = true, long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    alsologtostderr: Option<String>,
    #[arg(global = true, long, hide = true, alias = "log_dir")]
    log_dir: Option<String>,
    #[arg(global = true, long, hide = true)]
    stderrthreshold: Option<String>,
    #[arg(global = true, long, hide = true)]
    vmodule: Option<String>,
    #[arg(global = true, long, hide = true, alias = "log_backtrace_at")]
    log_backtrace_at: Option<String>,
}

/// What to do instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// List the provider libraries: what each brings, or why it is refused.
    Providers,
    /// Check one provider library, or begin a new one.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Check the configuration against the providers, without a kubelet.
    Check {
        /// The file, instead of the one of `--config-file`. With `--root` it is looked up below that, and then outside.
        #[arg(value_name = "CONFIG")]
        file: Option<PathBuf>,
    },
    /// List the pools and their devices.
    List {
        /// How to print it.
        #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Text)]
        output: OutputFormat,
    },
    /// Tell for each device which resource takes it, and why every other one does not.
    Explain {
        /// This device only: its id, its PCI address, or its network interface.
        #[arg(value_name = "DEVICE")]
        named: Option<String>,
        /// This resource only.
        #[arg(long, value_name = "PREFIX/NAME")]
        resource: Option<String>,
        /// The device, as the argument.
        #[arg(long, value_name = "DEVICE", conflicts_with = "named")]
        device: Option<String>,
        /// How to print it.
        #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Text)]
        output: OutputFormat,
    },
    /// Let the running daemon look at the whole node now; it does so by itself when the kernel tells of a change.
    Rescan,
    /// Print the JSON schema of the configuration, as the loaded providers make it.
    Schema,
    /// Load standard input as a provider and tell how it goes, for the process that asks for it.
    #[command(name = sriovdp_providers::probe::COMMAND, hide = true)]
    ProbeProvider,
}

/// What to do about one provider.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ProviderCommand {
    /// Write a crate to begin a provider with, in a new directory here: it builds, and its tests pass.
    New {
        /// The name of the crate, such as acme-fpga.
        #[arg(value_name = "NAME")]
        name: PackageName,
        /// Extend this device type of another provider, instead of owning one.
        #[arg(long, value_name = "DEVICE_TYPE", value_parser = word)]
        extends: Option<String>,
    },
    /// Check a file step by step as the daemon does before it loads one, without a node. Whether it brings what another
    /// file brings already is not looked at.
    Check {
        /// The file.
        file: PathBuf,
    },
}

/// The form of what a command prints.
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

/// The form of the log.
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
    /// It did what it was asked for.
    Success = 0,
    /// It could not, or what it checked is wrong.
    Failure = 1,
    /// The command line makes no sense.
    Usage = 2,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Logging {
    /// Options that were given and have no effect, by name.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let given = [
            ("-v", self.verbosity.is_some()),
            ("--logtostderr", self.logtostderr.is_some()),
            ("--alsologtostderr", self.alsologtostderr.is_some()),
            ("--log-dir", self.log_dir.is_some()),
            ("--stderrthreshold", self.stderrthreshold.is_some()),
            ("--vmodule", self.vmodule.is_some()),
            ("--log-backtrace-at", self.log_backtrace_at.is_some()),
        ];
        given
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| name)
            .collect()
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
