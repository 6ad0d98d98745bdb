//! Differences of the daemon's surroundings: command line, files, sockets and privileges.

use std::path::Path;

use super::{Comparison, Details, Difference, Effect};
use crate::cli::{CdiNames, Registration};
use sriovdp_agent::host_paths::DEVICE_INFO;
use sriovdp_kubelet::RegistrationMode;

pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "lenient",
        effect: Effect::Information,
        find: lenient,
    },
    Difference {
        id: "reload",
        effect: Effect::Information,
        find: reload,
    },
    Difference {
        id: "registration",
        effect: Effect::Information,
        find: registration,
    },
    Difference {
        id: "environment-variables",
        effect: Effect::Information,
        find: environment_variables,
    },
    Difference {
        id: "device-info-files",
        effect: Effect::Information,
        find: device_info_files,
    },
    Difference {
        id: "cdi",
        effect: Effect::Information,
        find: cdi,
    },
    Difference {
        id: "option-without-effect",
        effect: Effect::Information,
        find: options_without_effect,
    },
    Difference {
        id: "mount-not-needed",
        effect: Effect::Information,
        find: mounts_not_needed,
    },
    Difference {
        id: "privileges-not-needed",
        effect: Effect::Information,
        find: privileges_not_needed,
    },
];

fn lenient(compared: &Comparison<'_>) -> Vec<Details> {
    let message = "`--lenient` is set, so unknown keys are ignored as the Go plugin ignores them";
    let is_set = compared.arguments.common.lenient;
    is_set.then(|| Details::new(message)).into_iter().collect()
}

fn reload(compared: &Comparison<'_>) -> Vec<Details> {
    let changes = "a changed configuration, device or link takes effect without a restart";
    let mounted = compared.mounted_files.iter().map(|file| {
        let file = file.display();
        Details::new(format!(
            "`{file}` is mounted alone, so a file that replaces it on the node has no effect"
        ))
        .hint("mount its directory: a ConfigMap without `subPath`, a `hostPath` of the type `Directory`")
    });
    [Details::new(changes)].into_iter().chain(mounted).collect()
}

fn registration(compared: &Comparison<'_>) -> Vec<Details> {
    let tree = compared.here.0.tree();
    let registry = tree.plugins_registry();
    let mode = match compared.arguments.registration {
        Registration::Auto => RegistrationMode::detect(&tree.below_root(&registry)),
        Registration::Watcher => RegistrationMode::Watcher,
        Registration::Register => RegistrationMode::Register,
    };
    let message = match mode {
        RegistrationMode::Watcher => format!(
            "the plugin registers through the plugin watcher, in `{}`, as the Go plugin does; a lost registration is repeated",
            registry.display()
        ),
        RegistrationMode::Register => format!(
            "the plugin registers through `kubelet.sock` in `{}`; its own sockets have another name for each registration",
            tree.device_plugins().display()
        ),
    };
    vec![Details::new(message)]
}

fn environment_variables(compared: &Comparison<'_>) -> Vec<Details> {
    let pools: Vec<_> = compared.here.0.pools().collect();
    if pools.is_empty() {
        return Vec::new();
    }
    let message = "the variables have the names that they have with the Go plugin, and the one that ends in `_INFO` is \
                   complete from the first container on";
    let names = pools.iter().map(|pool| {
        let name = &pool.resource.name;
        format!("`{name}`: `{}`", name.variable())
    });
    vec![Details::new(message).details(names.collect())]
}

fn device_info_files(_: &Comparison<'_>) -> Vec<Details> {
    let message = format!(
        "files in `{DEVICE_INFO}` have the names that they have with the Go plugin, and stay when the plugin starts or ends"
    );
    vec![Details::new(message)]
}

fn cdi(compared: &Comparison<'_>) -> Vec<Details> {
    if !compared.arguments.use_cdi {
        return Vec::new();
    }
    let names = match compared.arguments.cdi_names {
        CdiNames::Field => {
            let message = "CDI names are in the field `CDIDevices` of the Allocate response, which Kubernetes has since \
                           1.29; the Go plugin has them in annotations";
            Details::new(message).hint("`--cdi-names=annotations` for older kubelets")
        }
        CdiNames::Annotations => Details::new(
            "CDI names are in one annotation for each resource; the Go plugin has one for each prefix, of which the \
             kubelet keeps only the first",
        ),
    };
    let directory = compared.here.0.tree().cdi();
    let files = format!(
        "specifications in `{}` have the names that they have with the Go plugin, and stay when the plugin starts or ends",
        directory.display()
    );
    vec![names, Details::new(files)]
}

fn options_without_effect(compared: &Comparison<'_>) -> Vec<Details> {
    let given = compared.arguments.logging.without_effect.given();
    let given = given.into_iter().map(|option| {
        let message = format!("`{option}` has no effect: the log goes to standard error only");
        Details::new(message)
    });
    given.collect()
}

/// Volumes of the Go plugin's manifests that this program does not open.
const VOLUMES: [&str; 1] = ["/var/log"];

/// Whether this process is on the node, as in the pod of the plugin, and not on a node of files.
fn is_on_the_node(compared: &Comparison<'_>) -> bool {
    compared.arguments.common.root == Path::new("/")
}

fn mounts_not_needed(compared: &Comparison<'_>) -> Vec<Details> {
    if !is_on_the_node(compared) {
        return Vec::new();
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4).map(Path::new));
    let not_needed = points.filter(|point| {
        let mut volumes = VOLUMES.iter();
        volumes.any(|volume| point.starts_with(volume))
    });
    not_needed
        .map(|point| Details::new(format!("the volume at `{}` is not needed", point.display())))
        .collect()
}

fn privileges_not_needed(compared: &Comparison<'_>) -> Vec<Details> {
    if !is_on_the_node(compared) {
        return Vec::new();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let number = effective.unwrap_or_default().count_ones();
    let message = format!(
        "this process has {number} capabilities, as in a privileged container; the plugin needs none"
    );
    (number > 0)
        .then(|| Details::new(message))
        .into_iter()
        .collect()
}
