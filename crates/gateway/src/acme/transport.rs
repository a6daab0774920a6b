//! Calls of the directory, by the program's one client for outbound HTTP.

use std::pin::Pin;
use std::time::Duration;

use axum::http::{Request, Response};
use bytes::Bytes;
use egress::{Client, EgressSettings, Redirects, Url};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use kernel::{Problem, codes};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::AcmeSettings;

/// How long one call may take.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of an answer; a chain has some thousands.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// Calls the directory and what it names. The directory itself is the operator's choice and may be
/// anywhere; what it names elsewhere must be public.
#[derive(Clone)]
pub(crate) struct Transport(Client);

impl Transport {
    /// Errors: `config.invalid` when the address or the file of authorities cannot be used.
    pub(crate) fn new(settings: &AcmeSettings) -> Result<Self, Problem> {
        let refused = |key: &str, why: &dyn std::fmt::Display| {
            let detail = format!("[gateway.tls.acme] {key}: {why}.");
            Problem::new(codes::CONFIG_INVALID, detail)
        };
        let directory = &settings.directory;
        let url = Url::parse(directory).map_err(|error| refused("directory", &error))?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(refused("directory", &"it names no host"));
        };
        let mut certificates = Vec::new();
        if let Some(path) = &settings.ca {
            let place = path.display();
            let pem = std::fs::read_to_string(path)
                .map_err(|error| refused("ca", &format!("{place}: {error}")))?;
            if !matches!(CertificateDer::pem_slice_iter(pem.as_bytes()).next(), Some(Ok(_))) {
                return Err(refused("ca", &format!("{place} holds no certificate in PEM form")));
            }
            certificates.push(pem);
        }
        let client = Client::new(EgressSettings {
            allow: vec![format!("{host}:{port}")],
            response_bytes_max: ANSWER_BYTES_MAX,
            timeout: CALL_WITHIN,
            certificates,
            ..EgressSettings::default()
        })?;
        Ok(Self(client))
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move { call(&client, request).await })
    }
}

async fn call(
    client: &Client,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Error> {
    let (parts, body) = request.into_parts();
    let url = Url::parse(&parts.uri.to_string()).map_err(|error| Error::Other(error.into()))?;
    if url.scheme() != "https" {
        return Err(Error::Str("an address of the directory that begins with https://"));
    }
    let mut asked = egress::Request::new(parts.method, url);
    asked.headers = parts.headers;
    // What is signed is signed for one address.
    asked.redirects = Redirects::Stop;
    asked.body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(never) => match never {},
    };
    let answer = client.send(asked).await.map_err(|problem| Error::Other(problem.into()))?;
    let mut response = Response::new(());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    let (parts, ()) = response.into_parts();
    Ok(BytesResponse { parts, body: Box::new(answer.body) })
}
