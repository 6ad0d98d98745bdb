//! From names and contents to lines.

/// A line for one file, by its path from the root.
pub fn file(path: &str, contents: &[u8]) -> String {
    format!("{}{}\n", escaped(path.as_bytes()), self::contents(contents))
}

/// What follows the name of a file: its contents without the last newline, which the language adds. Blanks inside need no
/// escape.
pub(super) fn contents(contents: &[u8]) -> String {
    let contents = match contents {
        [line @ .., last, b'\n'] if *last != b'\n' => &contents[..line.len() + 1],
        [] => return " =".to_owned(),
        other => other,
    };
    let inner = contents.trim_ascii();
    if inner.is_empty() {
        return format!(" = {}", escaped(contents));
    }
    let begin = contents.len() - contents.trim_ascii_start().len();
    let (before, after) = (&contents[..begin], &contents[begin + inner.len()..]);
    let words: Vec<String> = inner.split(|byte| *byte == b' ').map(escaped).collect();
    format!(
        " = {}{}{}",
        escaped(before),
        words.join(" "),
        escaped(after)
    )
}

/// A name in a directory. `@` at its beginning would name a device.
pub(super) fn name(name: &str) -> String {
    match name.strip_prefix('@') {
        Some(rest) => format!("\\x40{}", escaped(rest.as_bytes())),
        None => escaped(name.as_bytes()),
    }
}

/// Printable ASCII as it is, except for what the language gives a meaning.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => text += r"\\",
            b'\n' => text += r"\n",
            b'{' | b'#' => text += &format!("\\x{byte:02x}"),
            b'!'..=b'~' => text.push(char::from(*byte)),
            _ => text += &format!("\\x{byte:02x}"),
        }
    }
    text
}
