//! Functions that leave something.

use std::sync::atomic::{AtomicU32, Ordering};

use db::{Columns, Statement, sql};
use function::{
    ActionContext, Event, MutationContext, NewJob, Operation, Permission, Priority, Problem,
    QueryContext, action, mutation, query,
};
use kernel::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

const COUNT_NOTES: Statement =
    sql!("test.count_notes", reads(notes), (), "SELECT count(*) AS count FROM forge.notes");
const ADD_NOTE: Statement =
    sql!("test.add_note", writes(notes), (UUID, TEXT), "INSERT INTO forge.notes VALUES ($1, $2)");
const TOUCH: Statement =
    sql!("test.touch", writes(shared), (), "UPDATE forge.shared SET value = value + 1");

/// Holds functions back and counts them.
pub(crate) struct Gate {
    pub(crate) begun: AtomicU32,
    pub(crate) open: Semaphore,
}

impl Gate {
    pub(crate) fn open() -> Self {
        Self { begun: AtomicU32::new(0), open: Semaphore::new(Semaphore::MAX_PERMITS) }
    }

    pub(crate) fn closed() -> Self {
        Self { begun: AtomicU32::new(0), open: Semaphore::new(0) }
    }

    async fn pass(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let _passed = self.open.acquire().await.unwrap();
    }
}

/// A note to be written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNote {
    text: String,
    /// Change the row that all change.
    #[serde(default)]
    shared: bool,
    /// Refuse in the end.
    #[serde(default)]
    refuse: bool,
}

/// A note that was written.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Note {
    text: String,
    /// How many there are now.
    count: i64,
}

pub(crate) mod add_note {
    use super::*;

    /// Writes a note, a job and an event.
    #[mutation(
        POST "/v1/notes",
        permission = Permission("note.write"),
        audit = "note.added",
        status = 201
    )]
    pub(crate) async fn add_note(cx: &MutationContext, body: NewNote) -> Result<Note, Problem> {
        let mut tx = cx.tx().await;
        let row = tx.query_one(&COUNT_NOTES, &[]).await?;
        let count: i64 = row.column("count")?;
        cx.service::<Gate>().pass().await;
        if body.shared {
            tx.execute(&TOUCH, &[]).await?;
        }
        tx.execute(&ADD_NOTE, &[&cx.workspace().0, &body.text]).await?;
        cx.enqueue(
            "notes",
            Priority::Normal,
            NewJob {
                id: kernel::id::uuid_v7(cx.clock(), cx.dice()),
                kind: "note.announce".to_owned(),
                key: None,
                run_at: None,
                payload: body.text.clone().into(),
            },
        );
        cx.emit(Event {
            noun: "notes",
            keys: vec![body.text.clone(), "with, \"signs\"".to_owned()],
            operation: Operation::Created,
            body: Value::from(body.text.clone()),
        });
        cx.subject("note", &body.text);
        cx.set_version(count + 1);
        if body.refuse {
            return Err(Problem::new(kernel::codes::REQUEST_CONFLICT, "Refused in the end."));
        }
        Ok(Note { text: body.text, count: count + 1 })
    }
}

pub(crate) mod count_notes {
    use super::*;

    /// How many notes there are.
    #[query(GET "/v1/notes/count", permission = Permission("note.read"))]
    pub(crate) async fn count_notes(cx: &QueryContext) -> Result<i64, Problem> {
        let row = cx.tx().await.query_one(&COUNT_NOTES, &[]).await?;
        Ok(row.column("count")?)
    }
}

pub(crate) mod send_note {
    use super::*;

    /// Does something outside, as far as the test is concerned.
    #[action(
        POST "/v1/notes/send",
        permission = Permission("note.write"),
        audit = "note.sent",
        timeout = "20s"
    )]
    pub(crate) async fn send_note(cx: &ActionContext, body: NewNote) -> Result<String, Problem> {
        cx.service::<Gate>().pass().await;
        cx.subject("note", &body.text);
        if body.refuse {
            return Err(Problem::new(kernel::codes::REQUEST_CONFLICT, "Refused in the end."));
        }
        Ok(cx.unique_key().unwrap_or_default())
    }
}

pub(crate) mod recall_note {
    use super::*;

    /// Says whether it was begun before.
    #[action(
        POST "/v1/notes/recall",
        permission = Permission("note.write"),
        audit = "note.recalled",
        timeout = "20s"
    )]
    pub(crate) async fn recall_note(cx: &ActionContext, body: NewNote) -> Result<bool, Problem> {
        cx.service::<Gate>().pass().await;
        match (body.refuse, body.shared) {
            (true, _) => Err(Problem::new(kernel::codes::REQUEST_CONFLICT, "Refused in the end.")),
            // What it did outside is done, and something else fails.
            (_, true) if !cx.is_repetition() => Err(Problem::internal()),
            _ => Ok(cx.is_repetition()),
        }
    }
}
