//! All SQL of functions: what commits with a mutation, idempotency keys, the audit.

use db::{Columns, Database, Error, Row, Statement, ToSql, Tx, sql};
use jiff::Timestamp;
use kernel::{ApiKeyId, MemberId, PrincipalId, Value, WorkspaceId};
use uuid::Uuid;

use crate::audit::{AuditFilter, AuditView};
use crate::outbox::{Event, Outbox};

/// The audit row of a mutation that leaves nothing else: most of them.
const ADD_AUDIT: Statement = sql!(
    "function.add_audit",
    writes(audit),
    (UUID, UUID, UUID, UUID, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT),
    "INSERT INTO forge.audit (workspace_id, id, day, at, principal_id, key_id, action, function,
       subject_kind, subject_id, request_id, trace_id, outcome)
     SELECT $1, $2, (clock.now AT TIME ZONE 'UTC')::date, clock.now, $3, $4, $5, $6, $7, $8, $9, $10,
       'succeeded'
     FROM (SELECT forge.now() AS now) clock"
);

/// Everything a mutation leaves: audit row, answer of its idempotency key, events, jobs.
const ADD_ALL: Statement = sql!(
    "function.add_all",
    writes(audit, idempotency_keys, events, jobs, job_keys),
    (UUID, UUID, UUID, UUID, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, BYTEA, BYTEA, BYTEA,
     UUID_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY,
     TEXT_ARRAY, INT2_ARRAY, TIMESTAMPTZ_ARRAY, UUID_ARRAY, TEXT_ARRAY, TEXT_ARRAY, BYTEA_ARRAY),
    "WITH clock AS MATERIALIZED (
       SELECT now, (now AT TIME ZONE 'UTC')::date AS day FROM (SELECT forge.now() AS now) one
     ), audited AS (
       INSERT INTO forge.audit (workspace_id, id, day, at, principal_id, key_id, action, function,
         subject_kind, subject_id, request_id, trace_id, outcome)
       SELECT $1, $2, clock.day, clock.now, $3, $4, $5, $6, $7, $8, $9, $10, 'succeeded' FROM clock
     ), kept AS (
       INSERT INTO forge.idempotency_keys
         (workspace_id, principal_id, key, fingerprint, answer, at)
       SELECT $1, $3, $11, $12, $13, clock.now FROM clock WHERE $11::bytea IS NOT NULL
     ), told AS (
       INSERT INTO forge.events
         (workspace_id, id, day, at, noun, keys, operation, principal_id, function, trace_id, body)
       SELECT $1, e.id, clock.day, clock.now, e.noun, ARRAY(SELECT json_array_elements_text(e.keys::json)),
         e.operation, $3, $6, $10, e.body
       FROM clock, unnest($14::uuid[], $15::text[], $16::text[], $17::text[], $18::text[])
         AS e (id, noun, keys, operation, body)
     )
     SELECT count(queued) AS jobs
     FROM unnest($19::text[], $20::int2[], $21::timestamptz[], $22::uuid[], $23::text[],
         $24::text[], $25::bytea[]) AS j (lane, priority, run_at, id, kind, key, payload),
       LATERAL forge.enqueue(j.lane, j.priority, ARRAY[j.run_at], ARRAY[j.id], ARRAY[j.kind],
         ARRAY[j.key], ARRAY[j.payload]) AS queued"
);

/// Takes the lock of a key until the transaction ends, unless somebody has it, and looks whether
/// there is an answer.
const CLAIM_KEY: Statement = sql!(
    "function.claim_idempotency_key",
    reads(idempotency_keys[key = $3]),
    (UUID, UUID, BYTEA, INT8),
    "SELECT pg_try_advisory_xact_lock($4) AS mine, k.fingerprint, k.answer
     FROM (SELECT) one LEFT JOIN forge.idempotency_keys k
       ON k.workspace_id = $1 AND k.principal_id = $2 AND k.key = $3"
);

/// Notes that an action is under way at the incarnation `$5`, or says what is known under the key and
/// whether this call takes it over: from itself, or from an incarnation that is gone.
const RESERVE_KEY: Statement = sql!(
    "function.reserve_idempotency_key",
    reads(fences) writes(idempotency_keys[key = $3]),
    (UUID, UUID, BYTEA, BYTEA, UUID),
    "WITH made AS (
       INSERT INTO forge.idempotency_keys AS k
         (workspace_id, principal_id, key, fingerprint, at, incarnation)
       VALUES ($1, $2, $3, $4, forge.now(), $5)
       ON CONFLICT (workspace_id, principal_id, key) DO UPDATE SET incarnation = $5
         WHERE k.answer IS NULL AND k.fingerprint = $4
           AND (k.incarnation IS NULL OR k.incarnation = $5
             OR NOT forge.is_member_alive(k.incarnation))
       RETURNING key
     )
     SELECT k.fingerprint, k.answer, EXISTS (SELECT FROM made) AS taken
     FROM forge.idempotency_keys k
     WHERE k.workspace_id = $1 AND k.principal_id = $2 AND k.key = $3"
);

/// Keeps the answer of an action.
const KEEP_ANSWER: Statement = sql!(
    "function.keep_answer",
    writes(idempotency_keys[key = $3]),
    (UUID, UUID, BYTEA, BYTEA),
    "UPDATE forge.idempotency_keys SET answer = $4
     WHERE workspace_id = $1 AND principal_id = $2 AND key = $3 AND answer IS NULL"
);

/// Frees the key of an action that was refused, unless somebody else has taken it over.
const FREE_KEY: Statement = sql!(
    "function.free_idempotency_key",
    writes(idempotency_keys[key = $3]),
    (UUID, UUID, BYTEA, UUID),
    "DELETE FROM forge.idempotency_keys
     WHERE workspace_id = $1 AND principal_id = $2 AND key = $3 AND answer IS NULL
       AND incarnation IS NOT DISTINCT FROM $4"
);

/// Removes at most `$2` keys that are older than `$1`, of all workspaces.
pub const EXPIRE_KEYS: Statement = sql!(
    "function.expire_idempotency_keys",
    writes(idempotency_keys),
    (TIMESTAMPTZ, INT8),
    "DELETE FROM forge.idempotency_keys WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM forge.idempotency_keys WHERE at < $1 LIMIT $2))"
);

/// The secret behind cursors; for the owner.
const FIND_CURSOR_KEY: Statement = sql!(
    "function.find_cursor_key",
    reads(internal_keys),
    (),
    "SELECT value FROM forge.internal_keys WHERE name = 'cursor'"
);

/// Newest first. Days bound what has to be looked at to the partitions that can hold it.
const LIST_AUDIT: Statement = sql!(
    "function.list_audit",
    reads(audit[workspace_id = $1]),
    (UUID, UUID, TEXT, TEXT, TEXT, UUID, TIMESTAMPTZ, TIMESTAMPTZ, INT8),
    "SELECT id, at, principal_id, key_id, action, function, subject_kind, subject_id, request_id,
       trace_id, outcome
     FROM forge.audit
     WHERE workspace_id = $1 AND ($2::uuid IS NULL OR id < $2)
       AND ($3::text IS NULL OR action = $3)
       AND ($4::text IS NULL OR subject_kind = $4) AND ($5::text IS NULL OR subject_id = $5)
       AND ($6::uuid IS NULL OR principal_id = $6)
       AND ($7::timestamptz IS NULL
         OR (at >= $7 AND day >= ($7::timestamptz AT TIME ZONE 'UTC')::date))
       AND ($8::timestamptz IS NULL
         OR (at < $8 AND day <= ($8::timestamptz AT TIME ZONE 'UTC')::date))
     ORDER BY id DESC LIMIT $9"
);

/// Every statement of this crate.
pub const STATEMENTS: &[&Statement] = &[
    &ADD_ALL,
    &ADD_AUDIT,
    &CLAIM_KEY,
    &EXPIRE_KEYS,
    &FIND_CURSOR_KEY,
    &FREE_KEY,
    &KEEP_ANSWER,
    &LIST_AUDIT,
    &RESERVE_KEY,
];

/// An audit row to be written.
pub(crate) struct AuditRow<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) id: Uuid,
    pub(crate) principal: PrincipalId,
    pub(crate) key: ApiKeyId,
    pub(crate) action: &'a str,
    pub(crate) function: &'a str,
    pub(crate) subject_kind: &'a str,
    pub(crate) subject_id: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) trace_id: Option<&'a str>,
}

impl AuditRow<'_> {
    fn parameters(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.workspace.0,
            &self.id,
            &self.principal.0,
            &self.key.0,
            &self.action,
            &self.function,
            &self.subject_kind,
            &self.subject_id,
            &self.request_id,
            &self.trace_id,
        ]
    }
}

/// The answer that is kept under an idempotency key.
pub(crate) struct KeptAnswer<'a> {
    pub(crate) hash: &'a [u8],
    pub(crate) fingerprint: &'a [u8],
    pub(crate) answer: Vec<u8>,
}

/// Writes what a mutation leaves and commits, in one round trip. `event_ids` has one for each event.
pub(crate) async fn commit_with(
    tx: Tx,
    audit: &AuditRow<'_>,
    kept: Option<&KeptAnswer<'_>>,
    outbox: &Outbox,
    event_ids: Vec<Uuid>,
) -> Result<(), Error> {
    let a = audit;
    if kept.is_none() && outbox.jobs.is_empty() && outbox.events.is_empty() {
        return tx.commit_with(&ADD_AUDIT, &a.parameters()).await.map(drop);
    }
    let (hash, fingerprint) = (kept.map(|kept| kept.hash), kept.map(|kept| kept.fingerprint));
    let answer = kept.map(|kept| kept.answer.as_slice());
    let events = &outbox.events;
    let event = |text: fn(&Event) -> String| events.iter().map(text).collect::<Vec<_>>();
    let (keys, bodies) = (
        event(|event| Value::from(event.keys.clone()).to_string()),
        event(|event| event.body.to_string()),
    );
    let nouns = event(|event| event.noun.to_owned());
    let operations = event(|event| event.operation.as_str().to_owned());
    let jobs = &outbox.jobs;
    let lanes: Vec<&str> = jobs.iter().map(|one| one.lane).collect();
    let priorities: Vec<i16> = jobs.iter().map(|one| one.priority.number()).collect();
    let times: Vec<Option<Timestamp>> = jobs.iter().map(|one| one.job.run_at).collect();
    let ids: Vec<Uuid> = jobs.iter().map(|one| one.job.id).collect();
    let kinds: Vec<&str> = jobs.iter().map(|one| one.job.kind.as_str()).collect();
    let unique: Vec<Option<&str>> = jobs.iter().map(|one| one.job.key.as_deref()).collect();
    let payloads: Vec<&[u8]> = jobs.iter().map(|one| &one.job.payload[..]).collect();
    let parameters: db::Parameters<'_> = &[
        &a.workspace.0,
        &a.id,
        &a.principal.0,
        &a.key.0,
        &a.action,
        &a.function,
        &a.subject_kind,
        &a.subject_id,
        &a.request_id,
        &a.trace_id,
        &hash,
        &fingerprint,
        &answer,
        &event_ids,
        &nouns,
        &keys,
        &operations,
        &bodies,
        &lanes,
        &priorities,
        &times,
        &ids,
        &kinds,
        &unique,
        &payloads,
    ];
    tx.commit_with(&ADD_ALL, parameters).await.map(drop)
}

/// What is known under an idempotency key.
pub(crate) struct KnownKey {
    pub(crate) fingerprint: Vec<u8>,
    /// `None`: an action is under way.
    pub(crate) answer: Option<Vec<u8>>,
}

/// Whose key, and its hash.
#[derive(Clone, Copy)]
pub(crate) struct KeyPlace<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) principal: PrincipalId,
    pub(crate) hash: &'a [u8],
}

/// Whether the lock is ours, and what is known under the key.
pub(crate) async fn claim_key(
    tx: &mut Tx,
    place: KeyPlace<'_>,
    lock: i64,
) -> Result<(bool, Option<KnownKey>), Error> {
    let parameters: db::Parameters<'_> =
        &[&place.workspace.0, &place.principal.0, &place.hash, &lock];
    let row = tx.query_one(&CLAIM_KEY, parameters).await?;
    let fingerprint: Option<Vec<u8>> = row.column("fingerprint")?;
    let answer = row.column("answer")?;
    let known = fingerprint.map(|fingerprint| KnownKey { fingerprint, answer });
    Ok((row.column("mine")?, known))
}

/// What the reservation of a key for an action met.
pub(crate) struct Met {
    pub(crate) known: KnownKey,
    /// The reservation was of this incarnation, or of one that is gone, and is ours now: what it was
    /// made for may have been done.
    pub(crate) is_taken: bool,
}

/// Reserves a key for an action of this incarnation and commits; `None`: it is reserved now.
pub(crate) async fn reserve_key(
    tx: Tx,
    place: KeyPlace<'_>,
    fingerprint: &[u8],
    member: Option<MemberId>,
) -> Result<Option<Met>, Error> {
    let member = member.map(|member| member.0);
    let parameters: db::Parameters<'_> =
        &[&place.workspace.0, &place.principal.0, &place.hash, &fingerprint, &member];
    let rows = tx.commit_with(&RESERVE_KEY, parameters).await?;
    let met = |row: &Row| {
        let (fingerprint, answer) = (row.column("fingerprint")?, row.column("answer")?);
        Ok(Met { known: KnownKey { fingerprint, answer }, is_taken: row.column("taken")? })
    };
    rows.first().map(met).transpose()
}

/// Writes the audit row of an action and keeps its answer, where there are such, and commits.
pub(crate) async fn note_action(
    tx: Tx,
    audit: Option<&AuditRow<'_>>,
    kept: Option<(KeyPlace<'_>, &[u8])>,
) -> Result<(), Error> {
    match (audit, kept) {
        (Some(audit), None) => tx.commit_with(&ADD_AUDIT, &audit.parameters()).await.map(drop),
        (audit, kept) => {
            let mut tx = tx;
            if let Some(audit) = audit {
                tx.execute(&ADD_AUDIT, &audit.parameters()).await?;
            }
            let Some((place, answer)) = kept else { return tx.commit().await };
            let parameters: db::Parameters<'_> =
                &[&place.workspace.0, &place.principal.0, &place.hash, &answer];
            tx.commit_with(&KEEP_ANSWER, parameters).await.map(drop)
        }
    }
}

/// Frees a key that this incarnation has reserved, and commits.
pub(crate) async fn free_key(
    tx: Tx,
    place: KeyPlace<'_>,
    member: Option<MemberId>,
) -> Result<(), Error> {
    let member = member.map(|member| member.0);
    let parameters: db::Parameters<'_> =
        &[&place.workspace.0, &place.principal.0, &place.hash, &member];
    tx.commit_with(&FREE_KEY, parameters).await.map(drop)
}

/// The secret behind cursors. One connection of the owner, once in a process's life.
pub(crate) async fn find_cursor_key(database: &Database) -> Result<Vec<u8>, Error> {
    let owner = database.owner().await?;
    let row = owner.query_typed_one(FIND_CURSOR_KEY.text, &[]).await?;
    row.column("value")
}

/// Audit rows, newest first, older than `before`.
pub(crate) async fn list_audit(
    tx: &mut Tx,
    workspace: WorkspaceId,
    filter: &AuditFilter,
    before: Option<Uuid>,
    rows: i64,
) -> Result<Vec<AuditView>, Error> {
    let principal = filter.principal.map(|principal| principal.0);
    let parameters: db::Parameters<'_> = &[
        &workspace.0,
        &before,
        &filter.action,
        &filter.subject_kind,
        &filter.subject,
        &principal,
        &filter.from,
        &filter.until,
        &rows,
    ];
    let rows = tx.query(&LIST_AUDIT, parameters).await?;
    rows.iter().map(audit_view).collect()
}

fn audit_view(row: &Row) -> Result<AuditView, Error> {
    Ok(AuditView {
        id: row.column("id")?,
        at: row.column("at")?,
        principal: row.column::<Option<Uuid>>("principal_id")?.map(PrincipalId),
        key: row.column::<Option<Uuid>>("key_id")?.map(ApiKeyId),
        action: row.column("action")?,
        function: row.column("function")?,
        subject_kind: row.column("subject_kind")?,
        subject: row.column("subject_id")?,
        request_id: row.column("request_id")?,
        trace_id: row.column("trace_id")?,
        outcome: row.column("outcome")?,
    })
}
