//! The provider in the README is the example.

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
