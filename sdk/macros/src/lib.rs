//! The attribute `selectors` of the crate `sriovdp-sdk`, which documents it.

use proc_macro::TokenStream;

/// See `sriovdp_sdk::selectors`.
#[proc_macro_attribute]
pub fn selectors(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if !arguments.is_empty() {
        return error("`#[selectors]` takes no arguments");
    }
    let is_struct = item
        .clone()
        .into_iter()
        .any(|token| token.to_string() == "struct");
    if !is_struct {
        return error("`#[selectors]` belongs to a struct");
    }
    let attributes = "
        #[derive(Default, ::sriovdp_sdk::serde::Deserialize, ::sriovdp_sdk::schemars::JsonSchema)]
        #[serde(crate = \"::sriovdp_sdk::serde\", default)]
        #[schemars(crate = \"::sriovdp_sdk::schemars\")]
    ";
    let mut output: TokenStream = attributes.parse().unwrap_or_default();
    output.extend(item);
    output
}

fn error(message: &str) -> TokenStream {
    format!("::core::compile_error!({message:?});")
        .parse()
        .unwrap_or_default()
}
