//! The declaration of one function, as the attributes emit it.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use kernel::Problem;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::answer::Answer;
use crate::caller::Permission;
use crate::check::{Arguments, Checks};
use crate::context::{ActionContext, MutationContext, QueryContext};

/// One function: what it is called by, who may call it, what it takes and gives, and its code.
#[derive(Clone, Copy)]
pub struct Function {
    /// Name of the Rust function; unique among all functions.
    pub name: &'static str,
    /// Its doc comment: the first line is the summary.
    pub doc: &'static str,
    /// HTTP method.
    pub method: Method,
    /// Path with parameters in braces: `/v1/runs/{run_id}`.
    pub path: &'static str,
    /// What the caller's key must allow.
    pub permission: Permission,
    /// Query, mutation or action.
    pub kind: Kind,
    /// HTTP status of success.
    pub status: u16,
    /// Another status of success, where it has two.
    pub also: Option<u16>,
    /// Schema of the path's parameters.
    pub path_schema: Option<SchemaOf>,
    /// Schema of the query string's parameters.
    pub query_schema: Option<SchemaOf>,
    /// What the body is.
    pub body: BodyArgument,
    /// Schema of the output; `None`: nothing is answered.
    pub output: Option<SchemaOf>,
    /// What the arguments are held to, made when first asked for.
    pub checks: fn() -> &'static Checks,
    /// The code.
    pub handler: Handler,
}

impl Function {
    /// The first line of the doc comment, without its full stop.
    pub fn summary(&self) -> &'static str {
        self.doc.lines().next().unwrap_or_default().trim().trim_end_matches('.')
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?} {})", self.name, self.method, self.path)
    }
}

/// HTTP methods functions use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates or does.
    Post,
    /// Replaces.
    Put,
    /// Changes in part.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// As HTTP spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What a function may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads in a read-only transaction.
    Query,
    /// Writes in one transaction.
    Mutation {
        /// Name of the audit event, such as `workflow.created`.
        audit: &'static str,
    },
    /// No transaction of its own; uses services.
    Action {
        /// Cancelled after this long.
        timeout: Duration,
        /// Name of the audit event, where it changes something.
        audit: Option<&'static str>,
    },
}

/// Makes the schema of one type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of `T`; what the attributes put where a [`SchemaOf`] is wanted.
pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What the body of a request is.
#[derive(Clone, Copy)]
pub enum BodyArgument {
    /// Nothing; a body is ignored.
    None,
    /// JSON of this schema.
    Json(SchemaOf),
    /// Bytes the function reads by itself.
    Raw {
        /// Media types, comma separated.
        accepts: &'static str,
    },
}

/// What a handler returns.
pub type Answering<'a> = BoxFuture<'a, Result<Answer, Problem>>;

/// The code of a function, its argument and output types erased.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Of a query.
    Query(for<'a> fn(&'a QueryContext, &'a Arguments) -> Answering<'a>),
    /// Of a mutation: may run several times for one request.
    Mutation(for<'a> fn(&'a MutationContext, &'a Arguments) -> Answering<'a>),
    /// Of an action.
    Action(for<'a> fn(&'a ActionContext, &'a Arguments) -> Answering<'a>),
}
