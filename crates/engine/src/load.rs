//! Reading runs back: for a look, for their callers, and to go on with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use kernel::{Problem, RunId, VersionId, WorkspaceId, codes, limits};

use crate::breadcrumb::Suspect;
use crate::codec;
use crate::command::{Adopted, Command};
use crate::door::{Answer, AnswerWhen, RunStatus};
use crate::engine::Shared;
use crate::flusher::{FlushOp, Op};
use crate::plan::Plan;
use crate::replay::replay;
use crate::state::RunState;
use crate::store::{FinishedRun, LiveRun, RunRecord};
use crate::view::{Shown, last_items};

/// A run read back from the database.
pub(crate) struct Loaded {
    pub(crate) state: RunState,
}

/// Runs taken over in one statement.
const TAKE_AT_ONCE: u32 = 500;

/// Reads a run, live or finished.
pub(crate) async fn load(
    shared: &Shared,
    workspace: WorkspaceId,
    run: RunId,
) -> Result<Option<Loaded>, Problem> {
    let Some(record) = shared.store.find(workspace, run).await? else { return Ok(None) };
    Ok(Some(Loaded { state: read(shared, workspace, record).await? }))
}

/// The state that a record and its journal tell of.
async fn read(
    shared: &Shared,
    workspace: WorkspaceId,
    record: RunRecord,
) -> Result<RunState, Problem> {
    match record {
        RunRecord::Finished(run) => finished(shared, run).await,
        RunRecord::Live(live) => {
            let texts = journal(shared, &live).await?.texts;
            state(live.run, &plan(shared, workspace, live.version).await?, &texts)
        }
    }
}

/// The last state of a finished run.
pub(crate) async fn finished(shared: &Shared, run: FinishedRun) -> Result<RunState, Problem> {
    let texts = [text(shared, run.workspace, run.body).await?];
    state(run.run, &plan(shared, run.workspace, run.version).await?, &texts)
}

/// Takes over runs of fenced members, as many as there is room for, and hands them to the workers;
/// says how many. To be called again and again: there may be more, or more room.
///
/// Suspects come first and one after another, so that the next death tells which of them it was:
/// those that died alone before, then the others in random order, until [`ALONE_MAX`] is used up.
/// What is left then goes on beside the rest, and gets its turn alone after the next death.
pub(crate) async fn recover(shared: &Shared, suspects: &[Suspect]) -> Result<usize, Problem> {
    shared.recovering.store(true, Ordering::Relaxed);
    let recovered = take_over(shared, suspects).await;
    shared.recovering.store(false, Ordering::Relaxed);
    recovered
}

async fn take_over(shared: &Shared, suspects: &[Suspect]) -> Result<usize, Problem> {
    let mut taken = Vec::new();
    loop {
        let room = shared.room().saturating_sub(taken.len());
        let some = shared.store.take_over(room.min(TAKE_AT_ONCE as usize) as u32).await?;
        if some.is_empty() {
            break;
        }
        taken.extend(some);
    }
    let count = taken.len();
    let suspect = |run: RunId| suspects.iter().find(|suspect| suspect.run == run);
    let (mut suspected, others): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|live| suspect(live.run).is_some());
    suspected.sort_by_cached_key(|live| {
        let deaths = suspect(live.run).map_or(0, |suspect| suspect.solo_deaths);
        (std::cmp::Reverse(deaths), shared.dice.next_u64())
    });
    let mut left = ALONE_MAX;
    for live in suspected {
        let (workspace, run) = (live.workspace, live.run);
        let about = suspect(run);
        let died_alone = about.is_some_and(|suspect| suspect.solo_deaths > 0);
        if hand_over(shared, live, about).await {
            let patience = if died_alone { SUSPECT_PATIENCE } else { FIRST_PATIENCE };
            left -= watch_suspect(shared, workspace, run, patience.min(left)).await;
        }
    }
    let take = |live| async move {
        hand_over(shared, live, None).await;
    };
    stream::iter(others).for_each_concurrent(READ_AT_ONCE, take).await;
    Ok(count)
}

/// Reads a run back and gives it to its worker. One that cannot be read is ours nevertheless, and will
/// be looked for.
async fn hand_over(shared: &Shared, live: LiveRun, suspect: Option<&Suspect>) -> bool {
    let run = live.run;
    match adopt(shared, live, suspect).await {
        Ok(adopted) => {
            shared.send(run, Command::Adopt(Box::new(adopted)));
            true
        }
        Err(problem) => {
            tracing::error!(run.id = %run, "a run could not be read back: {problem}");
            false
        }
    }
}

/// Takes up runs that nobody has and whose time has come: parked ones, signalled ones, and those that
/// the sweep found. As many as there is room for.
pub(crate) async fn wake_due(shared: &Shared) -> Result<(), Problem> {
    loop {
        let room = shared.room().min(TAKE_AT_ONCE as usize) as u32;
        if room == 0 {
            return Ok(());
        }
        let taken = shared.store.take_due(room).await?;
        let all = taken.len() < room as usize;
        let wake = |live| async move {
            hand_over(shared, live, None).await;
        };
        stream::iter(taken).for_each_concurrent(READ_AT_ONCE, wake).await;
        if all {
            return Ok(());
        }
    }
}

/// Journals read at the same time.
const READ_AT_ONCE: usize = 32;

/// Waits until a suspect has ended, come to wait, or executed for a while without harm; says how
/// long that took.
async fn watch_suspect(
    shared: &Shared,
    workspace: WorkspaceId,
    run: RunId,
    patience: Duration,
) -> Duration {
    let nothing = Shown { activations: 0, items_per_output: 0, bytes: 0 };
    let (mut wait, mut waited) = (FIRST_LOOK, Duration::ZERO);
    loop {
        match shared.view_in_memory(workspace, run, nothing).await {
            Some(view) if view.status == RunStatus::Running => {}
            Some(_) | None => {
                shared.breadcrumbs.absolve(run);
                return waited;
            }
        }
        if waited == patience {
            return waited;
        }
        wait = wait.min(patience - waited);
        pause(wait).await;
        waited += wait;
        wait = (wait * 2).min(LAST_LOOK);
    }
}

/// How long a suspect runs alone at most; one that died alone before longer.
const FIRST_PATIENCE: Duration = Duration::from_millis(200);
const SUSPECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long everybody else waits for suspects at most.
const ALONE_MAX: Duration = Duration::from_secs(10);

/// Takes up a live run that is ours already; with a problem, to end it because of that.
pub(crate) async fn take_up(
    shared: &Shared,
    workspace: WorkspaceId,
    run: RunId,
    problem: Option<Problem>,
) -> Result<(), Problem> {
    if let Some(RunRecord::Live(live)) = shared.store.find(workspace, run).await? {
        let mut adopted = adopt(shared, live, None).await?;
        adopted.poison = problem;
        shared.send(run, Command::Adopt(Box::new(adopted)));
    }
    Ok(())
}

async fn adopt(
    shared: &Shared,
    live: LiveRun,
    suspect: Option<&Suspect>,
) -> Result<Adopted, Problem> {
    let journal = journal(shared, &live).await?;
    let plan = plan(shared, live.workspace, live.version).await?;
    let state = state(live.run, &plan, &journal.texts)?;
    let written = inside(&journal.texts);
    // Signals are read anew: whether they were taken into account before is not known. One that was
    // answered holds before anything else is done.
    let cancel = live.signals > 0 && shared.store.is_cancelled(live.workspace, live.run).await?;
    let (epoch, seq, segment_at) = (live.epoch, journal.last, live.segment.start());
    let poison = suspect.filter(|suspect| suspect.is_poison()).map(|suspect| {
        shared.breadcrumbs.absolve(live.run);
        let nodes = &plan.graph.nodes;
        let node = nodes.get(suspect.node as usize).map_or("?", |node| &*node.name).to_owned();
        let detail = format!("The process died three times while only \"{node}\" was executing.");
        Problem::new(codes::RUN_POISONED, detail).in_node(node)
    });
    // Nothing goes on in a parked run that could have been interrupted.
    let (seen, woken) = (live.signals, live.reclaims == 0 && state.only_waits());
    Ok(Adopted { state, written, epoch, seq, segment_at, seen, woken, cancel, poison })
}

/// The records of a live run that is ours: the inside of a JSON array.
///
/// Errors: `run.finished` when it is live no more.
pub(crate) async fn read_back(
    shared: &Shared,
    workspace: WorkspaceId,
    run: RunId,
) -> Result<Vec<u8>, Problem> {
    match shared.store.find(workspace, run).await? {
        Some(RunRecord::Live(live)) => Ok(inside(&journal(shared, &live).await?.texts)),
        Some(RunRecord::Finished(_)) | None => {
            Err(Problem::new(codes::RUN_FINISHED, format!("Run {run} has ended elsewhere.")))
        }
    }
}

/// The inside of one JSON array with what stands in all of these.
fn inside(texts: &[Vec<u8>]) -> Vec<u8> {
    let mut all = Vec::with_capacity(texts.iter().map(Vec::len).sum());
    for text in texts {
        let inside = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
        if let Some(inside) = inside.filter(|inside| !inside.is_empty()) {
            if !all.is_empty() {
                all.push(b',');
            }
            all.extend_from_slice(inside);
        }
    }
    all
}

struct Journal {
    texts: Vec<Vec<u8>>,
    last: i32,
}

async fn journal(shared: &Shared, live: &LiveRun) -> Result<Journal, Problem> {
    let rows = shared.store.journal(live).await?;
    let last = rows.last().map_or(live.base_seq, |row| row.seq);
    let mut texts = Vec::with_capacity(rows.len() + 1);
    for body in live.checkpoint.iter().cloned().chain(rows.into_iter().map(|row| row.body)) {
        texts.push(text(shared, live.workspace, body).await?);
    }
    Ok(Journal { texts, last })
}

/// The text of a body, fetched from the blob store when it stands there.
async fn text(shared: &Shared, workspace: WorkspaceId, body: Bytes) -> Result<Vec<u8>, Problem> {
    let body = match codec::blob_key(&body) {
        Some(key) => shared.services.blobs.get(workspace, key).await?.into(),
        None => body,
    };
    let text = codec::decode(&body).map_err(|error| {
        tracing::error!("a run's body cannot be read: {error}");
        Problem::internal()
    })?;
    Ok(text.into_owned())
}

async fn plan(
    shared: &Shared,
    workspace: WorkspaceId,
    version: VersionId,
) -> Result<Arc<Plan>, Problem> {
    let graph = shared.graphs.version(workspace, version).await?.ok_or_else(|| {
        tracing::error!(version.id = %version, "a run names a version that is not there");
        Problem::internal()
    })?;
    Ok(Arc::new(Plan::new(graph)))
}

fn state(run: RunId, plan: &Arc<Plan>, texts: &[Vec<u8>]) -> Result<RunState, Problem> {
    replay(run, plan, texts.iter().map(Vec::as_slice)).map_err(|error| {
        tracing::error!(run.id = %run, "a journal cannot be replayed: {error}");
        Problem::internal()
    })
}

/// Puts a large body into the blob store and keeps it, like the run's files, until the time up to
/// which the run will be there.
pub(crate) async fn store_blobs(
    shared: &Shared,
    op: FlushOp,
    mut named: Vec<String>,
    until: Option<Timestamp>,
) -> Result<FlushOp, Problem> {
    let op = match op.op.body().len() < limits::BLOB_FROM_BYTES {
        true => op,
        false => blob_body(shared, op).await?,
    };
    named.extend(codec::blob_key(op.op.body()).map(str::to_owned));
    if let Some(until) = until {
        let keep = || shared.services.blobs.keep_until(op.workspace, &named, until);
        let there = persist(shared, keep).await?;
        if there < named.len() {
            let missing = named.len() - there;
            tracing::warn!(run.id = %op.run, blobs.missing = missing, "files of a run are gone");
        }
    }
    Ok(op)
}

/// Puts a large body into the blob store; the operation then names it.
async fn blob_body(shared: &Shared, mut op: FlushOp) -> Result<FlushOp, Problem> {
    let put = || shared.services.blobs.put(op.workspace, op.op.body().to_vec());
    let stored = persist(shared, put).await?;
    let named = codec::blob(&stored.blob);
    match &mut op.op {
        Op::Start { body, .. }
        | Op::Progress { body, .. }
        | Op::Park { body, .. }
        | Op::Renew { body, .. }
        | Op::End { body, .. }
        | Op::Whole { body, .. } => *body = named,
    }
    Ok(op)
}

/// Looks at the run that holds a key until its answer is due.
pub(crate) async fn answer_of_key(
    shared: &Shared,
    workspace: WorkspaceId,
    key: &str,
    when: AnswerWhen,
) -> Result<Answer, Problem> {
    let gone = || {
        let detail = "The run that held the idempotency key is gone; send the request again.";
        Problem::new(codes::REQUEST_CONFLICT, detail)
    };
    let run = shared.store.find_key(workspace, key).await?.ok_or_else(gone)?;
    let mut wait = FIRST_LOOK;
    for _ in 0..LOOKS_MAX {
        // The key and its run are written by one statement: one that is not there is there no more.
        let record = shared.store.find(workspace, run).await?.ok_or_else(gone)?;
        if when == AnswerWhen::Ended && matches!(record, RunRecord::Live(_)) {
            pause(wait).await;
            wait = (wait * 2).min(LAST_LOOK);
            continue;
        }
        let state = read(shared, workspace, record).await?;
        let due = match when {
            AnswerWhen::Started => true,
            AnswerWhen::Replied => state.reply.is_some() || state.status.is_final(),
            AnswerWhen::Ended => state.status.is_final(),
        };
        if due {
            return Ok(Answer {
                run,
                status: state.shown_status(),
                last_items: last_items(&state),
                reply: state.reply,
                error: state.problem,
            });
        }
        pause(wait).await;
        wait = (wait * 2).min(LAST_LOOK);
    }
    let detail = format!("Run {run} holds the idempotency key and has not answered yet.");
    Err(Problem::new(codes::HOOK_TIMEOUT, detail))
}

/// Asks until the answer is no longer that it may be asked again later: while the database is away,
/// runs wait as the flusher does, instead of failing.
pub(crate) async fn persist<T, Asking>(
    shared: &Shared,
    mut ask: impl FnMut() -> Asking,
) -> Result<T, Problem>
where
    Asking: Future<Output = Result<T, Problem>>,
{
    let mut wait = FIRST_LOOK;
    loop {
        match ask().await {
            Err(problem) if problem.retry_after_ms.is_some() && !shared.flusher.is_fenced() => {
                pause(wait).await;
                wait = (wait * 2).min(LAST_LOOK);
            }
            answer => return answer,
        }
    }
}

pub(crate) const FIRST_LOOK: Duration = Duration::from_millis(5);
const LAST_LOOK: Duration = Duration::from_millis(500);
const LOOKS_MAX: u32 = 120;

#[expect(
    clippy::disallowed_methods,
    reason = "the earlier run may be another member's, or the database away: it is polled"
)]
pub(crate) async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
