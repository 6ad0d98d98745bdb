//! The public items of the SDK and of its test tools as a text, so that no change of them goes unnoticed.
//!
//! `UPDATE_EXPECT=1 cargo test -p sriovdp-sdk-testing --test public_api` writes `public_api.txt` anew; the section *SDK*
//! of `CHANGELOG.md` has a line about the change and the digest of the text. A `pub` item counts wherever it is, because
//! the lint `unreachable_pub` refuses those that no path leads to.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use quote::{ToTokens, quote};
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, Visibility};

/// Before the name of a type whose implementations do not count.
const PRIVATE: &str = "private ";
const CRATES: [&str; 3] = ["sdk/src", "sdk/tree/src", "sdk/testing/src"];

#[test]
fn a_change_of_the_api_is_in_the_changelog() {
    let text = CRATES.map(listing).concat();
    expect_file!["public_api.txt"].assert_eq(&text);
    let changelog = fs::read_to_string(repository().join("CHANGELOG.md")).expect("a changelog");
    let (_, newest) = changelog.split_once("### SDK\n").expect("a section `SDK`");
    let newest = newest.split("\n#").next().unwrap_or_default();
    let digest = fnv(text.as_bytes());
    assert!(
        newest.contains(&format!("`{digest}`")),
        "the API has changed: the newest section *SDK* of CHANGELOG.md needs a line about it, and the digest `{digest}`"
    );
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The public items of the crate whose sources are in `directory`, a line for each.
fn listing(directory: &str) -> String {
    let mut files = Vec::new();
    sources(&repository().join(directory), &mut files);
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        for item in syn::parse_file(&text).expect("Rust").items {
            list(&item, &mut lines);
        }
    }
    let (private, mut lines): (Vec<String>, Vec<String>) = lines
        .into_iter()
        .partition(|line| line.starts_with(PRIVATE));
    let is_private = |of: &str| {
        let name = of.split('<').next().unwrap_or(of);
        private
            .iter()
            .any(|private| private[PRIVATE.len()..] == *name)
    };
    lines.retain(|line| {
        line.rsplit_once(" for ")
            .is_none_or(|(_, of)| !is_private(of))
    });
    lines.sort();
    format!("# {directory}\n{}\n", lines.join("\n"))
}

fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    let hidden = [
        "runtime",
        "suite",
        "tests",
        "tests.rs",
        "regular.rs",
        "lowest_metric.rs",
    ];
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default();
        match path.is_dir() {
            _ if hidden.iter().any(|hidden| name == *hidden) => {}
            true => sources(&path, files),
            false => files.push(path),
        }
    }
}

fn list(item: &Item, lines: &mut Vec<String>) {
    match item {
        Item::Const(item) if shows(&item.vis, &item.attrs) => {
            let (name, of) = (&item.ident, &item.ty);
            lines.push(tidy(&quote!(pub const #name: #of)));
        }
        Item::Type(item) if shows(&item.vis, &item.attrs) => lines.push(tidy(item)),
        Item::Use(item) if shows(&item.vis, &item.attrs) => {
            let tree = &item.tree;
            lines.push(tidy(&quote!(pub use #tree)));
        }
        Item::Mod(item) if shows(&item.vis, &item.attrs) => {
            lines.push(format!("pub mod {}", item.ident));
            let items = item.content.iter().flat_map(|(_, items)| items);
            items.for_each(|item| list(item, lines));
        }
        Item::Macro(item) if item.attrs.iter().any(|a| a.path().is_ident("macro_export")) => {
            let name = item.ident.as_ref().map(ToString::to_string);
            lines.push(format!("macro {}!", name.unwrap_or_default()));
        }
        Item::Fn(item) if shows(&item.vis, &item.attrs) => {
            let signature = &item.sig;
            lines.push(tidy(&quote!(pub #signature)));
        }
        Item::Struct(item) if shows(&item.vis, &item.attrs) => {
            let name = format!("{}{}", item.ident, tidy(&item.generics));
            lines.push(format!("{}pub struct {name}", marks(&item.attrs)));
            fields(&name, &item.fields, lines);
        }
        Item::Enum(item) if shows(&item.vis, &item.attrs) => {
            lines.push(format!("{}pub enum {}", marks(&item.attrs), item.ident));
            for variant in &item.variants {
                let name = format!("{}::{}", item.ident, variant.ident);
                lines.push(format!("variant {name}"));
                let of_variant = variant.fields.iter();
                lines.extend(of_variant.map(|field| format!("variant {name}: {}", tidy(field))));
            }
        }
        Item::Trait(item) if shows(&item.vis, &item.attrs) => {
            let (name, supertraits) = (&item.ident, &item.supertraits);
            lines.push(tidy(&quote!(pub trait #name: #supertraits)));
            for of_trait in &item.items {
                let line = match of_trait {
                    TraitItem::Fn(method) => {
                        let provided = method.default.as_ref().map_or("", |_| ", provided");
                        format!("{}{provided}", tidy(&method.sig))
                    }
                    other => tidy(other),
                };
                lines.push(format!("trait {name}: {line}"));
            }
        }
        Item::Impl(item) if !is_hidden(&item.attrs) => {
            let name = tidy(&item.self_ty);
            if let Some((_, of, _)) = &item.trait_ {
                lines.push(format!("impl {} for {name}", tidy(of)));
            }
            for of_impl in &item.items {
                if let ImplItem::Fn(method) = of_impl
                    && shows(&method.vis, &method.attrs)
                {
                    lines.push(format!("{name}: {}", tidy(&method.sig)));
                }
            }
        }
        Item::Struct(item) => lines.push(format!("{PRIVATE}{}", item.ident)),
        Item::Enum(item) => lines.push(format!("{PRIVATE}{}", item.ident)),
        _ => {}
    }
}

fn fields(name: &str, fields: &Fields, lines: &mut Vec<String>) {
    for (index, field) in fields.iter().enumerate() {
        if shows(&field.vis, &field.attrs) {
            let field_name = field.ident.as_ref().map(ToString::to_string);
            let field_name = field_name.unwrap_or_else(|| index.to_string());
            lines.push(format!("field {name}.{field_name}: {}", tidy(&field.ty)));
        }
    }
}

fn shows(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    matches!(visibility, Visibility::Public(_)) && !is_hidden(attributes)
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = tidy(attribute);
        text == "#[doc(hidden)]" || text.starts_with("#[cfg(test")
    })
}

/// Derived traits, and whether the type can grow.
fn marks(attributes: &[Attribute]) -> String {
    let is_mark = |attribute: &&Attribute| {
        attribute.path().is_ident("derive") || attribute.path().is_ident("non_exhaustive")
    };
    let marks = attributes.iter().filter(is_mark);
    marks.map(|mark| format!("{} ", tidy(mark))).collect()
}

/// The tokens with less white space.
fn tidy(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    let spaced = [
        " :: ", ":: ", " ::", " < ", "< ", " <", " >", "& ", "( ", " (", " )", "[ ", " [", " ]",
        " ,", " ;", " :", "# [",
    ];
    for with in spaced {
        text = text.replace(with, with.trim_matches(' ').replace("# [", "#[").as_str());
    }
    text
}

/// FNV-1a, which is no more than a fingerprint.
fn fnv(bytes: &[u8]) -> String {
    let digest = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, &byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{digest:016x}")
}
