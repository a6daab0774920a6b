//! Limits that hold everywhere, each with its unit. Settings may lower or raise the ones that say so.

/// Depth of nested arrays and objects in any JSON or YAML that comes in, and in an item's data.
pub const JSON_DEPTH_MAX: usize = 120;
/// Bytes of a request body on the JSON API (a setting of the gateway).
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of the bodies of all requests under way in one process, with what they become when they are
/// unpacked and parsed (a setting of the gateway).
pub const BODIES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Values (numbers, texts, arrays, objects and so on) in the JSON of one request body.
pub const BODY_VALUES_MAX: usize = 1_000_000;
/// Bytes of memory that one value of a parsed body is counted as, besides its text.
pub const VALUE_BYTES: usize = 128;
/// Fields of one form: pairs of an urlencoded body, parts of a multipart one.
pub const FORM_FIELDS_MAX: usize = 1_000;
/// Nodes in one workflow.
pub const NODES_MAX: usize = 5_000;
/// Bytes of a node's or a workflow's name.
pub const NAME_BYTES_MAX: usize = 200;
/// Items one activation may put on one output (a setting of the engine).
pub const ITEMS_PER_OUTPUT_MAX: usize = 1_000_000;
/// Activations of one run (a setting of the engine).
pub const ACTIVATIONS_MAX: u64 = 1_000_000;
/// A JSON body at least this long is stored as a blob and named by reference.
pub const BLOB_FROM_BYTES: usize = 256 * 1024;
/// How deep workflows may call workflows.
pub const CALL_DEPTH_MAX: u32 = 32;
/// Bytes of JSON that one activation may put out anew (a setting of the engine). Items it passes on
/// do not count.
pub const STEP_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of JSON that one run may hold (a setting of the engine).
pub const RUN_BYTES_MAX: usize = 256 * 1024 * 1024;
