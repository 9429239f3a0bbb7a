//! The attribute macros of `interlock-plugin-sdk`. Use them through that crate.

use proc_macro::TokenStream;

mod plugin;
mod settings;

/// Makes a struct or an enum part of a plugin's settings.
///
/// It can then be read from JSON (unknown fields are refused, enum values are in snake_case) and has a JSON
/// Schema whose descriptions are the doc comments. A field with `#[default(expression)]` or `#[default]` may be left
/// out; a struct with nothing but such fields is also [`Default`].
///
/// `#[settings(check = path)]` names a `fn(&Self) -> Vec<SettingsProblem>` for what a schema cannot express.
#[proc_macro_attribute]
pub fn settings(arguments: TokenStream, item: TokenStream) -> TokenStream {
    settings::expand(arguments.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a compliance gate of `fn(&Change, &Settings, Instant) -> Result<Verdict, Fault>`.
///
/// `name` is the plugin's name, `evidence` lists the sources that it may ask for; the doc comment's first paragraph is
/// the summary and the crate's version the version. The function stays as it is; beside it appears a unit struct
/// of the same name in upper camel case that implements `Gate`, for tests.
#[proc_macro_attribute]
pub fn gate(arguments: TokenStream, item: TokenStream) -> TokenStream {
    plugin::expand_gate(arguments.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a health check of an `impl Health for …`; the arguments are those of [`macro@gate`].
///
/// The settings are what `needs` and `judge` take; the doc comment of the `impl` gives the summary.
#[proc_macro_attribute]
pub fn health(arguments: TokenStream, item: TokenStream) -> TokenStream {
    plugin::expand_impl("Health", arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a rollout strategy of an `impl Strategy for …`; the arguments are those of [`macro@gate`].
///
/// The settings are what `plan` and `advance` take; the doc comment of the `impl` gives the summary.
#[proc_macro_attribute]
pub fn strategy(arguments: TokenStream, item: TokenStream) -> TokenStream {
    plugin::expand_impl("Strategy", arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
