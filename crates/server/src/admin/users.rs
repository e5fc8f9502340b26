//! Accounts and invitations.

use std::str::FromStr;
use std::sync::Arc;

use db::{Database, InviteAnswer, NewEvent, NewInvitation, SuspendAnswer, UnixTime};
use envelope::Address;
use envelope::audit::Kind;
use envelope::ids::{EventId, UserId};

use super::{AdminError, open_database};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::database;
use crate::mail::{Invitation, Post};
use crate::secrets::Keys;

/// Accounts or invitations that are read at once.
const PAGE: u32 = 500;
const DAY: i64 = 86_400;

/// The accounts of a data folder.
pub struct Users {
    pub(super) db: Arc<dyn Database>,
    pub(super) keys: Keys,
    pub(super) clock: Arc<dyn Clock>,
}

/// Whom an operator means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By their address.
    Address(Address),
    /// By their id.
    Id(UserId),
}

/// A text that is neither an address nor an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name somebody by their address (name@host) or by their user id")]
pub struct BadWho;

impl FromStr for Who {
    type Err = BadWho;

    fn from_str(text: &str) -> Result<Self, BadWho> {
        if let Ok(id) = text.trim().parse() {
            return Ok(Self::Id(id));
        }
        Address::parse(text).map(Self::Address).map_err(|_| BadWho)
    }
}

/// One account, as its operator sees it.
#[derive(Clone, Debug)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its address; `None` if it was sealed with another `SECRET_KEY`.
    pub address: Option<Address>,
    /// Unix seconds at which it was made.
    pub created: i64,
    /// Bytes that it is charged for.
    pub used_bytes: u64,
    /// Bytes that it may be charged for, where it has a figure of its own.
    pub quota_bytes: Option<u64>,
    /// Unix seconds since when it is suspended.
    pub suspended: Option<i64>,
    /// Sessions that live.
    pub sessions: u32,
    /// Whether signing in needs a second factor.
    pub second_factor: bool,
}

/// An invitation that is good, as the operator sees it.
#[derive(Clone, Debug)]
pub struct Invited {
    /// The address; `None` if it was sealed with another `SECRET_KEY`.
    pub address: Option<Address>,
    /// Unix seconds at which it was made.
    pub invited: i64,
    /// Unix seconds at which it ends.
    pub expires_at: i64,
}

/// The letter that goes with an invitation.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Where the server is reached, as people type it.
    pub url: String,
}

impl Users {
    /// Opens the accounts of the configured data folder, also while a server runs on it.
    ///
    /// # Errors
    /// A folder that is not a server's, or secrets that cannot be read.
    pub async fn open(config: &Config) -> Result<Self, AdminError> {
        let db = open_database(config).await?;
        let keys = Keys::open(&config.secrets, &config.storage.data.join("secrets"));
        let keys = keys.map_err(AdminError::Secrets)?;
        if !database::fits(&*db, &keys).await? {
            return Err(AdminError::OtherKeys);
        }
        Ok(Self { db, keys, clock: Arc::new(SystemClock) })
    }

    /// By another clock than the system's.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Every account, in the order of their ids.
    ///
    /// # Errors
    /// The database.
    pub async fn list(&self) -> Result<Vec<User>, AdminError> {
        let mut users: Vec<User> = Vec::new();
        loop {
            let after = users.last().map(|user| user.id);
            let page = self.db.list_accounts(after, PAGE, self.now()).await?;
            let is_last = page.len() < PAGE as usize;
            users.extend(page.into_iter().map(|row| User {
                id: row.account.user,
                address: self.keys.open_address(&row.account.lookup, row.account.sealed_address),
                created: row.account.created_at.0,
                used_bytes: row.charged_bytes,
                quota_bytes: row.account.quota_bytes,
                suspended: row.account.suspended_at.map(|since| since.0),
                sessions: row.sessions,
                second_factor: row.second_factor,
            }));
            if is_last {
                return Ok(users);
            }
        }
    }

    /// Suspends somebody: every session ends at once on every server of this database, and none begins. Nothing is
    /// deleted. Says how many sessions ended, or `None` if they were suspended before. It stands in their log.
    ///
    /// # Errors
    /// Nobody of that name, or the database.
    pub async fn suspend(&self, who: &Who) -> Result<Option<u64>, AdminError> {
        let user = self.find(who).await?;
        let events = [self.event(user, Kind::AccountSuspended)];
        Ok(match self.db.suspend(user, self.now(), &events).await? {
            SuspendAnswer::Suspended { sessions } => Some(sessions),
            SuspendAnswer::Already => None,
        })
    }

    /// Ends a suspension; says whether there was one. It stands in their log.
    ///
    /// # Errors
    /// Nobody of that name, or the database.
    pub async fn reinstate(&self, who: &Who) -> Result<bool, AdminError> {
        let user = self.find(who).await?;
        Ok(self.db.reinstate(user, &[self.event(user, Kind::AccountReinstated)]).await?)
    }

    /// Gives somebody a quota of their own in bytes, or with `None` the server's; says whether that is a change. It
    /// stands in their log.
    ///
    /// # Errors
    /// Nobody of that name, or the database.
    pub async fn set_quota(&self, who: &Who, bytes: Option<u64>) -> Result<bool, AdminError> {
        let user = self.find(who).await?;
        Ok(self.db.set_quota(user, bytes, &[self.event(user, Kind::QuotaChanged)]).await?)
    }

    /// Removes somebody's authenticator app, passkeys and backup codes, for when all are lost; says whether there was any. It
    /// stands in their log. What they were sent stays closed to whoever signs in now without their keys.
    ///
    /// # Errors
    /// Nobody of that name, or the database.
    pub async fn reset_second_factor(&self, who: &Who) -> Result<bool, AdminError> {
        let user = self.find(who).await?;
        let removed = self.db.remove_factors(user).await?;
        if removed {
            self.note(user, Kind::SecondFactorReset).await?;
        }
        Ok(removed)
    }

    /// Ends every session of somebody at once; says how many there were. It stands in their log.
    ///
    /// # Errors
    /// Nobody of that name, or the database.
    pub async fn sign_out(&self, who: &Who) -> Result<u64, AdminError> {
        let user = self.find(who).await?;
        let ended = self.db.end_sessions_of(user).await?;
        if ended > 0 {
            self.note(user, Kind::SignedOut).await?;
        }
        Ok(ended)
    }

    /// Lets an address make an account, once, within `days`; says until when (unix seconds). With a `letter`, one goes
    /// there through the mailer of `config`, which the server itself uses.
    ///
    /// # Errors
    /// [`AdminError::HasAccount`], [`AdminError::NoMail`], [`AdminError::Letter`], or the database.
    pub async fn invite(
        &self,
        address: &Address,
        days: u32,
        letter: Option<(&Letter, &Config)>,
    ) -> Result<i64, AdminError> {
        let post = match letter {
            None => None,
            Some((letter, config)) => Some((letter, Post::open(config).map_err(AdminError::NoMail)?)),
        };
        let expires_at = self.now().plus(i64::from(days) * DAY);
        let new = NewInvitation {
            lookup: self.keys.lookup(address),
            sealed_address: self.keys.seal_address(address),
            now: self.now(),
            expires_at,
        };
        match self.db.invite(new).await? {
            InviteAnswer::Invited | InviteAnswer::Renewed => {}
            InviteAnswer::HasAccount => return Err(AdminError::HasAccount(address.clone())),
        }
        if let Some((letter, post)) = post {
            let invitation =
                Invitation { to: address.clone(), url: letter.url.clone(), days, written: self.now().0 };
            post.invite(&invitation).await.map_err(AdminError::Letter)?;
        }
        Ok(expires_at.0)
    }

    /// Every invitation that is good, in no order that would mean anything.
    ///
    /// # Errors
    /// The database.
    pub async fn invitations(&self) -> Result<Vec<Invited>, AdminError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.db.invitations(after, PAGE, self.now()).await?;
            let is_last = page.len() < PAGE as usize;
            after = page.last().map(|one| one.lookup);
            all.extend(page.into_iter().map(|one| Invited {
                address: self.keys.open_address(&one.lookup, one.sealed_address),
                invited: one.invited_at.0,
                expires_at: one.expires_at.0,
            }));
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Takes an invitation back; says whether there was one.
    ///
    /// # Errors
    /// The database.
    pub async fn withdraw(&self, address: &Address) -> Result<bool, AdminError> {
        Ok(self.db.withdraw_invitation(self.keys.lookup(address)).await?)
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.db.close().await;
    }

    pub(super) async fn find(&self, who: &Who) -> Result<UserId, AdminError> {
        match who {
            Who::Address(address) => {
                let found = self.db.users_by_lookup(&[self.keys.lookup(address)]).await?;
                found.first().map(|(_, user)| *user).ok_or_else(|| AdminError::Unknown(address.clone()))
            }
            Who::Id(id) => match self.db.account(*id).await? {
                Some(account) => Ok(account.user),
                None => Err(AdminError::UnknownId(*id)),
            },
        }
    }

    pub(super) async fn note(&self, user: UserId, kind: Kind) -> Result<(), AdminError> {
        Ok(self.db.append_events(&[self.event(user, kind)]).await?)
    }

    pub(super) fn now(&self) -> UnixTime {
        UnixTime(self.clock.now())
    }

    fn event(&self, user: UserId, kind: Kind) -> NewEvent {
        NewEvent {
            id: EventId::from_bytes(crate::random::uuid()),
            at: self.now(),
            kind,
            actor: user,
            owner: None,
            file_id: None,
            other: None,
            // There is nothing personal in it.
            sealed: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_named_by_address_or_by_id() {
        let id = "1a2b3c4d-0000-4000-8000-000000000001";
        assert_eq!(id.parse::<Who>(), Ok(Who::Id(id.parse().unwrap())));
        let address = Address::parse("alice@wax.example").unwrap();
        assert_eq!("Alice@wax.example".parse::<Who>().is_ok(), Address::parse("Alice@wax.example").is_ok());
        assert_eq!("alice@wax.example".parse::<Who>(), Ok(Who::Address(address)));
        for text in ["", "alice", "1a2b3c4d"] {
            assert_eq!(text.parse::<Who>(), Err(BadWho), "{text}");
        }
    }
}
