//! The words of the language: their arguments, and those that edit single paths.

use std::collections::BTreeMap;

use super::arguments::Arguments;
use super::error::Problem;
use super::state::State;
use super::{children, devlink, net, parse, pci, route, unplug};

/// Writes what one line describes into `tree`.
pub(super) fn expand(tree: &mut State, word: &str, rest: &str) -> Result<(), Problem> {
    let found = WORDS.iter().find(|known| known.name == word);
    let word = found.ok_or_else(|| Problem::UnknownWord {
        word: word.to_owned(),
        known: WORDS.iter().map(|word| word.name).collect(),
    })?;
    match word.expand {
        Expand::Device(expand) => expand(tree, &word.arguments(rest)?),
        Expand::Line(expand) => expand(tree, word.usage, rest),
        Expand::Edit(edit) => match parse::split_word(rest) {
            ("", _) => Err(Problem::Usage { usage: word.usage }),
            (path, text) => {
                let path = tree.place(path)?;
                edit(tree, &path, text)
            }
        },
    }
}

struct Word {
    name: &'static str,
    usage: &'static str,
    /// How many arguments without `=` there may be.
    positional: std::ops::RangeInclusive<usize>,
    keys: &'static [&'static [&'static str]],
    expand: Expand,
}

enum Expand {
    /// A line of names and `key=value`.
    Device(fn(&mut State, &Arguments) -> Result<(), Problem>),
    /// The usage, and the line as it stands, which the word takes apart itself.
    Line(fn(&mut State, &'static str, &str) -> Result<(), Problem>),
    /// A path, and the rest of the line as it stands.
    Edit(fn(&mut State, &str, &str) -> Result<(), Problem>),
}

impl Word {
    const fn device(
        name: &'static str,
        usage: &'static str,
        positional: std::ops::RangeInclusive<usize>,
        keys: &'static [&'static [&'static str]],
        expand: fn(&mut State, &Arguments) -> Result<(), Problem>,
    ) -> Self {
        Self {
            name,
            usage,
            positional,
            keys,
            expand: Expand::Device(expand),
        }
    }

    const fn edit(
        name: &'static str,
        usage: &'static str,
        edit: fn(&mut State, &str, &str) -> Result<(), Problem>,
    ) -> Self {
        Self {
            name,
            usage,
            positional: 0..=0,
            keys: &[],
            expand: Expand::Edit(edit),
        }
    }

    fn arguments(&self, rest: &str) -> Result<Arguments, Problem> {
        let mut arguments = Arguments {
            usage: self.usage,
            positional: Vec::new(),
            keys: BTreeMap::new(),
        };
        for argument in rest.split_whitespace() {
            let Some((key, value)) = argument.split_once('=') else {
                arguments.positional.push(argument.to_owned());
                continue;
            };
            let known = || self.keys.iter().copied().flatten().copied();
            if !known().any(|known| known == key) {
                return Err(Problem::UnknownKey {
                    word: self.name,
                    key: key.to_owned(),
                    known: known().collect(),
                });
            }
            if arguments
                .keys
                .insert(key.to_owned(), value.to_owned())
                .is_some()
            {
                return Err(Problem::RepeatedKey {
                    key: key.to_owned(),
                });
            }
        }
        match self.positional.contains(&arguments.positional.len()) {
            true => Ok(arguments),
            false => Err(Problem::Usage { usage: self.usage }),
        }
    }
}

/// The keys that every PCI function has.
const FUNCTION: &[&str] = &[
    "class", "driver", "net", "numa", "acpi", "group", "noiommu", "uio", "ib", "pkey", "link",
    "switch", "port", "modalias", "virtio",
];

const WORDS: &[Word] = &[
    Word::device(
        "pf",
        "pf ADDR VEN:DEV [key=value..]",
        2..=2,
        &[&["vfs", "in"], FUNCTION],
        pci::pf,
    ),
    Word::device(
        "vf",
        "vf ADDR VEN:DEV pf=ADDR id=N [key=value..]",
        2..=2,
        &[&["pf", "id"], FUNCTION],
        pci::vf,
    ),
    Word::device(
        "pci",
        "pci ADDR VEN:DEV [key=value..]",
        2..=2,
        &[&["in"], FUNCTION],
        pci::function,
    ),
    Word::device(
        "sf",
        "sf NAME on=ADDR num=N",
        1..=1,
        &[&["on", "num", "net", "ib", "pkey", "link", "driver"]],
        children::sf,
    ),
    Word::device("aux", "aux NAME on=ADDR", 1..=1, &[&["on"]], children::aux),
    Word::device(
        "vdpa",
        "vdpa NAME on=ADDR",
        1..=1,
        &[&["on", "driver", "dev", "virtio", "net", "link"]],
        children::vdpa,
    ),
    Word::device(
        "ib",
        "ib NAME",
        1..=1,
        &[&["uverbs", "umad", "issm", "ucm", "pkey"]],
        children::ib,
    ),
    Word::device(
        "net",
        "net NAME",
        1..=1,
        &[&["link", "up"]],
        net::virtual_netdev,
    ),
    Word::device(
        "route",
        "route NETDEV [default|default6|CIDR] [via=IP] [metric=N]",
        1..=2,
        &[&["via", "metric"]],
        route::route,
    ),
    Word {
        name: "devlink",
        usage: "devlink BUS/DEV [eswitch=MODE] [rdma=1|0] [info.KEY=VALUE]",
        positional: 0..=0,
        keys: &[],
        expand: Expand::Line(devlink::devlink),
    },
    Word::device("unplug", "unplug NAME", 1..=1, &[], unplug::unplug),
    Word::edit("dev", "dev PATH", dev),
    Word::edit("nodev", "nodev PATH", nodev),
    Word::edit("file", "file PATH TEXT", file),
    Word::edit("link", "link PATH TARGET", link),
    Word::edit("dir", "dir PATH", dir),
    Word::edit("rm", "rm PATH", rm),
];

fn dev(tree: &mut State, path: &str, _: &str) -> Result<(), Problem> {
    tree.entries.file(path.to_owned(), Vec::new());
    Ok(())
}

fn nodev(tree: &mut State, path: &str, _: &str) -> Result<(), Problem> {
    tree.entries.remove(path);
    Ok(())
}

fn file(tree: &mut State, path: &str, text: &str) -> Result<(), Problem> {
    tree.entries.file(path.to_owned(), parse::contents(text)?);
    Ok(())
}

fn link(tree: &mut State, path: &str, target: &str) -> Result<(), Problem> {
    if target.is_empty() {
        return Err(Problem::Usage {
            usage: "link PATH TARGET",
        });
    }
    tree.entries.link(path.to_owned(), target);
    Ok(())
}

fn dir(tree: &mut State, path: &str, _: &str) -> Result<(), Problem> {
    tree.entries.directory(path.to_owned());
    Ok(())
}

fn rm(tree: &mut State, path: &str, _: &str) -> Result<(), Problem> {
    if !tree.entries.exists(path) {
        return Err(Problem::Nothing {
            path: path.to_owned(),
        });
    }
    tree.entries.remove(path);
    Ok(())
}
