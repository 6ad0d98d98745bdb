//! A plugin in this process, for tests that reconcile explicitly.

use std::time::Duration;

use sriovdp_agent::config::Defaults;
use sriovdp_agent::host_paths::HostPaths;
use sriovdp_agent::pools::Strictness;
use sriovdp_agent::reconcile::{KubeletOptions, Reconciler, Settings};
use sriovdp_providers::{ProviderSettings, Providers};

use crate::test_node::TestNode;

/// A plugin for `world`, which has not reconciled yet. It probes providers with the real program.
pub(crate) fn reconciler(node: &TestNode, kubelet: Option<KubeletOptions>) -> Reconciler {
    reconciler_with_discovery_wait(node, kubelet, Duration::from_secs(1))
}

/// The same, after its first full reconcile, which has loaded every library anew.
pub(crate) async fn reconciled(node: &TestNode) -> Reconciler {
    let mut reconciler = reconciler(node, None);
    reconciler.reconcile().await;
    reconciler
}

/// The same, with `providers` that are loaded already.
pub(crate) fn reconciler_with_providers(node: &TestNode, providers: Providers) -> Reconciler {
    Reconciler::new(settings(node, Duration::from_secs(1)), providers, None)
}

/// The same, with the time for which a reconcile waits for a discovery.
pub(crate) fn reconciler_with_discovery_wait(
    node: &TestNode,
    kubelet: Option<KubeletOptions>,
    discovery_wait: Duration,
) -> Reconciler {
    Reconciler::new(
        settings(node, discovery_wait),
        Providers::default(),
        kubelet,
    )
}

fn settings(node: &TestNode, discovery_wait: Duration) -> Settings {
    let tree = HostPaths::new(node.root(), "/var/lib/kubelet");
    let mut providers = ProviderSettings::new(vec![node.provider_dir().to_owned()]);
    providers.program = sriovdp_tests::program();
    Settings {
        defaults: Defaults {
            resource_prefix: "intel.com".to_owned(),
            registry: tree.plugins_registry(),
        },
        config_file: "/etc/pcidp/config.json".into(),
        strictness: Strictness::Strict,
        providers,
        discovery_wait,
        tree,
    }
}
