//! What can go wrong with a blob.

use std::io;

use rustix::io::Errno;

/// What can go wrong with a blob. None of them names a path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// There is no blob of that name.
    #[error("there is no such blob")]
    NotFound,
    /// Another writer committed that name first.
    #[error("a blob of that name is already there")]
    AlreadyExists,
    /// The range is reversed or ends behind the blob, which holds `len` octets.
    #[error("the range does not lie within the {len} octets of the blob")]
    OutOfRange {
        /// Octets in the blob.
        len: u64,
    },
    /// The device or the quota is full. Nothing helps but room, so it is not called transient.
    #[error("the storage is full")]
    StorageFull,
    /// A write failed before, so that this writer cannot be used any more.
    #[error("an earlier write to this blob failed")]
    Broken,
    /// The store cannot answer now, but may soon (too many open files, interrupted, timed out).
    #[error("the storage is not available now")]
    Unavailable(#[source] io::Error),
    /// Any other error of the store.
    #[error("the storage failed")]
    Io(#[source] io::Error),
}

impl BlobError {
    /// Whether the same operation may succeed if it is repeated soon.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => return Self::StorageFull,
            Some(Errno::MFILE | Errno::NFILE | Errno::AGAIN | Errno::NOMEM | Errno::INTR | Errno::STALE) => {
                return Self::Unavailable(error);
            }
            _ => {}
        }
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::StorageFull
            }
            io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted => Self::Unavailable(error),
            _ => Self::Io(error),
        }
    }
}

impl From<Errno> for BlobError {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_or_quota_is_storage_full() {
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
            let error = BlobError::from(errno);
            assert!(matches!(error, BlobError::StorageFull), "{errno}");
            assert!(!error.is_transient());
        }
    }

    #[test]
    fn only_passing_trouble_is_transient() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::INTR] {
            assert!(BlobError::from(errno).is_transient(), "{errno}");
        }
        for errno in [Errno::NOENT, Errno::EXIST, Errno::IO, Errno::ACCESS, Errno::ROFS] {
            assert!(!BlobError::from(errno).is_transient(), "{errno}");
        }
    }
}
