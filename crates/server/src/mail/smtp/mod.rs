//! Letters through a relay: a bounded number at once, each for as long as its code is good.
//!
//! lettre composes letters and speaks SMTP; connecting, TLS and keeping connections is done here. Its own pool takes a
//! connection back whose exchange was cut off by a time limit, and the next letter would begin in the middle of the last.

mod connection;
mod fault;
mod starttls;
#[cfg(test)]
mod tests;
mod way;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::extension::ClientId;
use proto::limits::CODE_SECONDS;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use self::connection::Connection;
use self::fault::Fault;
use super::letter::{self, Composed};
use super::{Backoff, CodeLetter, Invitation, MailError, Mailer, NoticeLetter};
use crate::config::{Relay, SmtpTls};
use crate::logging::chain;

/// Letters under way at once, those that wait for another try included; more are refused. Each is a few kilobytes.
const LETTERS: usize = 1_000;
/// Connections to the relay at once.
const CONNECTIONS: usize = 4;
/// For how long a letter that holds no code is tried.
const NOTICE: Duration = Duration::from_secs(3_600);
/// Time for one try, from connecting to the relay's word that it has taken the letter.
const TRY: Duration = Duration::from_secs(60);
/// Time for a connection that carries no letter.
const KNOCK: Duration = Duration::from_secs(15);
/// How often connections that nobody uses any more are looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// Why the relay's certificate could never be checked.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The file of further authorities.
    #[error("SMTP_CA: {} holds no usable certificate (PEM)", path.display())]
    Ca {
        /// Which.
        path: PathBuf,
    },
    /// No authority at all.
    #[error(
        "this system knows no certificate authority, so no relay could be checked: install ca-certificates, or set \
         SMTP_CA to the relay's authority"
    )]
    NoAuthority,
    /// The relay's name.
    #[error("SMTP_HOST is neither a host name nor an address")]
    Host,
    /// TLS itself.
    #[error("TLS for the relay cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// Hands letters to a relay.
pub(crate) struct SmtpMailer {
    route: Route,
    letters: Semaphore,
    connections: Semaphore,
    kept: Mutex<Vec<Connection>>,
    works: AtomicBool,
    backoff: Arc<dyn Backoff>,
    last_try: CancellationToken,
}

/// How the relay is reached.
struct Route {
    relay: Relay,
    name: ServerName<'static>,
    tls: TlsConnector,
    hello: ClientId,
}

impl SmtpMailer {
    /// Gets ready; connects to nobody yet. Needs a runtime, in which idle connections are ended.
    pub(crate) fn open(relay: Relay, backoff: Arc<dyn Backoff>) -> Result<Arc<Self>, RelayError> {
        let name = ServerName::try_from(relay.host.clone()).map_err(|_| RelayError::Host)?;
        let tls = TlsConnector::from(Arc::new(client_config(&relay)?));
        let mailer = Arc::new(Self {
            route: Route { relay, name, tls, hello: ClientId::default() },
            letters: Semaphore::new(LETTERS),
            connections: Semaphore::new(CONNECTIONS),
            kept: Mutex::default(),
            works: AtomicBool::new(true),
            backoff,
            last_try: CancellationToken::new(),
        });
        tokio::spawn(sweep(Arc::downgrade(&mailer)));
        Ok(mailer)
    }

    /// Connects, asks for TLS and signs in, as for a letter, and leaves again.
    pub(crate) async fn knock(&self) -> Result<(), String> {
        let connecting = timeout(KNOCK, Connection::open(&self.route));
        let connection = connecting.await.unwrap_or(Err(Fault::Slow)).map_err(|fault| chain(&fault))?;
        connection.end().await;
        Ok(())
    }

    /// Hands a letter over that says that letters arrive: one try.
    pub(crate) async fn send_trial(&self, to: &envelope::Address, written: i64) -> Result<(), MailError> {
        self.hurry();
        self.deliver(&Composed::trial(to, &self.route.relay.from, written)?).await
    }

    /// Hands an invitation over: one try, for somebody waits for the answer.
    pub(super) async fn invite(&self, invitation: &Invitation) -> Result<(), MailError> {
        self.hurry();
        self.deliver(&Composed::invitation(invitation, &self.route.relay.from)?).await
    }

    /// Tries until the relay takes the letter, refuses it for good, or the backoff gives up.
    async fn deliver(&self, letter: &Composed) -> Result<(), MailError> {
        let mut tries = 0;
        loop {
            let is_last = self.last_try.is_cancelled();
            let fault = match self.attempt(letter).await {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            tries += 1;
            if is_last || !fault.may_pass() || !self.pause(tries, &fault).await {
                return Err(MailError::Relay { tries, fault: Box::new(fault) });
            }
        }
    }

    async fn attempt(&self, letter: &Composed) -> Result<(), Fault> {
        // Never closed, so an error cannot be; if it were, the letter would be tried again.
        let _turn = self.connections.acquire().await.map_err(|_| Fault::Slow)?;
        let result = timeout(TRY, self.hand_over(letter)).await.unwrap_or(Err(Fault::Slow));
        self.note(result.as_ref().err());
        result
    }

    /// On a connection that is kept, or a new one. Whatever fails or is cut off takes its connection along.
    async fn hand_over(&self, letter: &Composed) -> Result<(), Fault> {
        let mut connection = match self.take_kept().await {
            Some(kept) => kept,
            None => Connection::open(&self.route).await?,
        };
        let handed = connection.hand_over(letter).await;
        match &handed {
            Ok(()) => self.lock_kept().push(connection),
            Err(Fault::Refused { .. } | Fault::AsciiOnly) => connection.end().await,
            Err(_) => drop(connection),
        }
        handed
    }

    async fn take_kept(&self) -> Option<Connection> {
        loop {
            let mut connection = self.lock_kept().pop()?;
            if connection.is_fresh() && connection.answers().await {
                return Some(connection);
            }
            connection.end().await;
        }
    }

    /// Waits for the next try; the server's end ends the wait. Gives `false` when there is to be none.
    async fn pause(&self, tries: u32, fault: &Fault) -> bool {
        tracing::warn!(cause = %chain(fault), tries, "the relay did not take a letter");
        tokio::select! {
            again = self.backoff.wait(tries) => again,
            () = self.last_try.cancelled() => true,
        }
    }

    /// Remembers what a try told about the relay.
    fn note(&self, fault: Option<&Fault>) {
        match fault {
            None => {
                if !self.works.swap(true, Ordering::Relaxed) {
                    tracing::info!("the relay takes letters again");
                }
            }
            Some(fault) if fault.concerns_all() => self.works.store(false, Ordering::Relaxed),
            Some(_) => {}
        }
    }

    fn lock_kept(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send_notice(&self, letter: NoticeLetter) -> Result<(), MailError> {
        let _place = self.letters.try_acquire().map_err(|_| MailError::Full)?;
        let composed = Composed::notice(&letter, &self.route.relay.from)?;
        timeout(NOTICE, self.deliver(&composed)).await.unwrap_or(Err(MailError::TooLate))
    }

    async fn send_code(&self, letter: CodeLetter) -> Result<(), MailError> {
        let _place = self.letters.try_acquire().map_err(|_| MailError::Full)?;
        let composed = Composed::new(&letter, &self.route.relay.from)?;
        drop(letter);
        let life = Duration::from_secs(CODE_SECONDS.unsigned_abs());
        timeout(life, self.deliver(&composed)).await.unwrap_or(Err(MailError::TooLate))
    }

    /// What the last try that told something about the relay told; before the first, that nothing speaks against it.
    fn is_available(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> usize {
        LETTERS - self.letters.available_permits().min(LETTERS)
    }

    fn hurry(&self) {
        self.last_try.cancel();
    }
}

/// Ends connections that nobody used for a while, until the mailer is gone.
async fn sweep(mailer: Weak<SmtpMailer>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(mailer) = mailer.upgrade() else { return };
        let stale: Vec<_> = mailer.lock_kept().extract_if(.., |kept| !kept.is_fresh()).collect();
        for connection in stale {
            connection.end().await;
        }
    }
}

/// Certificates are checked against the system's authorities and those of `SMTP_CA`, names included.
fn client_config(relay: &Relay) -> Result<ClientConfig, RelayError> {
    let mut roots = RootCertStore::empty();
    if relay.tls != SmtpTls::None {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &relay.ca {
            let unusable = || RelayError::Ca { path: path.clone() };
            let given = CertificateDer::pem_file_iter(path).map_err(|_| unusable())?;
            let given: Vec<_> = given.collect::<Result<_, _>>().map_err(|_| unusable())?;
            if given.is_empty() || roots.add_parsable_certificates(given).1 > 0 {
                return Err(unusable());
            }
        }
        if roots.is_empty() {
            return Err(RelayError::NoAuthority);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(RelayError::Tls)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
