//! Whom a webhook lets in and what it takes.

use kernel::Value;
use node::TriggerKind;
use serde_json::json;

use crate::support::{prepare, refused};

#[test]
fn webhook_asks_for_what_it_says_and_refuses_what_could_not_be_checked() {
    let kind = |auth: Value| {
        let trigger = prepare("core.webhook", json!({"path": "a", "auth": auth})).trigger();
        let Some(TriggerKind::Webhook(hook)) = trigger else { panic!("no webhook") };
        (hook.auth.kind(), hook.auth.secret().map(|secret| secret.secret.clone()))
    };
    let key = json!({"secret": "shop"});
    let shop = Some("shop".to_owned());
    assert_eq!(kind(json!("none")), ("none", None));
    let header = json!({"kind": "header", "name": "X-Token", "value": key});
    assert_eq!(kind(header), ("header", shop.clone()));
    let basic = json!({"kind": "basic", "user": "ada", "password": key});
    assert_eq!(kind(basic), ("basic", shop.clone()));
    let signature = json!({"kind": "signature", "key": key, "header": "X-Hub-Signature-256",
        "prefix": "sha256=", "timestamp": {"header": "X-Time", "tolerance": "2m"}});
    assert_eq!(kind(signature), ("signature", shop));
}

/// Every fault is at its place and in these words.
fn all_refused(cases: impl IntoIterator<Item = (Value, &'static str, &'static str)>) {
    for (mut parameters, pointer, says) in cases {
        parameters.as_object_mut().expect("an object").insert("path".to_owned(), "a".into());
        refused("core.webhook", parameters, pointer, says);
    }
}

#[test]
fn webhook_refuses_credentials_that_could_not_be_checked() {
    let key = json!({"secret": "shop"});
    let signed = |more: Value| {
        let mut auth = json!({"kind": "signature", "key": key, "header": "X-Sign"});
        auth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "auth": auth })
    };
    all_refused([
        (json!({"auth": "nobody"}), "/auth", "must be one of"),
        (json!({"auth": {"kind": "heder"}}), "/auth/kind", "Did you mean \"header\"?"),
        (
            json!({"auth": {"kind": "header", "name": "a b", "value": key}}),
            "/auth/name",
            "name of a header",
        ),
        (
            json!({"auth": {"kind": "header", "name": "a", "value": "hunter2"}}),
            "/auth/value",
            "an object",
        ),
        (
            json!({"auth": {"kind": "header", "name": "a", "value": {"secret": "hunter 2"}}}),
            "/auth/value/secret",
            "never write the value",
        ),
        (
            json!({"auth": {"kind": "basic", "user": "a:b", "password": key}}),
            "/auth/user",
            "no colon",
        ),
        (signed(json!({"content": "{timestamp}"})), "/auth/content", "no {body}"),
        (signed(json!({"content": "{timestamp}.{body}"})), "/auth/content", "no `timestamp`"),
        (
            signed(json!({"content": "{body}", "timestamp": {"header": "X-Time"}})),
            "/auth/content",
            "no {timestamp}",
        ),
        (
            signed(json!({"timestamp": {"header": "X-Time", "tolerance": "2d"}})),
            "/auth/timestamp/tolerance",
            "from 1s to 1d",
        ),
    ]);
}

#[test]
fn webhook_refuses_networks_origins_and_media_types_that_are_none() {
    all_refused([
        (json!({"allow_from": ["10.0.0.0/8", "10.0.0/8"]}), "/allow_from/1", "no network"),
        (json!({"cors": {"origins": ["https://a.example/x"]}}), "/cors/origins/0", "no origin"),
        (
            json!({"cors": {"origins": ["*"], "credentials": true}}),
            "/cors/origins/0",
            "name the origins",
        ),
        (json!({"cors": {"origins": []}}), "/cors/origins", "at least 1"),
        (json!({"accepts": ["json"]}), "/accepts/0", "no media type"),
        (json!({"body_bytes_max": 0}), "/body_bytes_max", "at least 1"),
        (json!({"idempotency": {"header": "x:y"}}), "/idempotency/header", "name of a header"),
    ]);
}
