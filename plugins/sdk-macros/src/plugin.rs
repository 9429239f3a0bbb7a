//! `#[gate]`, `#[health]` and `#[strategy]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, Ident, ImplItem, ItemFn, ItemImpl, Lit, LitStr, Meta, Result,
    Signature, Token, Type, bracketed, parse2, punctuated::Punctuated,
};

pub(crate) fn expand_gate(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = Arguments::parse(arguments)?;
    let function: ItemFn = parse2(item)?;
    let (visibility, name) = (&function.vis, &function.sig.ident);
    let settings = referenced(&function.sig, 1)?;
    let gate = Ident::new(&upper_camel(&name.to_string()), name.span());
    let plugin = arguments.plugin(&quote!(#gate), settings, &function.attrs, name.span())?;
    let doc = format!("The gate [`{name}()`] as a plugin.");
    let export = export("gate", &quote!(#gate));
    Ok(quote! {
        #function

        #[doc = #doc]
        #[derive(Clone, Copy, Debug)]
        #visibility struct #gate;

        #plugin

        impl ::interlock_plugin_sdk::Gate for #gate {
            fn evaluate(
                change: &::interlock_plugin_sdk::Change,
                settings: &#settings,
                now: ::interlock_plugin_sdk::Instant,
            ) -> ::core::result::Result<::interlock_plugin_sdk::Verdict, ::interlock_plugin_sdk::Fault> {
                #name(change, settings, now)
            }
        }

        #export
    })
}

pub(crate) fn expand_impl(kind: &str, arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = Arguments::parse(arguments)?;
    let item: ItemImpl = parse2(item)?;
    let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
    if of.is_none_or(|segment| segment.ident != kind) {
        return Err(Error::new_spanned(&item.self_ty, format!("write this over an `impl {kind} for …`")));
    }
    let method = item.items.iter().rev().find_map(|item| match item {
        ImplItem::Fn(function) => Some(&function.sig),
        _ => None,
    });
    let method = method.ok_or_else(|| Error::new_spanned(&item.self_ty, "the methods are missing"))?;
    let settings = settings_argument(method)?;
    let plugin = arguments.plugin(&item.self_ty, settings, &item.attrs, Span::call_site())?;
    let export = export(&kind.to_lowercase(), &item.self_ty);
    Ok(quote! {
        #item
        #plugin
        #export
    })
}

/// What the attribute says: `name = "…", evidence = ["…"]`.
struct Arguments {
    name: LitStr,
    evidence: Vec<LitStr>,
}

impl Arguments {
    fn parse(arguments: TokenStream) -> Result<Self> {
        let (mut name, mut evidence) = (None, Vec::new());
        syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                name = Some(meta.value()?.parse::<LitStr>()?);
                Ok(())
            } else if meta.path.is_ident("evidence") {
                let list;
                let value = meta.value()?;
                bracketed!(list in value);
                evidence = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?.into_iter().collect();
                Ok(())
            } else {
                Err(meta.error("unknown argument; `name = \"…\"` and `evidence = [\"…\"]` are known"))
            }
        })
        .parse2(arguments)?;
        let name =
            name.ok_or_else(|| Error::new(Span::call_site(), "give it a name: `name = \"size-limit\"`"))?;
        let dashed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.value().starts_with(|c: char| c.is_ascii_lowercase()) || !name.value().chars().all(dashed) {
            return Err(Error::new(name.span(), "a plugin's name is lower-case with dashes: `size-limit`"));
        }
        Ok(Self { name, evidence })
    }

    /// The `impl Plugin for …`.
    fn plugin(
        &self,
        of: &impl quote::ToTokens,
        settings: &Type,
        attributes: &[Attribute],
        span: Span,
    ) -> Result<TokenStream> {
        let Self { name, evidence } = self;
        let summary = first_paragraph(attributes).ok_or_else(|| {
            Error::new(span, "write a doc comment: its first paragraph is the plugin's summary")
        })?;
        Ok(quote! {
            impl ::interlock_plugin_sdk::Plugin for #of {
                type Settings = #settings;
                const NAME: &'static str = #name;
                const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");
                const SUMMARY: &'static str = #summary;
                const EVIDENCE: &'static [&'static str] = &[#(#evidence),*];
            }
        })
    }
}

/// The exports. Only for wasm: natively the names would clash as soon as one test links two plugins.
fn export(world: &str, of: &impl quote::ToTokens) -> TokenStream {
    let world = format_ident!("{world}");
    quote! {
        // Natively nothing else uses a private plugin outside its tests, and that is no reason for a warning.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() -> ::interlock_plugin_sdk::Description = ::interlock_plugin_sdk::testing::describe::<#of>;

        #[cfg(target_arch = "wasm32")]
        #[expect(unsafe_code, reason = "an export has an unmangled name; the code is the generator's")]
        const _: () = {
            type Export = ::interlock_plugin_sdk::export::Exported<#of>;
            ::interlock_plugin_sdk::bindings::plugin::export!(
                Export with_types_in ::interlock_plugin_sdk::bindings::plugin);
            ::interlock_plugin_sdk::bindings::#world::export!(
                Export with_types_in ::interlock_plugin_sdk::bindings::#world);
        };
    }
}

/// The type behind the reference that argument `index` is.
fn referenced(signature: &Signature, index: usize) -> Result<&Type> {
    match signature.inputs.iter().nth(index) {
        Some(FnArg::Typed(argument)) => match &*argument.ty {
            Type::Reference(reference) => Ok(&reference.elem),
            other => {
                Err(Error::new_spanned(other, "the settings are taken by reference: `settings: &Settings`"))
            }
        },
        _ => Err(Error::new_spanned(
            signature,
            "a gate is `fn(change: &Change, settings: &Settings, now: Instant) -> Result<Verdict, Fault>`",
        )),
    }
}

/// The settings type of a method of `Health` or `Strategy`.
fn settings_argument(signature: &Signature) -> Result<&Type> {
    // `plan(change, population, settings)` takes them third, every other method second.
    referenced(signature, if signature.ident == "plan" { 2 } else { 1 })
}

/// The first paragraph of the doc comment as one line.
fn first_paragraph(attributes: &[Attribute]) -> Option<String> {
    let mut lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    let mut paragraph = lines.next().filter(|line| !line.is_empty())?;
    for line in lines.take_while(|line| !line.is_empty()) {
        paragraph.push(' ');
        paragraph.push_str(&line);
    }
    Some(paragraph)
}

/// `size_limit` as `SizeLimit`.
fn upper_camel(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
        })
        .collect()
}
