//! Sign-in, the session and its renewal, what the server says of the account.

use crate::client::Inner;
use crate::http::Backoff;
use crate::{Address, Client, Error, Result, UserId};
use proto::{
    CodeRequest, LogoutRequest, RefreshRequest, SecondFactorRequest, SessionReply, SessionRequest, Token,
    paths,
};
use reqwest::{Method, RequestBuilder, Response};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const SESSION: &str = "session.json";
const LOCK: &str = "session.lock";
/// Renewed this many seconds before it ends.
const RENEW_BEFORE: i64 = 120;
/// A clock that is off by more than this many seconds is worth a word.
const CLOCK_TOLERANCE: i64 = 300;
/// How long a question is asked again while the server says that it is away for the moment: a database that restarts.
const QUESTION_PATIENCE: Duration = Duration::from_secs(60);

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Address that the code went to.
    pub address: Address,
    /// Account.
    pub user_id: UserId,
    /// Unix seconds (this machine's clock) at which the session ends if it is not used.
    pub session_ends: i64,
    /// Seconds that this machine's clock is ahead of the server's (negative: behind), if more than five minutes.
    /// Known only just after signing in.
    pub clock_off: Option<i64>,
}

/// What came of a right code.
#[derive(Debug)]
pub enum SignIn {
    /// Signed in.
    Done(SignedIn),
    /// The account has a second factor, which [`Client::show_second_factor`] takes.
    SecondFactor(HalfSignIn),
}

/// A sign-in that lacks its second factor. It lives for ten minutes.
#[derive(Debug)]
pub struct HalfSignIn {
    address: Address,
    token: Token,
    /// Whether a code of an authenticator app ends it. A backup code always does; passkeys need a browser.
    pub has_app: bool,
}

/// What the server says of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoAmI {
    /// Address (as signed in here).
    pub address: Address,
    /// Account.
    pub user_id: UserId,
    /// The server.
    pub server: String,
    /// Unix seconds at which the account was made.
    pub created: i64,
    /// Whether keys are published.
    pub has_bundle: bool,
    /// Bytes stored.
    pub used_bytes: u64,
    /// Bytes that may be stored.
    pub quota_bytes: u64,
    /// Whether signing in needs a second factor.
    pub second_factor: bool,
    /// Whether there is an authenticator app.
    pub authenticator_app: bool,
    /// How many passkeys there are.
    pub passkeys: u32,
    /// Backup codes that were not used yet.
    pub backup_codes_left: u32,
    /// Whether the server says that it publishes what is sent to it now.
    pub publishes: bool,
    /// Whether the server demands a second factor of everybody.
    pub second_factor_demanded: bool,
    /// Seconds that this machine's clock is ahead of the server's (negative: behind), if more than five minutes.
    pub clock_off: Option<i64>,
}

/// A sentence about a clock that is off by this many seconds (positive: this machine is ahead).
#[must_use]
pub fn clock_warning(seconds: i64) -> String {
    let (way, n) = (if seconds > 0 { "ahead of" } else { "behind" }, seconds.unsigned_abs());
    let much = if n >= 7_200 { format!("{} hours", n / 3_600) } else { format!("{} minutes", n / 60) };
    format!("the clock of this machine is {much} {way} the server's: set it, or expiry times will look wrong")
}

/// `session.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The origin that gave the tokens; they are shown to no other.
    server: String,
    pub(crate) address: Address,
    pub(crate) user_id: UserId,
    access: Token,
    refresh: Token,
    /// By this machine's clock, so that one that is off does no harm.
    access_ends: i64,
    pub(crate) refresh_ends: i64,
}

impl Session {
    fn new(server: &str, address: Address, reply: SessionReply, now: i64) -> Self {
        let lives = reply.refresh_expires_at.saturating_sub(reply.server_time);
        Self {
            server: server.to_owned(),
            address,
            user_id: reply.user_id,
            access: reply.access_token,
            refresh: reply.refresh_token,
            access_ends: now.saturating_add(reply.expires_in),
            refresh_ends: now.saturating_add(lives),
        }
    }

    fn is_fresh(&self, now: i64) -> bool {
        now.saturating_add(RENEW_BEFORE) < self.access_ends
    }
}

impl Client {
    /// Asks for a code by mail. The answer is the same whether or not the address is known.
    pub async fn request_code(&self, address: &Address) -> Result<()> {
        let server = self.inner.server()?;
        let body = CodeRequest { email: address.as_str().to_owned() };
        server.send(server.request(Method::POST, paths::CODE).json(&body)).await?;
        Ok(())
    }

    /// Trades the six digits for a session, or for the way to the second factor; the first correct code makes the
    /// account.
    ///
    /// # Errors
    /// [`Error::CodeRejected`] for a code that is wrong, used or too old.
    pub async fn sign_in(&self, address: &Address, code: &str) -> Result<SignIn> {
        let server = self.inner.server()?;
        let body = SessionRequest { email: address.as_str().to_owned(), code: code.trim().to_owned() };
        let response = server.send(server.request(Method::POST, paths::SESSION).json(&body)).await?;
        match server.json(response).await? {
            proto::SignIn::Session(reply) => Ok(SignIn::Done(self.keep(&server, address, reply).await?)),
            proto::SignIn::Half { second_factor } => Ok(SignIn::SecondFactor(HalfSignIn {
                address: address.clone(),
                has_app: second_factor.app,
                token: second_factor.token,
            })),
        }
    }

    /// Ends a sign-in by its second factor: six digits of the authenticator app, or a backup code.
    ///
    /// # Errors
    /// [`Error::CodeRejected`] for a code that is wrong or used; after five of them the sign-in is over, which is
    /// [`Error::SessionEnded`].
    pub async fn show_second_factor(&self, half: &HalfSignIn, code: &str) -> Result<SignedIn> {
        let server = self.inner.server()?;
        let body = SecondFactorRequest { token: half.token.clone(), code: code.trim().to_owned() };
        let response = server.send(server.request(Method::POST, paths::SECOND).json(&body)).await?;
        let reply: SessionReply = server.json(response).await?;
        self.keep(&server, &half.address, reply).await
    }

    /// Keeps a session that was just opened.
    async fn keep(
        &self,
        server: &crate::http::Server,
        address: &Address,
        reply: SessionReply,
    ) -> Result<SignedIn> {
        let now = self.inner.now();
        let clock_off = clock_off(now, reply.server_time);
        let session = Session::new(server.origin(), address.clone(), reply, now);
        let signed_in = SignedIn { clock_off, ..SignedIn::from(&session) };
        let _lock = self.inner.lock(LOCK).await?;
        let mut current = self.inner.session.lock().await;
        self.inner.home.write_json(SESSION, &session)?;
        *current = Some(session);
        tracing::info!(user_id = %signed_in.user_id, "signed in");
        Ok(signed_in)
    }

    /// Ends the session at the server and here. If the server is away it ends here alone: `false`.
    pub async fn sign_out(&self) -> Result<bool> {
        if self.inner.stored_session()?.is_none() {
            return Err(Error::NotSignedIn);
        }
        let outcome = self
            .inner
            .authed(|server| server.request(Method::POST, paths::LOGOUT).json(&LogoutRequest {}))
            .await;
        self.inner.end_session_here().await?;
        match outcome {
            Ok(_) | Err(Error::SessionEnded | Error::NotSignedIn) => Ok(true),
            Err(error) if error.class() == crate::Class::Network => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the server says of the account.
    pub async fn whoami(&self) -> Result<WhoAmI> {
        let reply: proto::WhoAmI =
            self.inner.call(|server| server.request(Method::GET, paths::WHOAMI)).await?;
        let session = self.inner.stored_session()?.ok_or(Error::NotSignedIn)?;
        Ok(WhoAmI {
            address: session.address,
            user_id: reply.user_id,
            server: self.inner.server()?.origin().to_owned(),
            created: reply.created,
            has_bundle: reply.has_bundle,
            used_bytes: reply.used_bytes,
            quota_bytes: reply.quota_bytes,
            second_factor: reply.second_factor,
            // A server of before passkeys has apps only, and says nothing of them.
            authenticator_app: reply.authenticator_app || (reply.second_factor && reply.passkeys == 0),
            passkeys: reply.passkeys,
            backup_codes_left: reply.backup_codes_left,
            publishes: reply.publishes,
            second_factor_demanded: reply.second_factor_demanded,
            clock_off: clock_off(self.inner.now(), reply.server_time),
        })
    }

    /// Who is signed in here, without asking the server.
    pub fn signed_in(&self) -> Result<Option<SignedIn>> {
        Ok(self.inner.stored_session()?.as_ref().map(SignedIn::from))
    }
}

impl From<&Session> for SignedIn {
    fn from(session: &Session) -> Self {
        Self {
            address: session.address.clone(),
            user_id: session.user_id,
            session_ends: session.refresh_ends,
            clock_off: None,
        }
    }
}

fn clock_off(here: i64, there: i64) -> Option<i64> {
    let off = here.saturating_sub(there);
    (off.abs() > CLOCK_TOLERANCE).then_some(off)
}

impl Inner {
    pub(crate) fn stored_session(&self) -> Result<Option<Session>> {
        self.home.read_json(SESSION)
    }

    /// Forgets the tokens.
    pub(crate) async fn end_session_here(&self) -> Result<()> {
        let _lock = self.lock(LOCK).await?;
        let mut current = self.session.lock().await;
        self.home.remove(SESSION)?;
        *current = None;
        crate::index::forget(&self.home)
    }

    pub(crate) fn forget_session(&self) -> Result<()> {
        self.home.remove(SESSION)
    }

    /// Sends a request with the session's token, renewing it before it ends and once when it is refused. A question to a
    /// server that answers that it is away for the moment is asked again for a while; whatever changes something is not, for
    /// nobody knows here whether it did.
    pub(crate) async fn authed(
        &self,
        build: impl Fn(&crate::http::Server) -> RequestBuilder,
    ) -> Result<Response> {
        let mut backoff = Backoff::new(self.options.retry_for.min(QUESTION_PATIENCE));
        loop {
            let error = match self.authed_once(&build).await {
                Err(error) if error.is_away() && self.is_question(&build)? => error,
                outcome => return outcome,
            };
            tokio::time::sleep(backoff.next(error)?.time).await;
        }
    }

    fn is_question(&self, build: &impl Fn(&crate::http::Server) -> RequestBuilder) -> Result<bool> {
        let request = build(&self.server()?).build();
        Ok(request
            .is_ok_and(|request| request.method() == Method::GET || request.url().path() == paths::LOOKUP))
    }

    async fn authed_once(&self, build: &impl Fn(&crate::http::Server) -> RequestBuilder) -> Result<Response> {
        let server = self.server()?;
        let token = self.access_token(None).await?;
        let outcome = server.send(build(&server).bearer_auth(token.expose_secret())).await;
        if !matches!(outcome, Err(Error::SessionEnded)) {
            return outcome;
        }
        let token = self.access_token(Some(&token)).await?;
        server.send(build(&server).bearer_auth(token.expose_secret())).await
    }

    /// [`Inner::authed`], and the answer as JSON.
    pub(crate) async fn call<T: serde::de::DeserializeOwned>(
        &self,
        build: impl Fn(&crate::http::Server) -> RequestBuilder,
    ) -> Result<T> {
        let response = self.authed(build).await?;
        self.server()?.json(response).await
    }

    /// A token that is good for some minutes; never `rejected`, which the server has just refused.
    pub(crate) async fn access_token(&self, rejected: Option<&Token>) -> Result<Token> {
        let server = self.server()?;
        let here = |session: &Session| session.server == server.origin();
        let usable = |session: &Session| {
            here(session) && session.is_fresh(self.now()) && rejected != Some(&session.access)
        };
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| usable(session)) {
            return Ok(session.access.clone());
        }
        // Refresh tokens work once: of all processes of this home only one renews, the others read what it wrote.
        let _lock = self.lock(LOCK).await?;
        let Some(stored) = self.stored_session()?.filter(|session| here(session)) else {
            *current = None;
            return Err(Error::NotSignedIn);
        };
        if usable(&stored) {
            let access = stored.access.clone();
            *current = Some(stored);
            return Ok(access);
        }
        let body = RefreshRequest { refresh_token: stored.refresh.clone() };
        let renewed = match server.send(server.request(Method::POST, paths::REFRESH).json(&body)).await {
            Ok(response) => server.json::<SessionReply>(response).await?,
            Err(error @ Error::SessionEnded) => {
                self.forget_session()?;
                *current = None;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let session = Session::new(server.origin(), stored.address, renewed, self.now());
        self.home.write_json(SESSION, &session)?;
        tracing::debug!("session renewed");
        let access = session.access.clone();
        *current = Some(session);
        Ok(access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_is_off_by_minutes_is_named() {
        assert_eq!(clock_off(1_000, 1_290), None);
        assert_eq!(clock_off(10_000, 6_400), Some(3_600));
        assert!(clock_warning(3_600).contains("60 minutes ahead"));
        assert!(clock_warning(-86_400).contains("24 hours behind"));
    }

    #[test]
    fn a_session_lives_by_this_machines_clock() {
        let reply = SessionReply {
            access_token: Token::new("a".into()),
            refresh_token: Token::new("r".into()),
            user_id: UserId::from_bytes([1; 16]),
            expires_in: 3_600,
            refresh_expires_at: 1_000_000,
            server_time: 900_000,
        };
        let session = Session::new("https://s.example", Address::parse("a@b.example").unwrap(), reply, 50);
        assert!(session.is_fresh(50 + 3_400));
        assert!(!session.is_fresh(50 + 3_590));
        assert_eq!(session.refresh_ends, 100_050);
        assert!(!format!("{session:?}").contains("\"r\""));
    }
}
