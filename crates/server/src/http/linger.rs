//! Takes in a refused body for a while, so that the client gets to read why it was refused.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;

use crate::state::App;

/// Closing a connection on bytes that are under way would destroy the reply at the other end.
const LONGEST: Duration = Duration::from_secs(10);
const MOST: usize = 64 << 20;

/// Reads and drops what is left of a body, in the background, within bounds of time and length.
pub(crate) fn linger(app: &App, mut body: Body) {
    app.tasks.spawn(async move {
        let drain = async {
            let mut seen = 0;
            while let Some(Ok(frame)) = body.frame().await {
                seen += frame.data_ref().map_or(0, bytes::Bytes::len);
                if seen > MOST {
                    return;
                }
            }
        };
        // Whether it came to its end does not matter.
        let _ = tokio::time::timeout(LONGEST, drain).await;
    });
}
