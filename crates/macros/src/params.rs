//! `#[params]`: makes a struct or enum the parameters of a node type.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Data, DeriveInput, Ident, LitStr, Path, Token};

/// What may stand in `#[params(…)]`.
#[derive(Default)]
struct Options {
    /// `check = path`: a function `fn(&Self) -> Vec<FieldProblem>`.
    check: Option<Path>,
    /// `default(tag = "variant")`: the variant meant where the tag is absent.
    default: Option<(Ident, LitStr)>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            if name == "check" {
                input.parse::<Token![=]>()?;
                options.check = Some(input.parse()?);
            } else if name == "default" {
                let inner;
                syn::parenthesized!(inner in input);
                let tag = inner.parse()?;
                inner.parse::<Token![=]>()?;
                options.default = Some((tag, inner.parse()?));
            } else {
                return Err(syn::Error::new(
                    name.span(),
                    "expected `check = path` or `default(tag = \"variant\")`",
                ));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

/// Adds the derives, refuses unknown fields, and implements `node::Params`.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let options: Options = syn::parse2(arguments)?;
    let input: DeriveInput = syn::parse2(item.clone())?;
    if !input.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
        return Err(syn::Error::new(
            input.ident.span(),
            "parameters need a doc comment: it is the text users read",
        ));
    }
    let deny = deny_unknown_fields(&input);
    let name = &input.ident;
    let check = options.check.map(|path| {
        quote! { fn check(&self) -> ::std::vec::Vec<::node::FieldProblem> { #path(self) } }
    });
    let default = options.default.map(|(tag, variant)| {
        let tag = tag.to_string();
        quote! {
            const DEFAULT_VARIANT: ::std::option::Option<(&'static str, &'static str)> =
                ::std::option::Option::Some((#tag, #variant));
        }
    });
    Ok(quote_spanned! { Span::call_site() =>
        #[derive(
            ::std::clone::Clone,
            ::std::fmt::Debug,
            ::serde::Deserialize,
            ::schemars::JsonSchema,
        )]
        #deny
        #item
        impl ::node::Params for #name { #default #check }
    })
}

/// `deny_unknown_fields` where serde can do it: not for untagged enums and flattened structs.
fn deny_unknown_fields(input: &DeriveInput) -> TokenStream {
    let flattened = match &input.data {
        Data::Struct(data) => data.fields.iter().any(|field| says(&field.attrs, "flatten")),
        Data::Enum(_) => says(&input.attrs, "untagged"),
        Data::Union(_) => false,
    };
    if flattened {
        TokenStream::new()
    } else {
        quote! { #[serde(deny_unknown_fields)] }
    }
}

/// Whether a `#[serde(…)]` among these has this word.
fn says(attributes: &[Attribute], word: &str) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).any(|attribute| {
        let mut found = false;
        // Values of other words (`tag = "mode"`) end the walk early, which is harmless: they never
        // stand before `untagged` or `flatten`.
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident(word);
            Ok(())
        });
        found
    })
}
