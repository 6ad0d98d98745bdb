//! A plugin in this process, for tests that look when they want to.

use std::time::Duration;

use sriovdp_host::config::Defaults;
use sriovdp_host::host_paths::HostPaths;
use sriovdp_host::pools::Strictness;
use sriovdp_host::providers::ProviderSettings;
use sriovdp_host::reconcile::{KubeletOptions, Reconciler, Settings};

use crate::world::World;

/// A plugin for `world`, which has not reconciled yet. It probes providers with the real program.
pub(crate) fn reconciler(world: &World, kubelet: Option<KubeletOptions>) -> Reconciler {
    patient_reconciler(world, kubelet, Duration::from_secs(1))
}

/// The same, with the time for which a reconcile waits for a discovery.
pub(crate) fn patient_reconciler(
    world: &World,
    kubelet: Option<KubeletOptions>,
    discovery_wait: Duration,
) -> Reconciler {
    let tree = HostPaths::new(world.root(), "/var/lib/kubelet");
    let mut providers = ProviderSettings::new(world.provider_dir().to_owned());
    providers.program = env!("CARGO_BIN_EXE_sriovdp").into();
    let settings = Settings {
        defaults: Defaults {
            resource_prefix: "intel.com".to_owned(),
            registry: tree.plugins_registry(),
        },
        config_file: "/etc/pcidp/config.json".into(),
        strictness: Strictness::Strict,
        providers,
        discovery_wait,
        tree,
    };
    Reconciler::new(settings, kubelet)
}
