//! What a mirror remembers of a store that failed: for a moment it is asked last, so that nobody waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::BlobError;

/// How long a failure is remembered.
const REMEMBERED: Duration = Duration::from_secs(5);

/// When a store last failed, and when it last had no room.
#[derive(Default)]
pub(super) struct Standing {
    last: Mutex<Last>,
}

#[derive(Clone, Copy, Default)]
struct Last {
    failed: Option<Instant>,
    full: Option<Instant>,
}

impl Standing {
    /// Remembers an error if it speaks of the store and not of a blob. `true` if it is news.
    pub(super) fn note(&self, error: &BlobError) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match error {
            BlobError::NotFound
            | BlobError::AlreadyExists
            | BlobError::OutOfRange { .. }
            | BlobError::Broken => {
                return false;
            }
            BlobError::StorageFull => &mut last.full,
            BlobError::Unavailable(_) | BlobError::Io(_) => &mut last.failed,
        };
        let before = place.replace(Instant::now());
        !is_recent(before)
    }

    pub(super) fn is_failing(&self) -> bool {
        is_recent(self.last().failed)
    }

    pub(super) fn is_full(&self) -> bool {
        is_recent(self.last().full)
    }

    fn last(&self) -> Last {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(time: Option<Instant>) -> bool {
    time.is_some_and(|time| time.elapsed() < REMEMBERED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_remembered_for_a_moment() {
        let standing = Standing::default();
        let failure = BlobError::Unavailable(std::io::ErrorKind::TimedOut.into());
        assert!(standing.note(&failure), "news");
        assert!(!standing.note(&failure), "no news");
        assert!(standing.is_failing() && !standing.is_full());
        tokio::time::advance(REMEMBERED).await;
        assert!(!standing.is_failing());
        assert!(standing.note(&failure), "news again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_store_is_still_read_from() {
        let standing = Standing::default();
        standing.note(&BlobError::StorageFull);
        assert!(standing.is_full() && !standing.is_failing());
    }

    #[tokio::test(start_paused = true)]
    async fn a_blob_that_is_missing_says_nothing_of_its_store() {
        let standing = Standing::default();
        assert!(!standing.note(&BlobError::NotFound) && !standing.note(&BlobError::AlreadyExists));
        assert!(!standing.is_failing() && !standing.is_full());
    }
}
