//! Parts that are arriving just now, by upload: whoever asks what is there can wait for them to settle.
//!
//! A client that was cut off comes back and asks while the server still reads the last bytes of its former
//! connection, or makes that part durable. Answering at once would make it send a part that is as good as there.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::FileId;
use tokio::sync::Notify;

/// How long an answer waits. A connection that hangs longer will hardly bring its part to an end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The parts under way.
#[derive(Clone, Default)]
pub(crate) struct Arriving(Arc<Inner>);

#[derive(Default)]
struct Inner {
    parts: Mutex<HashMap<FileId, BTreeSet<u64>>>,
    begun: AtomicU64,
    changed: Notify,
}

/// One part; it has settled when this is dropped.
pub(crate) struct OnItsWay {
    all: Arriving,
    file_id: FileId,
    nth: u64,
}

impl Arriving {
    /// A part begins to arrive.
    pub(crate) fn begin(&self, file_id: FileId) -> OnItsWay {
        let nth = self.0.begun.fetch_add(1, Ordering::Relaxed);
        self.lock().entry(file_id).or_default().insert(nth);
        OnItsWay { all: self.clone(), file_id, nth }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FileId, BTreeSet<u64>>> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the parts of the upload that are under way now have settled, but not for ever. Those that begin
    /// meanwhile are not waited for.
    pub(crate) async fn settled(&self, file_id: FileId) {
        let now = self.0.begun.load(Ordering::Relaxed);
        let is_waited_for = |parts: &BTreeSet<u64>| parts.first().is_some_and(|nth| *nth < now);
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.0.changed.notified());
                // Listening begins before looking, so that no change is missed between the two.
                changed.as_mut().enable();
                if !self.lock().get(&file_id).is_some_and(is_waited_for) {
                    return;
                }
                changed.await;
            }
        };
        // Running out of patience is no fault: the answer then says what is recorded.
        drop(tokio::time::timeout(PATIENCE, waiting).await);
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let mut parts = self.all.lock();
        if let Some(under_way) = parts.get_mut(&self.file_id) {
            under_way.remove(&self.nth);
            if under_way.is_empty() {
                parts.remove(&self.file_id);
            }
        }
        drop(parts);
        self.all.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_waits_for_the_parts_of_its_own_upload() {
        let arriving = Arriving::default();
        let (one, other) = (FileId::from_bytes([1; 16]), FileId::from_bytes([2; 16]));
        let _elsewhere = arriving.begin(other);
        let (first, second) = (arriving.begin(one), arriving.begin(one));
        let mut waiting = Box::pin(arriving.settled(one));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(first);
        assert!(futures::poll!(&mut waiting).is_pending());
        let _later = arriving.begin(one);
        drop(second);
        waiting.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_hangs_holds_nobody_for_ever() {
        let arriving = Arriving::default();
        let _hanging = arriving.begin(FileId::from_bytes([1; 16]));
        arriving.settled(FileId::from_bytes([1; 16])).await;
    }
}
