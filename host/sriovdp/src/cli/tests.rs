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
        go.logging.without_effect.given(),
        ["-v", "--logtostderr", "--log-dir"]
    );
    assert_eq!(
        parse("").unwrap().common.config_file,
        PathBuf::from("/etc/pcidp/config.json")
    );
}

/// Every option of `glog` and of the image's entry point, in each form that Go programs take.
#[test]
fn options_of_the_go_plugin_without_effect() {
    for name in [
        "-v",
        "--log-dir",
        "--log-link",
        "--logbuflevel",
        "--stderrthreshold",
        "--vmodule",
        "--log-backtrace-at",
        "--log-max-size",
        "--log-max-files",
        "--log-max-age",
    ] {
        let word = name.trim_start_matches('-');
        let underscores = word.replace('-', "_");
        let is_glogs = ["log-dir", "log-link", "log-backtrace-at"].contains(&word);
        for word in [word, &underscores]
            .into_iter()
            .take(if is_glogs { 2 } else { 1 })
        {
            for line in [
                format!("-{word}=10"),
                format!("--{word}=10"),
                format!("-{word} 10"),
                format!("--{word} 10"),
            ] {
                let parsed = parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(parsed.logging.without_effect.given(), [name], "{line}");
                assert_eq!(parsed.command, None, "{line}");
            }
        }
    }
    for name in ["logtostderr", "alsologtostderr"] {
        for line in ["-N", "--N", "-N=true", "--N=false"] {
            let line = line.replace('N', name);
            let parsed = parse(&line).unwrap();
            let expected = [format!("--{name}")];
            assert_eq!(parsed.logging.without_effect.given(), expected, "{line}");
        }
    }
}

#[test]
fn probes_take_the_directory_of_the_socket() {
    for (line, directory) in [
        ("health liveness", "/tmp"),
        ("health -healthcheck-socket-dir /run/x liveness", "/run/x"),
        ("health liveness --healthcheck-socket-dir=/run/x", "/run/x"),
        ("-healthcheck-socket-dir=/run/x health liveness", "/run/x"),
    ] {
        let parsed = parse(line).unwrap();
        let check = HealthCheck::Liveness;
        assert_eq!(parsed.command, Some(Command::Health { check }), "{line}");
        let expected = PathBuf::from(directory);
        assert_eq!(parsed.common.healthcheck_socket_dir, expected, "{line}");
    }
    assert!(parse("health weather").is_err() && parse("health").is_err());
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
