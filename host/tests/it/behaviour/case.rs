//! The text of a case: sections with a head at the margin and a body that is indented.

use std::path::Path;

/// One file of the directory of cases; its README describes the format.
pub(super) struct Case {
    pub(super) name: String,
    sections: Vec<Section>,
}

/// A head and what is below it.
pub(super) struct Section {
    pub(super) head: String,
    pub(super) body: Vec<String>,
}

/// The sections that describe the beginning; all others are steps.
const BEGINNING: [&str; 3] = ["node", "config", "options"];

impl Case {
    /// All cases of a directory, by name.
    pub(super) fn all(directory: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(directory).unwrap().flatten();
        let paths = entries.map(|entry| entry.path());
        let mut cases: Vec<Self> = paths
            .filter(|path| path.extension().is_some_and(|ending| ending == "case"))
            .map(|path| {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                Self::parse(name, &std::fs::read_to_string(&path).unwrap())
            })
            .collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    fn parse(name: String, text: &str) -> Self {
        let mut sections: Vec<Section> = Vec::new();
        for line in text.lines() {
            match line.strip_prefix("    ") {
                Some(line) => {
                    let section = sections.last_mut();
                    let section = section.unwrap_or_else(|| panic!("{name}: a body first"));
                    section.body.push(line.to_owned());
                }
                None if line.is_empty() || line.starts_with('#') => {}
                None => sections.push(Section {
                    head: line.to_owned(),
                    body: Vec::new(),
                }),
            }
        }
        Self { name, sections }
    }

    /// The body of `node`, `config` or `options`, as it stands.
    pub(super) fn beginning(&self, head: &str) -> &[String] {
        let section = self.sections.iter().find(|section| section.head == head);
        section.map_or(&[], |section| &section.body)
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Section> {
        let sections = self.sections.iter();
        sections.filter(|section| !BEGINNING.contains(&section.head.as_str()))
    }
}
