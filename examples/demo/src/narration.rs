//! The text that the demo prints.

use std::collections::BTreeMap;

use anstream::println;
use anstyle::{AnsiColor, Style};
use sriovdp_fake_kubelet::ResourceView;
use sriovdp_proto::deviceplugin::ContainerAllocateResponse;
use sriovdp_report::count;
use tokio::time::Instant;

const HEADING: Style = AnsiColor::Cyan.on_default().bold();
const COMMAND: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const ASIDE: Style = Style::new().dimmed();

/// The heading of what comes next.
pub(crate) fn chapter(title: &str) {
    println!("\n{HEADING}== {title}{HEADING:#}");
}

/// A command of the program, and what it printed.
pub(crate) fn command(arguments: &[&str], output: &str) {
    println!("{COMMAND}$ sriovdp {}{COMMAND:#}", arguments.join(" "));
    anstream::print!("{output}");
}

/// A file, with the numbers of its lines, which errors refer to.
pub(crate) fn file(text: &str) {
    for (n, line) in text.lines().enumerate() {
        println!("{ASIDE}{:>4}{ASIDE:#}  {line}", n + 1);
    }
}

/// A remark about the demo itself.
pub(crate) fn aside(text: &str) {
    println!("  {ASIDE}{text}{ASIDE:#}");
}

/// Commands to try, with their meaning.
pub(crate) fn commands_to_try(commands: &[(String, &str)]) {
    for (line, meaning) in commands {
        println!("  {COMMAND}{line}{COMMAND:#}");
        println!("      {meaning}");
    }
}

/// A pool as the kubelet sees it.
pub(crate) fn pool(name: &str, view: &ResourceView) {
    println!(
        "  {name}: {} of {} allocatable, at {}",
        view.allocatable(),
        count(view.capacity(), "device"),
        view.endpoint
    );
    for device in &view.devices {
        let numa: Vec<String> = device
            .numa
            .iter()
            .map(|node| format!(" numa {node}"))
            .collect();
        let (style, health) = match device.healthy {
            true => (GOOD, "healthy"),
            false => (BAD, "unhealthy"),
        };
        println!(
            "    {} {style}{health}{style:#}{}",
            device.id,
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
