//! Options of the Go plugin, and of its logging library, that are accepted and have no effect.

/// Each as it was given. A boolean takes a value behind `=` only, as Go programs have it.
///
/// The library is `github.com/golang/glog`; those of rotation are proposed for the Go plugin's image
/// (k8snetworkplumbingwg/sriov-network-device-plugin#719).
#[derive(Clone, Debug, Default, clap::Args)]
pub struct WithoutEffect {
    #[arg(global = true, short = 'v', long = "v", hide = true, value_name = "N")]
    verbosity: Option<String>,
    #[arg(global = true, long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    logtostderr: Option<String>,
    #[arg(global = true, long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    alsologtostderr: Option<String>,
    #[arg(global = true, long, hide = true, alias = "log_dir")]
    log_dir: Option<String>,
    #[arg(global = true, long, hide = true, alias = "log_link")]
    log_link: Option<String>,
    #[arg(global = true, long, hide = true)]
    logbuflevel: Option<String>,
    #[arg(global = true, long, hide = true)]
    stderrthreshold: Option<String>,
    #[arg(global = true, long, hide = true)]
    vmodule: Option<String>,
    #[arg(global = true, long, hide = true, alias = "log_backtrace_at")]
    log_backtrace_at: Option<String>,
    #[arg(global = true, long, hide = true)]
    log_max_size: Option<String>,
    #[arg(global = true, long, hide = true)]
    log_max_files: Option<String>,
    #[arg(global = true, long, hide = true)]
    log_max_age: Option<String>,
}

impl WithoutEffect {
    /// The names of those that were given.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [
            ("-v", &self.verbosity),
            ("--logtostderr", &self.logtostderr),
            ("--alsologtostderr", &self.alsologtostderr),
            ("--log-dir", &self.log_dir),
            ("--log-link", &self.log_link),
            ("--logbuflevel", &self.logbuflevel),
            ("--stderrthreshold", &self.stderrthreshold),
            ("--vmodule", &self.vmodule),
            ("--log-backtrace-at", &self.log_backtrace_at),
            ("--log-max-size", &self.log_max_size),
            ("--log-max-files", &self.log_max_files),
            ("--log-max-age", &self.log_max_age),
        ];
        let given = all.into_iter().filter(|(_, value)| value.is_some());
        given.map(|(name, _)| name).collect()
    }
}
