//! How slowly a large body may come. It may take as long as it likes, but whoever sends it holds a place that others wait for.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use proto::Code;
use tokio::time::Instant;

use crate::error::Refusal;

/// Octets a second that come on the whole, once the longest pause has been waited for. A telephone line is twice as fast.
const SLOWEST: u64 = 2 << 10;

/// The pace of one body.
pub(crate) struct Pace {
    /// The longest pause.
    idle: Duration,
    /// How long was waited for the other end, and what came in that time.
    waited: Duration,
    came: u64,
}

/// Why there is no next piece.
pub(crate) enum Slow {
    /// It paused for too long, or comes too slowly on the whole.
    Given(Refusal),
    /// The connection, or whatever else the body comes from.
    Broken(axum::Error),
}

impl Pace {
    pub(crate) fn new(idle: Duration) -> Self {
        Self { idle, waited: Duration::ZERO, came: 0 }
    }

    /// The next octets; `None` at the end.
    pub(crate) async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, Slow> {
        loop {
            let began = Instant::now();
            let frame = tokio::time::timeout(self.idle, body.frame()).await.map_err(|_| {
                Slow::Given(Refusal::new(
                    Code::Timeout,
                    "The body paused for too long. Nothing of it was kept; send it again.",
                ))
            })?;
            self.waited += began.elapsed();
            let Some(frame) = frame else { return Ok(None) };
            let Ok(data) = frame.map_err(Slow::Broken)?.into_data() else { continue };
            self.came += data.len() as u64;
            if self.waited > self.idle && self.came < self.waited.as_secs() * SLOWEST {
                return Err(Slow::Given(Refusal::new(
                    Code::Timeout,
                    "The body comes too slowly: less than 2 KiB a second. Nothing of it was kept.",
                )));
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};

    use super::*;

    /// A body of so many pieces, one after each pause.
    fn body(pieces: usize, len: usize, pause: Duration) -> Body {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![0; len]))
        });
        Body::from_stream(pieces)
    }

    async fn taken(mut body: Body) -> Result<u64, Code> {
        let mut pace = Pace::new(Duration::from_secs(30));
        loop {
            match pace.next(&mut body).await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(pace.came),
                Err(Slow::Given(refusal)) => return Err(refusal.code),
                Err(Slow::Broken(error)) => panic!("{error}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_and_one_that_is_merely_slow_arrives() {
        let seconds = Duration::from_secs;
        assert_eq!(taken(body(1_000, 1, seconds(29))).await, Err(Code::Timeout), "an octet before each end");
        assert_eq!(taken(body(10, 1, seconds(31))).await, Err(Code::Timeout), "a pause");
        assert_eq!(taken(body(1_000, 3_000, seconds(1))).await, Ok(3_000_000), "a quarter of an hour");
        // Pauses that are all but too long, with a quick piece between them.
        assert_eq!(taken(body(20, 100_000, seconds(29))).await, Ok(2_000_000));
    }
}
