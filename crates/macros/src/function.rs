//! `#[query]`, `#[mutation]`, `#[action]`: emit the declaration of a function beside its body.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Error, Expr, ExprLit, FnArg, GenericArgument, Ident, ItemFn, Lit, LitInt, LitStr, Meta, Pat,
    PathArguments, Result, ReturnType, Token, Type,
};

/// Which of the three attributes it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Mutation,
    Action,
}

/// The function itself, untouched, and its `FUNCTION`.
pub(crate) fn expand(kind: Kind, attribute: TokenStream, item: TokenStream) -> TokenStream {
    let declared = syn::parse2::<ItemFn>(item.clone()).and_then(|function| {
        let attribute = syn::parse2::<Attribute>(attribute)?;
        declaration(kind, &attribute, &function)
    });
    let declared = declared.unwrap_or_else(|error| error.to_compile_error());
    quote! { #item #declared }
}

/// What stands between the parentheses.
struct Attribute {
    method: Ident,
    path: LitStr,
    permission: Option<Expr>,
    audit: Option<LitStr>,
    timeout: Option<LitStr>,
    accepts: Option<LitStr>,
    status: Option<LitInt>,
    also: Option<LitInt>,
}

impl Parse for Attribute {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut attribute = Self {
            method: input.parse()?,
            path: input.parse()?,
            permission: None,
            audit: None,
            timeout: None,
            accepts: None,
            status: None,
            also: None,
        };
        each_setting(input, |key| {
            match key.to_string().as_str() {
                "permission" => attribute.permission = Some(input.parse()?),
                "audit" => attribute.audit = Some(input.parse()?),
                "timeout" => attribute.timeout = Some(input.parse()?),
                "accepts" => attribute.accepts = Some(input.parse()?),
                "status" => attribute.status = Some(input.parse()?),
                "also" => attribute.also = Some(input.parse()?),
                _ => {
                    return Err(Error::new(
                        key.span(),
                        "expected permission, audit, timeout, accepts, status or also",
                    ));
                }
            }
            Ok(())
        })?;
        Ok(attribute)
    }
}

/// What stands behind the first words of an attribute: `, key = value` and so on; `read` reads the value
/// of its key.
pub(crate) fn each_setting(
    input: ParseStream,
    mut read: impl FnMut(&Ident) -> Result<()>,
) -> Result<()> {
    while !input.is_empty() {
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            break;
        }
        let key: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        read(&key)?;
    }
    Ok(())
}

/// The arguments after the context, in their order.
struct Argument {
    name: Ident,
    kind: Type,
}

fn declaration(kind: Kind, attribute: &Attribute, function: &ItemFn) -> Result<TokenStream> {
    let name = &function.sig.ident;
    let span = name.span();
    if function.sig.asyncness.is_none() {
        return Err(Error::new(span, "a function of the API is an `async fn`"));
    }
    let doc = doc_comment(function);
    if doc.is_empty() {
        return Err(Error::new(span, "a function of the API has a doc comment: it is its summary"));
    }
    let arguments = arguments(function)?;
    let path_names = path_names(&attribute.path)?;
    let has_path = arguments.iter().any(|one| one.name == "path");
    if has_path == path_names.is_empty() {
        let detail = "an argument `path` goes with parameters in the path, and the other way round";
        return Err(Error::new(span, detail));
    }
    let output = output(&function.sig.output)?;
    let nothing = matches!(&output, Type::Tuple(tuple) if tuple.elems.is_empty());
    let status = match &attribute.status {
        Some(status) => status.base10_parse::<u16>()?,
        None if nothing => 204,
        None => 200,
    };
    let (context, kind_tokens, handler) = kind_tokens(kind, attribute, span)?;
    let method = method(&attribute.method)?;
    let permission = attribute
        .permission
        .as_ref()
        .ok_or_else(|| Error::new(span, "permission = … is missing"))?;
    let also = optional(attribute.also.as_ref());
    let shape = Shape::of(&output, nothing);
    let run = runner(function, &context, &arguments, shape, status);
    let schema = |wanted: &str| {
        let kind = arguments.iter().find(|a| a.name == wanted).map(|a| &a.kind);
        kind.map_or_else(|| quote!(None), |kind| quote!(Some(::function::schema_of::<#kind>)))
    };
    let (path_schema, query_schema) = (schema("path"), schema("query"));
    let body = body(attribute, &arguments, span)?;
    let output = shape.schema(&output);
    let (visibility, path, name_text) = (&function.vis, &attribute.path, name.to_string());
    let about = format!("The declaration of `{name_text}`.");
    Ok(quote! {
        #[doc = #about]
        #visibility const FUNCTION: ::function::Function = {
            #run
            fn __checks() -> &'static ::function::Checks {
                static CHECKS: ::std::sync::OnceLock<::function::Checks> =
                    ::std::sync::OnceLock::new();
                CHECKS.get_or_init(|| ::function::Checks::new(#path_schema, #query_schema, #body))
            }
            ::function::Function {
                name: #name_text,
                doc: #doc,
                method: ::function::Method::#method,
                path: #path,
                permission: #permission,
                kind: #kind_tokens,
                status: #status,
                also: #also,
                path_schema: #path_schema,
                query_schema: #query_schema,
                body: #body,
                output: #output,
                checks: __checks,
                handler: ::function::Handler::#handler(__run),
            }
        };
    })
}

/// The doc comment, one leading space of each line taken off.
pub(crate) fn doc_comment(function: &ItemFn) -> String {
    let lines = function.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> =
        lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

fn arguments(function: &ItemFn) -> Result<Vec<Argument>> {
    let mut arguments = Vec::new();
    for input in function.sig.inputs.iter().skip(1) {
        let FnArg::Typed(typed) = input else {
            return Err(Error::new(input.span(), "a function of the API has no self"));
        };
        let name = match &*typed.pat {
            Pat::Ident(pattern) => pattern.ident.clone(),
            other => return Err(Error::new(other.span(), "expected a plain name")),
        };
        if !["path", "query", "body", "raw"].iter().any(|known| name == known) {
            return Err(Error::new(name.span(), "expected path, query, body or raw"));
        }
        arguments.push(Argument { name, kind: (*typed.ty).clone() });
    }
    Ok(arguments)
}

/// Names in braces of a path, checked for their form.
fn path_names(path: &LitStr) -> Result<Vec<String>> {
    let text = path.value();
    if !text.starts_with('/') {
        return Err(Error::new(path.span(), "a path begins with /"));
    }
    let mut names = Vec::new();
    for segment in text.split('/').skip(1) {
        match segment.strip_prefix('{').map(|rest| rest.strip_suffix('}')) {
            None if !segment.contains(['{', '}']) => {}
            Some(Some(name)) if !name.is_empty() && !name.contains(['{', '}']) => {
                names.push(name.to_owned());
            }
            _ => return Err(Error::new(path.span(), "a parameter is a whole segment: /{name}")),
        }
    }
    Ok(names)
}

/// `T` of `-> Result<T, E>`.
fn output(output: &ReturnType) -> Result<Type> {
    let wrong = || Error::new(output.span(), "expected -> Result<Output, Error>");
    let ReturnType::Type(_, kind) = output else { return Err(wrong()) };
    let Type::Path(path) = &**kind else { return Err(wrong()) };
    let last = path.path.segments.last().ok_or_else(wrong)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Err(wrong()) };
    match arguments.args.first() {
        Some(GenericArgument::Type(kind)) => Ok(kind.clone()),
        _ => Err(wrong()),
    }
}

/// Context type, `kind` and variant of the handler.
fn kind_tokens(
    kind: Kind,
    attribute: &Attribute,
    span: Span,
) -> Result<(Ident, TokenStream, Ident)> {
    let refuse = |unwanted: Option<&LitStr>, detail: &str| match unwanted {
        Some(text) => Err(Error::new(text.span(), detail)),
        None => Ok(()),
    };
    let (context, variant) = match kind {
        Kind::Query => ("QueryContext", "Query"),
        Kind::Mutation => ("MutationContext", "Mutation"),
        Kind::Action => ("ActionContext", "Action"),
    };
    if kind == Kind::Query {
        refuse(attribute.audit.as_ref(), "a query changes nothing that could be audited")?;
    }
    if kind != Kind::Action {
        refuse(attribute.timeout.as_ref(), "only an action has a timeout")?;
    }
    let tokens = match kind {
        Kind::Query => quote!(::function::Kind::Query),
        Kind::Mutation => {
            let audit = attribute
                .audit
                .as_ref()
                .ok_or_else(|| Error::new(span, "audit = \"noun.happened\" is missing"))?;
            quote!(::function::Kind::Mutation { audit: #audit })
        }
        Kind::Action => {
            let timeout_ms = attribute.timeout.as_ref().map_or(Ok(30_000), timeout_ms)?;
            let audit = match &attribute.audit {
                Some(audit) => quote!(::core::option::Option::Some(#audit)),
                None => quote!(::core::option::Option::None),
            };
            quote!(::function::Kind::Action {
                timeout: ::std::time::Duration::from_millis(#timeout_ms),
                audit: #audit,
            })
        }
    };
    Ok((format_ident!("{context}"), tokens, format_ident!("{variant}")))
}

/// Milliseconds of `500ms`, `30s` or `2m`.
pub(crate) fn timeout_ms(text: &LitStr) -> Result<u64> {
    let value = text.value();
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let factor = match &value[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(Error::new(text.span(), "expected a duration such as 500ms, 30s or 2m")),
    };
    let number = value[..digits].parse::<u64>().map_err(|e| Error::new(text.span(), e))?;
    Ok(number * factor)
}

fn method(method: &Ident) -> Result<Ident> {
    let variant = match method.to_string().as_str() {
        "GET" => "Get",
        "POST" => "Post",
        "PUT" => "Put",
        "PATCH" => "Patch",
        "DELETE" => "Delete",
        _ => return Err(Error::new(method.span(), "expected GET, POST, PUT, PATCH or DELETE")),
    };
    Ok(format_ident!("{variant}"))
}

fn body(attribute: &Attribute, arguments: &[Argument], span: Span) -> Result<TokenStream> {
    let find = |wanted: &str| arguments.iter().find(|argument| argument.name == wanted);
    match (find("body"), find("raw"), &attribute.accepts) {
        (Some(Argument { kind, .. }), None, None) => {
            Ok(quote!(::function::BodyArgument::Json(::function::schema_of::<#kind>)))
        }
        (None, Some(_), Some(accepts)) => {
            Ok(quote!(::function::BodyArgument::Raw { accepts: #accepts }))
        }
        (None, None, None) => Ok(quote!(::function::BodyArgument::None)),
        _ => Err(Error::new(span, "either `body`, or `raw` together with accepts = \"…\"")),
    }
}

fn optional(value: Option<&LitInt>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// What becomes of a function's output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `()`: nothing is answered.
    Nothing,
    /// JSON with the declared status.
    Json,
    /// `WithStatus<T>`: JSON with a status of its own.
    WithStatus,
    /// `Answer`: made by the function itself.
    Answer,
}

impl Shape {
    fn of(output: &Type, nothing: bool) -> Self {
        let name = match output {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        match name.as_deref() {
            _ if nothing => Self::Nothing,
            Some("WithStatus") => Self::WithStatus,
            Some("Answer") => Self::Answer,
            _ => Self::Json,
        }
    }

    fn schema(self, output: &Type) -> TokenStream {
        match self {
            Self::Nothing | Self::Answer => quote!(None),
            Self::Json | Self::WithStatus => quote!(Some(::function::schema_of::<#output>)),
        }
    }
}

/// The erased handler.
fn runner(
    function: &ItemFn,
    context: &Ident,
    arguments: &[Argument],
    shape: Shape,
    status: u16,
) -> TokenStream {
    let name = &function.sig.ident;
    let reads = arguments.iter().map(|Argument { name, kind }| {
        if name == "raw" {
            quote!(let raw: #kind = __arguments.raw();)
        } else {
            quote!(let #name: #kind = __arguments.#name()?;)
        }
    });
    let names = arguments.iter().map(|argument| &argument.name);
    let answer = match shape {
        Shape::Nothing => quote!({
            let () = __output;
            ::core::result::Result::Ok(::function::Answer::empty())
        }),
        Shape::Json => quote!(::function::Answer::json(#status, &__output)),
        Shape::WithStatus => {
            quote!(::function::Answer::json(__output.status, &__output.output))
        }
        Shape::Answer => quote!(::core::result::Result::Ok(__output)),
    };
    quote! {
        fn __run<'a>(
            __context: &'a ::function::#context,
            __arguments: &'a ::function::Arguments,
        ) -> ::function::Answering<'a> {
            ::std::boxed::Box::pin(async move {
                #(#reads)*
                let __output = #name(__context #(, #names)*)
                    .await
                    .map_err(::core::convert::Into::<::function::Problem>::into)?;
                #answer
            })
        }
    }
}
