//! `#[job]`: an async function as a kind of job.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, FnArg, ItemFn, LitInt, LitStr, Result};

use crate::function::{doc_comment, each_setting, timeout_ms};

/// Attempts, where the declaration says nothing.
const ATTEMPTS: u16 = 5;
/// Milliseconds an attempt may take, where the declaration says nothing.
const TIMEOUT_MS: u64 = 60_000;

/// The function itself, untouched, and its `JOB`.
pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let declared = syn::parse2::<ItemFn>(item.clone()).and_then(|function| {
        let attribute = syn::parse2::<Attribute>(attribute)?;
        declaration(&attribute, &function)
    });
    let declared = declared.unwrap_or_else(|error| error.to_compile_error());
    quote! { #item #declared }
}

/// What stands between the parentheses.
struct Attribute {
    kind: LitStr,
    attempts: u16,
    timeout_ms: u64,
}

impl Parse for Attribute {
    fn parse(input: ParseStream) -> Result<Self> {
        let kind: LitStr = input.parse()?;
        if !kind.value().contains('.') {
            return Err(Error::new(kind.span(), "a kind of job is called noun.verb"));
        }
        let mut attribute = Self { kind, attempts: ATTEMPTS, timeout_ms: TIMEOUT_MS };
        each_setting(input, |key| {
            match key.to_string().as_str() {
                "attempts" => {
                    let number: LitInt = input.parse()?;
                    attribute.attempts = number.base10_parse()?;
                    if attribute.attempts == 0 {
                        return Err(Error::new(number.span(), "a job is attempted at least once"));
                    }
                }
                "timeout" => attribute.timeout_ms = timeout_ms(&input.parse()?)?,
                _ => return Err(Error::new(key.span(), "expected attempts or timeout")),
            }
            Ok(())
        })?;
        Ok(attribute)
    }
}

fn declaration(attribute: &Attribute, function: &ItemFn) -> Result<TokenStream> {
    let name = &function.sig.ident;
    if function.sig.asyncness.is_none() {
        return Err(Error::new(name.span(), "a job is an `async fn`"));
    }
    let doc = doc_comment(function);
    if doc.is_empty() {
        return Err(Error::new(name.span(), "a job has a doc comment"));
    }
    let payload = match function.sig.inputs.iter().skip(1).collect::<Vec<_>>().as_slice() {
        [] => quote!(),
        [FnArg::Typed(_)] => quote!(, ::function::payload_of(__payload)?),
        _ => return Err(Error::new(name.span(), "expected the context and at most a payload")),
    };
    let Attribute { kind, attempts, timeout_ms } = attribute;
    let (visibility, about) = (&function.vis, format!("The declaration of `{name}`."));
    Ok(quote! {
        #[doc = #about]
        #visibility const JOB: ::function::Job = {
            fn __run<'a>(
                __context: &'a ::function::JobContext,
                __payload: &'a [u8],
            ) -> ::std::pin::Pin<::std::boxed::Box<
                dyn ::core::future::Future<
                    Output = ::core::result::Result<(), ::function::Problem>,
                > + ::core::marker::Send + 'a,
            >> {
                ::std::boxed::Box::pin(async move {
                    #name(__context #payload)
                        .await
                        .map_err(::core::convert::Into::<::function::Problem>::into)
                })
            }
            ::function::Job {
                kind: #kind,
                doc: #doc,
                attempts_max: #attempts,
                timeout: ::std::time::Duration::from_millis(#timeout_ms),
                handler: __run,
            }
        };
    })
}
