//! What an operator does with accounts, beside the running server: its database and its secrets, and no key to any file.

use std::io;
use std::path::{Path, PathBuf};

use db::{
    Accounts as _, Audit as _, Database as _, DbError, Factors as _, NewEvent, Sessions as _, Sqlite,
    UnixTime,
};
use envelope::Address;
use envelope::audit::Kind;
use envelope::ids::{EventId, UserId};

use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::secrets::Keys;

/// Accounts that are read at once.
const PAGE: u32 = 500;

/// The accounts of a data folder.
pub struct Users {
    db: Sqlite,
    keys: Keys,
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
    /// Sessions that live.
    pub sessions: u32,
    /// Whether signing in needs a second factor.
    pub second_factor: bool,
}

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsersError {
    /// The folder is not a server's.
    #[error("{} holds no database of a server", .0.display())]
    NoDatabase(PathBuf),
    /// The server's secrets.
    #[error("the server's secrets cannot be read: {0}")]
    Secrets(#[from] io::Error),
    /// The database.
    #[error("the database: {0}")]
    Database(#[from] DbError),
    /// Nobody has this address.
    #[error("no account has the address {}", .0.as_str())]
    Unknown(Address),
}

impl Users {
    /// Opens the accounts of the configured data folder, also while a server runs on it.
    ///
    /// # Errors
    /// A folder that is not a server's, or secrets that cannot be read.
    pub async fn open(config: &Config) -> Result<Self, UsersError> {
        let data: &Path = &config.storage.data;
        let database = data.join("waxwing.db");
        // Nothing is made here: a mistyped folder stays as it is.
        if !database.is_file() {
            return Err(UsersError::NoDatabase(data.to_owned()));
        }
        let keys = Keys::open(&config.secrets, &data.join("secrets"))?;
        Ok(Self { db: Sqlite::open(database).await?, keys })
    }

    /// Every account, in the order of their ids.
    ///
    /// # Errors
    /// The database.
    pub async fn list(&self) -> Result<Vec<User>, UsersError> {
        let mut users: Vec<User> = Vec::new();
        loop {
            let after = users.last().map(|user| user.id);
            let page = self.db.list_accounts(after, PAGE, now()).await?;
            let is_last = page.len() < PAGE as usize;
            users.extend(page.into_iter().map(|row| User {
                id: row.account.user,
                address: self.keys.open_address(&row.account.lookup, row.account.sealed_address),
                created: row.account.created_at.0,
                used_bytes: row.charged_bytes,
                sessions: row.sessions,
                second_factor: row.second_factor,
            }));
            if is_last {
                return Ok(users);
            }
        }
    }

    /// Removes somebody's authenticator app and backup codes, for when both are lost; says whether there was one. It
    /// stands in their log. What they were sent stays closed to whoever signs in now without their keys.
    ///
    /// # Errors
    /// [`UsersError::Unknown`], or the database.
    pub async fn reset_second_factor(&self, address: &Address) -> Result<bool, UsersError> {
        let user = self.find(address).await?;
        let removed = self.db.remove_totp(user).await?;
        if removed {
            self.note(user, Kind::SecondFactorReset).await?;
        }
        Ok(removed)
    }

    /// Ends every session of somebody at once; says how many there were. It stands in their log.
    ///
    /// # Errors
    /// [`UsersError::Unknown`], or the database.
    pub async fn sign_out(&self, address: &Address) -> Result<u64, UsersError> {
        let user = self.find(address).await?;
        let ended = self.db.end_sessions_of(user).await?;
        if ended > 0 {
            self.note(user, Kind::SignedOut).await?;
        }
        Ok(ended)
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.db.close().await;
    }

    async fn find(&self, address: &Address) -> Result<UserId, UsersError> {
        let found = self.db.users_by_lookup(&[self.keys.lookup(address)]).await?;
        found.first().map(|(_, user)| *user).ok_or_else(|| UsersError::Unknown(address.clone()))
    }

    async fn note(&self, user: UserId, kind: Kind) -> Result<(), UsersError> {
        let event = NewEvent {
            id: EventId::from_bytes(crate::random::uuid()),
            at: now(),
            kind,
            actor: user,
            owner: None,
            file_id: None,
            other: None,
            // There is nothing personal in it.
            sealed: Vec::new(),
        };
        Ok(self.db.append_events(&[event]).await?)
    }
}

fn now() -> UnixTime {
    UnixTime(SystemClock.now())
}
