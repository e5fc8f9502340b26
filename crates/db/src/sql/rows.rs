//! From rows to values; a stored value that cannot be is damage, not a panic.

use sqlx::Row as _;

use super::{Row, engine};
use crate::{BlobRef, DbError, UnixTime};

/// Reads columns by name.
pub(super) trait Columns {
    /// A whole number that is not negative.
    fn natural(&self, column: &'static str) -> Result<u64, DbError>;
    /// The same, or NULL.
    fn maybe_natural(&self, column: &'static str) -> Result<Option<u64>, DbError>;
    /// A whole number below 2^32.
    fn small(&self, column: &'static str) -> Result<u32, DbError>;
    /// Exactly `N` octets.
    fn octets<const N: usize>(&self, column: &'static str) -> Result<[u8; N], DbError>;
    /// Any octets.
    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, DbError>;
    /// Any octets, or NULL.
    fn maybe_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, DbError>;
    /// Text.
    fn text(&self, column: &'static str) -> Result<String, DbError>;
    /// A moment.
    fn time(&self, column: &'static str) -> Result<UnixTime, DbError>;
    /// Yes or no.
    fn flag(&self, column: &'static str) -> Result<bool, DbError>;
    /// The name of a blob.
    fn blob(&self, column: &'static str) -> Result<BlobRef, DbError>;
    /// The same, or NULL.
    fn maybe_blob(&self, column: &'static str) -> Result<Option<BlobRef>, DbError>;
}

impl Columns for Row {
    fn natural(&self, column: &'static str) -> Result<u64, DbError> {
        self.maybe_natural(column)?.ok_or(DbError::Damaged(column))
    }

    fn maybe_natural(&self, column: &'static str) -> Result<Option<u64>, DbError> {
        let number = engine::number(self, column)?;
        number.map(|number| u64::try_from(number).map_err(|_| DbError::Damaged(column))).transpose()
    }

    fn small(&self, column: &'static str) -> Result<u32, DbError> {
        u32::try_from(self.natural(column)?).map_err(|_| DbError::Damaged(column))
    }

    fn octets<const N: usize>(&self, column: &'static str) -> Result<[u8; N], DbError> {
        let octets: &[u8] = self.try_get(column)?;
        octets.try_into().map_err(|_| DbError::Damaged(column))
    }

    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, DbError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, DbError> {
        Ok(self.try_get(column)?)
    }

    fn text(&self, column: &'static str) -> Result<String, DbError> {
        Ok(self.try_get(column)?)
    }

    fn time(&self, column: &'static str) -> Result<UnixTime, DbError> {
        engine::number(self, column)?.map(UnixTime).ok_or(DbError::Damaged(column))
    }

    fn flag(&self, column: &'static str) -> Result<bool, DbError> {
        Ok(engine::number(self, column)?.ok_or(DbError::Damaged(column))? != 0)
    }

    fn blob(&self, column: &'static str) -> Result<BlobRef, DbError> {
        let text: String = self.try_get(column)?;
        Ok(BlobRef::new(text))
    }

    fn maybe_blob(&self, column: &'static str) -> Result<Option<BlobRef>, DbError> {
        let text: Option<String> = self.try_get(column)?;
        Ok(text.map(BlobRef::new))
    }
}

/// A number as the engine keeps it.
pub(super) fn integer(number: u64, what: &'static str) -> Result<i64, DbError> {
    i64::try_from(number).map_err(|_| DbError::TooLarge(what))
}

/// A limit as the engine keeps it: what is above its largest number is no limit.
pub(super) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Refuses lists longer than `most`.
pub(super) fn at_most<T>(list: &[T], most: usize, what: &'static str) -> Result<(), DbError> {
    if list.len() > most { Err(DbError::TooLarge(what)) } else { Ok(()) }
}
