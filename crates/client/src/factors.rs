//! The second factors and the sessions of an account.

use crate::{Client, Error, Result, Unlocked};
use envelope::action::{FactorChange, SECOND_FACTOR, factor_bytes};
use proto::{
    BackupCodes, FactorRequest, PasskeyInfo, PasskeyList, PasskeyRename, SessionInfo, SessionList,
    SessionsEnded, Token, TotpConfirm, TotpSecret, paths,
};
use reqwest::Method;

/// A session of the account, on this device or another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Its id.
    pub id: String,
    /// What the program called itself.
    pub client: String,
    /// Unix seconds at which it was opened.
    pub created: i64,
    /// Unix seconds at which it was opened or last renewed.
    pub last_used: i64,
    /// Unix seconds at which it ends unless it is renewed.
    pub expires_at: i64,
    /// Whether it was opened with a second factor.
    pub second_factor: bool,
    /// Whether it is this one.
    pub current: bool,
}

impl From<SessionInfo> for OpenSession {
    fn from(info: SessionInfo) -> Self {
        // A stranger's words must not steer a terminal.
        let clean = |text: String| text.chars().filter(|c| !c.is_control()).take(100).collect();
        Self {
            id: clean(info.id),
            client: clean(info.client),
            created: info.created,
            last_used: info.last_used,
            expires_at: info.expires_at,
            second_factor: info.second_factor,
            current: info.current,
        }
    }
}

/// A passkey of the account. It is added and shown in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPasskey {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Unix seconds at which it was added.
    pub created: i64,
    /// Unix seconds at which it was last shown.
    pub last_used: Option<i64>,
}

impl From<PasskeyInfo> for OwnPasskey {
    fn from(info: PasskeyInfo) -> Self {
        let clean = |text: String| text.chars().filter(|c| !c.is_control()).take(100).collect();
        Self { id: clean(info.id), name: clean(info.name), created: info.created, last_used: info.last_used }
    }
}

/// What an authenticator app needs.
#[derive(Debug)]
pub struct Offered {
    /// The secret in base32.
    pub secret: Token,
    /// The same as `otpauth://totp/…`, for a QR code.
    pub uri: Token,
}

/// An id that can stand in a path.
fn one_id(id: &str) -> Result<&str> {
    let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_plain { Ok(id) } else { Err(Error::NotFound) }
}

impl Client {
    /// The sessions of the account, the last used first.
    pub async fn sessions(&self) -> Result<Vec<OpenSession>> {
        let list: SessionList =
            self.inner.call(|server| server.request(Method::GET, paths::SESSIONS)).await?;
        Ok(list.sessions.into_iter().map(OpenSession::from).collect())
    }

    /// Ends a session of the account at once, on whatever device it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none of that id.
    pub async fn end_session(&self, id: &str) -> Result<()> {
        let path = paths::fill(paths::ONE_SESSION, &[&one_id(id)?]);
        self.inner.authed(|server| server.request(Method::DELETE, &path)).await.map(drop)
    }

    /// Ends every session but this one; says how many there were.
    pub async fn end_other_sessions(&self) -> Result<u64> {
        let ended: SessionsEnded = self
            .inner
            .call(|server| server.request(Method::POST, paths::OTHER_SESSIONS).json(&serde_json::json!({})))
            .await?;
        Ok(ended.ended)
    }

    /// Has the server make a secret for an authenticator app; it counts once it is confirmed. With published keys,
    /// `me` must hold them.
    pub async fn offer_second_factor(&self, me: Option<&Unlocked>) -> Result<Offered> {
        let secret: TotpSecret = self.change_factor(me, FactorChange::Add, paths::TOTP).await?;
        Ok(Offered { secret: secret.secret, uri: secret.uri })
    }

    /// Confirms that secret by a code of the app. Returns the backup codes, which are shown this once.
    ///
    /// # Errors
    /// [`Error::CodeRejected`] for another code than the app shows now.
    pub async fn confirm_second_factor(&self, code: &str) -> Result<Vec<Token>> {
        let body = TotpConfirm { code: code.trim().to_owned() };
        let codes: BackupCodes =
            self.inner.call(|server| server.request(Method::POST, paths::TOTP_CONFIRM).json(&body)).await?;
        Ok(codes.codes)
    }

    /// The passkeys of the account, the oldest first.
    pub async fn passkeys(&self) -> Result<Vec<OwnPasskey>> {
        let list: PasskeyList =
            self.inner.call(|server| server.request(Method::GET, paths::PASSKEYS)).await?;
        Ok(list.passkeys.into_iter().map(OwnPasskey::from).collect())
    }

    /// Gives a passkey another name.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none of that id.
    pub async fn rename_passkey(&self, id: &str, name: &str) -> Result<()> {
        let path = paths::fill(paths::ONE_PASSKEY, &[&one_id(id)?]);
        let body = PasskeyRename { name: name.to_owned() };
        self.inner.authed(|server| server.request(Method::PUT, &path).json(&body)).await.map(drop)
    }

    /// Removes a passkey. The backup codes go with the last second factor. With published keys, `me` must hold them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none of that id.
    pub async fn remove_passkey(&self, me: Option<&Unlocked>, id: &str) -> Result<()> {
        let path = paths::fill(paths::PASSKEY_REMOVE, &[&one_id(id)?]);
        let body = self.factor_request(me, FactorChange::Remove).await?;
        self.inner.authed(|server| server.request(Method::POST, &path).json(&body)).await.map(drop)
    }

    /// Removes the authenticator app, and the backup codes where no passkey is left.
    pub async fn remove_second_factor(&self, me: Option<&Unlocked>) -> Result<()> {
        let body = self.factor_request(me, FactorChange::Remove).await?;
        let send = self.inner.authed(|server| server.request(Method::POST, paths::TOTP_REMOVE).json(&body));
        send.await.map(drop)
    }

    /// Makes new backup codes; the old ones are void.
    pub async fn new_backup_codes(&self, me: Option<&Unlocked>) -> Result<Vec<Token>> {
        let codes: BackupCodes =
            self.change_factor(me, FactorChange::BackupCodes, paths::BACKUP_CODES).await?;
        Ok(codes.codes)
    }

    async fn change_factor<T: serde::de::DeserializeOwned>(
        &self,
        me: Option<&Unlocked>,
        change: FactorChange,
        path: &str,
    ) -> Result<T> {
        let body = self.factor_request(me, change).await?;
        self.inner.call(|server| server.request(Method::POST, path).json(&body)).await
    }

    async fn factor_request(&self, me: Option<&Unlocked>, change: FactorChange) -> Result<FactorRequest> {
        let bytes = |me: &Unlocked, time| factor_bytes(&me.user_id(), time, change).to_vec();
        self.timed_proof(me, SECOND_FACTOR, bytes).await
    }
}
