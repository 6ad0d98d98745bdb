//! Each command has a topic, and its help lists the options with an effect.

use super::*;

fn names(command: &Command, prefix: &str) -> Vec<String> {
    let commands = command.get_subcommands().filter(|c| !c.is_hide_set());
    let commands = commands.flat_map(|command| {
        let name = format!("{prefix}{}", command.get_name());
        match command.has_subcommands() {
            true => names(command, &format!("{name} ")),
            false => vec![name],
        }
    });
    commands.collect()
}

#[test]
fn every_command_has_a_topic() {
    let command = super::super::command();
    let mut names = names(&command, "");
    names.sort_unstable();
    let mut topics = TOPICS.map(|topic| topic.command);
    topics.sort_unstable();
    assert_eq!(topics.as_slice(), names, "add the new command to `TOPICS`");
    let global = global_options(&Arguments::command());
    let options = TOPICS
        .iter()
        .flat_map(|topic| topic.options.iter().copied().flatten());
    for option in options.chain(&ALWAYS) {
        let is_option = global.iter().any(|a| a.get_id() == option);
        assert!(is_option, "`{option}` is no global option");
    }
}

#[test]
fn help_lists_the_options_with_an_effect_and_all_are_accepted() {
    let help = |line: &str| {
        let words = format!("sriovdp {line} --help");
        let parsed = super::super::command().try_get_matches_from(words.split(' '));
        parsed
            .err()
            .map(|help| help.to_string())
            .unwrap_or_default()
    };
    for (line, listed, hidden) in [
        ("rescan", "--root", "--lenient"),
        ("schema", "--provider-dir", "--config-file"),
        ("provider new", "--provider-dir", "--kubelet-dir"),
        ("check", "--lenient", "--healthcheck-socket-dir"),
        ("status", "--healthcheck-socket-dir", "--lenient"),
        ("list", "--output", "--log-level"),
    ] {
        let help = help(line);
        assert!(
            help.contains(listed) && !help.contains(hidden),
            "{line}: {help}"
        );
        assert!(help.contains("Exit codes: 0 "), "{line}: {help}");
    }
    let words = [
        "sriovdp",
        "--root",
        "/a",
        "rescan",
        "--lenient",
        "--root",
        "/b",
    ];
    let parsed = Arguments::parse_go_style(words.map(Into::into)).unwrap();
    assert!(parsed.common.lenient);
    assert_eq!(parsed.common.root, std::path::Path::new("/b"));
}
