//! The help of each command beyond its own arguments: the options that have an effect, examples, exit codes.

mod topics;

use clap::{Arg, Command, CommandFactory};

use super::Arguments;
use topics::{ALWAYS, TOPICS};

const DOCUMENTATION: &str = "https://github.com/sriovdp/sriovdp/blob/main/docs";

/// What a command does with global options without an effect on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WithoutEffect {
    /// It accepts them and does not list them, so that it takes the options of the daemon on the same node.
    Accepted,
    /// It does not have them, so that a shell does not propose them.
    Absent,
}

/// Adds to the help of each command.
pub(super) fn complete(command: Command, without_effect: WithoutEffect) -> Command {
    let examples = [
        (
            "sriovdp",
            "serve, with the configuration in /etc/pcidp/config.json",
        ),
        ("sriovdp check && sriovdp list", "what it would serve"),
    ];
    let exit_codes = "0 after SIGTERM; 1 when it cannot serve; 2 invalid command line";
    let help = after_help(&examples, exit_codes, "configuration.md");
    let global = global_options(&command);
    // clap would copy them to each command.
    let command = command.mut_args(|argument| argument.global(false));
    let command = command.after_help(help);
    match without_effect {
        // Those of all commands would be most of what the command line costs a daemon.
        WithoutEffect::Accepted => command.mut_subcommands(|command| command.defer(complete_given)),
        WithoutEffect::Absent => command
            .mut_subcommands(|command| complete_command(command, &global, "", without_effect)),
    }
}

/// Completes the command that is on the command line.
fn complete_given(command: Command) -> Command {
    let global = global_options(&Arguments::command());
    complete_command(command, &global, "", WithoutEffect::Accepted)
}

fn global_options(command: &Command) -> Vec<Arg> {
    let options = command.get_arguments().filter(|a| a.is_global_set());
    options.cloned().collect()
}

/// Adds to the help of a command, which has `prefix` before its name, and of those below it.
fn complete_command(
    mut command: Command,
    global: &[Arg],
    prefix: &str,
    without_effect: WithoutEffect,
) -> Command {
    let name = format!("{prefix}{}", command.get_name());
    let topic = TOPICS.iter().find(|topic| topic.command == name);
    let is_hidden = |id: &str| match topic {
        Some(topic) => {
            let mut options = topic.options.iter().copied().flatten().chain(&ALWAYS);
            options.all(|option| *option != id)
        }
        None => command.has_subcommands(),
    };
    // In place of the options that clap would copy from the parent.
    let options = global.iter().map(|option| {
        let is_hidden = option.is_hide_set() || is_hidden(option.get_id().as_str());
        option.clone().hide(is_hidden)
    });
    let is_kept = |option: &Arg| without_effect == WithoutEffect::Accepted || !option.is_hide_set();
    let options: Vec<Arg> = options.filter(is_kept).collect();
    command = command.args(options);
    if let Some(topic) = topic {
        let help = after_help(topic.examples, topic.exit_codes, topic.page);
        command = command.after_help(help);
    }
    let prefix = format!("{name} ");
    command.mut_subcommands(|below| complete_command(below, global, &prefix, without_effect))
}

fn after_help(examples: &[(&str, &str)], exit_codes: &str, page: &str) -> String {
    let mut text = "Examples:\n".to_owned();
    for (line, meaning) in examples {
        text += &format!("  {line}\n");
        if !meaning.is_empty() {
            text += &format!("      {meaning}\n");
        }
    }
    text + &format!("\nExit codes: {exit_codes}\n\nDocumentation: {DOCUMENTATION}/{page}")
}

#[cfg(test)]
mod tests;
