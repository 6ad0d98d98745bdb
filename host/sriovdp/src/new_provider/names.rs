//! The names of a new crate.

use std::str::FromStr;

/// What cargo refuses as a package, or as one that depends on the SDK: the keywords of Rust, the crates of its
/// distribution, and the SDK itself.
const RESERVED: [&str; 58] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "sriovdp-sdk",
    "sriovdp-sdk-testing",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
];

/// The name of a package that is a provider: lower case words with `-` between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageName(String);

impl PackageName {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the library is named.
    pub fn snake_case(&self) -> String {
        self.0.replace('-', "_")
    }

    pub(super) fn pascal_case(&self) -> String {
        let words = self.0.split('-');
        words
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect()
    }

    pub(super) fn camel_case(&self) -> String {
        let pascal = self.pascal_case();
        pascal[..1].to_lowercase() + &pascal[1..]
    }
}

impl FromStr for PackageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        if !text.split('-').all(is_word) {
            return Err(
                "write words in lower case with `-` between them, such as `acme-fpga`".to_owned(),
            );
        }
        if RESERVED.contains(&text) {
            return Err(
                "Rust or the SDK has this name; write another one, such as `acme-fpga`".to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_packages() {
        let name: PackageName = "acme-fpga-x9".parse().unwrap();
        assert_eq!(name.pascal_case(), "AcmeFpgaX9");
        assert_eq!(name.camel_case(), "acmeFpgaX9");
        assert_eq!(name.snake_case(), "acme_fpga_x9");
        let name: PackageName = "slingshot".parse().unwrap();
        assert_eq!(name.camel_case(), "slingshot");
        for wrong in [
            "",
            "match",
            "test",
            "sriovdp-sdk",
            "Acme-fpga",
            "acme_fpga",
            "acme--fpga",
            "-acme",
            "acme-",
            "acme-../x",
            "acme-9",
        ] {
            assert!(wrong.parse::<PackageName>().is_err(), "{wrong}");
        }
    }
}
