//! Moving from SQLite to PostgreSQL, and going on after a database was brought back.

use std::path::PathBuf;

use db::{MoveError, MovedTable, move_to_postgres};

use super::{AdminError, open_database};
use crate::config::Config;
use crate::database;
use crate::secrets::Keys;

/// A move of everything that a data folder's SQLite database holds.
#[derive(Clone, Debug)]
pub struct Migrate {
    file: PathBuf,
    url: String,
}

impl Migrate {
    /// From the configured data folder to the database of a URL, or else the one that `DATABASE_URL` names.
    ///
    /// # Errors
    /// No target, or a folder that is not a server's.
    pub fn new(config: &Config, to: Option<String>) -> Result<Self, AdminError> {
        let named = || config.secrets.database_url().map(str::to_owned);
        let url = to.or_else(named).ok_or(AdminError::NoTarget)?;
        let file = config.storage.data.join(database::FILE);
        if !file.is_file() {
            return Err(AdminError::NoDatabase(config.storage.data.clone()));
        }
        Ok(Self { file, url })
    }

    /// Moves everything; blobs and secrets stay where they are.
    ///
    /// # Errors
    /// [`AdminError::Move`]; then nothing was moved.
    pub async fn run(&self) -> Result<Vec<MovedTable>, AdminError> {
        Ok(Box::pin(move_to_postgres(&self.file, &self.url)).await?)
    }
}

/// Lets a server go on with a database that was brought back from a copy (`pg_restore`): every session ends, and what is
/// numbered goes on above every number that may have been given since the copy. Gives the sessions that were ended.
///
/// # Errors
/// The database, or keys that are not its own.
pub async fn begin_again(config: &Config) -> Result<u64, AdminError> {
    let db = open_database(config).await?;
    let begun = async {
        let keys = Keys::open(&config.secrets, &config.storage.data.join("secrets"));
        if !database::fits(&*db, &keys.map_err(AdminError::Secrets)?).await? {
            return Err(AdminError::OtherKeys);
        }
        Ok(db.begin_again().await?)
    };
    let begun = Box::pin(begun).await;
    super::closing(&*db, begun).await
}

impl From<MoveError> for AdminError {
    fn from(error: MoveError) -> Self {
        Self::Move(error)
    }
}
