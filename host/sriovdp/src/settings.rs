//! The agent's settings, from the command line.

use std::sync::Arc;

use sriovdp_agent::config::Defaults;
use sriovdp_agent::daemon::{MetricsOptions, ObserverOptions, Options};
use sriovdp_agent::history::History;
use sriovdp_agent::host_paths::HostPaths;
use sriovdp_agent::metrics::{PodSeries, Recorded};
use sriovdp_agent::output::cdi;
use sriovdp_agent::pools::Strictness;
use sriovdp_agent::reconcile::Settings;
use sriovdp_kubelet::RegistrationMode;
use sriovdp_provider_abi::limits;
use sriovdp_providers::{ProviderSettings, Timeouts};

use crate::cli::{Arguments, CdiNames, Registration};

/// The options of the daemon.
#[must_use]
pub fn options(
    arguments: &Arguments,
    history: Arc<History>,
    recorded: Option<Arc<Recorded>>,
) -> Options {
    Options {
        registration: match arguments.registration {
            Registration::Auto => None,
            Registration::Watcher => Some(RegistrationMode::Watcher),
            Registration::Register => Some(RegistrationMode::Register),
        },
        rescan_interval: arguments.rescan_interval,
        use_cdi: arguments.use_cdi,
        cdi_names: match arguments.cdi_names {
            CdiNames::Field => cdi::CdiNames::Field,
            CdiNames::Annotations => cdi::CdiNames::Annotations,
        },
        observers: ObserverOptions {
            socket_dir: arguments.common.healthcheck_socket_dir.clone(),
            history,
            metrics: arguments
                .metrics_listen
                .zip(recorded)
                .map(|(address, recorded)| MetricsOptions {
                    address,
                    recorded,
                    pod_series: match arguments.metrics_pod_devices {
                        true => PodSeries::On,
                        false => PodSeries::Off,
                    },
                }),
        },
    }
}

/// The settings for the node.
pub fn settings(arguments: &Arguments) -> Settings {
    let common = &arguments.common;
    let tree = HostPaths::new(&common.root, &arguments.kubelet_dir);
    Settings {
        defaults: Defaults {
            resource_prefix: common.resource_prefix.clone(),
            registry: tree.plugins_registry(),
        },
        // A relative path is relative to the working directory, and then below the root like any other.
        config_file: std::path::absolute(&common.config_file)
            .unwrap_or_else(|_| common.config_file.clone()),
        strictness: if common.lenient {
            Strictness::Lenient
        } else {
            Strictness::Strict
        },
        providers: ProviderSettings {
            digests: common.provider_digests.clone(),
            timeouts: common
                .provider_timeout
                .map_or_else(Timeouts::default, |limit| {
                    Timeouts::default().at_most(limit)
                }),
            ..ProviderSettings::new(common.provider_dir.clone())
        },
        discovery_wait: limits::DISCOVERY_WAIT,
        tree,
    }
}
