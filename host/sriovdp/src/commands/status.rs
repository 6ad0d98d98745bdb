//! `sriovdp status`: what the running daemon does.

use std::path::Path;

use serde::Serialize;
use sriovdp_agent::observers::Check;
use sriovdp_agent::status::report::{Resource, StatusReport};
use sriovdp_kubelet::ContainerDevices;
use sriovdp_report::count;

use super::Output;
use super::daemon::query;
use super::output::{Columns, Document};

#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    status: StatusReport,
    /// The containers that have devices of these resources; `null` when the kubelet does not answer.
    containers: Option<Vec<ContainerDevices>>,
}

/// The state of the daemon whose socket is in `directory`, and the pods of the kubelet behind `pod_resources`.
pub(super) async fn status(output: &mut Output, directory: &Path, pod_resources: &Path) {
    let status: StatusReport = match query(directory, Check::Status).await {
        Ok(status) => status,
        Err(error) => return output.error(&error),
    };
    let containers = match ContainerDevices::list(pod_resources).await {
        Ok(mut all) => {
            let of_daemon = |name: &String| status.resources.iter().any(|r| r.name == *name);
            all.retain(|container| of_daemon(&container.resource));
            Some(all)
        }
        Err(error) => {
            output.warning(&error);
            None
        }
    };
    output.document(&Page { status, containers });
}

impl Document for Page {
    const KIND: &'static str = "Status";

    fn print(&self, output: &mut Output, _: Columns) {
        print(output, self);
    }
}

fn print(output: &mut Output, page: &Page) {
    let status = &page.status;
    let StatusReport { version, sdk, .. } = status;
    let uptime = time(status.uptime_seconds);
    output.line(format_args!(
        "version       {version}, SDK {sdk}, up {uptime}"
    ));
    output.line(format_args!("registration  {}", status.registration_mode));
    match &status.last_reconcile {
        Some(last) => output.line(format_args!(
            "reconcile     {}, {} ago, in {} ms",
            last.scope,
            time(last.age_seconds),
            last.duration_ms
        )),
        None => output.line(format_args!("reconcile     the first one is not finished")),
    }
    let configuration = &status.configuration;
    let since = match configuration.age_seconds {
        Some(age) => format!("in force for {}", time(age)),
        None => "none has been accepted".to_owned(),
    };
    output.line(format_args!(
        "configuration {}, {since}",
        configuration.file
    ));
    if let Some(rejected) = &configuration.rejected {
        let age = time(rejected.age_seconds);
        output.line(format_args!("    rejected for {age}: {}", rejected.error));
    }
    for provider in &status.providers {
        let detail = provider.error.as_ref().unwrap_or(&provider.version);
        output.line(format_args!(
            "provider      {}: {}, {detail}",
            provider.file, provider.state
        ));
    }
    for resource in &status.resources {
        output.line(format_args!(
            "resource      {}: {}",
            resource.name,
            summary(resource)
        ));
        for device in &resource.unhealthy {
            output.line(format_args!(
                "    {} unhealthy: {}",
                device.id, device.reason
            ));
        }
    }
    for container in page.containers.iter().flatten() {
        let ContainerDevices {
            namespace,
            pod,
            container,
            resource,
            devices,
        } = container;
        let devices = devices.join(", ");
        output.line(format_args!(
            "container     {namespace}/{pod} {container}: {devices} of {resource}"
        ));
    }
    for name in &status.pending_resources {
        output.line(format_args!(
            "resource      {name}: pending, its provider has not answered"
        ));
    }
    for name in &status.refused_resources {
        output.line(format_args!(
            "resource      {name}: refused, see `sriovdp check`"
        ));
    }
}

fn summary(resource: &Resource) -> String {
    let devices = count(resource.devices, "device");
    let healthy = resource.healthy;
    let registration = match (resource.is_registered, resource.registered_seconds) {
        (true, Some(age)) => format!("registered for {}", time(age)),
        _ => match &resource.last_error {
            Some(error) => format!("not registered: {error}"),
            None => "not registered".to_owned(),
        },
    };
    format!("{registration}; {devices}, {healthy} healthy")
}

/// As `kubectl` shows ages: the two largest units.
fn time(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, ..) => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (3599, "59m59s"),
            (3600, "1h0m"),
            (90_000, "1d1h"),
        ] {
            assert_eq!(time(seconds), expected);
        }
    }
}
