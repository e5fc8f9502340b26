//! How many parts are received at once: each takes memory, and a thousand senders come when they like.

use std::sync::Arc;
use std::time::Duration;

use proto::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Answer, Refusal};

/// How long a request waits for its turn, its body unread, before it is asked to come again. Clients give up waiting after
/// a minute of silence.
const PATIENCE: Duration = Duration::from_secs(20);

/// From so many on, each makes do with less memory.
const MANY: usize = 16;

/// Places for parts that are being received; handed out in the order of asking.
#[derive(Clone)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    all: usize,
}

impl Places {
    pub(crate) fn new(at_once: u32) -> Self {
        let all = (at_once as usize).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(all)), all }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.all - self.free.available_permits().min(self.all)
    }

    /// Whether so many are taken that each should make do with less.
    pub(crate) fn are_crowded(&self) -> bool {
        self.taken() > MANY
    }

    /// A place, held until dropped; after a while a polite refusal instead.
    pub(crate) async fn take(&self) -> Answer<OwnedSemaphorePermit> {
        let place = tokio::time::timeout(PATIENCE, self.free.clone().acquire_owned()).await;
        place
            .map_err(|_| {
                Refusal::new(
                    Code::Unavailable,
                    "Many others are sending just now. Nothing was lost; try again.",
                )
                .retry_after(2)
            })?
            .map_err(Refusal::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_asked_to_come_again_and_a_free_place_is_given_on() {
        let places = Places::new(1);
        let first = places.take().await.unwrap();
        let refused = places.take().await.unwrap_err();
        assert_eq!(refused.code, Code::Unavailable);
        assert!(refused.retry_after.is_some());
        drop(first);
        assert!(places.take().await.is_ok());
    }
}
