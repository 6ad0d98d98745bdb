//! The text that the demo prints.

use std::collections::BTreeMap;

use sriovdp_fake_kubelet::ResourceView;
use sriovdp_proto::deviceplugin::ContainerAllocateResponse;
use tokio::time::Instant;

/// The heading of what comes next.
pub(crate) fn chapter(title: &str) {
    println!("\n== {title}");
}

/// A pool as the kubelet sees it.
pub(crate) fn pool(name: &str, view: &ResourceView) {
    println!(
        "  {name}: {} of {} devices allocatable, at {}",
        view.allocatable(),
        view.capacity(),
        view.endpoint
    );
    for device in &view.devices {
        let numa: Vec<String> = device
            .numa
            .iter()
            .map(|node| format!(" numa {node}"))
            .collect();
        println!(
            "    {} {}{}",
            device.id,
            if device.healthy {
                "healthy"
            } else {
                "unhealthy"
            },
            numa.concat()
        );
    }
}

/// What a container gets.
pub(crate) fn container(answer: &ContainerAllocateResponse) {
    for device in &answer.devices {
        println!(
            "  device node {} as {} ({})",
            device.host_path, device.container_path, device.permissions
        );
    }
    for mount in &answer.mounts {
        println!("  mount {} at {}", mount.host_path, mount.container_path);
    }
    let variables: BTreeMap<&String, &String> = answer.envs.iter().collect();
    for (name, value) in variables {
        println!("  {name}={value}");
    }
}

/// `after 12 ms`.
pub(crate) fn since(start: Instant) -> String {
    format!("after {} ms", start.elapsed().as_millis())
}
