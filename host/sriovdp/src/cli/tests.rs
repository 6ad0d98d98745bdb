//! Command lines of the Go plugin, and mistakes in ours.

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::parse_go_style(
        std::iter::once("sriovdp")
            .chain(line.split_whitespace())
            .map(OsString::from),
    )
}

#[test]
fn the_go_plugins_command_lines() {
    let operator =
        parse("--log-level=10 --resource-prefix=openshift.io --config-file=/etc/pcidp/node")
            .unwrap();
    assert_eq!(operator.common.resource_prefix, "openshift.io");
    assert_eq!(operator.logging.log_level, tracing::Level::INFO);
    let go =
        parse("-config-file x -resource-prefix=y -v 10 -logtostderr -log_dir=/var/log/x").unwrap();
    assert_eq!(go.common.config_file, PathBuf::from("x"));
    assert_eq!(go.common.resource_prefix, "y");
    assert_eq!(
        go.logging.without_effect(),
        ["-v", "--logtostderr", "--log-dir"]
    );
    assert_eq!(
        parse("").unwrap().common.config_file,
        PathBuf::from("/etc/pcidp/config.json")
    );
}

#[test]
fn unknown_options_are_usage_errors() {
    for line in [
        "-no-such-flag",
        "--root",
        "--rescan-interval=0",
        "--registration=both",
    ] {
        assert_eq!(
            parse(line).unwrap_err().exit_code(),
            Exit::Usage as i32,
            "{line}"
        );
    }
}

#[test]
fn one_dash_becomes_two_only_in_front_of_words() {
    for (given, expected) in [
        ("-config-file", "--config-file"),
        ("-v", "-v"),
        ("-v=3", "-v=3"),
        ("-", "-"),
        ("-1", "-1"),
    ] {
        assert_eq!(two_dashes(given.into()), OsString::from(expected));
    }
}
