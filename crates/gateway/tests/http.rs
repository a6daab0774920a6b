//! What holds for every request, whatever it asks.

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use gateway::{Check, Settings};
use kernel::{Problem, codes};
use reqwest::{Method, StatusCode};
use support::{App, Wanted, expect, refused, value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

mod panics {
    use function::{ActionContext, Permission, Problem, action};

    /// Panics.
    #[action(GET "/v1/test/panics", permission = Permission("test.panics"))]
    pub(crate) async fn panics(_cx: &ActionContext) -> Result<(), Problem> {
        panic!("on purpose")
    }
}

mod slow {
    use std::sync::Arc;

    use function::{ActionContext, Permission, Problem, action};
    use tokio::sync::Notify;

    /// Says that it began, and ends when it is told to.
    #[action(GET "/v1/test/slow", permission = Permission("test.slow"))]
    pub(crate) async fn slow(cx: &ActionContext) -> Result<String, Problem> {
        let [began, end] = cx.service::<[Arc<Notify>; 2]>();
        began.notify_one();
        end.notified().await;
        Ok("done".to_owned())
    }
}

mod echo {
    use function::{ActionContext, Permission, Problem, RawBody, action};

    /// Says how long the body is.
    #[action(POST "/v1/test/echo", permission = Permission("test.echo"), accepts = "text/plain")]
    pub(crate) async fn echo(_cx: &ActionContext, raw: RawBody) -> Result<usize, Problem> {
        Ok(raw.bytes.len())
    }
}

fn check(name: &'static str, critical: bool, ok: bool) -> Check {
    let probe = move || {
        let answer = if ok { Ok(()) } else { Err(Problem::new(codes::STORAGE_FULL, "full")) };
        std::future::ready(answer).boxed()
    };
    Check { name, critical, probe: Arc::new(probe) }
}

#[tokio::test]
async fn the_raw_routes_answer_without_a_key() {
    let app = App::new().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/live", "application/json"),
        ("/ready", "application/json"),
        ("/health", "application/json"),
        ("/metrics", "text/plain; version=0.0.4"),
        ("/v1/openapi.json", "application/json"),
        ("/v1/openapi-3.0.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/errors", "text/html; charset=utf-8"),
        ("/errors/hook.timeout", "text/html; charset=utf-8"),
    ] {
        let response = app.anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], kind, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_told_apart() {
    let app = App::new().await;
    let unknown = refused(app.anonymous(Method::GET, "/v2/what"), StatusCode::NOT_FOUND).await;
    assert_eq!(
        (&unknown["code"], &unknown["instance"]),
        (&"request.not_found".into(), &"/v2/what".into())
    );
    let response = app.owner(Method::PATCH, "/v1/api-keys").send().await.unwrap();
    let allow = response.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    let request = app.owner(Method::PATCH, "/v1/api-keys");
    let wrong = refused(request, StatusCode::METHOD_NOT_ALLOWED).await;
    assert_eq!(wrong["code"], "request.method");
    refused(app.anonymous(Method::GET, "/errors/no.such"), StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn the_request_id_comes_back_and_the_trace_goes_on() {
    let app = App::new().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = app
        .anonymous(Method::GET, "/v1/workspace")
        .header("x-request-id", "mine-1")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "mine-1");
    let traceparent = response.headers()["traceparent"].to_str().unwrap();
    assert!(traceparent.contains(trace) && !traceparent.contains("00f067aa0ba902b7"));
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert_eq!(value(response).await["request_id"], "mine-1");
    let request = app.anonymous(Method::GET, "/live").header("x-request-id", "no good");
    let made = request.send().await.unwrap().headers()["x-request-id"].clone();
    assert_eq!(made.len(), 32);
}

#[tokio::test]
async fn a_panic_answers_500_and_the_next_request_is_served() {
    let wanted = Wanted { functions: vec![panics::FUNCTION], ..Wanted::default() };
    let app = App::with(wanted).await;
    let request = app.owner(Method::GET, "/v1/test/panics");
    let problem = refused(request, StatusCode::INTERNAL_SERVER_ERROR).await;
    assert_eq!(problem["code"], "internal");
    assert!(!problem.to_string().contains("on purpose"));
    expect(app.owner(Method::GET, "/v1/workspace"), StatusCode::OK).await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_while_it_is_still_coming() {
    let settings = Settings { api_body_bytes_max: 1_000, ..Settings::default() };
    let wanted = Wanted { settings, functions: vec![echo::FUNCTION], ..Wanted::default() };
    let app = App::with(wanted).await;
    let echo = |body: reqwest::Body| app.owner(Method::POST, "/v1/test/echo").body(body);
    let fits = expect(echo(vec![b'x'; 1_000].into()), StatusCode::OK).await;
    assert_eq!(fits.to_string(), "1000");
    let announced = echo(vec![b'x'; 100 * 1024 * 1024].into());
    let problem = refused(announced, StatusCode::PAYLOAD_TOO_LARGE).await;
    assert_eq!(problem["code"], "request.body_too_large");
    // A body whose length nobody announced: its end never comes, the answer does.
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let key = support::KEY;
    let head = format!(
        "POST /v1/test/echo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(0x400));
    stream.write_all(chunk.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_in_a_timeout() {
    let settings = Settings { body_timeout: Duration::from_millis(50), ..Settings::default() };
    let wanted = Wanted { settings, functions: vec![echo::FUNCTION], ..Wanted::default() };
    let app = App::with(wanted).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let key = support::KEY;
    let head = format!(
        "POST /v1/test/echo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-length: 10\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn headers_that_do_not_come_end_the_connection() {
    let settings = Settings { header_timeout: Duration::from_millis(50), ..Settings::default() };
    let app = App::with(Wanted { settings, ..Wanted::default() }).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(b"GET /live HTTP/1.1\r\nhost: ").await.unwrap();
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest);
    tokio::time::timeout(Duration::from_secs(10), end).await.expect("it ends").unwrap();
    // Who does not finish a request is not answered, and nobody else is let go.
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    expect(app.anonymous(Method::GET, "/live"), StatusCode::OK).await;
}

#[tokio::test]
async fn health_names_what_is_away_and_only_what_is_critical_stops_work() {
    let checks = vec![check("database", true, true), check("mail", false, false)];
    let app = App::with(Wanted { checks, ..Wanted::default() }).await;
    let health = expect(app.anonymous(Method::GET, "/health"), StatusCode::OK).await;
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["checks"][1]["detail"], "storage.full: full");
    expect(app.anonymous(Method::GET, "/ready"), StatusCode::OK).await;

    let checks = vec![check("database", true, false)];
    let app = App::with(Wanted { checks, ..Wanted::default() }).await;
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    expect(app.anonymous(Method::GET, "/ready"), unavailable).await;
    expect(app.anonymous(Method::GET, "/live"), StatusCode::OK).await;
}

#[tokio::test]
async fn details_of_health_and_metrics_are_for_this_machine_or_a_key() {
    let checks = vec![check("database", true, true)];
    let app = App::with(Wanted { checks, ..Wanted::default() }).await;
    // What a proxy passes on does not come from this machine.
    let outside = |path| app.anonymous(Method::GET, path).header("x-forwarded-for", "192.0.2.1");
    let health = expect(outside("/health"), StatusCode::OK).await;
    assert!(health["checks"].is_null(), "{health}");
    refused(outside("/metrics"), StatusCode::UNAUTHORIZED).await;
    let health = expect(outside("/health").bearer_auth(support::KEY), StatusCode::OK).await;
    assert_eq!(health["checks"][0]["name"], "database");
    let metrics = outside("/metrics").bearer_auth(support::KEY).send().await.unwrap();
    assert_eq!(metrics.status(), StatusCode::OK);
}

#[tokio::test]
async fn details_of_the_server_are_for_keys_of_its_operators_only() {
    let checks = vec![check("database", true, true)];
    let app = App::with(Wanted { checks, ..Wanted::default() }).await;
    let key = identity::Key::generate().unwrap();
    let tenant = app.test.superuser().await;
    let insert = "WITH w AS (INSERT INTO forge.workspaces (workspace_id, slug, name) \
             VALUES (gen_random_uuid(), 'tenant', 'Tenant') RETURNING workspace_id), \
         p AS (INSERT INTO forge.principals (workspace_id, id, kind, name) \
             SELECT workspace_id, gen_random_uuid(), 'owner', 'Owner' FROM w \
             RETURNING workspace_id, id) \
         INSERT INTO forge.api_keys (workspace_id, id, principal_id, name, prefix, hash, scopes) \
         SELECT workspace_id, gen_random_uuid(), id, 'Key', $1, $2, ARRAY['*'] FROM p";
    let (prefix, hash) = (key.prefix(), &key.hash()[..]);
    tenant.execute(insert, &[&prefix, &hash]).await.unwrap();
    let tenant = key.text().expose().clone();
    let reader = app.key(&["workflow.*"]).await;
    let operator = app.key(&["server.read"]).await;
    let ask = |path: &str, key: &str| {
        let request = app.anonymous(Method::GET, path).header("x-forwarded-for", "192.0.2.1");
        request.bearer_auth(key)
    };
    // It is a key of its workspace.
    expect(ask("/v1/workspace", &tenant), StatusCode::OK).await;
    for other in [&tenant, &reader] {
        let problem = refused(ask("/metrics", other), StatusCode::FORBIDDEN).await;
        assert_eq!(problem["code"], "auth.forbidden");
        let health = expect(ask("/health", other), StatusCode::OK).await;
        assert!(health["checks"].is_null(), "{health}");
    }
    assert_eq!(ask("/metrics", &operator).send().await.unwrap().status(), StatusCode::OK);
    let health = expect(ask("/health", &operator), StatusCode::OK).await;
    assert_eq!(health["checks"][0]["name"], "database");
}

#[tokio::test]
async fn a_shutdown_lets_the_response_under_way_finish_and_takes_nothing_new() {
    let signals: [Arc<Notify>; 2] = Default::default();
    let [began, end] = signals.clone();
    let wanted = Wanted {
        functions: vec![slow::FUNCTION],
        services: function::Services::builder().with(signals),
        ..Wanted::default()
    };
    let app = App::with(wanted).await;
    #[expect(clippy::disallowed_methods, reason = "the test waits for it below")]
    let slow = tokio::spawn(app.owner(Method::GET, "/v1/test/slow").send());
    began.notified().await;
    app.stop.cancel();
    // The listener is closed as soon as the server noticed.
    while TcpStream::connect(app.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    end.notify_one();
    let response = slow.await.unwrap().unwrap();
    assert_eq!(value(response).await, "done");
    app.served.await.unwrap();
}

#[tokio::test]
async fn who_finds_no_place_waits_until_somebody_leaves() {
    let settings = Settings { connections_max: 1, ..Settings::default() };
    let app = App::with(Wanted { settings, ..Wanted::default() }).await;
    let ask = b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = [0; 12];
    let mut first = TcpStream::connect(app.address).await.unwrap();
    first.write_all(ask).await.unwrap();
    first.read_exact(&mut answer).await.unwrap();
    let mut second = TcpStream::connect(app.address).await.unwrap();
    second.write_all(ask).await.unwrap();
    drop(first);
    second.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_second_listener_on_one_address_is_refused_by_name() {
    let app = App::new().await;
    let problem = gateway::Server::bind(app.address).await.unwrap_err();
    assert_eq!(problem.code, codes::SERVER_ADDRESS_IN_USE);
    assert!(problem.detail.contains(&app.address.to_string()));
}

#[tokio::test]
async fn without_the_database_callers_are_told_when_to_come_back() {
    let app = App::new().await;
    expect(app.owner(Method::GET, "/v1/workspace"), StatusCode::OK).await;
    app.test.database.close();
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    for path in ["/v1/workspace", "/hooks/default/in"] {
        let response = app.owner(Method::GET, path).send().await.unwrap();
        assert_eq!(response.headers()["retry-after"], "1", "{path}");
        let problem = refused(app.owner(Method::GET, path), unavailable).await;
        assert_eq!(
            (&problem["code"], &problem["retryable"]),
            (&"database.unavailable".into(), &true.into())
        );
    }
}
