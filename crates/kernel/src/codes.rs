//! The one table of error codes: what a client may rely on.
//!
//! A code is `noun.what`, never changes its meaning, and has a page `docs/errors/<code>.md`.

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// `noun.what`
    pub code: &'static str,
    /// HTTP status it is answered with.
    pub status: u16,
    /// One sentence, the same for every occurrence.
    pub title: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

/// A code of the table. Compare by `==`; print by `Display`.
#[derive(Clone, Copy, Debug)]
pub struct Code(pub &'static Row);

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.code == other.0.code
    }
}
impl Eq for Code {}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.code)
    }
}

impl Code {
    /// Looks a code up by its text.
    pub fn find(code: &str) -> Option<Self> {
        ALL.iter().find(|row| row.code == code).map(Code)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal $status:literal $title:literal $retry:ident;)*) => {
        $(#[doc = $title] pub const $name: Code = Code(&Row {
            code: $code, status: $status, title: $title, retryable: codes!(@ $retry),
        });)*
        /// Every row, sorted by code.
        pub const ALL: &[Row] = &[$(Row {
            code: $code, status: $status, title: $title, retryable: codes!(@ $retry),
        },)*];
    };
    (@ retry) => { true };
    (@ final) => { false };
}

// Keep sorted by code (a test checks it).
codes! {
    AUTH_FORBIDDEN = "auth.forbidden" 403 "The key may not do this" final;
    AUTH_REQUIRED = "auth.required" 401 "A valid API key is required" final;
    CERTIFICATE_UNAVAILABLE = "certificate.unavailable" 503 "The certificate could not be fetched" retry;
    CODE_CRASHED = "code.crashed" 500 "The code process ended unexpectedly" retry;
    CODE_INVALID = "code.invalid" 422 "The code does not parse" final;
    CODE_MEMORY = "code.memory" 422 "The code used more memory than allowed" final;
    CODE_THREW = "code.threw" 422 "The code threw an error" final;
    CODE_TIMEOUT = "code.timeout" 422 "The code ran longer than allowed" final;
    CONFIG_INVALID = "config.invalid" 422 "The configuration is not valid" final;
    CSV_INVALID = "csv.invalid" 422 "The text is not valid CSV" final;
    DATABASE_CHANGED_MIGRATION = "database.changed_migration" 500 "An applied migration is not what it was" final;
    DATABASE_IN_USE = "database.in_use" 409 "Another program uses this data directory" final;
    DATABASE_MIGRATION_FAILED = "database.migration_failed" 500 "A migration failed" final;
    DATABASE_NEWER_SCHEMA = "database.newer_schema" 500 "The database belongs to a newer program" final;
    DATABASE_NOT_INSTALLED = "database.not_installed" 500 "PostgreSQL is not installed" final;
    DATABASE_NOT_STARTED = "database.not_started" 500 "The private PostgreSQL did not start" final;
    DATABASE_PERMISSION = "database.permission" 500 "The database role may not do what is needed" final;
    DATABASE_UNAVAILABLE = "database.unavailable" 503 "The database cannot be reached" retry;
    DATABASE_UNSUPPORTED = "database.unsupported" 500 "This PostgreSQL is too old" final;
    EXPRESSION_DEADLINE = "expression.deadline" 422 "The expression ran longer than allowed" final;
    EXPRESSION_FAILED = "expression.failed" 422 "The expression failed" final;
    EXPRESSION_INVALID = "expression.invalid" 422 "The expression does not parse" final;
    EXPRESSION_MEMORY = "expression.memory" 422 "The expression used more memory than allowed" final;
    FILE_INVALID = "file.invalid" 422 "The file is not what it should be" final;
    FILE_NOT_ALLOWED = "file.not_allowed" 403 "The file is outside the allowed folders" final;
    FILE_NOT_FOUND = "file.not_found" 404 "There is no such file" final;
    FILE_UNAVAILABLE = "file.unavailable" 503 "The file could not be read or written" retry;
    HOOK_FORBIDDEN = "hook.forbidden" 403 "The hook takes no calls from there" final;
    HOOK_MISCONFIGURED = "hook.misconfigured" 500 "The hook cannot check its callers" final;
    HOOK_NOT_FOUND = "hook.not_found" 404 "No published workflow listens here" final;
    HOOK_REPLAYED = "hook.replayed" 409 "The call was accepted before" final;
    HOOK_TAKEN = "hook.taken" 409 "Another workflow listens at this address" final;
    HOOK_TIMEOUT = "hook.timeout" 504 "The workflow did not answer in time" retry;
    HOOK_UNAUTHORIZED = "hook.unauthorized" 401 "The hook does not accept these credentials" final;
    HTTP_FAILED = "http.failed" 502 "The request got no answer" retry;
    HTTP_NOT_ALLOWED = "http.not_allowed" 403 "The target is not allowed" final;
    HTTP_STATUS = "http.status" 502 "The target answered with an error status" final;
    HTTP_TIMEOUT = "http.timeout" 504 "The target did not answer in time" retry;
    INTERNAL = "internal" 500 "Something went wrong on our side" final;
    JOB_FAILED = "job.failed" 500 "The job failed" retry;
    JOB_TIMEOUT = "job.timeout" 504 "The job ran longer than allowed" retry;
    NODE_FAILED = "node.failed" 422 "The node failed" final;
    NODE_INPUT = "node.input" 422 "The node cannot work with these items" final;
    NODE_LIMIT = "node.limit" 422 "The node's output is larger than allowed" final;
    NODE_PARAMETER = "node.parameter" 422 "A parameter of the node is not valid" final;
    NODE_TIMEOUT = "node.timeout" 504 "The node ran longer than allowed" final;
    NODE_TYPE_NOT_FOUND = "node.type_not_found" 404 "There is no such node type" final;
    PROJECT_DEFAULT = "project.default" 409 "The default project stays" final;
    PROJECT_NAME_TAKEN = "project.name_taken" 409 "Another project has this name" final;
    PROJECT_NOT_EMPTY = "project.not_empty" 409 "The project has workflows in it" final;
    PROJECT_NOT_FOUND = "project.not_found" 404 "There is no such project" final;
    RATE_LIMITED = "rate.limited" 429 "Too many requests" retry;
    REQUEST_BODY_TOO_LARGE = "request.body_too_large" 413 "The body is larger than allowed" final;
    REQUEST_CONFLICT = "request.conflict" 409 "Somebody else changed it first" final;
    REQUEST_CURSOR = "request.cursor" 422 "The cursor is not of this list" final;
    REQUEST_HEADERS_TOO_LARGE = "request.headers_too_large" 431 "The headers are larger than allowed" final;
    REQUEST_IN_FLIGHT = "request.in_flight" 409 "The first request with this idempotency key is under way" retry;
    REQUEST_INCOMPLETE = "request.incomplete" 408 "The request did not arrive in time" retry;
    REQUEST_INVALID = "request.invalid" 422 "The request is not valid" final;
    REQUEST_KEY_REUSED = "request.key_reused" 422 "The idempotency key was used for another request" final;
    REQUEST_MALFORMED = "request.malformed" 400 "The request cannot be parsed" final;
    REQUEST_METHOD = "request.method" 405 "The method is not allowed here" final;
    REQUEST_NOT_ACCEPTABLE = "request.not_acceptable" 406 "There is no answer in the media type that was asked for" final;
    REQUEST_NOT_FOUND = "request.not_found" 404 "There is no such thing" final;
    REQUEST_PRECONDITION = "request.precondition" 412 "It is not what the request expects any more" final;
    REQUEST_RANGE = "request.range" 416 "There is no such part of it" final;
    REQUEST_TIMEOUT = "request.timeout" 504 "The call took longer than allowed" retry;
    REQUEST_UNSUPPORTED = "request.unsupported" 415 "The body's media type is not understood here" final;
    REQUEST_URI_TOO_LONG = "request.uri_too_long" 414 "The address is longer than allowed" final;
    RUN_CANCELLED = "run.cancelled" 409 "The run was cancelled" final;
    RUN_FINISHED = "run.finished" 409 "The run has finished already" final;
    RUN_LIMIT = "run.limit" 422 "The run reached a limit" final;
    RUN_MAY_HAVE_RUN = "run.may_have_run" 409 "An effect may have happened before a crash" final;
    RUN_NODE_NOT_REACHED = "run.node_not_reached" 409 "The run cannot be taken up at that node" final;
    RUN_NOT_FINISHED = "run.not_finished" 409 "The run has not finished yet" final;
    RUN_NOT_FOUND = "run.not_found" 404 "There is no such run" final;
    RUN_POISONED = "run.poisoned" 500 "The run ended the process three times" final;
    RUN_REDACTED = "run.redacted" 409 "What the run began with was not kept" final;
    RUN_STOPPED = "run.stopped" 422 "The workflow stopped itself with an error" final;
    RUN_SUCCEEDED = "run.succeeded" 409 "The run has succeeded already" final;
    RUN_TIMEOUT = "run.timeout" 504 "The run took longer than allowed" final;
    RUN_UNSTORABLE = "run.unstorable" 422 "The database refuses the run's record" final;
    SECRET_NOT_FOUND = "secret.not_found" 404 "There is no such secret" final;
    SECRET_UNREADABLE = "secret.unreadable" 500 "The secret cannot be opened" final;
    SERVER_ADDRESS_IN_USE = "server.address_in_use" 409 "The address to listen on is taken" final;
    SERVER_OVERLOADED = "server.overloaded" 503 "The server is at its limit" retry;
    STORAGE_FULL = "storage.full" 503 "The disk is full" retry;
    WORKFLOW_ARCHIVED = "workflow.archived" 409 "The workflow is archived" final;
    WORKFLOW_BACK_EDGE = "workflow.back_edge" 422 "A back edge closes no loop" final;
    WORKFLOW_BAD_NAME = "workflow.bad_name" 422 "A name is empty, too long or not printable" final;
    WORKFLOW_CONNECTION_NOT_FOUND = "workflow.connection_not_found" 404 "There is no such connection" final;
    WORKFLOW_CYCLE = "workflow.cycle" 422 "The workflow has a cycle" final;
    WORKFLOW_DANGLING_CONNECTION = "workflow.dangling_connection" 422 "A connection names a node that does not exist" final;
    WORKFLOW_DUPLICATE_CONNECTION = "workflow.duplicate_connection" 422 "A connection stands there twice" final;
    WORKFLOW_DUPLICATE_NODE = "workflow.duplicate_node" 422 "Two nodes have the same name" final;
    WORKFLOW_IMPORT_FAILED = "workflow.import_failed" 422 "A file of the import is not a workflow that can be stored" final;
    WORKFLOW_INVALID = "workflow.invalid" 422 "The workflow is not valid" final;
    WORKFLOW_MALFORMED = "workflow.malformed" 400 "The document cannot be parsed" final;
    WORKFLOW_NAME_TAKEN = "workflow.name_taken" 409 "Another workflow has this name" final;
    WORKFLOW_NO_TRIGGER = "workflow.no_trigger" 422 "Nothing starts the workflow" final;
    WORKFLOW_NODE_NOT_FOUND = "workflow.node_not_found" 404 "The workflow has no such node" final;
    WORKFLOW_NOT_FOUND = "workflow.not_found" 404 "There is no such workflow" final;
    WORKFLOW_NOT_PUBLISHED = "workflow.not_published" 409 "The workflow has no published version" final;
    WORKFLOW_NOT_UPSTREAM = "workflow.not_upstream" 422 "An expression refers to a node that does not run before it" final;
    WORKFLOW_TOO_LARGE = "workflow.too_large" 422 "The workflow has more nodes than allowed" final;
    WORKFLOW_UNKNOWN_NODE = "workflow.unknown_node" 422 "There is no node of this name" final;
    WORKFLOW_UNKNOWN_PORT = "workflow.unknown_port" 422 "The node has no such port" final;
    WORKFLOW_UNKNOWN_TYPE = "workflow.unknown_type" 422 "There is no such node type" final;
    WORKFLOW_UNREACHABLE_NODE = "workflow.unreachable_node" 422 "No trigger leads to the node" final;
    WORKFLOW_VERSION_NOT_FOUND = "workflow.version_not_found" 404 "The workflow has no such version" final;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_code_twice() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}
