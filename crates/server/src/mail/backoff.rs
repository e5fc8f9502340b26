//! How long a letter waits between two tries.

use std::time::Duration;

use async_trait::async_trait;

/// The pauses between the tries of one letter: a seam, so that a test decides when they end.
#[async_trait]
pub trait Backoff: Send + Sync {
    /// Waits after a letter has failed so many times (1 is the first); gives `false` at once when it is to be given
    /// up. Dropped when the code is too old or the server stops.
    async fn wait(&self, failed: u32) -> bool;
}

/// Growing pauses that together stay below the life of a code. The long ones are for relays that make strangers wait
/// before they take a letter (greylisting, often for five minutes).
const PAUSES: [u64; 6] = [2, 10, 30, 60, 120, 240];

/// The pauses of a real server.
pub(crate) struct Growing;

#[async_trait]
impl Backoff for Growing {
    async fn wait(&self, failed: u32) -> bool {
        let index = failed.saturating_sub(1) as usize;
        let Some(seconds) = PAUSES.get(index) else { return false };
        tokio::time::sleep(Duration::from_secs(*seconds)).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_pauses_end_before_the_code_does() {
        let began = tokio::time::Instant::now();
        let mut failed = 1;
        while Growing.wait(failed).await {
            failed += 1;
        }
        assert_eq!(failed, 7);
        let life = u64::try_from(proto::limits::CODE_SECONDS).unwrap();
        assert!(began.elapsed() < Duration::from_secs(life));
    }
}
