//! `#[settings]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::{
    Attribute, Data, DeriveInput, Expr, Field, Fields, Ident, Meta, Path, Result, parse_quote, parse2,
};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let check = check_argument(arguments)?;
    let mut item: DeriveInput = parse2(item)?;
    let name = item.ident.clone();
    let (fields, rename) = match &mut item.data {
        Data::Struct(data) => (fields_of(&mut data.fields), None),
        Data::Enum(_) => (Vec::new(), Some(quote!(, rename_all = "snake_case"))),
        Data::Union(_) => return Err(syn::Error::new(name.span(), "settings are a struct or an enum")),
    };

    let total = fields.len();
    let mut defaults = Vec::new();
    for field in fields {
        defaults.extend(take_default(&name, field)?);
    }
    let functions = defaults.iter().map(|(_, function)| function);
    let functions = (!defaults.is_empty()).then(|| quote!(impl #name { #(#functions)* }));
    let whole_default = (total > 0 && total == defaults.len()).then(|| {
        let values = defaults.iter().map(|(field, _)| {
            let function = default_function(field);
            quote!(#field: Self::#function())
        });
        quote! {
            impl ::core::default::Default for #name {
                fn default() -> Self {
                    Self { #(#values),* }
                }
            }
        }
    });

    let problems = match check {
        Some(check) => quote!(#check(self)),
        None => quote!(::std::vec::Vec::new()),
    };
    Ok(quote! {
        #[derive(
            Clone,
            Debug,
            ::interlock_plugin_sdk::reexport::serde::Serialize,
            ::interlock_plugin_sdk::reexport::serde::Deserialize,
            ::interlock_plugin_sdk::reexport::schemars::JsonSchema,
        )]
        #[serde(crate = "::interlock_plugin_sdk::reexport::serde", deny_unknown_fields #rename)]
        #[schemars(crate = "::interlock_plugin_sdk::reexport::schemars")]
        #item

        #functions
        #whole_default

        impl ::interlock_plugin_sdk::Settings for #name {
            fn problems(&self) -> ::std::vec::Vec<::interlock_plugin_sdk::SettingsProblem> {
                #problems
            }
        }
    })
}

/// `check = path`, or nothing.
fn check_argument(arguments: TokenStream) -> Result<Option<Path>> {
    let mut check = None;
    syn::meta::parser(|meta| {
        if meta.path.is_ident("check") {
            check = Some(meta.value()?.parse()?);
            Ok(())
        } else {
            Err(meta.error("unknown argument; `#[settings]` takes `check = path`"))
        }
    })
    .parse2(arguments)?;
    Ok(check)
}

fn fields_of(fields: &mut Fields) -> Vec<&mut Field> {
    match fields {
        Fields::Named(fields) => fields.named.iter_mut().collect(),
        Fields::Unnamed(_) | Fields::Unit => Vec::new(),
    }
}

/// Turns `#[default(expression)]` into a function and serde's attribute that names it.
fn take_default(name: &Ident, field: &mut Field) -> Result<Option<(Ident, TokenStream)>> {
    let Some(index) = field.attrs.iter().position(|attribute| attribute.path().is_ident("default")) else {
        return Ok(None);
    };
    let value = default_value(&field.attrs.remove(index))?;
    let Some(ident) = field.ident.clone() else { return Ok(None) };
    let (function, ty) = (default_function(&ident), &field.ty);
    let definition = quote!(fn #function() -> #ty { #value });
    let path = format!("{name}::{function}");
    field.attrs.push(parse_quote!(#[serde(default = #path)]));
    Ok(Some((ident, definition)))
}

fn default_value(attribute: &Attribute) -> Result<Expr> {
    match &attribute.meta {
        Meta::Path(_) => Ok(parse_quote!(::core::default::Default::default())),
        Meta::List(list) => list.parse_args(),
        Meta::NameValue(pair) => Ok(pair.value.clone()),
    }
}

fn default_function(field: &Ident) -> Ident {
    format_ident!("default_{field}")
}
