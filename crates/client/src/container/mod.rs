//! The offline container: sealed and opened without a server.
//!
//! A container is a file that holds everything of one sealed file. It may travel by mail, stick or chat: whoever
//! finds it learns its length and how many recipients it has. Nothing here speaks to a network, and nothing is
//! pinned: a container says who its author claims to be, and only keys that were pinned before say who it is.

mod open;
mod seal;

pub(crate) use open::open_head;
pub use open::{Author, OpenContainer, Opened};
pub use seal::{Recipient, SealContainer, SealedContainer};

use crate::{Cancel, Error, Phase, Progress, Result};
use envelope::merkle::leaves_at_once;
use envelope::segment::{BodyShape, SEGMENT_LEN};
use format::Position;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whose keys open a container.
#[derive(Clone, Copy, Debug)]
pub enum ContainerKey<'a> {
    /// A person's.
    Person(&'a crate::Unlocked),
    /// A bare RSA key.
    Rsa(&'a format::rsa::RsaPrivateKey),
}

/// Threads that seal or open one container: more than a few wait for memory.
const MAX_WORKERS: usize = 8;
/// Segments of a run where the processor hashes one at a time.
const SMALL_RUN: usize = 8;

/// A body that is worked on in runs of segments, by several threads, in any order.
struct Runs {
    body: BodyShape,
    /// Segments of a full run.
    len: u64,
    next: AtomicU64,
    done: AtomicU64,
    failed: AtomicBool,
}

/// One run: its first segment, how many, where they stand in the body, and the position of the last.
struct Run {
    first: u64,
    count: usize,
    offset: u64,
    bytes: usize,
    last: Position,
}

impl Runs {
    fn new(body: BodyShape) -> Self {
        let len = leaves_at_once().max(SMALL_RUN) as u64;
        Self { body, len, next: AtomicU64::new(0), done: AtomicU64::new(0), failed: AtomicBool::new(false) }
    }

    /// The next run that nobody works on; `None` when all are taken or one has failed.
    fn take(&self) -> Option<Run> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) * self.len;
        if first >= self.body.segments() || self.failed.load(Ordering::Relaxed) {
            return None;
        }
        let count = self.len.min(self.body.segments() - first);
        let offset = first * SEGMENT_LEN as u64;
        let bytes = (count * SEGMENT_LEN as u64).min(self.body.body_len() - offset);
        let whole = "a run fits in memory";
        Some(Run {
            first,
            count: usize::try_from(count).expect(whole),
            offset,
            bytes: usize::try_from(bytes).expect(whole),
            last: if first + count == self.body.segments() { Position::Final } else { Position::Inner },
        })
    }

    /// Has `work` do every run, each thread with a buffer of its own, and tells how far it is.
    fn work(
        &self,
        phase: Phase,
        progress: &dyn Progress,
        cancel: &Cancel,
        work: impl Fn(&Run, &mut [u8]) -> Result<()> + Sync,
    ) -> Result<()> {
        let total = self.body.plain_len();
        let runs = self.body.segments().div_ceil(self.len);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
        let threads = usize::try_from(runs).unwrap_or(usize::MAX).min(threads);
        let one = || -> Result<()> {
            let mut buffer = Vec::new();
            while let Some(run) = self.take() {
                if cancel.is_cancelled() {
                    return Err(Error::Interrupted);
                }
                buffer.resize(run.bytes, 0);
                work(&run, &mut buffer)?;
                let done = self.done.fetch_add(run.bytes as u64, Ordering::Relaxed) + run.bytes as u64;
                progress.progress(phase, done.min(total), Some(total));
            }
            Ok(())
        };
        let guarded = || {
            let outcome = one();
            self.failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
            outcome
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(guarded)).collect();
            let mut outcome = guarded();
            for other in others {
                let joined = other.join().unwrap_or(Err(Error::Internal("a working thread ended")));
                outcome = outcome.and(joined);
            }
            outcome
        })
    }
}
