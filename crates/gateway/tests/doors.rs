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
        functions: vec![gated::FUNCTION, gated::counted::FUNCTION],
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
