//! Has a certificate when one is needed: decides when to order, and keeps what came.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use kernel::{Clock, Dice, Problem, codes};
use tokio_rustls::rustls::ServerConfig;

use super::AcmeSettings;
use super::challenges::Challenges;
use super::folder::Folder;
use super::issued::{Issued, Life};
use super::order::Desk;
use super::transport::Transport;
use crate::health::{Check, Probe};
use crate::tls::Current;

/// How often it is looked whether a certificate is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one order may take.
const ORDER_WITHIN: Duration = Duration::from_secs(300);
/// How long the first failure waits for the next attempt; each further one twice as long.
const RETRY_FIRST: Duration = Duration::from_secs(60);
/// How long any failure waits at most. Directories count failures by the hour.
const RETRY_MAX: Duration = Duration::from_secs(3_600);
/// How long an order that succeeded keeps the next away, or a third of the certificate's life if that
/// is less: a directory whose clock is wrong is not asked without end.
const REST_MAX: Duration = Duration::from_secs(3_600);

/// Keeps the listener's certificate.
pub(crate) struct Keeper {
    settings: AcmeSettings,
    transport: Transport,
    folder: Folder,
    challenges: Arc<Challenges>,
    /// What is served.
    current: Arc<Current>,
    standing: Mutex<Standing>,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

/// How things stand.
#[derive(Debug, Default)]
struct Standing {
    /// The life of what is served; `None`: nothing is.
    life: Option<Life>,
    /// What is served is not for all the names that are wanted now.
    outgrown: bool,
    /// Attempts that failed, one after the other.
    failures: u32,
    /// Why the last of them did.
    fault: Option<String>,
    /// Nothing is ordered before this, on the monotonic clock.
    rests_until: Duration,
}

impl Keeper {
    /// Takes up the certificate that is kept, if there is one.
    ///
    /// # Errors
    /// `config.invalid`, `file.unavailable`.
    pub(crate) fn open(
        settings: AcmeSettings,
        current: Arc<Current>,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
    ) -> Result<Self, Problem> {
        let keeper = Self {
            transport: Transport::new(&settings)?,
            folder: Folder::open(&settings.folder, &settings.directory)?,
            challenges: Arc::default(),
            standing: Mutex::default(),
            settings,
            current,
            clock,
            dice,
        };
        keeper.take_up();
        Ok(keeper)
    }

    /// How handshakes are answered by which the directory checks a name.
    pub(crate) fn challenge_config(&self) -> Result<Arc<ServerConfig>, Problem> {
        self.challenges.config()
    }

    /// What `/health` asks. It is not critical: a balancer that sends nothing to a server which is not
    /// ready would keep the directory's checks away, too, and the first certificate would never come.
    pub(crate) fn check(self: &Arc<Self>) -> Check {
        let keeper = Arc::clone(self);
        let probe: Probe = Arc::new(move || futures::future::ready(keeper.stands()).boxed());
        Check { name: "certificate", critical: false, probe }
    }

    /// Orders whenever a certificate is due, until it is dropped.
    pub(crate) async fn run(&self) -> Infallible {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            look.tick().await;
            if self.standing().is_due(self.clock.now(), self.clock.monotonic()) {
                self.renew().await;
            }
        }
    }

    async fn renew(&self) {
        let desk = Desk {
            settings: &self.settings,
            transport: &self.transport,
            folder: &self.folder,
            challenges: &self.challenges,
        };
        let ordered = match tokio::time::timeout(ORDER_WITHIN, desk.order()).await {
            Ok(ordered) => ordered.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the order took longer than {} s", ORDER_WITHIN.as_secs())),
        };
        // An order that was given up may have left some.
        self.challenges.clear();
        let issued = ordered.and_then(|pem| Issued::read(pem.expose()).map(|issued| (pem, issued)));
        match issued {
            Ok((pem, issued)) => {
                if let Err(error) = self.folder.keep_certificate(&pem) {
                    tracing::error!(
                        error = %error,
                        "the new TLS certificate is served but cannot be kept for the next start"
                    );
                }
                tracing::info!(
                    certificate.ends_at = %issued.life.ends,
                    certificate.names = self.settings.domains.join(", "),
                    "a TLS certificate was ordered"
                );
                self.serve(&issued);
            }
            Err(fault) => self.fail(fault),
        }
    }

    fn take_up(&self) {
        let kept = self.folder.certificate().map_err(|error| error.to_string());
        let issued = match kept {
            Ok(kept) => kept.map(|pem| Issued::read(pem.expose())).transpose(),
            Err(error) => Err(error),
        };
        match issued {
            Ok(Some(issued)) => {
                self.serve(&issued);
                self.standing().rests_until = Duration::ZERO;
            }
            Ok(None) => tracing::warn!(
                "there is no TLS certificate yet: handshakes are refused until one was ordered"
            ),
            Err(fault) => tracing::warn!(
                error.detail = fault,
                "the TLS certificate that was kept cannot be used, another one is ordered"
            ),
        }
    }

    fn serve(&self, issued: &Issued) {
        self.current.set(Arc::clone(&issued.certified));
        *self.standing() = Standing {
            life: Some(issued.life),
            outgrown: !issued.covers(&self.settings.domains),
            failures: 0,
            fault: None,
            rests_until: self.clock.monotonic() + REST_MAX.min(issued.life.total() / 3),
        };
    }

    fn fail(&self, fault: String) {
        let mut standing = self.standing();
        standing.failures = standing.failures.saturating_add(1);
        let wait = wait_after(standing.failures, self.dice.next_u64());
        standing.rests_until = self.clock.monotonic() + wait;
        tracing::warn!(
            error.detail = fault,
            attempt.failures = standing.failures,
            attempt.next_in_s = wait.as_secs(),
            certificate.ends_at = standing.life.map(|life| tracing::field::display(life.ends)),
            "a TLS certificate could not be ordered"
        );
        standing.fault = Some(fault);
    }

    /// Whether there is a certificate, it holds, and no order failed since.
    fn stands(&self) -> Result<(), Problem> {
        let standing = self.standing();
        let now = self.clock.now();
        let missing = match &standing.life {
            None => "There is no TLS certificate yet".to_owned(),
            Some(life) if life.is_over(now) => format!("The TLS certificate ended {}", life.ends),
            Some(_) if standing.fault.is_none() => return Ok(()),
            Some(life) => format!("The TLS certificate ends {} and is not renewed", life.ends),
        };
        let detail = match &standing.fault {
            Some(fault) => format!("{missing}: {fault}."),
            None => format!("{missing}; one is being ordered."),
        };
        Err(Problem::new(codes::CERTIFICATE_UNAVAILABLE, detail))
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    fn is_due(&self, now: Timestamp, monotonic: Duration) -> bool {
        let wanted = self.outgrown || self.life.is_none_or(|life| life.is_in_last_third(now));
        wanted && self.rests_until <= monotonic
    }
}

/// The wait doubles; chance takes up to half of it away, so that servers that were started together do
/// not ask together.
fn wait_after(failures: u32, chance: u64) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let wait = RETRY_FIRST.saturating_mul(factor).min(RETRY_MAX);
    let share = (chance >> 11) as f64 / (1_u64 << 53) as f64;
    wait / 2 + (wait / 2).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_that_fail_become_rarer_up_to_a_limit() {
        for (failures, least_s, most_s) in
            [(1, 30, 60), (2, 60, 120), (7, 1_800, 3_600), (u32::MAX, 1_800, 3_600)]
        {
            assert_eq!(wait_after(failures, 0).as_secs(), least_s);
            assert!(wait_after(failures, u64::MAX).as_secs() >= most_s - 1);
            assert!(wait_after(failures, u64::MAX).as_secs() <= most_s);
        }
    }
}
