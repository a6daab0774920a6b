//! Attribute macros: they leave what they stand on alone and add what would be said twice.

use proc_macro::TokenStream;

mod function;
mod job;
mod params;
mod test;

/// Makes a struct or enum the parameters of a node type: derives `Clone`, `Debug`, `Deserialize`
/// and `JsonSchema`, refuses unknown fields, and implements `node::Params`.
///
/// `#[params(check = path)]` names a function `fn(&Self) -> Vec<FieldProblem>` for what types
/// cannot say; `#[params(default(mode = "append"))]` names the variant of an internally tagged
/// enum that is meant where the tag is absent.
#[proc_macro_attribute]
pub fn params(arguments: TokenStream, item: TokenStream) -> TokenStream {
    params::expand(arguments.into(), item.into())
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

/// Declares a function that reads: `#[query(GET "/v1/things", permission = crate::READ)]`.
///
/// Leaves the function alone and emits `FUNCTION: function::Function` beside it; see the crate
/// `function` for arguments and contexts.
#[proc_macro_attribute]
pub fn query(arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::expand(function::Kind::Query, arguments.into(), item.into()).into()
}

/// Declares a function that writes in one transaction:
/// `#[mutation(POST "/v1/things", permission = crate::WRITE, audit = "thing.created", status = 201)]`.
#[proc_macro_attribute]
pub fn mutation(arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::expand(function::Kind::Mutation, arguments.into(), item.into()).into()
}

/// Declares a function without a transaction of its own:
/// `#[action(POST "/v1/things/{thing_id}/test", permission = crate::USE, timeout = "30s")]`.
#[proc_macro_attribute]
pub fn action(arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::expand(function::Kind::Action, arguments.into(), item.into()).into()
}

/// Declares a kind of job: `#[job("parcel.announce", attempts = 5, timeout = "30s")]` on
/// `async fn(cx: &JobContext, payload: Payload) -> Result<(), Problem>`.
///
/// Leaves the function alone and emits `JOB: function::Job` beside it. Without a word about them: 5
/// attempts of 60 s each.
#[proc_macro_attribute]
pub fn job(arguments: TokenStream, item: TokenStream) -> TokenStream {
    job::expand(arguments.into(), item.into()).into()
}

/// Makes `async fn phrase(app: &mut TestApp)` a test on a whole member with a database of its own;
/// when the body is done, the member is held to what it left behind (see `testkit::TestApp::finish`).
///
/// `#[testkit::test("engine.workers" = 1)]` sets settings.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    test::expand(arguments.into(), item.into())
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}
