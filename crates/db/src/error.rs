//! What can go wrong with the database.

use std::error::Error;

use sqlx::postgres::PgDatabaseError;

use crate::{postgres, sqlite};

/// What can go wrong with the database. None of them names a path or holds a value of a row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// Another connection holds the database, or none of ours came free in time. Nothing happened.
    #[error("the database is busy")]
    Busy,
    /// The device is full, or the database may not grow. Nothing happened.
    #[error("the database has no room left")]
    StorageFull,
    /// A number does not fit where it is kept (more than 2^63 − 1), or a list is longer than allowed.
    #[error("a value is too large for the database: {0}")]
    TooLarge(&'static str),
    /// A stored value cannot be what it should be, or the file is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
    /// The database would lie on a network file system, where its locks do not hold.
    #[error(
        "the database lies on a network file system ({0}), where its locks do not hold; keep it on a local disk"
    )]
    NetworkFileSystem(&'static str),
    /// Somebody was named who has no account.
    #[error("there is no such account")]
    UnknownAccount,
    /// The account is suspended, and nobody comes in by it.
    #[error("the account is suspended")]
    Suspended,
    /// The schema could not be brought up to date: a migration was changed after it had been applied, or failed.
    #[error("the database schema does not fit this version")]
    Schema(#[source] Box<dyn Error + Send + Sync>),
    /// The server of the database cannot be reached, or the connection was lost on the way: then what was asked may or may
    /// not have happened.
    #[error("the database cannot be reached")]
    Away(#[source] Box<dyn Error + Send + Sync>),
    /// This machine's clock and the database's are further apart than is told of. Whoever ended what has expired by the wrong one
    /// would end it too early, for everybody.
    #[error("the clock of this machine is {} seconds {} that of the database", ahead.unsigned_abs(), if *ahead < 0 { "behind" } else { "ahead of" })]
    ClockApart {
        /// Seconds that this machine's is ahead; negative where it is behind.
        ahead: i64,
    },
    /// Everything in it was moved to another database, which is the one to use.
    #[error("everything in this database was moved to PostgreSQL; set DATABASE_URL to go on there")]
    Moved,
    /// Something was being moved into it, and not all of it arrived.
    #[error(
        "a move into this database was begun and did not end; run `waxd admin migrate` again, or give an empty database"
    )]
    HalfMoved,
    /// The database was closed by this process.
    #[error("the database is closed")]
    Closed,
    /// The database file or its folder could not be made or opened.
    #[error("the database file cannot be opened")]
    Open(#[source] Box<dyn Error + Send + Sync>),
    /// Anything else that the engine reports.
    #[error("the database failed")]
    Engine(#[source] Box<dyn Error + Send + Sync>),
}

impl DbError {
    /// Whether the same call may succeed if it is repeated soon.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy)
    }

    /// Whether nothing happened for certain. Any other error may be that of an answer which was lost, and what was asked for
    /// is there.
    pub fn changed_nothing(&self) -> bool {
        matches!(
            self,
            Self::Busy | Self::StorageFull | Self::TooLarge(_) | Self::UnknownAccount | Self::Suspended
        )
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Damaged("a column of a wrong type")
            }
            // Not the words of the protocol: a connection that ended in the middle of a greeting is read as such.
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
                Self::Away(Box::new(error))
            }
            sqlx::Error::Database(ref told) => {
                let meaning = match told.try_downcast_ref::<PgDatabaseError>() {
                    Some(told) => postgres::errors::meaning(told),
                    None => sqlite::errors::meaning(&**told),
                };
                meaning.unwrap_or_else(|| Self::Engine(Box::new(error)))
            }
            _ => Self::Engine(Box::new(error)),
        }
    }
}
