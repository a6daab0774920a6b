//! One order, from the account to the certificate.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use kernel::Secret;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::AcmeSettings;
use super::challenges::Challenges;
use super::folder::Folder;
use super::transport::Transport;

/// How often an order is begun again at once, after a failure that says nothing about the next.
const BEGUN_MAX: usize = 4;
/// How the directory is asked whether it is done: after 250 ms, then after half as long again.
const POLLS: RetryPolicy = RetryPolicy::new().backoff(1.5).timeout(Duration::from_secs(90));
/// The account was deleted, or the directory lost it.
const ACCOUNT_UNKNOWN: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
/// The directory wants another number; the library has asked for some by itself.
const NUMBER_REFUSED: &str = "urn:ietf:params:acme:error:badNonce";

/// What orders are made of.
pub(crate) struct Desk<'a> {
    pub(crate) settings: &'a AcmeSettings,
    pub(crate) transport: &'a Transport,
    pub(crate) folder: &'a Folder,
    pub(crate) challenges: &'a Challenges,
}

impl Desk<'_> {
    /// Orders a certificate: its key and its chain (PEM).
    pub(crate) async fn order(&self) -> Result<Secret, Error> {
        let mut begun = 1;
        loop {
            let ordered = self.order_once().await;
            self.challenges.clear();
            match &ordered {
                Err(Error::Api(problem)) if begun < BEGUN_MAX => match problem.r#type.as_deref() {
                    Some(ACCOUNT_UNKNOWN) => self.folder.forget_account().map_err(other)?,
                    Some(NUMBER_REFUSED) => {}
                    _ => return ordered,
                },
                _ => return ordered,
            }
            begun += 1;
        }
    }

    async fn order_once(&self) -> Result<Secret, Error> {
        let account = self.account().await?;
        let domains = &self.settings.domains;
        let names: Vec<_> = domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        self.prove(&mut order).await?;
        match order.poll_ready(&POLLS).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(refused(&mut order, None).await),
            Err(Error::Api(problem)) => {
                return Err(refused(&mut order, Some(Error::Api(problem))).await);
            }
            Err(error) => return Err(error),
        }
        let mut params = CertificateParams::new(domains.clone()).map_err(other)?;
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate().map_err(other)?;
        let request = params.serialize_request(&key).map_err(other)?;
        order.finalize_csr(request.der()).await?;
        let chain = order.poll_certificate(&POLLS).await?;
        Ok(Secret::new(format!("{}{chain}", key.serialize_pem())))
    }

    /// The account that is kept, or a new one.
    async fn account(&self) -> Result<Account, Error> {
        let builder = Account::builder_with_http(Box::new(self.transport.clone()));
        if let Some(kept) = self.folder.account().map_err(other)? {
            return builder.from_credentials(kept).await;
        }
        let contact: Vec<String> =
            self.settings.contact.iter().map(|address| format!("mailto:{address}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made = builder.create(&wanted, self.settings.directory.clone(), None).await;
        let (account, credentials) = made?;
        self.folder.keep_account(&credentials).map_err(other)?;
        Ok(account)
    }

    /// Has the directory check every name that it does not yet take for ours.
    async fn prove(&self, order: &mut Order) -> Result<(), Error> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
            let mut challenge = challenge.ok_or_else(|| {
                let said = format!("the directory does not offer tls-alpn-01 for {name}");
                Error::Other(said.into())
            })?;
            let digest = challenge.key_authorization().digest();
            self.challenges.put(&name, digest.as_ref()).map_err(other)?;
            challenge.set_ready().await?;
        }
        Ok(())
    }
}

/// Why the directory refused: what it says of each name, for that is what can be mended.
async fn refused(order: &mut Order, error: Option<Error>) -> Error {
    let mut said = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let name = authorization.identifier().to_string();
        let faults = authorization.challenges.iter().filter_map(|known| known.error.as_ref());
        said.extend(faults.map(|fault| format!("{name}: {fault}")));
    }
    match error {
        Some(error) if said.is_empty() => error,
        _ => Error::Other(format!("the directory refused the order. {}", said.join("; ")).into()),
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}
