//! What is spoken on a connection: HTTP/1 with its faults, HTTP/2, TLS, and callers who dawdle.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway::{Settings, TlsFiles, TlsSource};
use kernel::json;
use reqwest::{Certificate, Client, StatusCode, Version};
use support::{App, Wanted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

mod held {
    use std::sync::Arc;

    use function::{ActionContext, Permission, Problem, action};
    use tokio::sync::Notify;

    /// Tells when it is dropped.
    struct Dropped(Arc<Notify>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    /// Begins, and ends only by being given up.
    #[action(GET "/v1/test/held", permission = Permission("test.held"))]
    pub(crate) async fn held(cx: &ActionContext) -> Result<(), Problem> {
        let [began, dropped] = cx.service::<[Arc<Notify>; 2]>();
        let _dropped = Dropped(Arc::clone(dropped));
        began.notify_one();
        std::future::pending().await
    }
}

mod large {
    use function::{ActionContext, Permission, Problem, action};

    /// Answers 8 MiB.
    #[action(GET "/v1/test/large", permission = Permission("test.large"))]
    pub(crate) async fn large(_cx: &ActionContext) -> Result<String, Problem> {
        Ok("x".repeat(8 * 1024 * 1024))
    }
}

fn with(settings: Settings) -> Wanted {
    Wanted { settings, ..Wanted::default() }
}

/// Sends bytes and reads until the server closes.
async fn exchange(app: &App, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    // The server may close before everything is sent; what it said can be read all the same.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn faults_of_http_itself_are_problems_with_words() {
    let settings = Settings { header_bytes_max: 16 * 1024, ..Settings::default() };
    let app = App::with(with(settings)).await;
    let many: String = (0..120).map(|number| format!("x-{number}: 1\r\n")).collect();
    let cases = [
        ("no request at all\r\n\r\n".to_owned(), 400, "request.malformed"),
        ("GET /live HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), 400, "request.malformed"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)), 431, "request.headers_too_large"),
        (
            format!("GET /live HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(20_000)),
            431,
            "request.headers_too_large",
        ),
        (format!("GET /live HTTP/1.1\r\nhost: x\r\n{many}\r\n"), 431, "request.headers_too_large"),
    ];
    for (sent, status, code) in cases {
        let said = exchange(&app, sent.as_bytes()).await;
        let shown = &sent[..sent.len().min(40)];
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{shown}: {said}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {head}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        let problem = json::parse(body.as_bytes()).unwrap().value;
        assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()));
        assert!(head.contains(problem["request_id"].as_str().unwrap()), "{head}");
    }
}

#[tokio::test]
async fn an_address_that_is_too_long_is_a_problem_with_words() {
    let settings = Settings { header_bytes_max: 256 * 1024, ..Settings::default() };
    let app = App::with(with(settings)).await;
    let ask = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    let said = exchange(&app, ask.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 414 ") && said.contains("request.uri_too_long"), "{said}");
}

#[tokio::test]
async fn http2_is_spoken_with_prior_knowledge_beside_http1() {
    let app = App::new().await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/v1/workspace", app.address);
    let many = (0..50).map(|_| client.get(&url).bearer_auth(support::KEY).send());
    for response in futures::future::join_all(many).await {
        let response = response.unwrap();
        assert_eq!((response.version(), response.status()), (Version::HTTP_2, StatusCode::OK));
    }
    let response = app.owner(reqwest::Method::GET, "/v1/workspace").send().await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
}

#[tokio::test]
async fn a_shutdown_ends_http2_connections_too() {
    let app = App::new().await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    client.get(format!("http://{}/live", app.address)).send().await.unwrap();
    app.stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), app.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_http2_connection_without_requests_is_closed() {
    let settings = Settings { header_timeout: Duration::from_millis(100), ..Settings::default() };
    let app = App::with(with(settings)).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    // Preface, empty SETTINGS, and nothing more.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest);
    tokio::time::timeout(Duration::from_secs(10), end).await.unwrap().unwrap();
}

fn certificates(of: &str, authority: &str) -> (PathBuf, Certificate) {
    let folder = checkout::path("crates").join(of);
    let authority = std::fs::read(folder.join(authority)).unwrap();
    (folder, Certificate::from_pem(&authority).unwrap())
}

/// A client that trusts one authority and finds `localhost` at the app's port.
fn trusting(authority: &Certificate) -> Client {
    let builder = Client::builder().no_proxy().tls_certs_only([authority.clone()]);
    // Every request on a connection of its own.
    builder.pool_max_idle_per_host(0).build().unwrap()
}

#[tokio::test]
async fn tls_is_spoken_with_the_certificate_of_the_files_and_follows_them() {
    let (first, first_authority) = certificates("egress/tests/certificates", "authority.pem");
    let (second, second_authority) = certificates("db/tests/tls", "ca.pem");
    let folder = std::env::temp_dir().join(format!("flowforge-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = TlsFiles { certificate: folder.join("server.pem"), key: folder.join("server.key") };
    let put = |from: &Path| {
        for name in ["server.key", "server.pem"] {
            std::fs::copy(from.join(name), folder.join(name)).unwrap();
        }
    };
    put(&first);
    let app =
        App::with(with(Settings { tls: Some(TlsSource::Files(files)), ..Settings::default() }))
            .await;
    let url = format!("https://localhost:{}/live", app.address.port());
    let response = trusting(&first_authority).get(&url).send().await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2, "chosen by ALPN");
    assert!(response.headers().contains_key("strict-transport-security"));
    assert!(trusting(&second_authority).get(&url).send().await.is_err());
    // The machine itself may come without.
    let plain = app.anonymous(reqwest::Method::GET, "/live").send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::OK);
    assert!(!plain.headers().contains_key("strict-transport-security"));

    put(&second);
    let client = trusting(&second_authority);
    let follows = async {
        let mut again = tokio::time::interval(Duration::from_millis(50));
        while client.get(&url).send().await.is_err() {
            again.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), follows).await.expect("it reads the new files");
    let _ = std::fs::remove_dir_all(&folder);
}

#[tokio::test]
async fn a_key_that_does_not_belong_to_the_certificate_is_refused_at_the_start() {
    let (first, _) = certificates("egress/tests/certificates", "authority.pem");
    let (second, _) = certificates("db/tests/tls", "ca.pem");
    let files = TlsFiles { certificate: first.join("server.pem"), key: second.join("server.key") };
    let refused =
        App::try_with(with(Settings { tls: Some(TlsSource::Files(files)), ..Settings::default() }))
            .await;
    let problem = refused.err().expect("it does not start");
    assert_eq!(problem.code, kernel::codes::CONFIG_INVALID);
    assert!(problem.detail.contains("server.key"), "{problem}");
}

#[tokio::test]
async fn who_sends_a_byte_now_and_then_is_let_go_and_keeps_nobody_waiting() {
    let settings = Settings { header_timeout: Duration::from_millis(500), ..Settings::default() };
    let app = App::with(with(settings)).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(b"POST /hooks/default/x HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        slow.push(stream);
    }
    let drip = async {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            let mut open = 0;
            for stream in &mut slow {
                open += usize::from(stream.write_all(b"x-y: z\r\n").await.is_ok());
            }
            if open == 0 {
                return;
            }
            let served = app.anonymous(reqwest::Method::GET, "/live").send().await.unwrap();
            assert_eq!(served.status(), StatusCode::OK);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), drip).await.expect("all of them are let go");
}

#[tokio::test]
async fn a_caller_who_leaves_ends_what_was_done_for_it() {
    let signals: [Arc<Notify>; 2] = Default::default();
    let [began, dropped] = signals.clone();
    let wanted = Wanted {
        functions: vec![held::FUNCTION],
        services: function::Services::builder().with(signals),
        settings: Settings {
            calls: gateway::Calls { concurrent_max: 1, ..gateway::Calls::default() },
            ..Settings::default()
        },
        ..Wanted::default()
    };
    let app = App::with(wanted).await;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        let key = support::KEY;
        let ask =
            format!("GET /v1/test/held HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        began.notified().await;
        drop(stream);
        let ended = dropped.notified();
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it is given up");
    }
    // Its place is free again.
    let again = app.owner(reqwest::Method::GET, "/v1/workspace").send().await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_caller_who_reads_nothing_of_its_answer_is_let_go() {
    let settings = Settings { body_timeout: Duration::from_millis(300), ..Settings::default() };
    let wanted = Wanted { settings, functions: vec![large::FUNCTION], ..Wanted::default() };
    let app = App::with(wanted).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let key = support::KEY;
    let ask =
        format!("GET /v1/test/large HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    app.stop.cancel();
    // The listener's loop ends when the connection does, long before the drain time.
    tokio::time::timeout(Duration::from_secs(10), app.served).await.expect("it is let go").unwrap();
    drop(stream);
}

/// What an HTTP/2 client says that never reads: the preface, and windows of so many bytes.
fn preface(window: u32) -> Vec<u8> {
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let setting = [&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat();
    sent.extend(frame(4, 0, 0, &setting));
    sent
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The frame that asks for something, whole.
fn ask_h2(stream: u32, path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let bearer = format!("Bearer {}", support::KEY);
    // GET, http, then literals: the path, the host, who asks.
    let head = [&[0x82, 0x86, 0x04][..], &text(path), &[0x01], &text("x"), &[0x0f, 0x08]].concat();
    frame(1, 0x05, stream, &[head, text(&bearer)].concat())
}

/// Reads to the end: the kinds of the frames and the streams they are of. Answers pings, so that it is
/// not taken for dead.
async fn frames(stream: &mut TcpStream) -> Vec<(u8, u32)> {
    const PING: u8 = 6;
    let mut frames = Vec::new();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let [a, b, c, kind, flags, stream_id @ ..] = head;
        frames.push((kind, u32::from_be_bytes(stream_id)));
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        let _ = stream.read_exact(&mut payload).await;
        if kind == PING && flags == 0 {
            let _ = stream.write_all(&frame(PING, 1, 0, &payload)).await;
        }
    }
    frames
}

#[tokio::test]
async fn a_caller_who_opens_no_window_for_its_answers_is_let_go() {
    const RESET: u8 = 3;
    for window in [0, 1] {
        let settings = Settings {
            body_timeout: Duration::from_millis(300),
            header_timeout: Duration::from_secs(1),
            ..Settings::default()
        };
        let wanted = Wanted { settings, functions: vec![large::FUNCTION], ..Wanted::default() };
        let app = App::with(wanted).await;
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        stream.write_all(&preface(window)).await.unwrap();
        for (number, path) in [(1, "/v1/test/large"), (3, "/v1/workspace")] {
            stream.write_all(&ask_h2(number, path)).await.unwrap();
        }
        let said = tokio::time::timeout(Duration::from_secs(20), frames(&mut stream));
        let said = said.await.expect("it is let go");
        assert!(said.contains(&(RESET, 1)), "{window}: {said:?}");
    }
}

#[tokio::test]
async fn the_body_of_an_answer_is_sent_as_it_is_whatever_it_looks_like() {
    let settings = Settings { body_timeout: Duration::from_secs(60), ..Settings::default() };
    let app = App::with(Wanted { settings, ..Wanted::default() }).await;
    app.publish(
        "format: 1\nname: Mirror\nnodes:\n\
         - { name: In, type: core.webhook, parameters: { path: raw, method: POST, raw_body: true, \
             respond: node } }\n\
         - { name: Answer, type: core.respond, parameters: { with: binary } }\n\
         connections: [ In -> Answer ]\n",
    )
    .await;
    // However it is cut into pieces of some power of two, each begins with words of the parser.
    let line = format!("{:32}", "HTTP/1.1 400 Bad Request\r\n");
    let body = line.repeat(100_000);
    let request = app.anonymous(reqwest::Method::POST, "/hooks/default/raw").body(body.clone());
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let got = response.text().await.unwrap();
    assert!(got == body, "{} of {} bytes", got.len(), body.len());
}

#[tokio::test]
async fn a_refusal_of_the_parser_behind_an_answer_has_words_too() {
    let app = App::new().await;
    let said = exchange(&app, b"GET /live HTTP/1.1\r\nhost: x\r\n\r\nno request\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    assert!(said.contains("HTTP/1.1 400 ") && said.contains("request.malformed"), "{said}");
}

#[tokio::test]
async fn head_is_answered_without_a_body_over_http2_too() {
    let app = App::new().await;
    app.publish(
        "format: 1\nname: Text\nnodes:\n\
         - { name: In, type: core.webhook, parameters: { path: text, method: GET, respond: node } }\n\
         - { name: Answer, type: core.respond, parameters: { with: text, body: twelve bytes } }\n\
         connections: [ In -> Answer ]\n",
    )
    .await;
    let http2 = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    for client in [Client::builder().no_proxy().build().unwrap(), http2] {
        for (path, length) in [("/hooks/default/text", "12"), ("/live", "15")] {
            let url = format!("http://{}{path}", app.address);
            let head = client.head(&url).send().await.unwrap();
            assert_eq!(head.status(), StatusCode::OK);
            assert_eq!(head.headers()["content-length"], length);
            assert!(head.bytes().await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn too_many_headers_are_refused_over_http2_as_over_http1() {
    let app = App::new().await;
    let http2 = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let with = |count: u32| {
        let request = http2.get(format!("http://{}/live", app.address));
        (0..count).fold(request, |request, number| request.header(format!("x-{number}"), "1"))
    };
    let problem = support::refused(with(120), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).await;
    assert_eq!(problem["code"], "request.headers_too_large");
    support::expect(with(90), StatusCode::OK).await;
}

#[tokio::test]
async fn thousands_of_idle_connections_keep_nobody_waiting_and_end_by_themselves() {
    let settings = Settings { header_timeout: Duration::from_secs(4), ..Settings::default() };
    let app = App::with(with(settings)).await;
    let mut idle = Vec::new();
    for _ in 0..2_000 {
        idle.push(TcpStream::connect(app.address).await.unwrap());
    }
    let served = app.anonymous(reqwest::Method::GET, "/live").send().await.unwrap();
    assert_eq!(served.status(), StatusCode::OK);
    let all_end = async {
        for stream in &mut idle {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert!(rest.is_empty());
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_end).await.expect("they are let go");
}
