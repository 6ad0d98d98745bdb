//! `sriovdp report`: one archive with everything that a bug report needs.

mod archive;
mod destination;
mod model;
mod node;
mod page;
mod redact;

use std::path::Path;

use serde_json::Value;
use sriovdp_agent::config;
use sriovdp_agent::observers::{Check, MetricsPage};
use sriovdp_agent::reconcile::{Outcome, Reconciler, Settings};
use sriovdp_kubelet::ContainerDevices;
use sriovdp_providers::Providers;
use sriovdp_report::inline;
use sriovdp_sdk::{Error, HostRoot, regular};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::daemon::query;
use super::output::Output;
use super::resources::{ShownResource, resources};
use super::{explain, present};
use crate::cli::Arguments;
use archive::{Manifest, ProviderFile, ReportFile};
use destination::Destination;
use model::{Model, Reasons};
use page::Page;
use redact::Redactor;

pub(super) use archive::{Contents, read};

/// The kubelet's directory on the node of a report, wherever it is on the real one.
pub(super) const KUBELET: &str = "/var/lib/kubelet";
/// The metrics whose labels name pods.
const POD_SERIES: &str = "sriov_kubepoddevice{";
const NOTICE: &str = "Values of additionalInfo, MAC addresses and GUIDs, host names, and names of pods, namespaces and \
    containers are replaced by placeholders; equal values have equal placeholders. Everything else is as it is on the \
    node: read the files before you send them.";

/// Writes the report to `file`, to standard output if that is `-`, or to a new file with the time in its name.
pub(super) async fn report(
    output: &mut Output,
    arguments: &Arguments,
    settings: Settings,
    file: Option<&Path>,
) {
    if let Err(error) = write(output, arguments, settings, file).await {
        output.error(&error);
    }
}

async fn write(
    output: &mut Output,
    arguments: &Arguments,
    settings: Settings,
    file: Option<&Path>,
) -> Result<(), Error> {
    let created = now();
    let destination = Destination::open(file, &created)?;
    let mut manifest = manifest(arguments, &settings, created);
    let files = files(arguments, settings, &mut manifest).await?;
    let size = destination.write(&files)?;
    let replaced = manifest.replaced.join(", ");
    let mut lines = vec![format!(
        "replaced: {}",
        if replaced.is_empty() {
            "nothing"
        } else {
            &replaced
        }
    )];
    lines.extend(
        manifest
            .incomplete
            .iter()
            .map(|reason| format!("the node is not complete: {reason}")),
    );
    lines.extend(
        manifest
            .daemon
            .iter()
            .map(|reason| format!("without the state of the daemon: {reason}")),
    );
    lines.push(NOTICE.to_owned());
    match &destination {
        // Standard output has the archive.
        Destination::Output => lines.iter().for_each(|line| anstream::eprintln!("{line}")),
        Destination::File(path) => {
            output.line(format_args!(
                "wrote {} ({} kB)",
                path.display(),
                size.div_ceil(1000)
            ));
            lines
                .iter()
                .for_each(|line| output.line(format_args!("{line}")));
        }
    }
    Ok(())
}

fn manifest(arguments: &Arguments, settings: &Settings, created: String) -> Manifest {
    let root = HostRoot::new(settings.tree.root());
    Manifest {
        format: archive::FORMAT,
        notice: NOTICE.to_owned(),
        created,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sdk: sriovdp_sdk::VERSION.to_owned(),
        kernel: root
            .read("/proc/sys/kernel/osrelease")
            .unwrap_or_else(|| "unknown".to_owned()),
        architecture: std::env::consts::ARCH.to_owned(),
        resource_prefix: arguments.common.resource_prefix.clone(),
        lenient: arguments.common.lenient,
        config_file: settings.config_file.display().to_string(),
        ..Manifest::default()
    }
}

/// Collects and redacts everything.
async fn files(
    arguments: &Arguments,
    settings: Settings,
    manifest: &mut Manifest,
) -> Result<Vec<ReportFile>, Error> {
    let directory = super::socket_directory(arguments, &settings);
    let pod_resources = settings
        .tree
        .below_root(settings.tree.pod_resources_socket());
    let config_file = settings.tree.below_root(&settings.config_file);
    let root = HostRoot::new(settings.tree.root());
    let kernel_name = root.read("/proc/sys/kernel/hostname");
    let variables = ["NODE_NAME", "HOSTNAME"].map(|name| std::env::var(name).ok());
    let mut redactor = Redactor::new(variables.into_iter().chain([kernel_name]).flatten());

    let mut files = Vec::new();
    let mut add = |name: &'static str, text: String| files.push(ReportFile::new(name, text));
    // First, because its values are replaced in all other files.
    let configuration =
        regular::open(&config_file).and_then(|(file, _)| regular::read(file, config::MAX_SIZE));
    if let Ok(text) = configuration {
        add(
            archive::CONFIGURATION,
            redactor.configuration(&String::from_utf8_lossy(&text)),
        );
    }
    let mut state = Reconciler::new(settings, Providers::default(), None);
    let outcome = state.reconcile().await;
    let checkpoint = node::checkpoint(KUBELET, state.pod_devices().iter());
    let node = node::capture(root.directory(), checkpoint, redactor).await;
    let node = node.map_err(|error| Error::from_std(&error).context("cannot compress the node"))?;
    let mut redactor = node.redactor;

    let containers = ContainerDevices::list(&pod_resources)
        .await
        .unwrap_or_default();
    let check = redactor.text(&printed(&state, &outcome, &["check"]).await);
    let list = printed(&state, &outcome, &["list", "-o", "json"]).await;
    add("check.txt", check.clone());
    add("list.json", redacted_json(&mut redactor, &list));
    add(
        "explain.txt",
        redactor.text(&printed(&state, &outcome, &["explain"]).await),
    );
    match daemon(&directory, &containers, &mut redactor).await {
        Ok(of_daemon) => of_daemon
            .into_iter()
            .for_each(|(name, text)| add(name, text)),
        Err(error) => manifest.daemon = Some(redactor.text(&inline(&error))),
    }
    let reasons = reasons(&state, &outcome).await;
    let model = Model {
        state: &state,
        outcome: &outcome,
        containers: &containers,
        reasons: &reasons,
    };
    let pools = model.pools(&mut redactor);
    let page = Page {
        facts: facts(manifest, &state),
        cards: model.cards(&pools, &mut redactor),
        pools,
        check,
    };
    add("report.html", page.html());
    manifest.providers = providers(&state, &mut redactor);
    manifest.replaced = redactor.summary();
    manifest.incomplete = node.incomplete;
    let json = serde_json::to_string_pretty(manifest).map_err(|error| Error::from_std(&error))?;
    files.insert(0, ReportFile::new(archive::MANIFEST, json + "\n"));
    // Last, so that a report which ends early is known to.
    files.push(ReportFile::compressed(
        archive::NODE,
        node.compressed,
        node.length,
    ));
    Ok(files)
}

/// What a command prints, its errors and warnings included.
async fn printed(state: &Reconciler, outcome: &Outcome, command_line: &[&str]) -> String {
    let command_line = ["sriovdp"].iter().chain(command_line).map(Into::into);
    let Ok(Arguments {
        command: Some(command),
        ..
    }) = Arguments::parse_go_style(command_line)
    else {
        return String::new();
    };
    let mut output = Output::of_reports(command.output_format());
    present(&mut output, state, outcome, &command).await;
    output.into_text()
}

/// What `explain` prints about each device, by the device.
async fn reasons(state: &Reconciler, outcome: &Outcome) -> Reasons {
    let shown: Vec<ShownResource<'_>> = resources(state, outcome).collect();
    let all = explain::Query {
        resource: None,
        device: None,
    };
    let mut reasons = Reasons::new();
    for report in explain::reports(state, &shown, &all, None).await {
        let lines = explain::lines(&report);
        // One device may be of several types.
        let of_device = reasons.entry(report.device.unwrap_or_default());
        of_device.or_default().extend(lines);
    }
    reasons
}

/// The state, the events and the metrics of the running daemon, each as a file.
async fn daemon(
    directory: &Path,
    containers: &[ContainerDevices],
    redactor: &mut Redactor,
) -> Result<Vec<(&'static str, String)>, Error> {
    let mut status: Value = query(directory, Check::Status).await?;
    status["containers"] = serde_json::to_value(containers).unwrap_or_default();
    redactor.json(&mut status);
    let mut events: Value = query(directory, Check::Events).await?;
    redactor.json(&mut events);
    let events = events["events"].as_array().into_iter().flatten();
    let metrics: MetricsPage = query(directory, Check::Metrics).await?;
    // The state has the same, with placeholders.
    let of_pod = |line: &&str| line.starts_with(POD_SERIES);
    let metrics: String = metrics
        .text
        .split_inclusive('\n')
        .filter(|line| !of_pod(line))
        .collect();
    Ok(vec![
        ("status.json", format!("{status:#}\n")),
        (
            "events.jsonl",
            events.map(|event| format!("{event}\n")).collect(),
        ),
        ("metrics.txt", redactor.text(&metrics)),
    ])
}

fn redacted_json(redactor: &mut Redactor, text: &str) -> String {
    // Errors of the command may follow.
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(mut value)) => {
            redactor.json(&mut value);
            format!("{value:#}\n")
        }
        _ => redactor.text(text),
    }
}

fn providers(state: &Reconciler, redactor: &mut Redactor) -> Vec<ProviderFile> {
    let loaded: Vec<ProviderFile> = state
        .providers()
        .all()
        .iter()
        .map(|provider| ProviderFile {
            file: redactor.text(&provider.file().display().to_string()),
            package: Some(provider.manifest().package.clone()),
            version: Some(provider.manifest().version.clone()),
            sdk: Some(provider.manifest().sdk.clone()),
            sha256: Some(provider.digest().to_string()),
            refused: None,
        })
        .collect();
    let refused = state
        .providers()
        .refused()
        .iter()
        .map(|refused| ProviderFile {
            file: redactor.text(&refused.file.display().to_string()),
            refused: Some(redactor.text(&inline(&refused.reason))),
            ..ProviderFile::default()
        });
    loaded.into_iter().chain(refused).collect()
}

fn facts(manifest: &Manifest, state: &Reconciler) -> Vec<(&'static str, String)> {
    let providers = state.providers();
    let mut loaded = format!("{} loaded", providers.all().len());
    if !providers.refused().is_empty() {
        loaded += &format!(", {} refused", providers.refused().len());
    }
    let daemon = match manifest.daemon {
        Some(_) => "does not answer",
        None => "answers",
    };
    vec![
        ("Created", manifest.created.clone()),
        (
            "Version",
            format!("{}, SDK {}", manifest.version, manifest.sdk),
        ),
        (
            "Kernel",
            format!("{} {}", manifest.kernel, manifest.architecture),
        ),
        ("Configuration", manifest.config_file.clone()),
        ("Providers", loaded),
        ("Daemon", daemon.to_owned()),
    ]
}

/// The time in UTC, to the second.
fn now() -> String {
    let mut time = String::new();
    // Writing to a text cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    format!("{}Z", time.split('.').next().unwrap_or_default())
}
