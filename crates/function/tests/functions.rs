//! Functions declared by the attributes, run by a host on a real database.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use db::testing::{TestDatabase, database};
use db::{Columns, Statement, sql};
use function::{Caller, Function, Host, Problem, Request, Scopes, Services};
use kernel::clock::{SeededDice, SystemClock, SystemDice};
use kernel::{ApiKeyId, PrincipalId, Value, WorkspaceId, codes, json};
use tokio::sync::Barrier;

const READ_COUNTER: Statement = sql!(
    "test.read_counter",
    reads(counters),
    (TEXT),
    "SELECT value FROM forge.counters WHERE name = $1"
);
const SET_COUNTER: Statement = sql!(
    "test.set_counter",
    writes(counters),
    (UUID, TEXT, INT8),
    "INSERT INTO forge.counters VALUES ($1, $2, $3)
     ON CONFLICT (workspace_id, name) DO UPDATE SET value = excluded.value"
);

mod model {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct CounterPath {
        /// Name of the counter.
        pub(crate) name: String,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Step {
        /// How much is added.
        pub(crate) by: i64,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Options {
        /// What a missing counter counts as.
        pub(crate) default: Option<i64>,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Counter {
        /// Its value.
        pub(crate) value: i64,
    }
}

mod get_counter {
    use function::{Permission, Problem, QueryContext, query};

    use super::model::{Counter, CounterPath, Options};

    /// A counter's value.
    ///
    /// Zero, or `default`, when nobody has counted.
    #[query(GET "/v1/counters/{name}", permission = Permission("counter.read"))]
    pub(crate) async fn get_counter(
        cx: &QueryContext,
        path: CounterPath,
        query: Options,
    ) -> Result<Counter, Problem> {
        let value = super::read(&mut *cx.tx().await, &path.name).await?;
        Ok(Counter { value: value.or(query.default).unwrap_or_default() })
    }
}

mod add_to_counter {
    use std::sync::Arc;

    use function::{MutationContext, Permission, Problem, mutation};
    use tokio::sync::Barrier;

    use super::model::{Counter, CounterPath, Step};

    /// Adds to a counter.
    #[mutation(
        POST "/v1/counters/{name}/add",
        permission = Permission("counter.write"),
        audit = "counter.added",
        status = 201
    )]
    pub(crate) async fn add_to_counter(
        cx: &MutationContext,
        path: CounterPath,
        body: Step,
    ) -> Result<Counter, Problem> {
        let calls = cx.service::<super::Calls>();
        cx.after_commit(|services| services.get::<super::Calls>().committed());
        let mut tx = cx.tx().await;
        let value = super::read(&mut tx, &path.name).await?.unwrap_or_default() + body.by;
        // Both of two concurrent calls have read before either writes.
        if calls.began() < 2 {
            cx.service::<Arc<Barrier>>().wait().await;
        }
        super::write(&mut tx, cx.workspace(), &path.name, value).await?;
        if value > 100 {
            return Err(Problem::new(kernel::codes::REQUEST_INVALID, "Too much."));
        }
        Ok(Counter { value })
    }
}

mod overstep {
    use function::{Permission, Problem, QueryContext, query};

    /// A query that tries to write.
    #[query(GET "/v1/overstep", permission = Permission("counter.read"))]
    pub(crate) async fn overstep(cx: &QueryContext) -> Result<(), Problem> {
        super::write(&mut *cx.tx().await, cx.workspace(), "a", 1).await
    }
}

mod linger {
    use function::{ActionContext, Permission, Problem, RawBody, action};

    /// Never ends by itself.
    #[action(
        POST "/v1/linger",
        permission = Permission("counter.write"),
        timeout = "20ms",
        accepts = "text/plain"
    )]
    pub(crate) async fn linger(_cx: &ActionContext, raw: RawBody) -> Result<String, Problem> {
        match raw.bytes.as_slice() {
            b"echo" => Ok(raw.media_type),
            _ => std::future::pending().await,
        }
    }
}

const FUNCTIONS: &[Function] =
    &[add_to_counter::FUNCTION, get_counter::FUNCTION, linger::FUNCTION, overstep::FUNCTION];

async fn read(tx: &mut db::Tx, name: &str) -> Result<Option<i64>, Problem> {
    let row = tx.query_opt(&READ_COUNTER, &[&name]).await?;
    row.map(|row| row.column("value")).transpose().map_err(Problem::from)
}

async fn write(
    tx: &mut db::Tx,
    workspace: WorkspaceId,
    name: &str,
    value: i64,
) -> Result<(), Problem> {
    tx.execute(&SET_COUNTER, &[&workspace.0, &name, &value]).await?;
    Ok(())
}

/// Counts what happened to mutations.
#[derive(Default)]
struct Calls {
    began: AtomicU32,
    committed: AtomicU32,
}

impl Calls {
    fn began(&self) -> u32 {
        self.began.fetch_add(1, Ordering::SeqCst)
    }
    fn committed(&self) {
        self.committed.fetch_add(1, Ordering::SeqCst);
    }
}

struct World {
    _test: TestDatabase,
    host: Host,
    caller: Caller,
}

impl World {
    /// A host in which the first `together` mutations meet each other.
    async fn new(together: usize) -> Self {
        let test = database().await;
        let superuser = test.superuser().await;
        superuser
            .batch_execute(
                "CREATE TABLE forge.counters (workspace_id uuid, name text, value bigint,
                   PRIMARY KEY (workspace_id, name));
                 ALTER TABLE forge.counters OWNER TO forge_owner;
                 SELECT forge.isolate('counters')",
            )
            .await
            .unwrap();
        let services = Services::builder()
            .with(Calls::default())
            .with(Arc::new(Barrier::new(together)))
            .build();
        let clock = Arc::new(SystemClock);
        let host = Host::new(test.database.clone(), services, clock, Arc::new(SystemDice));
        let dice = SeededDice::new(3);
        let caller = Caller {
            workspace: WorkspaceId::new(&SystemClock, &dice),
            workspace_slug: "default".into(),
            principal: PrincipalId::new(&SystemClock, &dice),
            key: ApiKeyId::new(&SystemClock, &dice),
            scopes: Scopes::new(["counter.*".to_owned()]),
        };
        Self { _test: test, host, caller }
    }

    async fn call(&self, function: &Function, query: &str, body: &str) -> Result<Value, Problem> {
        let request = Request {
            path: vec![("name".to_owned(), "a".to_owned())],
            query: query.to_owned(),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        };
        let answer = self.host.call(function, &self.caller, &request).await?;
        assert_eq!(answer.status, function.status);
        Ok(json::parse(&answer.body).unwrap().value)
    }

    fn calls(&self) -> (u32, u32) {
        let calls = self.host.services().get::<Calls>();
        (calls.began.load(Ordering::SeqCst), calls.committed.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn two_mutations_that_meet_are_both_done_once() {
    let world = World::new(2).await;
    let add = || world.call(&add_to_counter::FUNCTION, "", r#"{"by": 5}"#);
    let (one, other) = tokio::join!(add(), add());
    let mut values = [one.unwrap()["value"].as_i64(), other.unwrap()["value"].as_i64()];
    values.sort_unstable();
    assert_eq!(values, [Some(5), Some(10)]);
    let (began, committed) = world.calls();
    assert!(began >= 3, "one of them was run again: {began}");
    assert_eq!(committed, 2);
}

#[tokio::test]
async fn a_mutation_that_fails_leaves_nothing() {
    let world = World::new(1).await;
    let refused = world.call(&add_to_counter::FUNCTION, "", r#"{"by": 101}"#).await.unwrap_err();
    assert_eq!(refused.code, codes::REQUEST_INVALID);
    let counter = world.call(&get_counter::FUNCTION, "default=-1", "").await.unwrap();
    assert_eq!(counter["value"], -1);
    assert_eq!(world.calls(), (1, 0));
}

#[tokio::test]
async fn a_query_cannot_write() {
    let world = World::new(1).await;
    assert_eq!(world.call(&overstep::FUNCTION, "", "").await.unwrap_err().code, codes::INTERNAL);
    assert_eq!(world.call(&get_counter::FUNCTION, "", "").await.unwrap()["value"], 0);
}

#[tokio::test]
async fn an_action_is_stopped_when_its_time_is_up() {
    let world = World::new(1).await;
    let late = world.call(&linger::FUNCTION, "", "wait").await.unwrap_err();
    assert_eq!(late.code, codes::REQUEST_TIMEOUT);
    assert_eq!(world.call(&linger::FUNCTION, "", "echo").await.unwrap(), "");
}

#[tokio::test]
async fn permission_comes_before_arguments_and_arguments_before_the_database() {
    let mut world = World::new(1).await;
    let wrong = world.call(&get_counter::FUNCTION, "default=many", "").await.unwrap_err();
    assert_eq!(wrong.errors[0].pointer, "/query/default");
    world.caller.scopes = Scopes::new(["counter.read".to_owned()]);
    let forbidden = world.call(&add_to_counter::FUNCTION, "", "no json").await.unwrap_err();
    assert_eq!(forbidden.code, codes::AUTH_FORBIDDEN);
    assert_eq!(world.calls(), (0, 0));
}

#[test]
fn the_document_describes_every_function() {
    let document = function::openapi::document(FUNCTIONS, &[], "0.0.0");
    let paths = document["paths"].as_object().unwrap();
    let names: Vec<_> = paths.keys().map(String::as_str).collect();
    let expected = ["/v1/counters/{name}", "/v1/counters/{name}/add", "/v1/linger", "/v1/overstep"];
    assert_eq!(names, expected);
    let get = &paths["/v1/counters/{name}"]["get"];
    assert_eq!(get["summary"], "A counter's value");
    assert_eq!(get["description"], "Zero, or `default`, when nobody has counted.");
    let parameter = |at: usize| &get["parameters"][at];
    assert_eq!((&parameter(0)["in"], &parameter(0)["required"]), (&"path".into(), &true.into()));
    assert_eq!(parameter(1)["schema"]["type"], "integer");
    assert_eq!(parameter(1)["description"], "What a missing counter counts as.");
    let add = &paths["/v1/counters/{name}/add"]["post"];
    let body = &add["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["$ref"], "#/components/schemas/Step");
    let output = &add["responses"]["201"]["content"]["application/json"]["schema"];
    assert_eq!(output["$ref"], "#/components/schemas/Counter");
    assert_eq!(document["components"]["schemas"]["Step"]["required"], serde_json::json!(["by"]));
    assert!(paths["/v1/linger"]["post"]["requestBody"]["content"]["text/plain"].is_object());
}
