//! Certificates by ACME, ordered at a real directory.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use gateway::{AcmeSettings, Settings, TlsSource};
use jiff::Timestamp;
use kernel::clock::SystemClock;
use kernel::{Clock, codes};
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::json;
use support::pebble::{Pebble, directory, free_port};
use support::{App, Wanted, eventually, value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const NAME: &str = "flows.example.com";
const OTHER_NAME: &str = "hooks.example.com";
const DAY: Duration = Duration::from_secs(86_400);

/// The machine's clock, and what the test has put on top.
#[derive(Default)]
struct Hands(AtomicU64);

impl Hands {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    fn ahead(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.ahead()
    }
    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + self.ahead()
    }
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("flowforge-acme-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// The only file of this name in it.
    fn file(&self, name: &str) -> Option<PathBuf> {
        let folders = std::fs::read_dir(&self.0).ok()?;
        let file = folders.filter_map(Result::ok).map(|folder| folder.path().join(name));
        file.into_iter().find(|path| path.exists())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn acme(directory: &str, folder: &Folder) -> AcmeSettings {
    AcmeSettings {
        domains: vec![NAME.to_owned(), OTHER_NAME.to_owned()],
        contact: vec!["ops@example.com".to_owned()],
        directory: directory.to_owned(),
        ca: Some(Pebble::ca()),
        folder: folder.0.clone(),
    }
}

fn wanted(acme: AcmeSettings) -> Wanted {
    let settings = Settings { tls: Some(TlsSource::Acme(acme)), ..Settings::default() };
    Wanted { settings, ..Wanted::default() }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Calls a name at the app by TLS, on a connection of its own.
async fn live(name: &str, address: SocketAddr, root: &Certificate) -> reqwest::Result<StatusCode> {
    let client = Client::builder().no_proxy().resolve(name, address);
    let client = client.tls_certs_only([root.clone()]).build().unwrap();
    let url = format!("https://{name}:{}/live", address.port());
    client.get(url).send().await.map(|response| response.status())
}

async fn served(name: &str, address: SocketAddr, root: &Certificate) {
    let look = async || live(name, address, root).await.ok();
    assert_eq!(eventually("the certificate is served", look).await, StatusCode::OK);
}

/// What `/health` says about the certificate, to the machine itself and without TLS.
async fn health(app: &App) -> (serde_json::Value, serde_json::Value) {
    let response = app.anonymous(Method::GET, "/health").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "a missing certificate is not critical");
    let report = value(response).await;
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "certificate").unwrap();
    (report["status"].clone(), check.clone())
}

async fn stop(app: App) {
    app.stop.cancel();
    app.served.await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_ordered_served_and_kept_for_the_next_start() {
    let (listener, port) = listener().await;
    let (pebble, folder) = (Pebble::start(port).await, Folder::new());
    let settings = acme(&pebble.directory(), &folder);
    let (root, pem) = (pebble.root().await, pebble.root_pem().await);
    let app = App::with(Wanted { listener: Some(listener), ..wanted(settings.clone()) }).await;
    served(NAME, app.address, &root).await;
    served(OTHER_NAME, app.address, &root).await;
    let healthy = async || (health(&app).await.0 == json!("ok")).then_some(());
    eventually("it is healthy", healthy).await;
    let kept = ["account.json", "certificate.pem"].map(|name| folder.file(name).unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(kept.clone().map(|path| mode(&path)), [0o600, 0o600]);
    assert_eq!((mode(&folder.0), mode(kept[0].parent().unwrap())), (0o700, 0o700));
    stop(app).await;

    // With the directory gone, what was kept is all there is.
    drop(pebble);
    let app = App::with(wanted(settings)).await;
    assert_eq!(live(NAME, app.address, &root).await.unwrap(), StatusCode::OK);
    assert_eq!(health(&app).await.0, "ok");
    // Without an order there is nothing to prove, whoever asks.
    assert!(try_connect(app.address, &pem, &[b"acme-tls/1"]).await.is_err());
    assert!(try_connect(app.address, &pem, &[b"http/1.1"]).await.is_ok());
}

/// A connection by TLS for one of these protocols.
async fn try_connect(
    address: SocketAddr,
    root: &[u8],
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// One that stays open.
async fn connected(address: SocketAddr, root: &[u8]) -> TlsStream<TcpStream> {
    try_connect(address, root, &[]).await.unwrap()
}

/// The certificate that is served now.
fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Asks on a connection that is open already.
async fn ask(stream: &mut TlsStream<TcpStream>) {
    let request = format!("GET /live HTTP/1.1\r\nhost: {NAME}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let read = stream.read_buf(&mut answer).await.unwrap();
        assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&answer));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends_while_connections_go_on() {
    let (listener, port) = listener().await;
    let (pebble, folder) = (Pebble::start(port).await, Folder::new());
    let (clock, root) = (Arc::new(Hands::default()), pebble.root_pem().await);
    let app = App::with(Wanted {
        listener: Some(listener),
        clock: Some(Arc::clone(&clock) as Arc<dyn Clock>),
        ..wanted(acme(&pebble.directory(), &folder))
    })
    .await;
    served(NAME, app.address, &Certificate::from_pem(&root).unwrap()).await;
    let mut before = connected(app.address, &root).await;
    let first = shown(&before);
    let account = std::fs::read(folder.file("account.json").unwrap()).unwrap();

    // With more than a third of its 90 days left it stays.
    clock.advance(59 * DAY);
    let looked = async || (health(&app).await.0 == json!("ok")).then_some(());
    eventually("nothing is wrong", looked).await;
    assert_eq!(shown(&connected(app.address, &root).await), first);

    clock.advance(2 * DAY);
    let renewed = async || {
        ask(&mut before).await;
        (shown(&connected(app.address, &root).await) != first).then_some(())
    };
    eventually("another certificate is served", renewed).await;
    ask(&mut before).await;
    assert_eq!(std::fs::read(folder.file("account.json").unwrap()).unwrap(), account);
}

#[tokio::test]
async fn a_directory_that_cannot_be_reached_is_tried_again_and_told() {
    let ((listener, port), directory_port) = (listener().await, free_port());
    let (folder, clock) = (Folder::new(), Arc::new(Hands::default()));
    let settings = acme(&directory(directory_port), &folder);
    let app = App::with(Wanted {
        listener: Some(listener),
        clock: Some(Arc::clone(&clock) as Arc<dyn Clock>),
        ..wanted(settings)
    })
    .await;
    let told = async || {
        let (status, check) = health(&app).await;
        assert_eq!((&status, &check["ok"]), (&json!("degraded"), &json!(false)));
        let detail = check["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("certificate.unavailable: There is no TLS certificate yet"));
        detail.contains("no connection could be made").then_some(())
    };
    eventually("the failure is told", told).await;
    // Who comes by TLS is refused, and the machine itself goes on without.
    let root = Certificate::from_pem(&std::fs::read(Pebble::ca()).unwrap()).unwrap();
    assert!(live(NAME, app.address, &root).await.unwrap_err().is_connect());
    let plain = app.anonymous(Method::GET, "/ready").send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::OK);
    assert_eq!(value(plain).await["status"], "degraded");

    let pebble = Pebble::start_at(directory_port, port).await;
    clock.advance(Duration::from_secs(60));
    served(NAME, app.address, &pebble.root().await).await;
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_told_by_name() {
    // The directory checks a port where nobody listens, as if the names led to another machine.
    let (pebble, folder) = (Pebble::start(free_port()).await, Folder::new());
    let app = App::with(wanted(acme(&pebble.directory(), &folder))).await;
    let told = async || {
        let detail = health(&app).await.1["detail"].as_str()?.to_owned();
        detail.contains("the directory refused the order").then_some(detail)
    };
    let detail = eventually("the failure is told", told).await;
    assert!(detail.contains(&format!("{NAME}: ")) && detail.contains("connect"), "{detail}");
}

#[tokio::test]
async fn an_account_that_the_directory_lost_is_made_anew() {
    let (listener, port) = listener().await;
    let (pebble, folder) = (Pebble::start(port).await, Folder::new());
    let clock = Arc::new(Hands::default());
    let app = App::with(Wanted {
        listener: Some(listener),
        clock: Some(Arc::clone(&clock) as Arc<dyn Clock>),
        ..wanted(acme(&pebble.directory(), &folder))
    })
    .await;
    served(NAME, app.address, &pebble.root().await).await;
    // It keeps everything in memory.
    let directory_port = pebble.port();
    drop(pebble);
    let pebble = Pebble::start_at(directory_port, port).await;
    clock.advance(61 * DAY);
    served(NAME, app.address, &pebble.root().await).await;
}

#[tokio::test]
async fn a_name_that_is_added_brings_another_certificate() {
    let (listener, port) = listener().await;
    let (pebble, folder) = (Pebble::start(port).await, Folder::new());
    let (root, both) = (pebble.root().await, acme(&pebble.directory(), &folder));
    let one = AcmeSettings { domains: vec![NAME.to_owned()], ..both.clone() };
    let app = App::with(Wanted { listener: Some(listener), ..wanted(one) }).await;
    served(NAME, app.address, &root).await;
    assert!(live(OTHER_NAME, app.address, &root).await.unwrap_err().is_connect());
    stop(app).await;

    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let app = App::with(Wanted { listener: Some(listener), ..wanted(both) }).await;
    assert_eq!(live(NAME, app.address, &root).await.unwrap(), StatusCode::OK, "the kept one");
    served(OTHER_NAME, app.address, &root).await;
}

#[tokio::test]
async fn a_file_of_authorities_that_holds_none_is_refused_at_the_start() {
    let folder = Folder::new();
    let ca = Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let settings = AcmeSettings { ca, ..acme("https://localhost:1/dir", &folder) };
    let problem = App::try_with(wanted(settings)).await.err().expect("it does not start");
    assert_eq!(problem.code, codes::CONFIG_INVALID);
    assert!(problem.detail.starts_with("[gateway.tls.acme] ca: "), "{problem}");
}
