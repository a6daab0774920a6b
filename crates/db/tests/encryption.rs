//! A proven connection to a database that speaks TLS: a small front before the test server takes
//! the place of a remote one.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::path::PathBuf;
use std::sync::Arc;

use db::testing::{self, TestDatabase};
use db::{Database, Settings};
use kernel::codes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn fixture(name: &str) -> PathBuf {
    checkout::path("crates/db/tests/tls").join(name)
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(fixture("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Answers PostgreSQL's request for TLS with yes, and passes on what comes out of it.
async fn serve(mut outside: TcpStream, acceptor: TlsAcceptor, socket: String) {
    let mut request = [0_u8; 8];
    outside.read_exact(&mut request).await.unwrap();
    assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47], "SSLRequest");
    outside.write_all(b"S").await.unwrap();
    // A client that does not trust us ends the handshake.
    let Ok(mut outside) = acceptor.accept(outside).await else { return };
    let mut inside = UnixStream::connect(socket).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
}

/// The port of a TLS front before the test database.
async fn front(test: &TestDatabase) -> u16 {
    let url = test.url("forge_login");
    let directory = url.strip_prefix("host=").unwrap().split(' ').next().unwrap();
    let socket = format!("{directory}/.s.PGSQL.5432");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    #[expect(
        clippy::disallowed_methods,
        reason = "a server of the test's own; it ends with the runtime"
    )]
    tokio::spawn(async move {
        loop {
            let (outside, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(outside, acceptor(), socket.clone()));
        }
    });
    port
}

async fn name_of(test: &TestDatabase) -> String {
    let row = test.superuser().await.query_one("SELECT current_database()", &[]).await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_server_whose_certificate_is_trusted_is_reached_and_others_are_not() {
    let test = testing::database().await;
    let (port, name) = (front(&test).await, name_of(&test).await);
    let address = |host: &str, rest: &str| {
        Settings::new(format!("postgres://forge_login@{host}:{port}/{name}?{rest}"))
    };
    let roots = format!("sslmode=verify-full&sslrootcert={}", fixture("ca.pem").display());

    let database = Database::connect(address("localhost", &roots)).await.unwrap();
    database.ping().await.unwrap();
    database.owner().await.unwrap();

    let stranger = Database::connect(address("localhost", "sslmode=require")).await.unwrap_err();
    assert_eq!(stranger.code, codes::DATABASE_UNAVAILABLE, "not signed by the system's roots");
    let other_name = Database::connect(address("127.0.0.1", &roots)).await.unwrap_err();
    assert_eq!(other_name.code, codes::DATABASE_UNAVAILABLE, "the certificate is for localhost");
}
