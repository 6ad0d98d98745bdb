//! The commands, in the order of `sriovdp --help`.

/// Of commands that print.
const EXIT_CODES: &str =
    "0 success; 1 after an error, or when something shown is unknown; 2 invalid command line";
const EXIT_CODES_OF_HEALTH: &str =
    "0 OK; 1 NOT READY; 2 when the daemon does not answer, or invalid command line";

/// Options of every command.
pub(super) const ALWAYS: [&str; 2] = ["root", "color"];
const PROVIDERS: [&str; 2] = ["provider_dir", "provider_digests"];
const CONFIGURATION: [&str; 4] = ["config_file", "resource_prefix", "lenient", "kubelet_dir"];
const DAEMON: [&str; 1] = ["healthcheck_socket_dir"];

/// The help of one command.
pub(super) struct Topic {
    /// Its name, behind that of its parent.
    pub(super) command: &'static str,
    /// The global options that have an effect, beyond [`ALWAYS`].
    pub(super) options: &'static [&'static [&'static str]],
    /// Command lines, with their meaning.
    pub(super) examples: &'static [(&'static str, &'static str)],
    pub(super) exit_codes: &'static str,
    pub(super) page: &'static str,
}

pub(super) const TOPICS: [Topic; 16] = [
    Topic {
        command: "providers",
        options: &[&PROVIDERS],
        examples: &[
            ("sriovdp providers", "each file, with its selectors"),
            ("sriovdp providers -o json", "the same for a program"),
        ],
        exit_codes: EXIT_CODES,
        page: "providers.md",
    },
    Topic {
        command: "provider new",
        options: &[&PROVIDERS],
        examples: &[
            ("sriovdp provider new acme-fpga", "a device type"),
            (
                "sriovdp provider new acme-labels --extends TYPE",
                "selectors for a device type of another provider",
            ),
        ],
        exit_codes: EXIT_CODES,
        page: "providers.md",
    },
    Topic {
        command: "provider check",
        options: &[&["provider_digests"]],
        examples: &[("sriovdp provider check target/release/libacme_fpga.so", "")],
        exit_codes: "0 when the file would be loaded; 1 when it is refused; 2 invalid command line",
        page: "providers.md",
    },
    Topic {
        command: "node write",
        options: &[&["provider_dir"]],
        examples: &[(
            "sriovdp node write examples/nodes/igb-guest.tree /tmp/node --config examples/configs/dpdk-and-kernel.json",
            "then `sriovdp --root /tmp/node list`",
        )],
        exit_codes: EXIT_CODES,
        page: "commands.md",
    },
    Topic {
        command: "check",
        options: &[&PROVIDERS, &CONFIGURATION],
        examples: &[
            ("sriovdp check", "the configuration that the daemon reads"),
            (
                "sriovdp check new.json -o json",
                "a file before it is applied, in CI",
            ),
            (
                "sriovdp check --migrate",
                "what differs from the Go plugin on this node",
            ),
        ],
        exit_codes: EXIT_CODES,
        page: "configuration.md",
    },
    Topic {
        command: "list",
        options: &[&PROVIDERS, &CONFIGURATION],
        examples: &[
            ("sriovdp list -o wide", "with ids and addresses"),
            (
                "sriovdp list -o json | jq '.items[].devices[]?|select(.unhealthy)'",
                "the unhealthy devices",
            ),
        ],
        exit_codes: EXIT_CODES,
        page: "commands.md",
    },
    Topic {
        command: "explain",
        options: &[&PROVIDERS, &CONFIGURATION],
        examples: &[
            ("sriovdp explain 0000:3b:02.0", "one device"),
            (
                "sriovdp explain ens1f0v2",
                "the device of a network interface",
            ),
            (
                "sriovdp explain --resource intel.com/dpdk",
                "all devices, one resource",
            ),
        ],
        exit_codes: EXIT_CODES,
        page: "commands.md",
    },
    Topic {
        command: "rescan",
        options: &[],
        examples: &[("sriovdp rescan", "")],
        exit_codes: "0 success; 1 when no daemon is found; 2 invalid command line",
        page: "changes-of-the-node.md",
    },
    Topic {
        command: "health",
        options: &[&DAEMON],
        examples: &[
            ("sriovdp health liveness", "for a liveness probe"),
            ("sriovdp health registered", "for a readiness probe"),
        ],
        exit_codes: EXIT_CODES_OF_HEALTH,
        page: "monitoring.md",
    },
    Topic {
        command: "status",
        options: &[&DAEMON, &["kubelet_dir"]],
        examples: &[
            ("sriovdp status", ""),
            (
                "sriovdp status -o json | jq .lastReconcile",
                "the last reconcile",
            ),
        ],
        exit_codes: EXIT_CODES,
        page: "commands.md",
    },
    Topic {
        command: "events",
        options: &[&DAEMON],
        examples: &[
            ("sriovdp events --since 1h", "what changed in the last hour"),
            (
                "sriovdp events -o json | jq '.items[]|select(.event==\"allocated\")'",
                "which devices were allocated",
            ),
        ],
        exit_codes: EXIT_CODES,
        page: "logging.md",
    },
    Topic {
        command: "metrics",
        options: &[&DAEMON],
        examples: &[("sriovdp metrics > /var/lib/node_exporter/sriovdp.prom", "")],
        exit_codes: EXIT_CODES,
        page: "monitoring.md",
    },
    Topic {
        command: "report",
        options: &[&PROVIDERS, &CONFIGURATION, &DAEMON],
        examples: &[
            ("sriovdp report", "a new file in this directory"),
            (
                "kubectl -n kube-system exec POD -- sriovdp report - > report.tar.gz",
                "from the pod on a node",
            ),
        ],
        exit_codes: "0 when the archive is written; 1 when it is not; 2 invalid command line",
        page: "reporting-a-fault.md",
    },
    Topic {
        command: "replay",
        options: &[&PROVIDERS],
        examples: &[
            (
                "sriovdp replay report.tar.gz",
                "the errors that `check` prints there",
            ),
            (
                "sriovdp replay report.tar.gz explain 0000:41:10.2",
                "why a device is in no pool",
            ),
        ],
        exit_codes: "those of the command; 1 when the report cannot be used",
        page: "reporting-a-fault.md",
    },
    Topic {
        command: "version",
        options: &[],
        examples: &[
            ("sriovdp version", ""),
            (
                "sriovdp version -o json | jq -r .commit",
                "the commit alone",
            ),
        ],
        exit_codes: EXIT_CODES,
        page: "commands.md",
    },
    Topic {
        command: "schema",
        options: &[&PROVIDERS],
        examples: &[(
            "sriovdp schema > sriovdp.schema.json",
            "for an editor, or for CI",
        )],
        exit_codes: EXIT_CODES,
        page: "configuration.md",
    },
];
