//! The provider in the README is the example, and a release has the files that the README names for it.

use crate::repository::text;

#[test]
fn readme_provider_is_the_example() {
    let readme = text("README.md");
    let (_, code) = readme.split_once("```rust\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let example = text("examples/providers/vendor-provider/src/lib.rs");
    let mut lines = example.lines().map(str::trim);
    let shown = code.lines().map(str::trim);
    for line in shown.filter(|line| !line.is_empty() && !line.starts_with("// ...")) {
        let is_there = lines.by_ref().any(|of_example| of_example == line);
        assert!(is_there, "`{line}` is not in the example, or not there");
    }
}

#[test]
fn a_release_has_the_examples_of_the_readme() {
    let (readme, release) = (text("README.md"), text("deployments/release"));
    let mut lines = readme.lines();
    let line = lines.find(|line| line.contains("a release is enough"));
    let words = line.expect("the line").split(['`', ' ']);
    let examples = words.filter_map(|word| word.strip_prefix("examples/"));
    let directories: Vec<&str> = examples.filter_map(|e| e.split('/').next()).collect();
    assert_eq!(directories, ["nodes", "configs"]);
    let mut lines = release.lines();
    let packed = lines.find(|line| line.contains("-manifests.tar.gz"));
    for directory in directories {
        let directory = format!(" examples/{directory} ");
        assert!(
            packed.expect("the archive").contains(&directory),
            "{directory}"
        );
    }
}
