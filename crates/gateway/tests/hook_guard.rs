//! Whom webhooks let in: credentials, signatures, networks, and what is never told.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use kernel::Value;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use support::{App, expect, refused};

const TOKEN: &str = "token-of-the-shop-9f3a";

/// A workflow that answers with the trigger's item and checks its callers like this.
fn guarded(name: &str, rules: &str) -> String {
    format!(
        "format: 1\nname: {name}\nnodes:\n\
         - {{ name: In, type: core.webhook, parameters: {{ path: {name}, method: POST, \
             respond: last_node, {rules} }} }}\n\
         - {{ name: Out, type: core.no_op }}\n\
         connections: [ In -> Out ]\n"
    )
}

fn call(app: &App, name: &str) -> RequestBuilder {
    app.anonymous(Method::POST, &format!("/hooks/default/{name}"))
}

/// Runs of the workspace, ever.
async fn runs(app: &App) -> usize {
    let listed = expect(app.owner(Method::GET, "/v1/runs?limit=200"), StatusCode::OK).await;
    listed["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_header_with_the_secret_lets_in_and_its_value_is_seen_nowhere() {
    let app = App::new().await;
    app.set_secret("shop", TOKEN).await;
    let rules = "auth: { kind: header, name: X-Token, value: { secret: shop } }";
    let id = app.publish(&guarded("shop", rules)).await;
    let seen = expect(call(&app, "shop").header("x-token", TOKEN), StatusCode::OK).await;
    assert_eq!(seen[0]["headers"]["x-token"], "•••");
    let wrong = format!("{TOKEN}x");
    for shown in [None, Some(""), Some("x"), Some(&wrong[..]), Some(&TOKEN[1..])] {
        let request = call(&app, "shop");
        let request = match shown {
            Some(shown) => request.header("x-token", shown),
            None => request,
        };
        let response = request.try_clone().unwrap().send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Hook");
        let problem = refused(request, StatusCode::UNAUTHORIZED).await;
        assert_eq!(problem["code"], "hook.unauthorized");
        // Which part was wrong is not told.
        let detail = "This hook asks for credentials, and what was sent is missing or wrong.";
        assert_eq!(problem["detail"], detail);
    }
    assert_eq!(runs(&app).await, 1);
    // Neither the document, nor the run, nor any row of the database holds it.
    let document =
        expect(app.owner(Method::GET, &format!("/v1/workflows/{id}")), StatusCode::OK).await;
    assert!(!document.to_string().contains(TOKEN));
    let listed = expect(app.owner(Method::GET, "/v1/secrets"), StatusCode::OK).await;
    assert_eq!(listed["items"][0]["name"], "shop");
    assert!(!listed.to_string().contains(TOKEN));
    let superuser = app.test.superuser().await;
    let tables = superuser
        .query(
            "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
             WHERE nspname = 'forge' AND relkind IN ('r', 'p')",
            &[],
        )
        .await
        .unwrap();
    for table in tables {
        let table: String = table.get(0);
        let text = format!("SELECT t::text FROM forge.{table} t");
        for row in superuser.query(&text, &[]).await.unwrap() {
            let (row, hex) = (row.get::<_, Option<String>>(0).unwrap_or_default(), hex(TOKEN));
            assert!(!row.contains(TOKEN) && !row.contains(&hex), "{table}");
        }
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn user_and_password_let_in_and_a_client_is_asked_for_them() {
    let app = App::new().await;
    app.set_secret("password", "päss:wörd").await;
    let rules = "auth: { kind: basic, user: ada, password: { secret: password } }";
    app.publish(&guarded("basic", rules)).await;
    let seen = expect(call(&app, "basic").basic_auth("ada", Some("päss:wörd")), StatusCode::OK);
    assert_eq!(seen.await[0]["headers"]["authorization"], "•••");
    let response = call(&app, "basic").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Basic realm="), "{challenge}");
    for request in [
        call(&app, "basic").basic_auth("ada", Some("password")),
        call(&app, "basic").basic_auth("bob", Some("päss:wörd")),
        call(&app, "basic").basic_auth("ada", None::<&str>),
        call(&app, "basic").header("authorization", "Basic !!!"),
        call(&app, "basic").bearer_auth("päss:wörd"),
    ] {
        refused(request, StatusCode::UNAUTHORIZED).await;
    }
    assert_eq!(runs(&app).await, 1);
}

fn signed(app: &App, name: &str, key: &str, at: i64, body: &'static str) -> RequestBuilder {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let request = call(app, name).header("x-time", at).header("x-signature", hex(tag));
    request.header("content-type", "application/json").body(body)
}

fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the server under test has the real clock, too")]
    Timestamp::now().as_second()
}

const SIGNED: &str = "auth: { kind: signature, key: { secret: signing }, header: X-Signature, \
                      timestamp: { header: X-Time, tolerance: 5m } }";

#[tokio::test]
async fn a_signature_is_good_once_for_its_body_and_its_time_and_forged_ones_for_nothing() {
    let app = App::new().await;
    app.set_secret("signing", TOKEN).await;
    app.publish(&guarded("signed", SIGNED)).await;
    let body = r#"{"order": 7}"#;
    let first = signed(&app, "signed", TOKEN, now(), body);
    let replay = first.try_clone().unwrap();
    let seen = expect(first, StatusCode::OK).await;
    assert_eq!(seen[0]["body"], json!({ "order": 7 }));
    let problem = refused(replay.try_clone().unwrap(), StatusCode::CONFLICT).await;
    assert_eq!(problem["code"], "hook.replayed");
    // The same signature in capitals is the same signature.
    let mut upper = replay.build().unwrap();
    let sign = upper.headers()["x-signature"].to_str().unwrap().to_uppercase();
    upper.headers_mut().insert("x-signature", sign.parse().unwrap());
    let response = reqwest::Client::new().execute(upper).await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let forged = [
        signed(&app, "signed", "another key", now(), body),
        signed(&app, "signed", TOKEN, now() - 301, body),
        signed(&app, "signed", TOKEN, now() + 360, body),
        signed(&app, "signed", TOKEN, now() - 3, body).body(r#"{"order": 8}"#),
        call(&app, "signed").body(body),
        call(&app, "signed").header("x-signature", "00").body(body),
    ];
    for (index, request) in forged.into_iter().enumerate() {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{index}");
    }
    assert_eq!(runs(&app).await, 1);
}

#[tokio::test]
async fn a_signature_stays_taken_whatever_other_hooks_of_the_workspace_forget() {
    let app = App::new().await;
    app.set_secret("signing", TOKEN).await;
    app.publish(&guarded("short", SIGNED)).await;
    app.publish(&guarded("long", &SIGNED.replace("5m", "1d"))).await;
    let first = signed(&app, "short", TOKEN, now(), "{}");
    let replay = first.try_clone().unwrap();
    expect(first, StatusCode::OK).await;
    // One call in eight forgets what is over: of so many at least one does.
    let at = now();
    let others = (0..100).map(|second| signed(&app, "long", TOKEN, at - second, "{}").send());
    for answer in futures::future::join_all(others).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    let problem = refused(replay, StatusCode::CONFLICT).await;
    assert_eq!(problem["code"], "hook.replayed");
}

#[tokio::test]
async fn of_the_same_call_sent_many_times_at_once_exactly_one_is_accepted() {
    let app = App::new().await;
    app.set_secret("signing", TOKEN).await;
    app.publish(&guarded("signed", SIGNED)).await;
    let one = signed(&app, "signed", TOKEN, now(), "{}");
    let calls = (0..20).map(|_| one.try_clone().unwrap().send());
    let answers = futures::future::join_all(calls).await;
    let of = |status: StatusCode| {
        answers.iter().filter(|answer| answer.as_ref().unwrap().status() == status).count()
    };
    assert_eq!((of(StatusCode::OK), of(StatusCode::CONFLICT)), (1, 19));
    assert_eq!(runs(&app).await, 1);
}

#[tokio::test]
async fn a_call_that_started_nothing_does_not_use_its_signature_up() {
    let app = App::new().await;
    app.set_secret("signing", TOKEN).await;
    app.publish(&guarded("signed", SIGNED)).await;
    let at = now();
    let broken = signed(&app, "signed", TOKEN, at, "{ no json");
    refused(broken.try_clone().unwrap(), StatusCode::BAD_REQUEST).await;
    // Still not replayed: its fault is what it was.
    refused(broken, StatusCode::BAD_REQUEST).await;
    assert_eq!(runs(&app).await, 0);
}

#[tokio::test]
async fn only_the_networks_of_the_list_may_call() {
    let app = App::new().await;
    app.publish(&guarded("near", "allow_from: [ 127.0.0.0/8, '::1' ]")).await;
    app.publish(&guarded("far", "allow_from: [ 192.0.2.0/24, 198.51.100.7 ]")).await;
    expect(call(&app, "near"), StatusCode::OK).await;
    // Nobody is believed who says that they speak for another.
    let request = call(&app, "far").header("x-forwarded-for", "192.0.2.1");
    let problem = refused(request, StatusCode::FORBIDDEN).await;
    assert_eq!(problem["code"], "hook.forbidden");
    assert!(!problem.to_string().contains("192.0.2"), "the list is nobody's business");
}

#[tokio::test]
async fn a_workflow_is_not_published_before_its_secret_is_there() {
    let app = App::new().await;
    let rules = "auth: { kind: header, name: X-Token, value: { secret: later } }";
    let id = app.save(&guarded("later", rules)).await;
    let publish = || app.owner(Method::POST, &format!("/v1/workflows/{id}/publish"));
    let problem = refused(publish(), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(problem["errors"][0]["code"], "secret.not_found");
    assert_eq!(problem["node"], "In");
    assert!(problem["detail"].as_str().unwrap().contains("\"later\""), "{problem}");
    app.set_secret("later", "v").await;
    expect(publish(), StatusCode::OK).await;
    expect(call(&app, "later").header("x-token", "v"), StatusCode::OK).await;
}

#[tokio::test]
async fn a_changed_secret_counts_at_once_and_a_deleted_one_lets_nobody_in() {
    let app = App::new().await;
    app.set_secret("turning", "old").await;
    let rules = "auth: { kind: header, name: X-Token, value: { secret: turning } }";
    app.publish(&guarded("turns", rules)).await;
    let with = |token: &str| call(&app, "turns").header("x-token", token);
    expect(with("old"), StatusCode::OK).await;
    app.set_secret("turning", "new").await;
    refused(with("old"), StatusCode::UNAUTHORIZED).await;
    expect(with("new"), StatusCode::OK).await;
    let gone = app.owner(Method::DELETE, "/v1/secrets/turning");
    expect(gone, StatusCode::NO_CONTENT).await;
    for token in ["", "old", "new"] {
        let problem = refused(with(token), StatusCode::INTERNAL_SERVER_ERROR).await;
        assert_eq!(problem["code"], "hook.misconfigured");
        assert!(!problem.to_string().contains("turning"), "names of secrets are not for callers");
    }
    app.set_secret("turning", "newest").await;
    expect(with("newest"), StatusCode::OK).await;
}

#[tokio::test]
async fn names_and_values_of_secrets_have_limits_and_bad_ones_leave_nothing() {
    let app = App::new().await;
    let put = |name: &str, body: Value| {
        app.owner(Method::PUT, &format!("/v1/secrets/{name}")).json(&body)
    };
    for name in ["a%20b", "%C3%A9", &"n".repeat(101)] {
        let problem = refused(put(name, json!({"value": "v"})), StatusCode::NOT_FOUND).await;
        assert_eq!(problem["errors"][0]["pointer"], "/path/name", "{name}");
    }
    for value in ["", &"v".repeat(65_537), &"é".repeat(32_769)] {
        let body = json!({ "value": value });
        let problem = refused(put("ok", body), StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(problem["errors"][0]["pointer"], "/value");
    }
    let listed = expect(app.owner(Method::GET, "/v1/secrets"), StatusCode::OK).await;
    assert_eq!(listed["items"], json!([]));
    expect(put("ok", json!({"value": "v".repeat(65_536)})), StatusCode::OK).await;
    let gone = app.owner(Method::DELETE, "/v1/secrets/nothing");
    assert_eq!(refused(gone, StatusCode::NOT_FOUND).await["code"], "secret.not_found");
}
