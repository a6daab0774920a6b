//! Encryption on the way to the database: what a URL asks for, and the certificates it trusts.
//!
//! `sslmode=require`, `verify-ca` and `verify-full` all mean the strictest of the three: encrypted,
//! and the server's certificate and name are proven, against the certificates of `sslrootcert` (a
//! PEM file) or those of the operating system. Without one of these modes the connection is plain.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::{Problem, codes};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What a URL says about encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A plain connection.
    Plain,
    /// Proven against the operating system's certificates.
    Proven,
    /// Proven against the certificates of a file.
    ProvenBy(PathBuf),
}

/// Takes `sslmode` and `sslrootcert` out of a connection string, in both of its forms; the driver
/// knows fewer modes and no file.
pub(crate) fn split(text: &str) -> (String, Wish) {
    let mut found = Found::default();
    let plain = match text.split_once('?') {
        Some((address, query)) if text.starts_with("postgres") && address.contains("://") => {
            let rest: Vec<&str> = query.split('&').filter(|pair| !found.take(pair)).collect();
            match rest.is_empty() {
                true => address.to_owned(),
                false => format!("{address}?{}", rest.join("&")),
            }
        }
        _ if text.contains("://") => text.to_owned(),
        // Quoted values with spaces inside come apart and together again unchanged.
        _ => text.split(' ').filter(|pair| !found.take(pair)).collect::<Vec<_>>().join(" "),
    };
    (plain, found.wish())
}

#[derive(Default)]
struct Found {
    mode: String,
    roots: Option<PathBuf>,
}

impl Found {
    fn take(&mut self, pair: &str) -> bool {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => self.mode = mode.to_owned(),
            Some(("sslrootcert", file)) => {
                let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
                let file = decoded.map_or(file.to_owned(), |(_, value)| value.into_owned());
                self.roots = (file != "system").then(|| PathBuf::from(file));
            }
            _ => return false,
        }
        true
    }

    fn wish(self) -> Wish {
        match (self.mode.as_str(), self.roots) {
            ("require" | "verify-ca" | "verify-full", Some(file)) => Wish::ProvenBy(file),
            ("require" | "verify-ca" | "verify-full", None) => Wish::Proven,
            _ => Wish::Plain,
        }
    }
}

impl Wish {
    /// A connector for it.
    ///
    /// # Errors
    /// `config.invalid` when the certificates cannot be read.
    pub(crate) fn connector(&self) -> Result<Option<MakeRustlsConnect>, Problem> {
        // Named, so that it does not depend on which crates set a default for the process.
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error.to_string()))?;
        let config = match self {
            Self::Plain => return Ok(None),
            Self::Proven => builder
                .with_platform_verifier()
                .map_err(|error| unusable(&error.to_string()))?
                .with_no_client_auth(),
            Self::ProvenBy(file) => {
                builder.with_root_certificates(roots(file)?).with_no_client_auth()
            }
        };
        Ok(Some(MakeRustlsConnect::new(config)))
    }
}

fn roots(file: &Path) -> Result<RootCertStore, Problem> {
    let wrong = |why: String| unusable(&format!("{}: {why}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| wrong(e.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    Ok(roots)
}

fn unusable(why: &str) -> Problem {
    Problem::new(
        codes::CONFIG_INVALID,
        format!(
            "The certificates for the database connection cannot be used ({why}); give a PEM file \
             with sslrootcert=FILE in the URL, or install the system's ca-certificates."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_taken_out_of_both_forms_and_nothing_else_is_changed() {
        let cases = [
            ("postgres://a:b@h/d", "postgres://a:b@h/d", Wish::Plain),
            ("postgres://a@h/d?sslmode=prefer", "postgres://a@h/d", Wish::Plain),
            (
                "postgresql://a@h/d?connect_timeout=3&sslmode=verify-full",
                "postgresql://a@h/d?connect_timeout=3",
                Wish::Proven,
            ),
            (
                "postgres://a@h/d?sslrootcert=%2Fca%20one.pem&sslmode=require",
                "postgres://a@h/d",
                Wish::ProvenBy("/ca one.pem".into()),
            ),
            (
                "host=h sslmode=require user=a password='x  y'",
                "host=h user=a password='x  y'",
                Wish::Proven,
            ),
        ];
        for (text, plain, wish) in cases {
            assert_eq!(split(text), (plain.to_owned(), wish), "{text}");
        }
    }

    #[test]
    fn certificates_that_cannot_be_read_are_named() {
        let wish = Wish::ProvenBy("/nonexistent/ca.pem".into());
        let Err(problem) = wish.connector() else { panic!("it was read") };
        assert_eq!(problem.code, codes::CONFIG_INVALID);
        assert!(problem.detail.contains("/nonexistent/ca.pem"), "{}", problem.detail);
    }
}
