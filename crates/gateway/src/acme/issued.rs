//! A certificate with its key, as it is kept and served, and when it ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::tls;

/// A certificate that can be served.
pub(crate) struct Issued {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) life: Life,
    names: BTreeSet<String>,
}

/// From when to when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    begins: Timestamp,
    pub(crate) ends: Timestamp,
}

impl Issued {
    /// Reads the key and the chain, the server's own certificate first.
    ///
    /// # Errors
    /// A sentence, when something is missing or does not belong together.
    pub(crate) fn read(pem: &str) -> Result<Self, String> {
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("the certificate cannot be read: {error}"))?;
        let own = chain.first().ok_or("there is no certificate in it")?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| format!("the key cannot be read: {error}"))?;
        let read = Certificate::from_der(own)
            .map_err(|error| format!("the certificate cannot be read: {error}"))?;
        let (life, names) = (Life::of(&read)?, names(&read));
        let certified = tls::certified(chain, &key).map_err(|error| error.to_string())?;
        Ok(Self { certified, life, names })
    }

    /// Whether it is for all of these names.
    pub(crate) fn covers(&self, domains: &[String]) -> bool {
        domains.iter().all(|domain| self.names.contains(domain))
    }
}

impl Life {
    fn of(certificate: &Certificate) -> Result<Self, String> {
        let validity = &certificate.tbs_certificate.validity;
        let at = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
            let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            at.ok_or_else(|| "the certificate ends beyond the calendar".to_owned())
        };
        Ok(Self { begins: at(validity.not_before)?, ends: at(validity.not_after)? })
    }

    pub(crate) fn total(&self) -> Duration {
        self.ends.duration_since(self.begins).try_into().unwrap_or_default()
    }

    /// Whether a third of it remains, or less.
    pub(crate) fn is_in_last_third(&self, now: Timestamp) -> bool {
        let remains: Duration = self.ends.duration_since(now).try_into().unwrap_or_default();
        remains <= self.total() / 3
    }

    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.ends <= now
    }
}

fn names(certificate: &Certificate) -> BTreeSet<String> {
    // Names that cannot be read are no names: then a certificate is ordered anew.
    let named = certificate.tbs_certificate.get::<SubjectAltName>().ok().flatten();
    let names = named.map(|(_, names)| names.0).unwrap_or_default();
    let dns = names.into_iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    });
    dns.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_when_a_third_of_its_life_remains() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let life = Life { begins: at(0), ends: at(90) };
        assert!(!life.is_in_last_third(at(59)));
        assert!(life.is_in_last_third(at(60)) && !life.is_over(at(60)));
        assert!(life.is_in_last_third(at(95)) && life.is_over(at(95)));
    }

    #[test]
    fn names_and_end_are_read_from_what_was_issued() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["a.example.com".to_owned()]).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issued = Issued::read(&format!("{}{pem}", key.serialize_pem())).unwrap();
        assert!(issued.covers(&["a.example.com".to_owned()]));
        assert!(!issued.covers(&["a.example.com".to_owned(), "b.example.com".to_owned()]));
        assert_eq!(issued.life.ends.to_string(), "4096-01-01T00:00:00Z");
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert!(Issued::read(&format!("{other}{pem}")).is_err(), "a key of another certificate");
        assert!(Issued::read(&pem).is_err() && Issued::read(&other).is_err());
    }
}
