//! The guarded client against real servers on this machine.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::future::pending;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egress::header::{AUTHORIZATION, HeaderValue};
use egress::{Client, EgressSettings, Method, Redirects, Request, Response, Url};
use kernel::{Problem, codes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A server that answers with raw bytes, and remembers what it was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers the head of each request with these bytes; with none, never.
    async fn start(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::start_with(answer, None).await
    }

    async fn start_with(
        answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answer, seen) = (Arc::new(answer), asked.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "a server of the test's own; it ends with the runtime"
        )]
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (answer, seen, tls) = (answer.clone(), seen.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, &*answer, &seen).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, &*answer, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    answer: &(dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync),
    seen: &Mutex<Vec<String>>,
) {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !text.windows(4).any(|four| four == b"\r\n\r\n") {
        match socket.read(&mut buffer).await {
            Ok(count) if count > 0 => text.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let head = String::from_utf8(text).unwrap();
    seen.lock().unwrap().push(head.clone());
    match answer(&head) {
        // The client may have hung up by now.
        Some(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
        }
        None => pending().await,
    }
}

fn ok(body: &str) -> Option<Vec<u8>> {
    let length = body.len();
    Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes())
}

fn redirect(status: u16, to: &str) -> Option<Vec<u8>> {
    let head = format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    Some(head.into_bytes())
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

fn allowing(allow: &[&str]) -> EgressSettings {
    EgressSettings {
        allow: allow.iter().map(ToString::to_string).collect(),
        ..EgressSettings::default()
    }
}

fn client(settings: EgressSettings) -> Client {
    Client::new(settings).unwrap()
}

fn get(url: &str) -> Request {
    Request::new(Method::GET, Url::parse(url).unwrap())
}

async fn ask(settings: EgressSettings, url: &str) -> Result<Response, Problem> {
    client(settings).send(get(url)).await
}

#[tokio::test]
async fn an_allowed_server_on_a_private_address_is_reached() {
    let server = Server::start(|_| ok("hello")).await;
    for allow in ["127.0.0.1", "127.0.0.0/8", &format!("127.0.0.1:{}", server.port)] {
        let response = ask(allowing(&[allow]), &server.url("/")).await.unwrap();
        assert_eq!((response.status.as_u16(), &response.body[..]), (200, &b"hello"[..]), "{allow}");
    }
    assert!(server.asked()[0].contains(concat!("FlowForge/", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn a_private_address_is_refused_with_the_key_that_would_allow_it() {
    let server = Server::start(|_| ok("secret")).await;
    let problem = ask(EgressSettings::default(), &server.url("/")).await.unwrap_err();
    assert_eq!(problem.code, codes::HTTP_NOT_ALLOWED);
    assert!(problem.detail.contains("[egress] allow"), "{}", problem.detail);
    assert!(problem.detail.contains(&format!("127.0.0.1:{}", server.port)));
    let decimal = format!("http://2130706433:{}/", server.port);
    assert_eq!(
        ask(EgressSettings::default(), &decimal).await.unwrap_err().code,
        codes::HTTP_NOT_ALLOWED
    );
    let mapped = format!("http://[::ffff:127.0.0.1]:{}/", server.port);
    assert_eq!(
        ask(EgressSettings::default(), &mapped).await.unwrap_err().code,
        codes::HTTP_NOT_ALLOWED
    );
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused_and_an_allowed_name_is_not() {
    let server = Server::start(|_| ok("hello")).await;
    let url = format!("http://localhost:{}/", server.port);
    let problem = ask(EgressSettings::default(), &url).await.unwrap_err();
    assert_eq!(problem.code, codes::HTTP_NOT_ALLOWED);
    let other_port = allowing(&["localhost:1"]);
    assert_eq!(ask(other_port, &url).await.unwrap_err().code, codes::HTTP_NOT_ALLOWED);
    assert!(server.asked().is_empty());
    let this_port = format!("localhost:{}", server.port);
    for allow in ["localhost", &this_port, "127.0.0.0/8"] {
        assert_eq!(&ask(allowing(&[allow]), &url).await.unwrap().body[..], b"hello", "{allow}");
    }
}

#[tokio::test]
async fn a_connection_made_for_an_allowed_port_serves_no_other_target() {
    let server = Server::start(|_| ok("hello")).await;
    let client = client(allowing(&[&format!("localhost:{}", server.port)]));
    let url = format!("http://localhost:{}/", server.port);
    client.send(get(&url)).await.unwrap();
    let literal = client.send(get(&server.url("/"))).await.unwrap_err();
    assert_eq!(literal.code, codes::HTTP_NOT_ALLOWED);
}

#[tokio::test]
async fn deny_closes_what_allow_opens() {
    let server = Server::start(|_| ok("hello")).await;
    let settings =
        EgressSettings { deny: vec!["127.0.0.0/8".to_owned()], ..allowing(&["localhost"]) };
    let url = format!("http://localhost:{}/", server.port);
    assert_eq!(ask(settings, &url).await.unwrap_err().code, codes::HTTP_NOT_ALLOWED);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_denied_port_of_an_address_is_not_reached_by_a_name_that_leads_to_it() {
    let (shut, open) = (Server::start(|_| ok("shut")).await, Server::start(|_| ok("open")).await);
    let settings = || EgressSettings {
        deny: vec![format!("127.0.0.1:{}", shut.port), format!("[::1]:{}", shut.port)],
        ..allowing(&["127.0.0.0/8", "::1"])
    };
    let by_name = |server: &Server| format!("http://localhost:{}/", server.port);
    let refused = ask(settings(), &by_name(&shut)).await.unwrap_err();
    assert_eq!(refused.code, codes::HTTP_NOT_ALLOWED);
    assert!(shut.asked().is_empty());
    let answer = ask(settings(), &by_name(&open)).await.unwrap();
    assert_eq!(&answer.body[..], b"open");
}

#[tokio::test]
async fn a_redirect_into_a_private_range_is_refused() {
    let secret = Server::start(|_| ok("secret")).await;
    let target = secret.url("/");
    let server = Server::start(move |head| match path(head) {
        "/literal" => redirect(302, &target),
        "/metadata" => redirect(302, "http://169.254.169.254/latest/meta-data/"),
        "/scheme" => redirect(302, "file:///etc/passwd"),
        _ => redirect(302, "gopher://127.0.0.1/"),
    })
    .await;
    let allow = format!("127.0.0.1:{}", server.port);
    for path in ["/literal", "/metadata", "/scheme", "/gopher"] {
        let problem = ask(allowing(&[&allow]), &server.url(path)).await.unwrap_err();
        assert_eq!(problem.code, codes::HTTP_NOT_ALLOWED, "{path}");
    }
    assert!(secret.asked().is_empty());
}

#[tokio::test]
async fn redirects_are_followed_and_may_be_stopped_at() {
    let server = Server::start(|head| match path(head) {
        "/a" => redirect(302, "/b?x=1"),
        "/b?x=1" => ok("arrived"),
        _ => redirect(307, "/circle"),
    })
    .await;
    let client = client(allowing(&["127.0.0.1"]));
    let response = client.send(get(&server.url("/a"))).await.unwrap();
    assert_eq!(&response.body[..], b"arrived");
    assert_eq!(response.url.as_str(), server.url("/b?x=1"));
    let stopped = Request { redirects: Redirects::Stop, ..get(&server.url("/a")) };
    assert_eq!(client.send(stopped).await.unwrap().status.as_u16(), 302);
    let circle = client.send(get(&server.url("/circle"))).await.unwrap_err();
    assert_eq!(circle.code, codes::HTTP_FAILED);
    assert!(circle.detail.contains("redirected more than 10 times"));
}

#[tokio::test]
async fn a_post_becomes_a_get_after_303_and_stays_a_post_after_307() {
    let server = Server::start(|head| match path(head) {
        "/303" => redirect(303, "/end"),
        "/307" => redirect(307, "/end"),
        _ => ok("end"),
    })
    .await;
    let client = client(allowing(&["127.0.0.1"]));
    for path in ["/303", "/307"] {
        let request =
            Request { method: Method::POST, body: "body".into(), ..get(&server.url(path)) };
        client.send(request).await.unwrap();
    }
    let ends: Vec<String> =
        server.asked().into_iter().filter(|head| path(head) == "/end").collect();
    assert!(ends[0].starts_with("GET ") && !ends[0].contains("content-length"), "{}", ends[0]);
    assert!(ends[1].starts_with("POST ") && ends[1].contains("content-length: 4"), "{}", ends[1]);
}

#[tokio::test]
async fn secrets_do_not_follow_a_redirect_to_another_origin() {
    let other = Server::start(|_| ok("other")).await;
    let target = other.url("/");
    let server = Server::start(move |head| match path(head) {
        "/same" => redirect(302, "/end"),
        "/other" => redirect(302, &target),
        _ => ok("end"),
    })
    .await;
    let client = client(allowing(&["127.0.0.1"]));
    for path in ["/same", "/other"] {
        let mut request = get(&server.url(path));
        request.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        let mut key = HeaderValue::from_static("abc");
        key.set_sensitive(true);
        request.headers.insert("x-api-key", key);
        request.headers.insert("x-plain", HeaderValue::from_static("kept"));
        client.send(request).await.unwrap();
    }
    let stayed = &server.asked()[1];
    assert!(stayed.contains("authorization: Bearer abc") && stayed.contains("x-api-key: abc"));
    let left = &other.asked()[0];
    assert!(!left.contains("abc"), "{left}");
    assert!(left.contains("x-plain: kept"));
}

#[tokio::test]
async fn a_body_longer_than_allowed_is_cut_off_however_it_is_sent() {
    let long = "x".repeat(2_000);
    let chunk = format!("7d0\r\n{long}\r\n");
    let server = Server::start(move |head| match path(head) {
        "/announced" => ok(&long),
        "/lying" => Some(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx".to_vec()),
        "/chunked" => {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            Some([head, &chunk, &chunk, "0\r\n\r\n"].concat().into_bytes())
        }
        _ => {
            let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            // 64 MiB in 64 KiB.
            for _ in 0..1_024 {
                zip.write_all(&[0; 65_536]).unwrap();
            }
            let body = zip.finish().unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            Some([head.into_bytes(), body].concat())
        }
    })
    .await;
    let settings = EgressSettings { response_bytes_max: 1_000, ..allowing(&["127.0.0.1"]) };
    for path in ["/announced", "/lying", "/chunked", "/bomb"] {
        let problem = ask(settings.clone(), &server.url(path)).await.unwrap_err();
        assert_eq!(problem.code, codes::NODE_LIMIT, "{path}");
        assert!(problem.detail.contains("response_bytes_max"), "{}", problem.detail);
    }
}

#[tokio::test]
async fn a_body_that_ends_too_early_and_headers_without_end_are_errors() {
    let server = Server::start(|head| match path(head) {
        "/short" => Some(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec()),
        "/headers" => {
            let header = format!("X-Long: {}\r\n", "x".repeat(10_000));
            Some(format!("HTTP/1.1 200 OK\r\n{}\r\n", header.repeat(20)).into_bytes())
        }
        "/nonsense" => Some(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        _ => Some(Vec::new()),
    })
    .await;
    for path in ["/short", "/headers", "/nonsense", "/empty"] {
        let problem = ask(allowing(&["127.0.0.1"]), &server.url(path)).await.unwrap_err();
        assert_eq!(problem.code, codes::HTTP_FAILED, "{path}: {}", problem.detail);
        assert!(problem.detail.starts_with("127.0.0.1:"), "{}", problem.detail);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_at_the_timeout() {
    let server = Server::start(|head| match path(head) {
        "/silent" => None,
        _ => ok("never asked"),
    })
    .await;
    let request =
        Request { timeout: Some(Duration::from_millis(50)), ..get(&server.url("/silent")) };
    let problem = client(allowing(&["127.0.0.1"])).send(request).await.unwrap_err();
    assert_eq!(problem.code, codes::HTTP_TIMEOUT);
    assert!(problem.detail.contains("50 ms"), "{}", problem.detail);
}

#[tokio::test]
async fn a_port_where_nobody_listens_and_a_name_that_does_not_exist_are_failures() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refused = ask(allowing(&["127.0.0.1"]), &format!("http://127.0.0.1:{free}/?key=abc")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, codes::HTTP_FAILED);
    assert!(refused.detail.contains("refused") && !refused.detail.contains("abc"));
    let unknown = ask(allowing(&[]), "http://no-such-host.invalid/").await.unwrap_err();
    assert_eq!(unknown.code, codes::HTTP_FAILED);
    assert!(unknown.detail.contains("could not be resolved"), "{}", unknown.detail);
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused_and_one_of_a_named_authority_is_not() {
    let folder = checkout::path("crates/egress/tests/certificates");
    let chain = CertificateDer::pem_file_iter(folder.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let server = Server::start_with(|_| ok("over TLS"), Some(tls)).await;
    let url = format!("https://localhost:{}/", server.port);
    let problem = ask(allowing(&["localhost"]), &url).await.unwrap_err();
    assert_eq!(problem.code, codes::HTTP_FAILED);
    assert!(problem.detail.to_lowercase().contains("certificate"), "{}", problem.detail);
    let authority = std::fs::read_to_string(folder.join("authority.pem")).unwrap();
    let settings = EgressSettings { certificates: vec![authority], ..allowing(&["localhost"]) };
    assert_eq!(&ask(settings, &url).await.unwrap().body[..], b"over TLS");
}

#[test]
fn settings_that_cannot_be_read_are_refused_at_the_start() {
    for settings in [
        allowing(&["10.0.0.0/99"]),
        EgressSettings { certificates: vec!["no PEM".to_owned()], ..EgressSettings::default() },
    ] {
        assert_eq!(Client::new(settings).unwrap_err().code, codes::CONFIG_INVALID);
    }
}
