//! What an operator says about certificates by ACME.

use std::path::PathBuf;

/// Certificates that are fetched by ACME. Who gives these has agreed to the directory's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// The names the certificate is for, in small letters; at least one.
    pub domains: Vec<String>,
    /// Mail addresses the directory may write to.
    pub contact: Vec<String>,
    /// Address of the directory; https.
    pub directory: String,
    /// File with authorities (PEM) that are trusted besides the system's when the directory is called.
    pub ca: Option<PathBuf>,
    /// Folder that is made for account and certificate.
    pub folder: PathBuf,
}

impl AcmeSettings {
    /// The directory of Let's Encrypt, for certificates that everybody trusts.
    pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
}
