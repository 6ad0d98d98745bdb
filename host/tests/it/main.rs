//! The daemon from the outside: the real binary, real provider files, real sockets, and a kubelet with faults.
//!
//! Each module is a theme. Every test has a node of its own in a temporary directory, so they run in any number at a
//! time and need no rights.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot continue panics with its line"
)]
#![allow(
    clippy::print_stdout,
    reason = "a test of random events prints its seed"
)]

mod cargo_build;
mod in_process;
mod repository;
mod test_node;

/// Mistakes of users and of provider authors, and what each one costs.
mod bad_input;
/// Libraries that are none, that lie, crash, hang or answer nonsense, and what each one costs.
mod bad_libraries;
/// From a provider file in a directory to a device in a container.
mod captured_node;
/// Device nodes through the Container Device Interface.
mod cdi;
/// The Helm chart, and what Helm makes of it.
mod chart;
/// The commands that reconcile once and print.
mod commands;
/// A configuration that changes.
mod configuration_reload;
mod contributions;
/// A list of the providers that may be loaded.
mod digests;
/// What happens again and again, and must not add up.
mod endurance;
/// The example configurations and pods are valid.
mod examples;
/// Libraries that add to device types of other libraries.
mod extensions;
/// Manifests of other projects that start the Go plugin's image.
mod go_plugin_manifests;
/// What makes a device unhealthy.
mod health;
/// The files of the image, run by themselves.
mod image;
/// Incremental reconciles.
mod incremental;
/// Old and newer providers load.
mod interface;
/// Mistakes in a configuration, reported at once.
mod invalid_configuration;
/// What kubelets do to device plugins.
mod kubelet;
/// Too few threads and descriptors.
mod limits;
/// Probes, status, events and metrics of the running daemon.
mod local_socket;
/// What is logged, and what never is.
mod log;
/// The table of events.
mod log_events;
/// The manifests are what a cluster and the program understand.
mod manifests;
/// Series of the running daemon.
mod metrics;
/// What changes when this program replaces the Go plugin.
mod migration;
/// Devices that pods have and that their resource would not select.
mod mismatched_pod_devices;
/// Metrics, alerts and dashboard name the same things.
mod monitoring;
/// Which providers a configuration needs.
mod needed_providers;
/// Crates that the program writes for authors of providers.
mod new_provider;
/// Files that others made where the plugin reads, and files that the plugin makes.
mod node_files;
/// Warnings of the log and of `check` about the node.
mod node_warnings;
mod non_pci;
/// Parts of functions in pods.
mod parts_in_pods;
/// Clients of a socket that do what no kubelet does.
mod peers;
/// Devices that pods have.
mod pod_devices;
/// Which devices the kubelet is advised to take.
mod preferred_allocation;
/// What holds for every configuration.
mod properties;
/// Several provider directories.
mod provider_directories;
mod provider_features;
/// Provider files that come, change and go while the daemon runs.
mod provider_reload;
/// Random events, in this process.
mod random;
/// What the README shows.
mod readme;
/// The reference of keys is made from the schema.
mod reference;
/// Reports of faults, and their replay.
mod report;
/// Functions of the shell scripts that build a release.
mod scripts;
/// Files that are links or mounts of their own.
mod single_file;
/// What every file of the repository has to keep to.
mod tidy;
/// Device types of vendors.
mod vendor_provider;
mod wrong_values;
