//! A plugin in this process, for tests that look when they want to.

use sriovdp_host::config::Defaults;
use sriovdp_host::node::NodeTree;
use sriovdp_host::pools::Strictness;
use sriovdp_host::providers::ProviderSettings;
use sriovdp_host::reconcile::{KubeletSide, Reconciler, Settings};

use crate::world::World;

/// A plugin for `world`, which has not looked yet. It probes providers with the real program.
pub(crate) fn reconciler(world: &World, kubelet: Option<KubeletSide>) -> Reconciler {
    let tree = NodeTree::new(world.root(), "/var/lib/kubelet");
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
        tree,
    };
    Reconciler::new(settings, kubelet)
}
