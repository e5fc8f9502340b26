//! Which database: PostgreSQL where the operator names one, else the SQLite file of the data folder.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use db::{Database, DbError, Postgres, Sqlite, UnixTime};

use crate::config::Config;
use crate::secrets::Keys;

/// The SQLite file's name in a data folder.
pub(crate) const FILE: &str = "waxwing.db";

/// Opens the configured database, making what is missing of it.
pub(crate) async fn open(config: &Config) -> Result<Arc<dyn Database>, DbError> {
    Ok(match config.secrets.database_url() {
        Some(url) => Arc::new(Postgres::open(url).await?.tolerating(tolerance(config))),
        None => Arc::new(Sqlite::open(config.storage.data.join(FILE)).await?),
    })
}

/// Opens the configured database, which other processes may use, to read and nothing else.
pub(crate) async fn open_read_only(config: &Config) -> Result<Arc<dyn Database>, DbError> {
    Ok(match config.secrets.database_url() {
        Some(url) => Arc::new(Postgres::open_read_only(url).await?.tolerating(tolerance(config))),
        None => Arc::new(Sqlite::open_read_only(config.storage.data.join(FILE)).await?),
    })
}

fn tolerance(config: &Config) -> Duration {
    Duration::from_secs(config.storage.clock_tolerance_seconds)
}

/// How long a call may take that nobody waits for. A machine that is gone without a word may leave it waiting for ever, and
/// with it whatever it holds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The answer to a call of a job, or of a task that outlives its request: whoever asked over HTTP has a limit already.
pub(crate) async fn in_time<T>(call: impl Future<Output = Result<T, DbError>>) -> Result<T, DbError> {
    tokio::time::timeout(PATIENCE, call)
        .await
        .unwrap_or_else(|_| Err(DbError::Away(Box::new(std::io::Error::from(std::io::ErrorKind::TimedOut)))))
}

/// Whether the configured PostgreSQL database is empty while the data folder still holds the SQLite file of an instance. A server on it
/// would look as if everything were gone, and people would sign up again beside what they have.
pub(crate) async fn is_left_behind(config: &Config, db: &dyn Database) -> Result<bool, DbError> {
    let file = config.storage.data.join(FILE);
    if config.secrets.database_url().is_none() || !file.exists() || has_accounts(db).await? {
        return Ok(false);
    }
    let left = match Sqlite::open_read_only(file).await {
        Ok(left) => left,
        // Of an old version, or nothing yet: nobody can tell from here, so its owner is to say.
        Err(DbError::Schema(_)) => return Ok(true),
        Err(error) => return Err(error),
    };
    let answer = has_accounts(&left).await;
    left.close().await;
    answer
}

async fn has_accounts(db: &dyn Database) -> Result<bool, DbError> {
    Ok(!db.list_accounts(None, 1, UnixTime(0)).await?.is_empty())
}

/// Whether these keys are those that the database was filled with. One that never knew its keys is asked for an address that
/// rests in it.
pub(crate) async fn fits(db: &dyn Database, keys: &Keys) -> Result<bool, DbError> {
    let some = db.list_accounts(None, 1, UnixTime(0)).await?.pop();
    let opens =
        some.is_none_or(|row| keys.open_address(&row.account.lookup, row.account.sealed_address).is_some());
    if !opens {
        return Ok(false);
    }
    Ok(db.keep_key_check(keys.check()).await? == keys.check())
}
