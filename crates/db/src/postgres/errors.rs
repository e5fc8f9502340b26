//! What PostgreSQL's errors mean (its appendix A, "PostgreSQL Error Codes").

use sqlx::postgres::PgDatabaseError;

use crate::DbError;

/// `None`: nothing that has a meaning of its own.
pub(crate) fn meaning(error: &PgDatabaseError) -> Option<DbError> {
    let lost = |word: &'static str| DbError::Away(word.into());
    Some(match error.code() {
        "23503" => DbError::UnknownAccount,
        // Serialisation, deadlock, a lock or a statement that took too long, a transaction that was idle for too long, no
        // connection or memory to be had: the engine has taken all of it back.
        "40001" | "40P01" | "55P03" | "57014" | "25P03" | "53000" | "53200" | "53300" | "53400" => {
            DbError::Busy
        }
        "53100" => DbError::StorageFull,
        "57P01" | "57P02" | "57P05" => lost("the server ended the connection"),
        "57P03" => lost("the server is starting or stopping"),
        "25006" => lost("the server only reads: it is a standby"),
        code if code.starts_with("08") => lost("the connection was lost"),
        "XX001" | "XX002" => DbError::Damaged("the server found its files damaged"),
        _ => return None,
    })
}

/// What went wrong while a first connection was made.
pub(super) fn opening(error: sqlx::Error) -> DbError {
    match error.into() {
        DbError::Engine(error) => DbError::Open(error),
        DbError::Busy => DbError::Away("no connection was made in time".into()),
        other => other,
    }
}
