//! The second factor and the sessions of an account.

use crate::{Client, Error, Result, Unlocked};
use envelope::action::{FactorChange, SECOND_FACTOR, factor_bytes};
use proto::{
    BackupCodes, FactorRequest, SessionInfo, SessionList, SessionsEnded, Token, TotpConfirm, TotpSecret,
    paths,
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

/// What an authenticator app needs.
#[derive(Debug)]
pub struct Offered {
    /// The secret in base32.
    pub secret: Token,
    /// The same as `otpauth://totp/…`, for a QR code.
    pub uri: Token,
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
        if !id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return Err(Error::NotFound);
        }
        let path = paths::fill(paths::ONE_SESSION, &[&id]);
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

    /// Removes the authenticator app and its backup codes.
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
