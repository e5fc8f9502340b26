//! The bytes between us and the relay: in clear or through TLS, and never more of them than a letter can need.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What a relay may say in the life of one connection. Replies are read line by line, so without a bound a line that
/// never ends would fill the memory.
const BYTES_MAX: usize = 256 << 10;

/// A bounded connection; see [`Way::plain`] and [`Way::tls`].
#[derive(Debug)]
pub(super) struct Way {
    line: Line,
    /// What is read before anything else.
    first: &'static [u8],
    left: usize,
}

#[derive(Debug)]
enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Way {
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Self { line: Line::Plain(tcp), first: b"", left: BYTES_MAX }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self { line: Line::Tls(Box::new(stream)), first: b"", left: BYTES_MAX }
    }

    /// After STARTTLS a relay does not greet again, but whoever speaks SMTP from here on waits for a greeting.
    pub(super) fn greeted(mut self) -> Self {
        self.first = b"220 greeted before TLS\r\n";
        self
    }
}

impl AsyncRead for Way {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let (now, later) = self.first.split_at(self.first.len().min(buf.remaining()));
            buf.put_slice(now);
            self.first = later;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = match &mut self.line {
            Line::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Line::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        let fresh = buf.filled().len() - before;
        match self.left.checked_sub(fresh) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::other("the relay says more than it may"))),
        }
        read
    }
}

impl AsyncWrite for Way {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.line {
            Line::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Line::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.line {
            Line::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Line::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.line {
            Line::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Line::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl AsyncTokioStream for Way {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.line {
            Line::Plain(tcp) => tcp.peer_addr(),
            Line::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}
