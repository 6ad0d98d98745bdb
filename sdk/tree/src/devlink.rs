//! The answers of devlink, as the files that a node is read from in place of the kernel.

use super::error::Problem;
use super::state::State;

/// `BUS/DEV`, then `key=value`; double quotes keep the blanks of a value.
pub(super) fn devlink(tree: &mut State, usage: &'static str, line: &str) -> Result<(), Problem> {
    let mut words = words(line).into_iter();
    let handle = words.next().ok_or(Problem::Usage { usage })?;
    if !matches!(handle.split_once('/'), Some((bus, device)) if !bus.is_empty() && !device.is_empty())
    {
        return Err(Problem::Usage { usage });
    }
    let directory = format!("/netlink/devlink/{handle}");
    tree.entries.directory(directory.clone());
    for word in words {
        let (key, value) = word.split_once('=').ok_or(Problem::Usage { usage })?;
        let file = match key {
            "eswitch" => key,
            "rdma" => "param.enable_rdma",
            _ if key.starts_with("info.") => key,
            _ => {
                return Err(Problem::UnknownKey {
                    word: "devlink",
                    key: key.to_owned(),
                    known: vec!["eswitch", "rdma", "info.KEY"],
                });
            }
        };
        tree.entries.attribute(format!("{directory}/{file}"), value);
    }
    Ok(())
}

/// The words of a line; double quotes keep blanks together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            _ if character.is_whitespace() && !quoted => {
                words.push(std::mem::take(&mut word));
            }
            _ => word.push(character),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use crate::Tree;

    #[test]
    fn answers_become_files() {
        let node = Tree::parse(
            "devlink pci/0000:03:00.0 eswitch=switchdev info.fw.app.name=\"GTPv1-C/U IPv4\" \"info.a=b c\" rdma=1",
        );
        let node = node.expect("a tree").temp();
        let directory = node.path().join("netlink/devlink/pci/0000:03:00.0");
        for (name, text) in [
            ("eswitch", "switchdev\n"),
            ("info.fw.app.name", "GTPv1-C/U IPv4\n"),
            ("info.a", "b c\n"),
            ("param.enable_rdma", "1\n"),
        ] {
            let found = std::fs::read_to_string(directory.join(name)).expect(name);
            assert_eq!(found, text, "{name}");
        }
    }

    #[test]
    fn lines_that_mean_nothing_are_refused() {
        let usage =
            "line 1: this is not `devlink BUS/DEV [eswitch=MODE] [rdma=1|0] [info.KEY=VALUE]`";
        for line in [
            "devlink",
            "devlink pci",
            "devlink pci/",
            "devlink pci/0000:03:00.0 rdma",
        ] {
            assert_eq!(
                Tree::parse(line).expect_err(line).to_string(),
                usage,
                "{line}"
            );
        }
        let unknown = Tree::parse("devlink pci/x mode=1").expect_err("a key that is none");
        assert_eq!(
            unknown.to_string(),
            "line 1: `devlink` has no key `mode`; its keys are eswitch, rdma, info.KEY"
        );
    }
}
