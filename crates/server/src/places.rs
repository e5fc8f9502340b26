//! How many parts are received at once: each takes memory, and a thousand senders come when they like.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use proto::{Code, FileId, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Answer, Refusal};

/// How long a request waits for its turn, its body unread, before it is asked to come again. Clients give up waiting after
/// a minute of silence.
const PATIENCE: Duration = Duration::from_secs(20);

/// From so many on, each makes do with less memory.
const MANY: usize = 16;

/// Of all places one account, all its drop boxes, or one file gets one in so many, but at least [`FEW`]: whoever sends slowly on many
/// connections keeps nobody else waiting.
const SHARES: usize = 4;
const FEW: usize = 4;

/// On whose behalf a body is received, or read as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum On {
    Account(UserId),
    /// Strangers, who come by any drop box of that account: there may be a hundred.
    Boxes(UserId),
    /// All who have its pieces checked on this side before they read them.
    File(FileId),
}

/// Places for parts that are being received; handed out in the order of asking.
#[derive(Clone)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    all: usize,
    shares: Arc<Mutex<HashMap<On, Weak<Semaphore>>>>,
}

/// A place, held until dropped.
pub(crate) struct Turn {
    _place: OwnedSemaphorePermit,
    _share: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(at_once: u32) -> Self {
        let all = (at_once as usize).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(all)), all, shares: Arc::default() }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.all - self.free.available_permits().min(self.all)
    }

    /// Whether so many are taken that each should make do with less.
    pub(crate) fn are_crowded(&self) -> bool {
        self.taken() > MANY
    }

    /// A place; after a while a polite refusal instead.
    pub(crate) async fn take(&self, on: On) -> Answer<Turn> {
        let turn = async {
            // The own share first: who has used it up waits in no queue of all.
            let share = self.share(on).acquire_owned().await?;
            Ok(Turn { _place: self.free.clone().acquire_owned().await?, _share: share })
        };
        let turn: Result<_, tokio::sync::AcquireError> =
            tokio::time::timeout(PATIENCE, turn).await.map_err(|_| {
                Refusal::new(Code::Unavailable, "Much is being sent just now. Nothing was lost; try again.")
                    .retry_after(2)
            })?;
        turn.map_err(Refusal::internal)
    }

    /// What one may hold of the places. It is there for as long as somebody holds or awaits a part of it.
    fn share(&self, on: On) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some(share) = shares.get(&on).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new((self.all / SHARES).max(FEW)));
        shares.insert(on, Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u8) -> On {
        On::Account(UserId::from_bytes([n; 16]))
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_asked_to_come_again_and_a_free_place_is_given_on() {
        let places = Places::new(1);
        let first = places.take(account(1)).await.unwrap();
        let refused = places.take(account(2)).await.err().unwrap();
        assert_eq!(refused.code, Code::Unavailable);
        assert!(refused.retry_after.is_some());
        drop(first);
        assert!(places.take(account(2)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_takes_all_they_can_leaves_places_for_everybody_else() {
        let places = Places::new(32);
        let on = On::Boxes(UserId::from_bytes([1; 16]));
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(places.take(on).await.unwrap());
        }
        assert_eq!(places.take(on).await.err().unwrap().code, Code::Unavailable);
        for n in 1..=3 {
            for _ in 0..8 {
                held.push(places.take(account(n)).await.unwrap());
            }
        }
        assert_eq!((places.taken(), places.shares.lock().unwrap().len()), (32, 4));
        held.clear();
        assert!(places.take(on).await.is_ok());
        assert_eq!(places.shares.lock().unwrap().len(), 1, "nothing is remembered of those who hold nothing");
    }
}
