//! What stands between a caller and a function: turns, rates, what is accepted, what is kept, CORS,
//! compression.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway::{CacheSettings, Calls, Cors, Settings};
use rate::Budget;
use reqwest::{Method, StatusCode};
use support::{App, Wanted, expect, refused, value};
use tokio::sync::Semaphore;

/// Counts calls, and lets them end when it is told to: a permit of `began` for each that began, one of
/// `open` for each that may end.
pub(crate) struct Gate {
    now: AtomicUsize,
    most: AtomicUsize,
    calls: AtomicUsize,
    began: Semaphore,
    open: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        let [now, most, calls] = [(); 3].map(|()| AtomicUsize::new(0));
        let [began, open] = [(); 2].map(|()| Semaphore::new(0));
        Self { now, most, calls, began, open }
    }
}

impl Gate {
    /// Waits until so many calls began that were not waited for yet.
    async fn began(&self, calls: u32) {
        let began = self.began.acquire_many(calls);
        let began = tokio::time::timeout(Duration::from_secs(10), began).await;
        began.expect("they begin").expect("it is never closed").forget();
    }
}

mod gated {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use function::{ActionContext, Permission, Problem, QueryContext, action, query};

    use super::Gate;

    /// Stands in a gate.
    #[action(GET "/v1/test/gated", permission = Permission("test.gated"))]
    pub(crate) async fn gated(cx: &ActionContext) -> Result<(), Problem> {
        let gate = cx.service::<Arc<Gate>>();
        let now = gate.now.fetch_add(1, Ordering::SeqCst) + 1;
        gate.most.fetch_max(now, Ordering::SeqCst);
        gate.calls.fetch_add(1, Ordering::SeqCst);
        gate.began.add_permits(1);
        gate.open.acquire().await.expect("it is never closed").forget();
        gate.now.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    pub(crate) mod patient {
        use super::*;

        /// Stands in a gate, and does nothing but wait there.
        #[action(GET "/v1/test/patient", permission = Permission("test.gated"))]
        pub(crate) async fn patient(cx: &ActionContext) -> Result<(), Problem> {
            let gate = cx.service::<Arc<Gate>>();
            gate.began.add_permits(1);
            cx.wait(gate.open.acquire()).await.expect("it is never closed").forget();
            Ok(())
        }
    }

    pub(crate) mod failing {
        use super::counted::Question;
        use super::*;

        /// Says that it does not work.
        #[query(GET "/v1/test/failing", permission = Permission("test.counted"))]
        pub(crate) async fn failing(_: &QueryContext, query: Question) -> Result<usize, Problem> {
            drop(query);
            Err(Problem::internal())
        }
    }

    pub(crate) mod counted {
        use schemars::JsonSchema;
        use serde::Deserialize;

        use super::*;

        /// Makes one question differ from another.
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Question {
            #[serde(default)]
            about: String,
        }

        /// Says how often it ran.
        #[query(GET "/v1/test/counted", permission = Permission("test.counted"))]
        pub(crate) async fn counted(cx: &QueryContext, query: Question) -> Result<usize, Problem> {
            let gate = cx.service::<Arc<Gate>>();
            tokio::task::yield_now().await;
            drop(query.about);
            Ok(gate.calls.fetch_add(1, Ordering::SeqCst) + 1)
        }
    }
}

fn app(settings: Settings, gate: &Arc<Gate>) -> Wanted {
    Wanted {
        settings,
        functions: vec![
            gated::FUNCTION,
            gated::patient::FUNCTION,
            gated::failing::FUNCTION,
            gated::counted::FUNCTION,
        ],
        services: function::Services::builder().with(Arc::clone(gate)),
        ..Wanted::default()
    }
}

#[tokio::test]
async fn exactly_so_many_calls_run_and_those_too_many_are_told_when_to_come_back() {
    let gate = Arc::new(Gate::default());
    let calls = Calls {
        concurrent_max: 4,
        queue_max: 3,
        queue_timeout: Duration::from_millis(200),
        ..Calls::default()
    };
    let app = App::with(app(Settings { calls, ..Settings::default() }, &gate)).await;
    let call = || app.owner(Method::GET, "/v1/test/gated").send();
    #[expect(clippy::disallowed_methods, reason = "the test waits for them below")]
    let mut running: Vec<_> = (0..4).map(|_| tokio::spawn(call())).collect();
    gate.began(4).await;
    // Three wait for their turn in vain, the rest is refused at once.
    let offered = futures::future::join_all((0..10).map(|_| call())).await;
    for response in offered {
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(value(response).await["code"], "server.overloaded");
    }
    // One that waits gets the place of one that ends.
    #[expect(clippy::disallowed_methods, reason = "the test waits for it below")]
    running.push(tokio::spawn(call()));
    gate.open.add_permits(1);
    gate.began(1).await;
    gate.open.add_permits(4);
    for call in running {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(gate.most.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn who_only_waits_keeps_nobody_else_from_running() {
    let gate = Arc::new(Gate::default());
    let calls = Calls { concurrent_max: 1, queue_max: 0, ..Calls::default() };
    let app = App::with(app(Settings { calls, ..Settings::default() }, &gate)).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let call = app.owner(Method::GET, "/v1/test/patient").send();
        #[expect(clippy::disallowed_methods, reason = "the test waits for them below")]
        waiting.push(tokio::spawn(call));
        gate.began(1).await;
        // Its place is free as soon as it waits, which is right behind the beginning.
        let asked = async {
            let ask = || app.owner(Method::GET, "/v1/workspace").send();
            while ask().await.unwrap().status() != StatusCode::OK {}
        };
        tokio::time::timeout(Duration::from_secs(10), asked).await.expect("others run meanwhile");
    }
    gate.open.add_permits(5);
    for call in waiting {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn long_polls_of_drafts_wait_beside_each_other() {
    let calls =
        Calls { concurrent_max: 1, queue_timeout: Duration::from_millis(200), ..Calls::default() };
    let app = App::with(Wanted {
        settings: Settings { calls, ..Settings::default() },
        ..Wanted::default()
    })
    .await;
    let id = app
        .save(
            "format: 1\nname: Heard\nnodes:\n\
             - { name: In, type: core.webhook, parameters: { path: heard, method: GET } }\n",
        )
        .await;
    let listen = format!("/v1/workflows/{id}/hooks/listen");
    expect(app.owner(Method::POST, &listen).json(&serde_json::json!({})), StatusCode::OK).await;
    let ask = |_| app.owner(Method::GET, &format!("{listen}?wait=2")).send();
    for response in futures::future::join_all((0..4).map(ask)).await {
        assert_eq!(response.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_key_that_calls_too_often_is_told_so_and_another_is_not() {
    let budget = Budget { per_minute: 60, burst: Duration::from_secs(3) };
    let rates = rate::Settings { key: Some(budget), ..rate::Settings::default() };
    let app = App::with(Wanted { rates, ..Wanted::default() }).await;
    let other = app.key(&["*"]).await;
    let ask = || app.owner(Method::GET, "/v1/workspace").send();
    let first = ask().await.unwrap();
    assert_eq!(first.headers()["ratelimit-policy"], "\"key\";q=3;w=3");
    assert_eq!(first.headers()["ratelimit"], "\"key\";r=1;t=2");
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    let response = ask().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(response.headers()["ratelimit"].to_str().unwrap().starts_with("\"key\";r=0;"));
    let problem = value(response).await;
    assert_eq!((&problem["code"], &problem["retryable"]), (&"rate.limited".into(), &true.into()));
    let request = app.anonymous(Method::GET, "/v1/workspace").bearer_auth(other);
    expect(request, StatusCode::OK).await;
}

#[tokio::test]
async fn an_address_is_limited_before_its_key_is_looked_at_and_at_hooks_too() {
    let budget = Budget { per_minute: 60, burst: Duration::from_secs(2) };
    let rates = rate::Settings { address: Some(budget), ..rate::Settings::default() };
    let app = App::with(Wanted { rates, ..Wanted::default() }).await;
    let hook = || app.anonymous(Method::POST, "/hooks/default/nothing");
    refused(hook(), StatusCode::NOT_FOUND).await;
    refused(hook(), StatusCode::NOT_FOUND).await;
    let response = hook().send().await.unwrap();
    assert_eq!(response.headers()["ratelimit-policy"], "\"address\";q=2;w=2");
    assert!(response.headers()["ratelimit"].to_str().unwrap().starts_with("\"address\";r=0;"));
    let problem = refused(hook(), StatusCode::TOO_MANY_REQUESTS).await;
    assert_eq!(problem["code"], "rate.limited");
    refused(app.anonymous(Method::GET, "/v1/workspace"), StatusCode::TOO_MANY_REQUESTS).await;
}

#[tokio::test]
async fn what_is_not_answered_is_not_acceptable() {
    let app = App::new().await;
    let ask = |accept: &str| app.owner(Method::GET, "/v1/workspace").header("accept", accept);
    let problem = refused(ask("text/xml"), StatusCode::NOT_ACCEPTABLE).await;
    assert_eq!(problem["code"], "request.not_acceptable");
    expect(ask("text/xml, application/*;q=0.1"), StatusCode::OK).await;
}

#[tokio::test]
async fn callers_at_the_same_moment_share_one_answer_until_somebody_writes() {
    let gate = Arc::new(Gate::default());
    let cache = CacheSettings { ttl: Duration::from_secs(3_600), ..CacheSettings::default() };
    let app = App::with(app(Settings { cache, ..Settings::default() }, &gate)).await;
    let ask = || app.owner(Method::GET, "/v1/test/counted");
    let together = futures::future::join_all((0..20).map(|_| ask().send())).await;
    for response in together {
        assert_eq!(value(response.unwrap()).await, 1);
    }
    let kept = ask().send().await.unwrap();
    assert_eq!(kept.headers()["cache-status"], "FlowForge; hit");
    assert_eq!(kept.headers()["age"], "0");
    // Who wants to know what is true now is told.
    let fresh = ask().header("cache-control", "no-cache").send().await.unwrap();
    assert_eq!(value(fresh).await, 2);
    assert_eq!(expect(ask(), StatusCode::OK).await, 1);
    // Another key is another scope, and a write makes everything stale.
    let other = app.key(&["*"]).await;
    let request = app.anonymous(Method::GET, "/v1/test/counted").bearer_auth(&other);
    assert_eq!(expect(request, StatusCode::OK).await, 3);
    assert_eq!(expect(ask(), StatusCode::OK).await, 4);
}

#[tokio::test]
async fn nothing_is_kept_beyond_its_bytes() {
    let gate = Arc::new(Gate::default());
    let cache = CacheSettings { ttl: Duration::from_secs(3_600), bytes_max: 2_000 };
    let app = App::with(app(Settings { cache, ..Settings::default() }, &gate)).await;
    let ask = |query: &str| app.owner(Method::GET, &format!("/v1/test/counted?{query}"));
    assert_eq!(expect(ask("about=a"), StatusCode::OK).await, 1);
    for other in 0..10 {
        expect(ask(&format!("about={other}")), StatusCode::OK).await;
    }
    assert_eq!(expect(ask("about=a"), StatusCode::OK).await, 12);
}

#[tokio::test]
async fn what_failed_is_counted_among_what_is_kept_and_what_only_reads_makes_nothing_stale() {
    let gate = Arc::new(Gate::default());
    gate.open.add_permits(1);
    let cache = CacheSettings { ttl: Duration::from_secs(3_600), bytes_max: 20_000 };
    let app = App::with(app(Settings { cache, ..Settings::default() }, &gate)).await;
    let ask = |path: &str| app.owner(Method::GET, &format!("/v1/test/{path}"));
    assert_eq!(expect(ask("counted"), StatusCode::OK).await, 1);
    // An action that is asked by GET runs, which counts one, and changes nothing.
    expect(ask("gated"), StatusCode::NO_CONTENT).await;
    assert_eq!(expect(ask("counted"), StatusCode::OK).await, 1);
    // What failed takes room of what was kept, instead of room that nobody counts.
    for other in 0..100 {
        refused(ask(&format!("failing?about={other}")), StatusCode::INTERNAL_SERVER_ERROR).await;
    }
    assert_eq!(expect(ask("counted"), StatusCode::OK).await, 3);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call_and_another_may_not() {
    let cors = Cors {
        origins: vec!["https://app.example.com".to_owned()],
        credentials: true,
        max_age: Duration::from_secs(600),
    };
    let settings = Settings { cors, ..Settings::default() };
    let app = App::with(Wanted { settings, ..Wanted::default() }).await;
    let preflight = |origin: &str| {
        app.anonymous(Method::OPTIONS, "/v1/workspace")
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .send()
    };
    let allowed = preflight("https://app.example.com").await.unwrap();
    assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
    let headers = allowed.headers();
    assert_eq!(headers["access-control-allow-origin"], "https://app.example.com");
    assert_eq!(headers["access-control-allow-credentials"], "true");
    assert_eq!(headers["access-control-max-age"], "600");
    assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    let other = preflight("https://evil.example").await.unwrap();
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    let read = app.owner(Method::GET, "/v1/workspace").header("origin", "https://app.example.com");
    let read = read.send().await.unwrap();
    assert_eq!(read.headers()["access-control-allow-origin"], "https://app.example.com");
    assert!(read.headers().get_all("vary").iter().any(|vary| vary == "origin"));
    // Without the setting nothing is said of origins, and the question is no method of ours.
    let closed = App::new().await;
    let request = closed.anonymous(Method::OPTIONS, "/v1/workspace");
    let request = request
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "GET");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn long_texts_are_compressed_as_the_caller_likes_and_short_ones_are_not() {
    let app = App::new().await;
    // One that leaves what is encoded as it is.
    let client = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
    let ask = |path: &str, encodings: &str| {
        let url = format!("http://{}{path}", app.address);
        client.get(url).header("accept-encoding", encodings).send()
    };
    let plain =
        app.anonymous(Method::GET, "/v1/openapi.json").header("accept-encoding", "identity");
    let plain = plain.send().await.unwrap().bytes().await.unwrap();
    let zstd = ask("/v1/openapi.json", "gzip, zstd").await.unwrap();
    assert_eq!(zstd.headers()["content-encoding"], "zstd");
    assert!(zstd.headers().get_all("vary").iter().any(|vary| vary == "accept-encoding"));
    let bytes = zstd.bytes().await.unwrap();
    assert!(bytes.len() * 4 < plain.len());
    assert_eq!(zstd::bulk::decompress(&bytes, 64 << 20).unwrap(), plain);
    let gzip = ask("/v1/openapi.json", "gzip").await.unwrap();
    assert_eq!(gzip.headers()["content-encoding"], "gzip");
    let short = ask("/live", "gzip, zstd").await.unwrap();
    assert!(!short.headers().contains_key("content-encoding"));
}

/// A workflow that answers with a long text and these headers.
fn long_text(name: &str, reply: &str) -> String {
    let text = "words ".repeat(1_000);
    format!(
        "format: 1\nname: {name}\nnodes:\n\
         - {{ name: In, type: core.webhook, parameters: {{ path: {name}, method: GET, \
             respond: node }} }}\n\
         - {{ name: Answer, type: core.respond, parameters: {{ with: text, body: '{text}', \
             {reply} }} }}\n\
         connections: [ In -> Answer ]\n"
    )
}

#[tokio::test]
async fn a_compressed_answer_has_a_tag_of_its_own_that_is_understood_when_it_comes_back() {
    let app = App::new().await;
    let client = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
    let id = app.save(&long_text("tagged", "headers: { etag: '\"own\"' }")).await;
    let path = format!("/v1/workflows/{id}");
    let ask = |path: &str, encodings: &str| {
        let request = client.get(format!("http://{}{path}", app.address));
        request.bearer_auth(support::KEY).header("accept-encoding", encodings)
    };
    let tag =
        |response: &reqwest::Response| response.headers()["etag"].to_str().unwrap().to_owned();
    let plain = ask(&path, "identity").send().await.unwrap();
    let (plain, mut tags) = (tag(&plain), Vec::new());
    for encoding in ["gzip", "zstd"] {
        let packed = ask(&path, encoding).send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], encoding);
        tags.push(tag(&packed));
        assert!(tags.iter().filter(|known| **known == tag(&packed)).count() == 1);
        assert_ne!(tag(&packed), plain);
        let known = ask(&path, encoding).header("if-none-match", tag(&packed));
        assert_eq!(known.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    }
    // What was given may be sent back, and means the version it was given with.
    let patch = |tag: &str| {
        let request = app.owner(Method::PATCH, &path).header("if-match", tag);
        let kind = "application/merge-patch+json";
        request.header("content-type", kind).body(r#"{"description": "x"}"#)
    };
    expect(patch(&tags[1]), StatusCode::OK).await;
    refused(patch(&tags[0]), StatusCode::PRECONDITION_FAILED).await;
    // A workflow's own tag is a weak one.
    expect(app.owner(Method::POST, &format!("{path}/publish")), StatusCode::OK).await;
    let own = ask("/hooks/default/tagged", "gzip").send().await.unwrap();
    assert_eq!(own.headers()["content-encoding"], "gzip");
    assert_eq!(own.headers()["etag"], "W/\"own\"");
}

#[tokio::test]
async fn a_part_of_something_is_never_compressed() {
    let app = App::new().await;
    let reply = "status: 206, headers: { content-range: 'bytes 0-5999/9000' }";
    app.publish(&long_text("part", reply)).await;
    let client = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
    let ask = client.get(format!("http://{}/hooks/default/part", app.address));
    let response = ask.header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    assert!(!response.headers().contains_key("content-encoding"));
    assert_eq!(response.text().await.unwrap().len(), 6_000);
}

#[tokio::test]
async fn a_page_that_a_workflow_answers_with_stands_in_a_sandbox_unless_it_says_otherwise() {
    let app = App::new().await;
    app.publish(&long_text("usual", "headers: { content-type: text/html }")).await;
    let own = "headers: { content-security-policy: 'default-src https:' }";
    app.publish(&long_text("own", own)).await;
    let ask = |path: &str| app.anonymous(Method::GET, path).send();
    for path in ["/hooks/default/usual", "/hooks/default/nothing"] {
        let response = ask(path).await.unwrap();
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("sandbox ") && policy.contains("allow-scripts"), "{policy}");
        // A page with this right would be one of ours, with our storage and our cookies.
        assert!(!policy.contains("allow-same-origin"), "{policy}");
    }
    let response = ask("/hooks/default/own").await.unwrap();
    assert_eq!(response.headers()["content-security-policy"], "default-src https:");
    let docs = ask("/docs").await.unwrap();
    assert_eq!(docs.headers()["cross-origin-opener-policy"], "same-origin");
}

#[tokio::test]
async fn a_text_in_any_script_is_stored_or_refused_with_its_place_and_never_a_fault_of_ours() {
    let app = App::new().await;
    let json = |method: &Method, path: &str, body: &kernel::Value| {
        let request = app.owner(method.clone(), path).header("content-type", "application/json");
        request.body(body.to_string())
    };
    // Some are counted in characters, those that stand in documents in bytes, of which é has two.
    let cases = [
        (Method::PATCH, "/v1/workspace", "name", 200),
        (Method::POST, "/v1/api-keys", "name", 200),
        (Method::POST, "/v1/projects", "name", 100),
        (Method::POST, "/v1/projects", "description", 5_000),
    ];
    for (method, path, field, most) in cases {
        let body = |count: usize| {
            let mut body = match path {
                "/v1/api-keys" => serde_json::json!({ "scopes": ["*"] }),
                "/v1/projects" if field != "name" => serde_json::json!({ "name": "p" }),
                _ => serde_json::json!({}),
            };
            body[field] = "é".repeat(count).into();
            body
        };
        for count in [most + 1, most * 2 + 1] {
            let unfit =
                refused(json(&method, path, &body(count)), StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(unfit.await["errors"][0]["pointer"], format!("/{field}"), "{path}");
        }
        let sent = json(&method, path, &body(most)).send().await.unwrap();
        assert!(sent.status().is_success(), "{path} {field}: {}", sent.text().await.unwrap());
    }
}

#[tokio::test]
async fn browsers_are_told_what_answers_may_not_be_used_for() {
    let app = App::new().await;
    for path in ["/", "/docs", "/live", "/v1/workspace", "/nowhere", "/errors/internal"] {
        let response = app.anonymous(Method::GET, path).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn the_page_of_a_code_is_what_the_reader_can_read() {
    let app = App::new().await;
    let ask = async |path: &str, accept: &str| {
        let response = app.anonymous(Method::GET, path).header("accept", accept);
        let response = response.send().await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        (response.status(), kind, response.text().await.unwrap())
    };
    let (_, kind, page) = ask("/errors/workflow.cycle", "text/html,*/*;q=0.8").await;
    assert_eq!(kind, "text/html; charset=utf-8");
    assert!(page.contains("<h1>The workflow has a cycle</h1>"), "{page}");
    let (_, kind, page) = ask("/errors/workflow.cycle", "text/markdown").await;
    assert_eq!(kind, "text/markdown; charset=utf-8");
    assert!(page.starts_with("# The workflow has a cycle"), "{page}");
    let (_, _, row) = ask("/errors/workflow.cycle", "application/json").await;
    assert_eq!(kernel::json::parse(row.as_bytes()).unwrap().value["code"]["status"], 422);
    let (_, _, index) = ask("/errors", "text/html").await;
    assert!(index.contains("<a href=\"/errors/workflow.cycle\">workflow.cycle</a>"), "{index}");
    let (_, _, all) = ask("/errors", "application/json").await;
    let all = kernel::json::parse(all.as_bytes()).unwrap().value;
    assert_eq!(all["items"].as_array().unwrap().len(), kernel::codes::ALL.len());
    assert_eq!(ask("/errors", "image/png").await.0, StatusCode::NOT_ACCEPTABLE);
}
