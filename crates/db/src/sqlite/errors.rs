//! What SQLite's errors mean.

use sqlx::error::{DatabaseError, ErrorKind};

use crate::DbError;

/// `None`: nothing that has a meaning of its own.
pub(crate) fn meaning(error: &dyn DatabaseError) -> Option<DbError> {
    if matches!(error.kind(), ErrorKind::ForeignKeyViolation) {
        return Some(DbError::UnknownAccount);
    }
    // The low octet of an extended code is the primary one (sqlite.org/rescode.html).
    let code = error.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xFF);
    match code {
        Some(5 | 6) => Some(DbError::Busy),
        Some(13) => Some(DbError::StorageFull),
        Some(11 | 26) => Some(DbError::Damaged("the file is not a sound database")),
        _ => None,
    }
}
