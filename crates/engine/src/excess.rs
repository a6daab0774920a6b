//! What a step or a start may not give: more bytes than a step may, or data nested so deep that the
//! journal could not be read back.

use kernel::limits::JSON_DEPTH_MAX;
use kernel::{Item, Problem, codes, json};

use crate::record::{Record, Times};

/// What is recorded instead of a record that is, as it was written, more than a step may give.
pub(crate) fn instead_of(record: &Record, written: &[u8], bytes_max: usize) -> Option<Record> {
    let problem = if written.len() > bytes_max {
        too_large(written.len(), bytes_max)
    } else if is_too_deep(record, written) {
        too_deep()
    } else {
        return None;
    };
    match *record {
        Record::Finished { activation, times, .. }
        | Record::Performed { activation, times, .. }
        | Record::Replied { activation, times, .. } => {
            Some(Record::Failed { activation, problem, times })
        }
        Record::Intended { activation, .. } => {
            Some(Record::Failed { activation, problem, times: Times::default() })
        }
        Record::Returned { activation, child, .. } => {
            Some(Record::Returned { activation, child, result: Err(problem) })
        }
        Record::Started(_)
        | Record::TakenOver { .. }
        | Record::Edited { .. }
        | Record::Failed { .. }
        | Record::Retrying { .. }
        | Record::Waiting { .. }
        | Record::Calling { .. }
        | Record::Asked { .. }
        | Record::Resumed { .. }
        | Record::Ended { .. } => None,
    }
}

/// Whether a run may start with these items. Errors: `request.invalid`.
pub(crate) fn check_first(items: &[Item]) -> Result<(), Problem> {
    if !items.iter().any(|item| json::is_object_deeper(&item.json, JSON_DEPTH_MAX)) {
        return Ok(());
    }
    let detail = format!(
        "The data the run would start with is nested deeper than {JSON_DEPTH_MAX} levels; what a \
         call sends becomes the field \"body\" of an item, which is a level more."
    );
    Err(Problem::new(codes::REQUEST_INVALID, detail))
}

fn too_large(bytes: usize, bytes_max: usize) -> Problem {
    let detail = format!(
        "It gave {bytes} bytes; the limit of a step is {bytes_max} (engine.step_bytes_max). Work in \
         pages, or leave out what is not needed."
    );
    Problem::new(codes::NODE_LIMIT, detail)
}

/// Whether the items of a record are nested deeper than the journal could read back.
fn is_too_deep(record: &Record, written: &[u8]) -> bool {
    // Levels that the record has around an item's data: its object and list, then outputs, output
    // and item; outcomes have one more.
    let around = if matches!(record, Record::Performed { .. }) { 6 } else { 5 };
    json::is_deeper(written, JSON_DEPTH_MAX + around)
}

fn too_deep() -> Problem {
    let detail = format!(
        "It gave an item whose data is nested deeper than {JSON_DEPTH_MAX} levels. Take apart what \
         is inside before it is put into more, or keep it as text."
    );
    Problem::new(codes::NODE_LIMIT, detail)
}
