//! The license texts that the packages come with, for those who pass the binaries on.

use std::collections::BTreeMap;
use std::fs;
use std::io::Error;
use std::path::Path;

use crate::packages::Linked;

/// What the names of such files begin with, in lower case.
const NAMES: [&str; 5] = ["license", "licence", "copying", "copyright", "notice"];

/// Each text once, below the packages that have it.
pub(crate) fn texts(linked: &Linked<'_>) -> Result<Vec<u8>, Error> {
    let mut packages_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut lines = "The program and its providers are linked from these packages:\n\n".to_owned();
    let others = linked.packages.iter();
    for entry in others.filter(|entry| entry.package.source.is_some()) {
        let package = entry.package;
        let name = format!("{} {}", package.name, package.version);
        let license = package.license.as_deref().unwrap_or("unknown license");
        lines.push_str(&format!("{name}: {license}\n"));
        if let Some(directory) = package.manifest_path.parent() {
            for text in texts_in(directory)? {
                packages_of.entry(text).or_default().push(name.clone());
            }
        }
    }
    let mut texts: Vec<(String, String)> = packages_of
        .into_iter()
        .map(|(text, packages)| (packages.join(", "), text))
        .collect();
    texts.sort();
    for (packages, text) in texts {
        lines.push_str(&format!("\n{}\n{packages}\n\n{text}", "=".repeat(80)));
    }
    Ok(lines.into_bytes())
}

fn texts_in(directory: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().to_lowercase();
        if path.is_file() && NAMES.iter().any(|one| name.starts_with(one)) {
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            found.push(format!("{}\n", text.trim_end()));
        }
    }
    found.sort();
    Ok(found)
}
