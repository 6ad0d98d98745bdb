//! The commands and their arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::values::{age, word};
use crate::new_provider::PackageName;

/// What to do instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// List the provider files: the device type or extension of each, or why it is refused.
    Providers {
        #[command(flatten)]
        printing: Printing,
    },
    /// Check one provider file, or create the crate of a new provider.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Create a node of files, to try configurations and commands on.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Check the configuration against the providers, without a kubelet.
    Check {
        /// The file to check instead of `--config-file`; `-` is standard input. With `--root`, the path is below that, or
        /// else outside.
        #[arg(value_name = "CONFIG")]
        file: Option<PathBuf>,
        /// Print what will change on this node when this program replaces the Go plugin (v3.11), and nothing else.
        #[arg(long)]
        migrate: bool,
        #[command(flatten)]
        printing: Printing,
    },
    /// List the pools and their devices.
    List {
        #[command(flatten)]
        printing: Printing,
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
        #[command(flatten)]
        printing: Printing,
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
        #[command(flatten)]
        printing: Printing,
    },
    /// Print the newest log events of the running daemon: what changed on the node, and why.
    Events {
        /// Only the events of this time, such as 90s, 30m, 1h or 2d.
        #[arg(long, value_name = "TIME", value_parser = age)]
        since: Option<Duration>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Print the metrics of the running daemon once; counters are among them when it serves --metrics-listen.
    Metrics,
    /// Write an archive for a bug report: the node, the configuration, the state of the daemon, a page that shows them.
    Report {
        /// The new file, or `-` for standard output. The default has the time in its name.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Run `check`, `list` or `explain` on the node of a report, with the providers of this machine.
    Replay {
        /// The archive that `sriovdp report` wrote.
        #[arg(value_name = "REPORT")]
        report: PathBuf,
        /// The command with its arguments; `check` without one.
        #[arg(
            value_name = "COMMAND",
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        command: Vec<OsString>,
    },
    /// Print the version, the commit, the versions of the provider interface, and how the program was built.
    Version {
        #[command(flatten)]
        printing: Printing,
    },
    /// Print the JSON schema of the configuration, with the selectors of the loaded providers.
    Schema,
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
        /// Take the SDK from this checkout of sriovdp instead of crates.io; without the option from one around the working
        /// directory.
        #[arg(long, value_name = "PATH")]
        sdk: Option<PathBuf>,
    },
    /// Vet a file step by step as the daemon does, without a node and without checking conflicts with other files.
    Check {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        printing: Printing,
    },
}

/// The commands for a node of files.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum NodeCommand {
    /// Write the /sys, /dev and /proc/net of the node that a file describes, such as one of examples/nodes.
    Write {
        /// The description, in the language of `.tree` files.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The directory, which is created, or is empty; it is the --root of other commands then.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// A configuration for this node, such as one of examples/configs.
        #[arg(long, value_name = "CONFIG")]
        config: Option<PathBuf>,
    },
}

/// How a command prints its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Printing {
    /// The output format.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = OutputFormat::Text)]
    pub output: OutputFormat,
}

/// The output format of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// The same with further columns.
    Wide,
    /// For programs: one object with `apiVersion` and `kind`.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Command {
    /// How it prints its result.
    pub fn output_format(&self) -> OutputFormat {
        match self {
            Self::Providers { printing }
            | Self::Provider(ProviderCommand::Check { printing, .. })
            | Self::Check { printing, .. }
            | Self::List { printing }
            | Self::Explain { printing, .. }
            | Self::Status { printing }
            | Self::Events { printing, .. }
            | Self::Version { printing } => printing.output,
            Self::Provider(ProviderCommand::New { .. })
            | Self::Node(NodeCommand::Write { .. })
            | Self::Rescan
            | Self::Health { .. }
            | Self::Metrics
            | Self::Report { .. }
            | Self::Replay { .. }
            | Self::Schema => OutputFormat::Text,
        }
    }
}
