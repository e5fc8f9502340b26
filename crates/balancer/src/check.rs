//! Whether a server is ready: `GET /health/ready` over a fresh connection, as a client would make it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::dialer::{Dialer, ServerStream};
use crate::upstream::{News, Upstream};

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most octets of an answer that are read: the status line is at its beginning.
const ANSWER_MAX: usize = 64;

/// Asks servers whether they are ready. `look` is called again and again, by one task for each server.
pub(crate) struct Checker {
    dialer: Dialer,
}

impl Checker {
    pub(crate) fn new(dialer: Dialer) -> Self {
        Self { dialer }
    }

    /// Looks once and lets the server learn what was seen.
    pub(crate) async fn look(&self, upstream: &Upstream) {
        let news = match tokio::time::timeout(PATIENCE, self.ask(upstream)).await {
            Ok(Ok(200)) => News::Ready,
            Ok(Ok(503)) => News::NotReady,
            Ok(Ok(status)) => {
                tracing::debug!(upstream = upstream.name, status, "a check got an answer that means nothing");
                News::CheckFailed
            }
            Ok(Err(error)) => {
                tracing::debug!(upstream = upstream.name, cause = %error, "a check failed");
                News::CheckFailed
            }
            Err(_) => News::CheckFailed,
        };
        upstream.learn(news);
    }

    /// Looks again and again, at once where a request failed, until the list no longer names the server.
    pub(crate) async fn keep_looking(&self, upstream: Arc<Upstream>, pause: Duration) {
        loop {
            tokio::select! {
                () = upstream.gone.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = upstream.look.notified() => {}
            }
            self.look(&upstream).await;
        }
    }

    /// Connects to the first address of the server that answers; requests then go there.
    async fn reach(&self, upstream: &Upstream) -> io::Result<ServerStream> {
        let name = upstream.target.server_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut fault = io::ErrorKind::NotFound.into();
        for address in tokio::net::lookup_host((upstream.target.host(), upstream.target.port())).await? {
            match self.dialer.dial(address, name.clone()).await {
                Ok(stream) => {
                    upstream.set_address(address);
                    return Ok(stream);
                }
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    async fn ask(&self, upstream: &Upstream) -> io::Result<u16> {
        let mut stream = self.reach(upstream).await?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: waxwing-balancer\r\nConnection: close\r\n\r\n",
            proto::paths::READY,
            upstream.name
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::with_capacity(ANSWER_MAX);
        while answer.len() < 12 {
            if stream.read_buf(&mut answer).await? == 0 {
                break;
            }
        }
        status_of(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// The status in the first line of an answer of HTTP/1.
fn status_of(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let version_ends = rest.get(1) == Some(&b' ');
    version_ends.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::status_of;

    #[test]
    fn a_status_is_read_from_the_first_line_alone() {
        assert_eq!(status_of(b"HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 503 "), Some(503));
        for odd in [&b"HTTP/2 200"[..], b"HTTP/1.1 20", b"HTTP/1.1 2x0 OK", b"<html>", b""] {
            assert_eq!(status_of(odd), None);
        }
    }
}
