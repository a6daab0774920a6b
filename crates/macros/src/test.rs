//! `#[testkit::test]`: a test on a whole member with a database of its own.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ItemFn, LitStr, Result, Token};

/// `"engine.workers" = "1"`
struct Setting {
    path: LitStr,
    value: Expr,
}

impl Parse for Setting {
    fn parse(input: ParseStream) -> Result<Self> {
        let path = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self { path, value: input.parse()? })
    }
}

struct Settings(Punctuated<Setting, Token![,]>);

impl Parse for Settings {
    fn parse(input: ParseStream) -> Result<Self> {
        Ok(Self(Punctuated::parse_terminated(input)?))
    }
}

/// A test of the harness that starts the member, runs the body, and holds it to what it left behind.
pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let Settings(settings) = syn::parse2(attribute)?;
    let function: ItemFn = syn::parse2(item)?;
    if function.sig.asyncness.is_none() || function.sig.inputs.len() != 1 {
        let wanted = "a test is `async fn phrase(app: &mut TestApp)`";
        return Err(Error::new_spanned(&function.sig, wanted));
    }
    let (name, attributes) = (&function.sig.ident, &function.attrs);
    let (inputs, block) = (&function.sig.inputs, &function.block);
    let settings =
        settings.iter().map(|Setting { path, value }| quote! { (#path, (#value).to_string()) });
    Ok(quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        fn #name() {
            async fn body(#inputs) #block
            let settings = [#(#settings),*];
            let program = ::core::option_env!("CARGO_BIN_EXE_flowforge");
            ::testkit::run(&settings, program, |app| ::std::boxed::Box::pin(body(app)));
        }
    })
}
