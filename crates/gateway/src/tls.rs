//! TLS on the own listener: the certificate comes from two files and follows them when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use kernel::{Problem, codes};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those above it (PEM), the server's own first.
    pub certificate: PathBuf,
    /// Its private key (PEM: PKCS #8, SEC 1 or PKCS #1).
    pub key: PathBuf,
}

/// TLS 1.2 and 1.3 with the certificate of the files as they are now.
pub(crate) struct Tls {
    files: TlsFiles,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

/// What the files held when they were last read.
#[derive(Debug)]
struct Current(RwLock<(Arc<CertifiedKey>, Stamp)>);

/// When the files were written; a different one means to read them again.
type Stamp = [Option<SystemTime>; 2];

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).0))
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// `config.invalid` when they cannot be read or do not belong together.
    pub(crate) fn open(files: TlsFiles) -> Result<Self, Problem> {
        let stamp = stamp(&files);
        let current = Arc::new(Current(RwLock::new((read(&files)?, stamp))));
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| refused(&files.certificate, &error))?
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files, current, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Accepts connections.
    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Reads the files again if they changed. While they are half written or wrong, the certificate
    /// that was read before stays.
    pub(crate) fn follow(&self) {
        let stamp = stamp(&self.files);
        if self.current.0.read().unwrap_or_else(PoisonError::into_inner).1 == stamp {
            return;
        }
        match read(&self.files) {
            Ok(key) => {
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = (key, stamp);
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
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|error: rustls::Error| refused(&files.key, &error))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // Some kinds of keys do not tell their public half.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(certified))
        }
        Err(error) => Err(refused(&files.key, &error)),
    }
}

fn refused(path: &Path, why: &dyn std::fmt::Display) -> Problem {
    let detail = format!("[gateway.tls] {}: {why}.", path.display());
    Problem::new(codes::CONFIG_INVALID, detail)
}
