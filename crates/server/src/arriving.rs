//! Parts that are arriving just now, by upload: whoever asks what is there can wait for them to settle.
//!
//! A client that was cut off comes back and asks while the server still reads the last bytes of its former
//! connection, or makes that part durable. Answering at once would make it send a part that is as good as there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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
    parts: Mutex<HashMap<FileId, u32>>,
    changed: Notify,
}

/// One part; it has settled when this is dropped.
pub(crate) struct OnItsWay {
    all: Arriving,
    file_id: FileId,
}

impl Arriving {
    /// A part begins to arrive.
    pub(crate) fn begin(&self, file_id: FileId) -> OnItsWay {
        *self.0.parts.lock().unwrap_or_else(PoisonError::into_inner).entry(file_id).or_default() += 1;
        OnItsWay { all: self.clone(), file_id }
    }

    /// Waits until nothing of the upload is under way, but not for ever.
    pub(crate) async fn settled(&self, file_id: FileId) {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.0.changed.notified());
                // Listening begins before looking, so that no change is missed between the two.
                changed.as_mut().enable();
                if !self.0.parts.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&file_id) {
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
        let mut parts = self.all.0.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = parts.get_mut(&self.file_id) {
            *count -= 1;
            if *count == 0 {
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
