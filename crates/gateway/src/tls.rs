//! TLS on the own listener: the certificate comes from two files and follows them when they change, or
//! it is fetched by ACME.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use kernel::{Clock, Dice, Problem, codes};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::acme::{AcmeSettings, Keeper, is_challenge};

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// From files, which somebody else renews.
    Files(TlsFiles),
    /// From a directory that speaks ACME.
    Acme(AcmeSettings),
}

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those above it (PEM), the server's own first.
    pub certificate: PathBuf,
    /// Its private key (PEM: PKCS #8, SEC 1 or PKCS #1).
    pub key: PathBuf,
}

/// TLS 1.2 and 1.3 with the certificate as it is now.
pub(crate) struct Tls {
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    origin: Origin,
}

enum Origin {
    Files(TlsFiles, Mutex<Stamp>),
    /// Who keeps the certificate, and how the directory's checks are answered.
    Acme(Arc<Keeper>, Arc<ServerConfig>),
}

/// What is served; `None`: there is no certificate yet, and handshakes are refused.
#[derive(Debug, Default)]
pub(crate) struct Current(RwLock<Option<Arc<CertifiedKey>>>);

/// When the files were written; a different one means to read them again.
type Stamp = [Option<SystemTime>; 2];

impl Current {
    /// From now on this one is served; connections under way go on.
    pub(crate) fn set(&self, certified: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(certified);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tls {
    /// Reads the files, or what was fetched before.
    ///
    /// # Errors
    /// `config.invalid` when files cannot be read or do not belong together, or the directory's settings
    /// cannot be used; `file.unavailable` when there is no folder for what is fetched.
    pub(crate) fn open(
        source: TlsSource,
        clock: &Arc<dyn Clock>,
        dice: &Arc<dyn Dice>,
    ) -> Result<Self, Problem> {
        let current = Arc::new(Current::default());
        let resolver = Arc::clone(&current) as Arc<dyn ResolvesServerCert>;
        let config = config(resolver, &[b"h2", b"http/1.1"])?;
        let origin = match source {
            TlsSource::Files(files) => {
                let stamp = stamp(&files);
                current.set(read(&files)?);
                Origin::Files(files, Mutex::new(stamp))
            }
            TlsSource::Acme(settings) => {
                let (current, clock) = (Arc::clone(&current), Arc::clone(clock));
                let keeper = Keeper::open(settings, current, clock, Arc::clone(dice))?;
                let challenge = keeper.challenge_config()?;
                Origin::Acme(Arc::new(keeper), challenge)
            }
        };
        Ok(Self { current, config, origin })
    }

    /// Shakes hands; `None` when the caller was the directory, which has seen what it wanted to see.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<Option<TlsStream<TcpStream>>> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        match &self.origin {
            Origin::Acme(_, challenge) if is_challenge(&start.client_hello()) => {
                let mut stream = start.into_stream(Arc::clone(challenge)).await?;
                stream.shutdown().await?;
                Ok(None)
            }
            Origin::Acme(..) | Origin::Files(..) => {
                start.into_stream(Arc::clone(&self.config)).await.map(Some)
            }
        }
    }

    /// Who keeps the certificate, when nobody else does.
    pub(crate) fn keeper(&self) -> Option<&Arc<Keeper>> {
        match &self.origin {
            Origin::Acme(keeper, _) => Some(keeper),
            Origin::Files(..) => None,
        }
    }

    /// Reads the files again if they changed. While they are half written or wrong, the certificate
    /// that was read before stays.
    pub(crate) fn follow(&self) {
        let Origin::Files(files, read_at) = &self.origin else { return };
        let mut read_at = read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(files);
        if *read_at == stamp {
            return;
        }
        match read(files) {
            Ok(key) => {
                self.current.set(key);
                *read_at = stamp;
                tracing::info!("the TLS certificate was read again");
            }
            Err(problem) => {
                tracing::warn!(
                    error.detail = problem.detail,
                    "the TLS certificate stays as it was"
                );
            }
        }
    }
}

/// How handshakes are answered: with what the resolver gives, for these protocols.
pub(crate) fn config(
    resolver: Arc<dyn ResolvesServerCert>,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, Problem> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new(codes::CONFIG_INVALID, format!("[gateway.tls] {error}.")))?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// A chain with the key of its first certificate.
pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    let certified = CertifiedKey::new(chain, aws_lc_rs::sign::any_supported_type(key)?);
    match certified.keys_match() {
        // Some kinds of keys do not tell their public half.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(certified))
        }
        Err(error) => Err(error),
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    [&files.certificate, &files.key]
        .map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok())
}

fn read(files: &TlsFiles) -> Result<Arc<CertifiedKey>, Problem> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(&files.certificate, &error))?;
    if chain.is_empty() {
        return Err(refused(&files.certificate, &"there is no certificate in it"));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| refused(&files.key, &error))?;
    certified(chain, &key).map_err(|error| refused(&files.key, &error))
}

fn refused(path: &Path, why: &dyn std::fmt::Display) -> Problem {
    let detail = format!("[gateway.tls] {}: {why}.", path.display());
    Problem::new(codes::CONFIG_INVALID, detail)
}
