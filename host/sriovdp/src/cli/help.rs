//! The help of each command beyond its own arguments: the options that have an effect, examples, exit codes.

mod topics;

use clap::{Arg, Command};

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
pub(super) fn complete(mut command: Command, without_effect: WithoutEffect) -> Command {
    let examples = [
        (
            "sriovdp",
            "serve, with the configuration in /etc/pcidp/config.json",
        ),
        ("sriovdp check && sriovdp list", "what it would serve"),
    ];
    let exit_codes = "0 after SIGTERM; 1 when it cannot serve; 2 invalid command line";
    let help = after_help(&examples, exit_codes, "configuration.md");
    let global = command.get_arguments().filter(|a| a.is_global_set());
    let global: Vec<Arg> = global.cloned().collect();
    if without_effect == WithoutEffect::Absent {
        command = command.mut_args(|argument| argument.global(false));
    }
    below(command.after_help(help), &global, "", without_effect)
}

/// The same for the commands of `command`, which have `prefix` before their names.
fn below(command: Command, global: &[Arg], prefix: &str, without_effect: WithoutEffect) -> Command {
    command.mut_subcommands(|mut command| {
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
        let is_kept =
            |option: &Arg| without_effect == WithoutEffect::Accepted || !option.is_hide_set();
        let options: Vec<Arg> = options.filter(is_kept).collect();
        command = command.args(options);
        if let Some(topic) = topic {
            let help = after_help(topic.examples, topic.exit_codes, topic.page);
            command = command.after_help(help);
        }
        below(command, global, &format!("{name} "), without_effect)
    })
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
