//! PostgreSQL, for several servers on several machines.
//!
//! The shared sentences count on writers being one at a time. Here a lock that ends with its transaction says so, across all
//! servers ([`Postgres::write`]); what is safe by the locks of single rows goes beside it (`write_beside`, and sentences of
//! one statement). Why, and what it costs: decision 31.

mod check;
#[macro_use]
mod engine;
pub(crate) mod errors;
mod options;
#[path = "../sql/mod.rs"]
mod sql;

use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Row as _, Transaction};

use crate::{Database, DbError, SchemaVersions, Stats};
use engine::Engine;

/// Connections that only read.
const READERS: u32 = 8;

/// Connections that write beside each other.
const WRITERS: u32 = 6;

/// How long a call waits for a connection of ours, a new one included.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server that starts waits for the database.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the beginning of a transaction may take, the wait for a connection included.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a readiness check may take.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// How far this machine's clock may be from the database's, if nobody says otherwise.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// "waxwing", as the number of the lock that writers take. Locks are per database.
const WRITERS_TURN: i64 = 0x0077_6178_7769_6E67;

/// The database in a PostgreSQL server.
pub struct Postgres {
    /// One connection for those who take turns: what waits for the turn waits here, and holds no other connection.
    turn: PgPool,
    /// For what goes beside the turn.
    writer: PgPool,
    readers: PgPool,
    /// How far this machine's clock may be from the database's.
    tolerance: Duration,
}

impl Postgres {
    /// Opens the database that a URL (`postgres://user:password@host:port/name?sslmode=…`) names, and brings its schema up to
    /// date. Servers that start together take turns. A schema with additions by a newer version is accepted.
    ///
    /// Connections to another machine are over TLS and the server's certificate is checked, unless `sslmode` says otherwise.
    ///
    /// # Errors
    /// [`DbError::Open`], [`DbError::Away`], [`DbError::Schema`], and whatever the engine reports.
    pub async fn open(url: &str) -> Result<Self, DbError> {
        let options = options::parse(url)?;
        let first = one(&options).await?;
        bring_up_to_date(&first).await?;
        check::usable(&first).await?;
        first.close().await;
        Self::with_pools(&options, false).await
    }

    /// Opens a database that servers may be using, to read and nothing else: the schema stays as it is, and every sentence
    /// that would write fails.
    ///
    /// # Errors
    /// As [`Postgres::open`]; [`DbError::Schema`] if it is no database of a server.
    pub async fn open_read_only(url: &str) -> Result<Self, DbError> {
        let options = options::parse(url)?;
        let first = one(&options).await?;
        let is_servers = check::is_servers(&first).await?;
        first.close().await;
        if !is_servers {
            return Err(DbError::Schema("it is no database of a server".into()));
        }
        Self::with_pools(&options, true).await
    }

    /// The same with another idea of how far apart the clocks may be.
    #[must_use]
    pub fn tolerating(self, tolerance: Duration) -> Self {
        Self { tolerance, ..self }
    }

    /// A connection to a database that is to be filled, with its schema up to date and without bounds in time.
    pub(crate) async fn connect_to_fill(url: &str) -> Result<PgConnection, DbError> {
        let first = one(&options::parse(url)?).await?;
        bring_up_to_date(&first).await?;
        check::settings(&first).await?;
        Ok(first.acquire().await?.detach())
    }

    async fn with_pools(options: &PgConnectOptions, only_read: bool) -> Result<Self, DbError> {
        let pool = |most: u32, only_read: bool| {
            let settings = if only_read { options::READING } else { options::WRITING };
            PgPoolOptions::new()
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .max_connections(most)
                // Before the pool itself asks the connection whether it lives, without a limit: where the database's machine has
                // gone without a word, that would hold the connection's place for as long as TCP goes on trying.
                .after_release(|connection, _| Box::pin(is_free(connection)))
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        sqlx::raw_sql(settings).execute(connection).await?;
                        Ok(())
                    })
                })
                .connect_lazy_with(options.clone())
        };
        let db = Self {
            turn: pool(1, only_read),
            writer: pool(WRITERS, only_read),
            readers: pool(READERS, true),
            tolerance: CLOCK_TOLERANCE,
        };
        match db.ping().await {
            // It can be looked at; readiness and jobs tell.
            Ok(()) | Err(DbError::ClockApart { .. }) => Ok(db),
            Err(error) => Err(error),
        }
    }

    /// A transaction that may write, from its first moment on: nobody else who asks for the turn writes meanwhile, at any
    /// server. What it reads is as the one before left it: the lock is given up only when a commit can be seen.
    async fn write(&self) -> Result<Transaction<'static, Engine>, DbError> {
        let mut tx = begin(&self.turn).await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(WRITERS_TURN).execute(&mut *tx).await?;
        Ok(tx)
    }

    /// A transaction that may write beside others. Whoever uses it says why the locks of its rows are enough; it takes
    /// no number in an order (`numbers`), or those with the turn would wait for it.
    async fn write_beside(&self) -> Result<Transaction<'static, Engine>, DbError> {
        begin(&self.writer).await
    }
}

/// Begins a transaction in a task of its own: a caller that goes away between the word and its answer would leave a
/// connection behind that is in a transaction and does not know it.
async fn begin(pool: &PgPool) -> Result<Transaction<'static, Engine>, DbError> {
    let pool = pool.clone();
    // It ends as well where the database's machine is gone: nobody else would end it, and the turn with it.
    let begun = tokio::spawn(async move { tokio::time::timeout(BEGIN_TIMEOUT, pool.begin()).await });
    begun.await.map_err(|_| DbError::Closed)?.map_err(|_| silent())?.map_err(Into::into)
}

/// Whether a connection that is given back lives, and is in no transaction that nobody knows of, as one would be whose beginning
/// was not waited for: in a transaction of its own a sentence began when the transaction did.
async fn is_free(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let asked = sqlx::raw_sql("SELECT now() = statement_timestamp() AS free").fetch_one(connection);
    match tokio::time::timeout(PING_TIMEOUT, asked).await {
        Ok(row) => row?.try_get("free"),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// One connection without bounds in time, for what is done before anything else.
async fn one(options: &PgConnectOptions) -> Result<PgPool, DbError> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(OPENING_TIMEOUT);
    pool.connect_with(options.clone()).await.map_err(errors::opening)
}

/// Applies what is new of the schema. Servers that come together wait for each other here as long as it takes.
async fn bring_up_to_date(first: &PgPool) -> Result<(), DbError> {
    engine::migrator().run(first).await.map_err(schema_error)
}

fn silent() -> DbError {
    DbError::Away(Box::new(std::io::Error::from(std::io::ErrorKind::TimedOut)))
}

fn schema_error(error: MigrateError) -> DbError {
    match error {
        MigrateError::Execute(error) => error.into(),
        other => DbError::Schema(Box::new(other)),
    }
}

#[async_trait]
impl Database for Postgres {
    async fn ping(&self) -> Result<(), DbError> {
        let asked = sqlx::query("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS BIGINT) AS told")
            .fetch_one(&self.readers);
        let row = tokio::time::timeout(PING_TIMEOUT, asked).await.map_err(|_| silent())??;
        let told: i64 = row.try_get("told")?;
        // The system's own, whatever clock the caller lives by: the database knows no other either.
        let own = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let ahead = i64::try_from(own).unwrap_or(i64::MAX).saturating_sub(told);
        if ahead.unsigned_abs() > self.tolerance.as_secs() {
            return Err(DbError::ClockApart { ahead });
        }
        Ok(())
    }

    async fn stats(&self) -> Result<Stats, DbError> {
        self.totals().await
    }

    async fn schema_versions(&self) -> Result<SchemaVersions, DbError> {
        self.versions().await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.turn.close().await;
        self.writer.close().await;
    }
}
