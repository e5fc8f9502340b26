//! One connection to the relay, from the first byte to QUIT.

use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::fault::{Fault, Step};
use super::starttls;
use super::way::Way;
use super::{Route, letter::Composed};
use crate::config::SmtpTls;

/// Time to find the relay and connect to it.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for a last polite word.
const FAREWELL: Duration = Duration::from_secs(2);
/// A connection that stood still longer than this is not used again: relays close it without a word.
const IDLE: Duration = Duration::from_secs(20);
/// Letters on one connection; relays count them too, and not all of them to more.
const LETTERS_MAX: u32 = 50;

/// A signed-in connection between two letters.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    letters: u32,
    since: Instant,
}

impl Connection {
    pub(super) async fn open(route: &Route) -> Result<Self, Fault> {
        let tcp = connect(route).await?;
        let way = match route.relay.tls {
            SmtpTls::None => Way::plain(tcp),
            SmtpTls::Implicit => protect(route, tcp).await?,
            SmtpTls::Starttls => protect(route, starttls::upgrade(tcp, &route.hello).await?).await?.greeted(),
        };
        let smtp = AsyncSmtpConnection::connect_with_transport(Box::new(way), &route.hello)
            .await
            .map_err(|error| Fault::at(Step::Greeting, &error))?;
        let mut connection = Self { smtp, letters: 0, since: Instant::now() };
        connection.sign_in(route).await?;
        Ok(connection)
    }

    async fn sign_in(&mut self, route: &Route) -> Result<(), Fault> {
        let Some(login) = &route.relay.login else { return Ok(()) };
        let offered = |mechanism: &Mechanism| {
            self.smtp.server_info().supports_feature(Extension::Authentication(*mechanism))
        };
        if !DEFAULT_MECHANISMS.iter().any(offered) {
            return Err(Fault::NoMechanism);
        }
        let credentials =
            Credentials::new(login.user.clone(), login.password.expose_secret_text().to_owned());
        let done = self.smtp.auth(DEFAULT_MECHANISMS, &credentials).await;
        done.map(drop).map_err(|error| Fault::at(Step::SignIn, &error))
    }

    /// Hands a letter over: when this returns, the relay has taken it on.
    pub(super) async fn hand_over(&mut self, letter: &Composed) -> Result<(), Fault> {
        self.letters += 1;
        let mut parameters = Vec::new();
        if letter.needs_utf8() {
            if !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(Fault::AsciiOnly);
            }
            parameters.push(MailParameter::SmtpUtfEight);
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let smtp = &mut self.smtp;
        let at = |step| move |error: Error| Fault::at(step, &error);
        smtp.command(Mail::new(Some(letter.from.clone()), parameters)).await.map_err(at(Step::Sender))?;
        smtp.command(Rcpt::new(letter.to.clone(), Vec::new())).await.map_err(at(Step::Recipient))?;
        smtp.command(Data).await.map_err(at(Step::Letter))?;
        smtp.message(&letter.text).await.map_err(at(Step::Letter))?;
        self.since = Instant::now();
        Ok(())
    }

    /// Whether another letter may use it, as far as can be told without asking the relay.
    pub(super) fn is_fresh(&self) -> bool {
        self.letters < LETTERS_MAX && self.since.elapsed() < IDLE
    }

    /// Whether the relay is still there.
    pub(super) async fn answers(&mut self) -> bool {
        self.smtp.test_connected().await
    }

    /// QUIT, if the relay listens.
    pub(super) async fn end(mut self) {
        // A relay that does not answer any more is simply left.
        let _ = timeout(FAREWELL, self.smtp.abort()).await;
    }
}

async fn connect(route: &Route) -> Result<TcpStream, Fault> {
    let relay = &route.relay;
    let connecting = timeout(CONNECT, TcpStream::connect((relay.host.as_str(), relay.port)));
    let tcp = connecting.await.map_err(|_| Fault::Slow)?.map_err(Fault::Connect)?;
    // The name was looked at when the server started; what it leads to is known only now.
    let peer = tcp.peer_addr().map_err(Fault::Connect)?;
    if relay.tls == SmtpTls::None && !peer.ip().to_canonical().is_loopback() {
        return Err(Fault::NotLoopback);
    }
    tcp.set_nodelay(true).map_err(Fault::Connect)?;
    Ok(tcp)
}

/// TLS with a relay whose certificate is for the configured name and comes from a known authority.
async fn protect(route: &Route, tcp: TcpStream) -> Result<Way, Fault> {
    let stream = route.tls.connect(route.name.clone(), tcp).await.map_err(Fault::Tls)?;
    Ok(Way::tls(stream))
}
