//! The proof that a name is ours: certificates that answer `acme-tls/1` (RFC 8737).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kernel::Problem;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::tls;

/// What who checks a name asks for, and nobody else does.
const PROTOCOL: &[u8] = b"acme-tls/1";

/// Whether this handshake is the check of a name.
pub(crate) fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| {
        offered.next().is_some_and(|first| first == PROTOCOL) && offered.next().is_none()
    })
}

/// What is answered for which name while an order is under way.
#[derive(Debug, Default)]
pub(crate) struct Challenges(RwLock<HashMap<String, Arc<CertifiedKey>>>);

impl Challenges {
    /// How handshakes are answered that check a name.
    pub(crate) fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, Problem> {
        tls::config(Arc::clone(self) as Arc<dyn ResolvesServerCert>, &[PROTOCOL])
    }

    /// From now on the name is proven with the digest of its key authorization.
    pub(crate) fn put(&self, name: &str, digest: &[u8]) -> Result<(), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let chain = vec![params.self_signed(&key)?.der().clone()];
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signs = any_supported_type(&der).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        // It is not compared with its certificate: rustls reads none that has this extension.
        let certified = Arc::new(CertifiedKey::new(chain, signs));
        let mut proofs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        proofs.insert(name.to_owned(), certified);
        Ok(())
    }

    /// Nothing is proven any more.
    pub(crate) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let proofs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        proofs.get(hello.server_name()?).cloned()
    }
}
