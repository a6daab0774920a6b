//! API keys and workspaces on a real database.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use db::testing::{TestDatabase, database};
use db::{Columns, Identity};
use function::{Caller, Function, Host, Method, Request, Services};
use identity::{Authenticator, FUNCTIONS, FirstKey, STATEMENTS, bootstrap};
use jiff::Timestamp;
use kernel::clock::{SeededDice, SystemClock, SystemDice};
use kernel::{Clock, Problem, Secret, Value, WorkspaceId, codes, json};

const KEY: &str = "a-key-that-a-script-chose";

/// A clock that only moves when told.
#[derive(Default)]
struct HandClock(AtomicU64);

impl HandClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.monotonic()
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct World {
    test: TestDatabase,
    clock: Arc<HandClock>,
    keys: Authenticator,
    host: Host,
}

impl World {
    /// A database after its first start with the key [`KEY`].
    async fn new() -> Self {
        let test = database().await;
        let clock = Arc::new(HandClock::default());
        let made = start(&test, Some(KEY)).await;
        assert!(matches!(made, FirstKey::Chosen));
        let keys = Authenticator::new(test.database.clone(), clock.clone());
        let services = Services::builder().with(keys.clone()).build();
        let host = Host::new(test.database.clone(), services, clock.clone(), Arc::new(SystemDice));
        Self { test, clock, keys, host }
    }

    async fn call(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        request: Request,
    ) -> Result<Value, Problem> {
        let answer = self.host.call(find(method, path), caller, &request).await?;
        Ok(if answer.body.is_empty() {
            Value::Null
        } else {
            json::parse(&answer.body).unwrap().value
        })
    }

    async fn create(&self, caller: &Caller, body: &str) -> Result<Value, Problem> {
        let request = Request { body: body.as_bytes().to_vec(), ..Request::default() };
        self.call(caller, Method::Post, "/v1/api-keys", request).await
    }
}

async fn start(test: &TestDatabase, key: Option<&str>) -> FirstKey {
    let key = key.map(|text| Secret::new(text.to_owned()));
    bootstrap(&test.database, &SystemClock, &SystemDice, key.as_ref()).await.unwrap()
}

fn find(method: Method, path: &str) -> &'static Function {
    FUNCTIONS.iter().find(|function| function.method == method && function.path == path).unwrap()
}

fn at(id: &str) -> Request {
    Request { path: vec![("key_id".to_owned(), id.to_owned())], ..Request::default() }
}

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let test = database().await;
    db::prepare_all(&test.database, STATEMENTS).await.unwrap();
}

#[tokio::test]
async fn five_members_that_start_at_once_make_one_workspace_and_show_one_key() {
    let test = database().await;
    let starts = [(); 5].map(|()| start(&test, None));
    let [a, b, c, d, e] = starts;
    let (a, b, c, d, e) = tokio::join!(a, b, c, d, e);
    let shown: Vec<_> = [a, b, c, d, e]
        .into_iter()
        .filter_map(|made| match made {
            FirstKey::Made(key) => Some(key),
            FirstKey::Chosen | FirstKey::Existing => None,
        })
        .collect();
    assert_eq!(shown.len(), 1);
    let keys = Authenticator::new(test.database.clone(), Arc::new(SystemClock));
    let caller = keys.authenticate(shown[0].expose()).await.unwrap();
    assert_eq!(&*caller.workspace_slug, "default");
    assert!(matches!(start(&test, None).await, FirstKey::Existing));
}

#[tokio::test]
async fn a_key_is_checked_without_the_database_while_it_is_in_the_cache() {
    let world = World::new().await;
    world.keys.authenticate(KEY).await.unwrap();
    let wrong = world.keys.authenticate("ff_wrong").await.unwrap_err();
    assert_eq!(wrong.code, codes::AUTH_REQUIRED);
    world.test.database.close();
    world.keys.authenticate(KEY).await.unwrap();
    assert_eq!(world.keys.authenticate("ff_wrong").await.unwrap_err().code, codes::AUTH_REQUIRED);
    world.clock.advance(Authenticator::FRESH);
    let later = world.keys.authenticate(KEY).await.unwrap_err();
    assert_eq!(later.code, codes::DATABASE_UNAVAILABLE);
}

#[tokio::test]
async fn a_made_key_works_within_its_scopes_until_it_is_revoked() {
    let world = World::new().await;
    let owner = world.keys.authenticate(KEY).await.unwrap();
    let body = r#"{"name": "reader", "scopes": ["workspace.read", "api_key.read"]}"#;
    let made = world.create(&owner, body).await.unwrap();
    let (text, id) = (made["key"].as_str().unwrap(), made["api_key"]["id"].as_str().unwrap());
    let reader = world.keys.authenticate(text).await.unwrap();
    let workspace =
        world.call(&reader, Method::Get, "/v1/workspace", Request::default()).await.unwrap();
    assert_eq!(workspace["slug"], "default");
    let forbidden = world.create(&reader, body).await.unwrap_err();
    assert_eq!(forbidden.code, codes::AUTH_FORBIDDEN);
    world.call(&owner, Method::Delete, "/v1/api-keys/{key_id}", at(id)).await.unwrap();
    assert_eq!(world.keys.authenticate(text).await.unwrap_err().code, codes::AUTH_REQUIRED);
}

#[tokio::test]
async fn a_key_cannot_make_one_that_may_do_more() {
    let world = World::new().await;
    let owner = world.keys.authenticate(KEY).await.unwrap();
    let made = world.create(&owner, r#"{"name": "keys", "scopes": ["api_key.*"]}"#).await.unwrap();
    let limited = world.keys.authenticate(made["key"].as_str().unwrap()).await.unwrap();
    for scopes in [r#"["*"]"#, r#"["run.read"]"#, r#"["api_key.read", "workflow.*"]"#] {
        let body = format!(r#"{{"name": "more", "scopes": {scopes}}}"#);
        let refused = world.create(&limited, &body).await.unwrap_err();
        assert_eq!(refused.code, codes::AUTH_FORBIDDEN, "{scopes}");
    }
    world.create(&limited, r#"{"name": "same", "scopes": ["api_key.read"]}"#).await.unwrap();
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let world = World::new().await;
    let owner = world.keys.authenticate(KEY).await.unwrap();
    let end = world.clock.now() + Duration::from_secs(5);
    let body = format!(r#"{{"name": "short", "scopes": ["*"], "expires_at": "{end}"}}"#);
    let made = world.create(&owner, &body).await.unwrap();
    let text = made["key"].as_str().unwrap();
    world.keys.authenticate(text).await.unwrap();
    world.clock.advance(Duration::from_secs(6));
    assert_eq!(world.keys.authenticate(text).await.unwrap_err().code, codes::AUTH_REQUIRED);
}

#[tokio::test]
async fn a_key_makes_none_that_outlives_it() {
    let world = World::new().await;
    let owner = world.keys.authenticate(KEY).await.unwrap();
    // What is stored has microseconds; a time that is sent may have finer ones.
    let end = Timestamp::from_second(world.clock.now().as_second() + 3_600).unwrap();
    let made = world
        .create(&owner, &format!(r#"{{"name": "a", "scopes": ["*"], "expires_at": "{end}"}}"#))
        .await
        .unwrap();
    let short = world.keys.authenticate(made["key"].as_str().unwrap()).await.unwrap();
    let later = end + Duration::from_secs(1);
    for wanted in [String::new(), format!(r#", "expires_at": "{later}""#)] {
        let body = format!(r#"{{"name": "b", "scopes": ["*"]{wanted}}}"#);
        let refused = world.create(&short, &body).await.unwrap_err();
        assert_eq!(refused.code, codes::REQUEST_INVALID, "{wanted}");
        assert_eq!(refused.errors[0].pointer, "/expires_at");
        assert!(refused.detail.contains(&end.to_string()), "{refused}");
    }
    let body = format!(r#"{{"name": "c", "scopes": ["*"], "expires_at": "{end}"}}"#);
    world.create(&short, &body).await.unwrap();
}

#[tokio::test]
async fn every_wrong_field_of_a_new_key_is_named() {
    let world = World::new().await;
    let owner = world.keys.authenticate(KEY).await.unwrap();
    let body = r#"{"name": "", "scopes": ["run.read", "Run.*", "run"], "expires_at": "soon"}"#;
    let problem = world.create(&owner, body).await.unwrap_err();
    let pointers: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(problem.code, codes::REQUEST_INVALID);
    assert_eq!(pointers, ["/name", "/scopes/1", "/scopes/2", "/expires_at"]);
    // What no schema can say comes when the rest is right.
    let body = r#"{"name": "a", "scopes": ["run.read"], "expires_at": "2001-01-01T00:00:00Z"}"#;
    let problem = world.create(&owner, body).await.unwrap_err();
    assert_eq!(problem.errors[0].pointer, "/expires_at");
}

#[tokio::test]
async fn a_name_has_two_hundred_characters_of_any_script_and_no_more() {
    let world = World::new().await;
    let owner = world.keys.authenticate(KEY).await.unwrap();
    let name = "ключ".repeat(50);
    let body = |name: &str| format!(r#"{{"name": "{name}", "scopes": ["*"]}}"#);
    let made = world.create(&owner, &body(&name)).await.unwrap();
    assert_eq!(made["api_key"]["name"], name);
    let refused = world.create(&owner, &body(&format!("{name}!"))).await.unwrap_err();
    assert_eq!(refused.errors[0].pointer, "/name");
}

#[tokio::test]
async fn a_key_and_the_workspace_are_renamed_as_long_as_they_are_what_was_read() {
    let world = World::new().await;
    let owner = world.keys.authenticate(KEY).await.unwrap();
    let made = world.create(&owner, r#"{"name": "old", "scopes": ["*"]}"#).await.unwrap();
    let id = made["api_key"]["id"].as_str().unwrap();
    for (path, request) in
        [("/v1/api-keys/{key_id}", at(id)), ("/v1/workspace", Request::default())]
    {
        let read = world.host.call(find(Method::Get, path), &owner, &request).await.unwrap();
        let tag = read.header("etag").unwrap().to_owned();
        let rename = async |name: &str, tag: &str| {
            let body = format!(r#"{{"name": "{name}"}}"#).into_bytes();
            let request = Request { body, if_match: Some(tag.to_owned()), ..request.clone() };
            world.host.call(find(Method::Patch, path), &owner, &request).await
        };
        let renamed = rename("new", &tag).await.unwrap();
        let stale = rename("newer", &tag).await.unwrap_err();
        assert_eq!(stale.code, codes::REQUEST_PRECONDITION, "{path}");
        assert_eq!(stale.current.map(|current| current.tag).as_deref(), renamed.header("etag"));
        let renamed = rename("newer", renamed.header("etag").unwrap()).await.unwrap();
        assert_eq!(json::parse(&renamed.body).unwrap().value["name"], "newer");
        let empty = Request { body: b"{\"name\": null}".to_vec(), ..request };
        let refused = world.host.call(find(Method::Patch, path), &owner, &empty).await.unwrap_err();
        assert_eq!(refused.errors[0].pointer, "/name", "{path}");
    }
}

#[tokio::test]
async fn the_list_of_keys_is_paged_newest_first_and_shows_no_secret() {
    let world = World::new().await;
    let owner = world.keys.authenticate(KEY).await.unwrap();
    for name in ["a", "b", "c"] {
        // Ids of one millisecond have no order.
        world.clock.advance(Duration::from_millis(1));
        let body = format!(r#"{{"name": "{name}", "scopes": ["*"]}}"#);
        world.create(&owner, &body).await.unwrap();
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = format!("limit=2{cursor}");
        let request = Request { query, ..Request::default() };
        let page = world.call(&owner, Method::Get, "/v1/api-keys", request).await.unwrap();
        assert!(!page.to_string().contains(KEY));
        for key in page["items"].as_array().unwrap() {
            names.push(key["name"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(names, ["c", "b", "a", "First key"]);
    let list = async |query: String| {
        let request = Request { query, ..Request::default() };
        world.call(&owner, Method::Get, "/v1/api-keys", request).await
    };
    let first = list("limit=3&sort=name".to_owned()).await.unwrap();
    let next = first["next"].as_str().unwrap();
    let second = list(format!("limit=3&sort=name&cursor={next}")).await.unwrap();
    let both = first["items"].as_array().unwrap().iter().chain(second["items"].as_array().unwrap());
    let names: Vec<_> = both.map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["First key", "a", "b", "c"]);
    // A cursor holds for the order and the filters it was given out with.
    for query in [format!("cursor={next}"), format!("sort=name&revoked=true&cursor={next}")] {
        assert_eq!(list(query).await.unwrap_err().code, codes::REQUEST_CURSOR);
    }
    assert_eq!(list("revoked=true".to_owned()).await.unwrap()["items"], serde_json::json!([]));
    let request = Request { query: "cursor=nonsense".to_owned(), ..Request::default() };
    let wrong = world.call(&owner, Method::Get, "/v1/api-keys", request).await.unwrap_err();
    assert_eq!(wrong.errors[0].pointer, "/query/cursor");
}

#[tokio::test]
async fn an_unfiltered_select_sees_nothing_of_a_neighbour() {
    let world = World::new().await;
    let ours = world.keys.authenticate(KEY).await.unwrap().workspace;
    let theirs = WorkspaceId::new(&SystemClock, &SeededDice::new(7));
    let superuser = world.test.superuser().await;
    superuser
        .batch_execute(&format!(
            "INSERT INTO forge.workspaces VALUES ('{theirs}', 'neighbour', 'Neighbour');
             INSERT INTO forge.principals VALUES ('{theirs}', '{theirs}', 'owner', 'Them');
             INSERT INTO forge.api_keys VALUES
               ('{theirs}', '{theirs}', '{theirs}', 'theirs', 'prefix', sha256('x'), '{{*}}')"
        ))
        .await
        .unwrap();
    const UNFILTERED: db::Statement = db::sql!(
        "test.unfiltered",
        reads(workspaces, principals, api_keys),
        (),
        "SELECT workspace_id FROM forge.workspaces
         UNION ALL SELECT workspace_id FROM forge.principals
         UNION ALL SELECT workspace_id FROM forge.api_keys"
    );
    const OVERWRITE: db::Statement = db::sql!(
        "test.overwrite",
        writes(api_keys),
        (),
        "UPDATE forge.api_keys SET name = 'mine now'"
    );
    let mut tx = world.test.database.write(Identity::of_workspace(ours)).await.unwrap();
    let seen = tx.query(&UNFILTERED, &[]).await.unwrap();
    assert_eq!(seen.len(), 3);
    for row in &seen {
        assert_eq!(WorkspaceId(row.column("workspace_id").unwrap()), ours);
    }
    assert_eq!(tx.execute(&OVERWRITE, &[]).await.unwrap(), 1);
    drop(tx);
    let mut nobody = world.test.database.lookup().await.unwrap();
    assert!(nobody.query(&UNFILTERED, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_of_another_workspace_cannot_be_revoked() {
    let world = World::new().await;
    let owner = world.keys.authenticate(KEY).await.unwrap();
    let made = world.create(&owner, r#"{"name": "ours", "scopes": ["*"]}"#).await.unwrap();
    let mut stranger = owner.clone();
    stranger.workspace = WorkspaceId::new(&SystemClock, &SeededDice::new(9));
    let id = made["api_key"]["id"].as_str().unwrap();
    let refused = world.call(&stranger, Method::Delete, "/v1/api-keys/{key_id}", at(id)).await;
    assert_eq!(refused.unwrap_err().code, codes::REQUEST_NOT_FOUND);
    world.keys.authenticate(made["key"].as_str().unwrap()).await.unwrap();
}
