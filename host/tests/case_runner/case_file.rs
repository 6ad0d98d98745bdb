//! The text of a case: sections with a head at the margin and a body that is indented.

use std::path::Path;

/// One file of the directory of cases; its README describes the format.
pub(crate) struct CaseFile {
    lines: Vec<String>,
    pub(crate) sections: Vec<Section>,
}

/// A head and the lines below it.
pub(crate) struct Section {
    pub(crate) head: String,
    pub(crate) body: Vec<String>,
    /// The number of the head's line in the file, from 1.
    pub(crate) line: usize,
    /// How many lines the body has in the file.
    length: usize,
}

const INDENT: &str = "    ";
/// The sections that describe the initial state; all others are steps.
const INITIAL: [&str; 3] = ["node", "config", "options"];

impl Section {
    pub(crate) fn is_step(&self) -> bool {
        !INITIAL.contains(&self.head.as_str())
    }
}

impl CaseFile {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut sections: Vec<Section> = Vec::new();
        for (number, line) in (1..).zip(&lines) {
            match line.strip_prefix(INDENT) {
                Some(line) => {
                    let section = sections.last_mut();
                    let section =
                        section.unwrap_or_else(|| panic!("{}: a body first", path.display()));
                    section.body.push(line.to_owned());
                    section.length += 1;
                }
                None if line.is_empty() || line.starts_with('#') => {}
                None => sections.push(Section {
                    head: line.to_owned(),
                    body: Vec::new(),
                    line: number,
                    length: 0,
                }),
            }
        }
        Self { lines, sections }
    }

    /// The body of `node`, `config` or `options`.
    pub(crate) fn initial(&self, head: &str) -> &[String] {
        let section = self.sections.iter().find(|section| section.head == head);
        section.map_or(&[], |section| &section.body)
    }

    /// Writes the file with the bodies as they are now.
    pub(crate) fn write(&self, path: &Path) {
        let mut lines = self.lines.clone();
        for section in self.sections.iter().rev() {
            let body = section.body.iter().map(|line| format!("{INDENT}{line}"));
            lines.splice(section.line..section.line + section.length, body);
        }
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }
}
