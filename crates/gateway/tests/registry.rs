//! Every function of the program, held to what all of them promise.

mod support;

use function::{BodyArgument, Function};
use kernel::Value;
use reqwest::{Method, RequestBuilder, StatusCode};
use support::{App, expect, refused};

/// The path with every parameter replaced by an id that nothing has.
fn path(function: &Function) -> String {
    let segments = function.path.split('/').map(|segment| match segment.strip_prefix('{') {
        Some(_) => "0190a000-0000-7000-8000-000000000000",
        None => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

fn method(function: &Function) -> Method {
    Method::from_bytes(function.method.as_str().as_bytes()).expect("methods have names")
}

fn call(app: &App, function: &Function, key: &str) -> RequestBuilder {
    app.anonymous(method(function), &path(function)).bearer_auth(key)
}

/// Whether it answers a page.
fn is_list(document: &Value, function: &Function) -> bool {
    let method = function.method.as_str().to_ascii_lowercase();
    let schema = &document["paths"][function.path][&method]["responses"]["200"]["content"]["application/json"]
        ["schema"];
    let name = schema["$ref"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let properties = &document["components"]["schemas"][name]["properties"];
    properties["items"].is_object() && properties["next"].is_object()
}

#[tokio::test]
async fn nobody_may_call_anything_and_a_key_only_what_it_allows() {
    let app = App::new().await;
    let useless = app.key(&["nothing.at_all"]).await;
    for function in gateway::functions() {
        let request = app.anonymous(method(&function), &path(&function));
        let problem = refused(request, StatusCode::UNAUTHORIZED).await;
        assert_eq!(problem["code"], "auth.required", "{function:?}");
        let request = call(&app, &function, "ff_no_such_key");
        refused(request, StatusCode::UNAUTHORIZED).await;
        let problem = refused(call(&app, &function, &useless), StatusCode::FORBIDDEN).await;
        assert_eq!(problem["code"], "auth.forbidden", "{function:?}");
        assert!(problem["detail"].as_str().unwrap().contains(function.permission.0));
    }
}

#[tokio::test]
async fn a_body_that_does_not_parse_is_400_and_one_that_does_not_fit_is_422() {
    let app = App::new().await;
    for function in gateway::functions() {
        if matches!(function.body, BodyArgument::None) {
            continue;
        }
        let send = |body: &'static str| {
            let request = call(&app, &function, support::KEY);
            request.header("content-type", "application/json").body(body)
        };
        let problem = refused(send("{\n  \"a\": tru }"), StatusCode::BAD_REQUEST).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("line 2"), "{function:?}: {detail}");
        let strange = send("{\"no_such_field\": 1}");
        let problem = refused(strange, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert!(problem["errors"][0]["pointer"].is_string(), "{function:?}: {problem}");
        let request = call(&app, &function, support::KEY);
        let request = request.header("content-type", "image/png").body("x");
        refused(request, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
    }
}

#[tokio::test]
async fn a_body_is_an_object_and_comes_as_it_is() {
    let app = App::new().await;
    for function in gateway::functions() {
        if matches!(function.body, BodyArgument::None) {
            continue;
        }
        let send = |body: &'static str| {
            let request = call(&app, &function, support::KEY);
            request.header("content-type", "application/json").body(body)
        };
        // A list is not read as the fields in their order.
        for other in ["[]", "null", "7"] {
            refused(send(other), StatusCode::UNPROCESSABLE_ENTITY).await;
        }
        let packed = send("{}").header("content-encoding", "gzip");
        let problem = refused(packed, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
        assert!(problem["detail"].as_str().unwrap().contains("gzip"), "{function:?}: {problem}");
    }
}

#[tokio::test]
async fn an_idempotency_key_that_cannot_be_read_is_refused_and_not_passed_over() {
    let app = App::new().await;
    for function in gateway::functions() {
        for key in [&b"\xff"[..], b"", &[b'k'; 256]] {
            let request = call(&app, &function, support::KEY).header("idempotency-key", key);
            let problem = refused(request, StatusCode::UNPROCESSABLE_ENTITY).await;
            assert!(problem["detail"].as_str().unwrap().contains("idempotency-key"), "{problem}");
        }
    }
}

#[tokio::test]
async fn nothing_has_a_nul_in_its_name() {
    let app = App::new().await;
    for function in gateway::functions() {
        if function.path_schema.is_some() {
            let path = path(&function).replace("0190a000-0000-7000-8000-000000000000", "a%00");
            let problem = refused(app.owner(method(&function), &path), StatusCode::NOT_FOUND).await;
            assert!(problem["detail"].as_str().unwrap().contains("NUL"), "{function:?}: {problem}");
        }
        if function.query_schema.is_some() {
            let path = format!("{}?limit=%00", path(&function));
            refused(app.owner(method(&function), &path), StatusCode::UNPROCESSABLE_ENTITY).await;
        }
    }
}

#[tokio::test]
async fn what_does_not_exist_is_404() {
    let app = App::new().await;
    for function in gateway::functions() {
        if function.path_schema.is_none() || !matches!(function.body, BodyArgument::None) {
            continue;
        }
        let problem = refused(call(&app, &function, support::KEY), StatusCode::NOT_FOUND).await;
        let code = problem["code"].as_str().unwrap();
        assert!(code.ends_with("not_found"), "{function:?}: {code}");
    }
}

#[tokio::test]
async fn every_list_is_paged() {
    let app = App::new().await;
    let document = expect(app.anonymous(Method::GET, "/v1/openapi.json"), StatusCode::OK).await;
    let mut lists = 0;
    for function in gateway::functions().iter().filter(|f| is_list(&document, f)) {
        lists += 1;
        let list = |query: &str| {
            let path = format!("{}?{query}", path(function));
            app.owner(method(function), &path)
        };
        for wrong in ["limit=0", "limit=201", "limit=x", "limit=1&limit=2", "surprise=1"] {
            refused(list(wrong), StatusCode::UNPROCESSABLE_ENTITY).await;
        }
        if function.path_schema.is_none() {
            let page = expect(list("limit=1"), StatusCode::OK).await;
            assert!(page["items"].as_array().unwrap().len() <= 1, "{function:?}");
        }
    }
    assert!(lists > 0, "no list was recognised");
}

#[tokio::test]
async fn the_document_names_every_function_once() {
    let functions = gateway::functions();
    let document = function::openapi::document(&functions, "0.0.0");
    let operations = document["paths"].as_object().unwrap().values();
    let mut ids: Vec<_> = operations
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let mut names: Vec<_> = functions.iter().map(|function| function.name).collect();
    ids.sort_unstable();
    names.sort_unstable();
    assert_eq!(ids, names);
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name is used twice");
}

#[test]
fn the_openapi_contract_is_what_the_functions_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/openapi.json");
    let document = function::openapi::document(&gateway::functions(), env!("CARGO_PKG_VERSION"));
    let written = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(path, &written).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == written,
        "contracts/openapi.json is not what the functions say: run `cargo xtask contracts`"
    );
}
