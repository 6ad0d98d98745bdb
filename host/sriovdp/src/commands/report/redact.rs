//! Placeholders for what identifies a user. Equal values get equal placeholders, and hardware addresses keep their form, so
//! that a replay matches as the node did.

use std::collections::{HashMap, HashSet};

use serde::de::IgnoredAny;
use serde_json::Value;

/// Attributes that are made of a hardware address, without separators.
const ADDRESS_ATTRIBUTES: [&str; 2] = ["phys_switch_id", "phys_port_id"];
/// Digits of the shortest hardware address.
const SHORTEST: usize = 12;
/// Digits of a GUID.
const LONGEST: usize = 16;
/// What udev rules of the distributions put before the address in the name of an interface.
const PREFIXES: [&str; 6] = ["enx", "ibx", "iwx", "opax", "rocex", "usnicx"];
/// A shorter text may stand for something else where it appears by chance.
const SHORTEST_TEXT: usize = 4;
const SHORTEST_SECRET: usize = 8;
/// The kind of a value of `additionalInfo`.
const VALUE: &str = "value";
/// Keys of `status` and `list` that name pods, and the placeholder of each.
const POD_KEYS: [(&str, &str); 3] = [
    ("namespace", "namespace"),
    ("pod", "pod"),
    ("container", "container"),
];

/// The values that were replaced so far.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    hosts: Vec<String>,
    /// By kind and value.
    names: HashMap<(&'static str, String), usize>,
    /// How many names each kind has.
    counts: HashMap<&'static str, usize>,
    /// By their digits, in lower case.
    addresses: HashMap<String, usize>,
    /// Values that the node has as well, such as the name of a driver.
    public: HashSet<String>,
}

impl Redactor {
    /// Replaces these names of the host, and each without its domain.
    pub(super) fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        let mut names = Vec::new();
        for host in hosts {
            let short = host.split('.').next().unwrap_or_default().to_owned();
            names.extend([host, short]);
        }
        names.retain(|name| name.len() >= SHORTEST_TEXT && name != "localhost");
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        names.dedup();
        Self {
            hosts: names,
            ..Self::default()
        }
    }

    /// What was replaced, for the user.
    pub(super) fn summary(&self) -> Vec<String> {
        let mut counts: Vec<(&str, usize)> = self.counts.iter().map(|(k, n)| (*k, *n)).collect();
        counts.push(("hardware id", self.addresses.len()));
        counts.sort_unstable();
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        counts
            .map(|(kind, count)| sriovdp_report::count(count, kind))
            .collect()
    }

    /// The configuration file: of everything below `additionalInfo`, and of keys like it, only keys stay. Where the file is
    /// no JSON, nothing stays from the first such key on.
    pub(super) fn configuration(&mut self, text: &str) -> String {
        let redacted = match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => self.values_below_info(text),
            Err(_) => self.words_after_info(text),
        };
        let redacted = self.addresses_in(&redacted);
        self.without_hosts(redacted)
    }

    fn words_after_info(&mut self, text: &str) -> String {
        let lower = text.to_ascii_lowercase();
        // A key may be written with escapes.
        let marks = ["info", "\\u"].map(|mark| lower.find(mark).map(|at| at + mark.len()));
        let Some(begin) = marks.into_iter().flatten().min() else {
            return text.to_owned();
        };
        let (before, after) = text.split_at(begin);
        // The end of the key.
        let end = ["s\"", "\"", "s"]
            .into_iter()
            .find(|end| after.starts_with(end))
            .unwrap_or_default();
        let mut redacted = format!("{before}{end}");
        for token in Tokens(&after[end.len()..]) {
            match token.trim() {
                "" | "{" | "}" | "[" | "]" | ":" | "," => redacted += token,
                _ => redacted += &self.value(token),
            }
        }
        redacted
    }

    fn values_below_info(&mut self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        // How many brackets are open since the value that is replaced began, or whether it comes next.
        let (mut depth, mut is_next) = (0_usize, false);
        let tokens: Vec<&str> = Tokens(text).collect();
        for (at, token) in tokens.iter().enumerate() {
            let following = tokens[at + 1..]
                .iter()
                .find(|token| !token.trim().is_empty());
            let is_key = following.is_some_and(|token| *token == ":");
            match *token {
                "{" | "[" if depth > 0 || is_next => (depth, is_next) = (depth + 1, false),
                "}" | "]" => depth = depth.saturating_sub(1),
                "," if depth == 0 => is_next = false,
                "{" | "[" | ":" | "," => {}
                space if space.trim().is_empty() => {}
                key if is_key && depth == 0 => {
                    let key: String = serde_json::from_str(key).unwrap_or_else(|_| key.to_owned());
                    is_next = key.to_ascii_lowercase().contains("info");
                }
                value if !is_key && (depth > 0 || is_next) => {
                    redacted += &self.value(value);
                    continue;
                }
                _ => {}
            }
            redacted += token;
        }
        redacted
    }

    /// Lines of a captured node: hardware addresses only, since its names are those that the configuration selects.
    pub(super) fn node(&mut self, text: &str) -> String {
        let values = self
            .names
            .keys()
            .filter(|(kind, value)| *kind == VALUE && text.contains(value.as_str()));
        self.public.extend(values.map(|(_, value)| value.clone()));
        let mut redacted = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            match line.split_once(" = ") {
                Some((path, value))
                    if ADDRESS_ATTRIBUTES.iter().any(|name| path.ends_with(name)) =>
                {
                    redacted += &format!("{path} = {}\n", self.address(value.trim_end()));
                }
                _ => redacted += &self.addresses_in(line),
            }
        }
        redacted
    }

    /// Any other text.
    pub(super) fn text(&mut self, text: &str) -> String {
        let is_secret = |kind, value: &String| {
            kind == VALUE && value.len() >= SHORTEST_SECRET && !self.public.contains(value)
        };
        let mut secrets: Vec<(&str, usize)> = self
            .names
            .iter()
            .filter(|((kind, value), _)| is_secret(*kind, value) && text.contains(value.as_str()))
            .map(|((_, value), number)| (value.as_str(), *number))
            .collect();
        // A value may contain another one.
        secrets.sort_unstable_by_key(|(value, _)| (std::cmp::Reverse(value.len()), *value));
        let text = secrets
            .into_iter()
            .fold(text.to_owned(), |text, (value, number)| {
                text.replace(value, &format!("{VALUE}-{number}"))
            });
        let text = self.addresses_in(&text);
        self.without_hosts(text)
    }

    /// The texts of a JSON value, with the names of pods where it has them.
    pub(super) fn json(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(list) => list.iter_mut().for_each(|value| self.json(value)),
            Value::Object(object) => {
                let is_pod = object.contains_key("namespace");
                for (key, value) in object {
                    let kind = POD_KEYS
                        .iter()
                        .find(|(name, _)| name == key)
                        .map(|(_, kind)| *kind);
                    let kind = kind.or_else(|| (is_pod && key == "name").then_some("pod"));
                    match (kind, value) {
                        (Some(kind), Value::String(name)) => *name = self.name(kind, name),
                        (_, value) => self.json(value),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn without_hosts(&self, text: String) -> String {
        let hosts = self.hosts.iter();
        hosts.fold(text, |text, host| replace_word(&text, host, "host-1"))
    }

    /// The placeholder of a name or value.
    pub(super) fn name(&mut self, kind: &'static str, name: &str) -> String {
        let count = self.counts.entry(kind).or_default();
        let number = self
            .names
            .entry((kind, name.to_owned()))
            .or_insert_with(|| {
                *count += 1;
                *count
            });
        format!("{kind}-{number}")
    }

    /// A value of `additionalInfo` as it is in the file, in a form that keeps the file as valid as it was.
    fn value(&mut self, token: &str) -> String {
        let is_number = token.parse::<f64>().is_ok();
        match token.strip_prefix('"') {
            Some(text) => {
                let text = text.strip_suffix('"').unwrap_or(text);
                let parsed = serde_json::from_str(token).unwrap_or_else(|_| text.to_owned());
                format!("\"{}\"", self.name(VALUE, &parsed))
            }
            None if is_number => "0".to_owned(),
            None if ["true", "false", "null"].contains(&token) => token.to_owned(),
            None => self.name(VALUE, token),
        }
    }

    /// Hardware addresses in a text: groups of two or four hexadecimal digits, and names of interfaces made of one.
    fn addresses_in(&mut self, text: &str) -> String {
        let is_part = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '-';
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find(is_part) {
            let (before, from) = rest.split_at(begin);
            redacted += before;
            let digits = from.find(|c: char| !c.is_ascii_hexdigit());
            let digits = digits.unwrap_or(from.len());
            let is_named = (SHORTEST..=LONGEST).contains(&digits)
                && PREFIXES.iter().any(|prefix| redacted.ends_with(prefix));
            let length = match is_named {
                true => digits,
                false => from.find(|c| !is_part(c)).unwrap_or(from.len()),
            };
            let (run, after) = from.split_at(length);
            let inner = run.trim_matches([':', '-']);
            let is_known = || {
                inner.len() >= SHORTEST && self.addresses.contains_key(&inner.to_ascii_lowercase())
            };
            match is_named || is_address(inner) || is_known() {
                true => redacted += &run.replacen(inner, &self.address(inner), 1),
                false => redacted += run,
            }
            rest = after;
        }
        redacted + rest
    }

    /// The placeholder of a hardware address, with its separators.
    fn address(&mut self, address: &str) -> String {
        let digits: String = address.chars().filter(char::is_ascii_hexdigit).collect();
        let digits = digits.to_ascii_lowercase();
        let is_one =
            digits.len() >= SHORTEST && digits.bytes().any(|digit| digit != digits.as_bytes()[0]);
        if !is_one {
            return address.to_owned();
        }
        let length = digits.len();
        let next = self.addresses.len() + 1;
        let number = self.addresses.entry(digits).or_insert(next);
        // A locally administered address.
        let placeholder = format!("02{number:0width$x}", width = length - 2);
        let mut placeholder = placeholder.chars();
        let replaced = address.chars().map(|c| match c.is_ascii_hexdigit() {
            true => placeholder.next().unwrap_or('0'),
            false => c,
        });
        replaced.collect()
    }
}

/// Six, eight or twenty groups of two digits, or four or eight groups of four.
fn is_address(text: &str) -> bool {
    let groups: Vec<usize> = text.split([':', '-']).map(str::len).collect();
    let all = |length| groups.iter().all(|group| *group == length);
    match groups.len() {
        6 | 20 => all(2),
        8 => all(2) || all(4),
        4 => all(4),
        _ => false,
    }
}

fn replace_word(text: &str, word: &str, by: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
        replaced += before;
        replaced += if is_word { by } else { word };
        rest = after;
    }
    replaced + rest
}

/// A text that should be JSON: strings, white space, brackets and separators, and anything else by the word.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let first = self.0.chars().next()?;
        let end = |text: &str, is_end: fn(char) -> bool| text.find(is_end).unwrap_or(text.len());
        let length = match first {
            '"' => {
                let mut is_escaped = false;
                let ends = |(_, c): &(usize, char)| {
                    let is_end = *c == '"' && !is_escaped;
                    is_escaped = *c == '\\' && !is_escaped;
                    is_end
                };
                let close = self.0.char_indices().skip(1).find(ends);
                close.map_or(self.0.len(), |(at, _)| at + 1)
            }
            '{' | '}' | '[' | ']' | ':' | ',' => 1,
            c if c.is_whitespace() => end(self.0, |c| !c.is_whitespace()),
            _ => end(self.0, |c| c.is_whitespace() || "{}[]:,\"".contains(c)),
        };
        let (token, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests;
