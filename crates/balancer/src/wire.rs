//! A TLS connection as Pingora wants its streams, and the watch over a client that begins a request.
//!
//! Pingora's own TLS is left out of the build: it brings a second provider of cryptography. What it asks of a stream is small.

use std::io;
use std::net::SocketAddr as InetAddr;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf as _, Bytes};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Most octets of the head of a request before it is complete. What is complete is judged more closely by the gate.
const HEAD_MAX: usize = 64 << 10;
/// What an HTTP/2 client says first: the preface and the head of a settings frame (RFC 9113, section 3.4).
const GREETING: usize = 24 + 9;
/// Octets of a TLS record at most.
const RECORD: usize = 16 << 10;
/// What is heard ahead at most; most heads are shorter.
const HEARD: usize = 4 << 10;
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Whether a client is awaited to say the head of a request; shared by the stream and whoever reads requests from it.
#[derive(Debug)]
pub(crate) struct Head {
    awaited: AtomicBool,
    /// The client watches for events on this connection, for as long as it likes.
    watching: AtomicBool,
}

impl Head {
    pub(crate) fn awaited() -> Arc<Self> {
        Arc::new(Self { awaited: AtomicBool::new(true), watching: AtomicBool::new(false) })
    }

    /// The next thing to come is a head.
    pub(crate) fn wait(&self) {
        self.awaited.store(true, Ordering::Release);
    }

    /// The head is here.
    pub(crate) fn arrived(&self) {
        self.awaited.store(false, Ordering::Release);
    }

    /// What was asked for is to be told what happens, or something else.
    pub(crate) fn watches(&self, is_so: bool) {
        self.watching.store(is_so, Ordering::Release);
    }

    pub(crate) fn is_watching(&self) -> bool {
        self.watching.load(Ordering::Acquire)
    }
}

/// How long and how large a head may be.
#[derive(Debug)]
struct Guard {
    head: Arc<Head>,
    patience: Duration,
    is_http2: bool,
    seen: usize,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Guard {
    /// Judges what was read while a head is awaited. Time counts from the first octet, and on a new connection from its start.
    fn judge(&mut self, cx: &mut Context<'_>, read: Poll<io::Result<usize>>) -> Poll<io::Result<()>> {
        if !self.head.awaited.load(Ordering::Acquire) {
            self.seen = 0;
            self.alarm = None;
            return read.map_ok(|_| ());
        }
        match read {
            Poll::Ready(Ok(n)) => {
                self.seen = self.seen.saturating_add(n);
                if self.is_http2 && self.seen >= GREETING {
                    self.head.arrived();
                    self.alarm = None;
                } else if self.seen > HEAD_MAX {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                } else if n > 0 && self.alarm.is_none() {
                    self.alarm = Some(Box::pin(tokio::time::sleep(self.patience)));
                }
                if self.alarm.as_ref().is_some_and(|alarm| alarm.deadline() <= Instant::now()) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let alarm = self.alarm.as_mut().map(|alarm| alarm.as_mut().poll(cx));
                match alarm {
                    Some(Poll::Ready(())) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    _ => Poll::Pending,
                }
            }
        }
    }
}

/// A TLS connection.
pub(crate) struct Wire<S> {
    inner: S,
    fd: RawFd,
    alpn: Option<ALPN>,
    socket: Arc<SocketDigest>,
    tls: Arc<SslDigest>,
    guard: Option<Guard>,
    /// What was heard before anybody asked.
    ahead: Bytes,
    /// What went wrong behind octets that were still handed out.
    fault: Option<io::Error>,
}

impl<S> Wire<S> {
    /// `fd` is that of the socket below; Pingora knows connections by it.
    pub(crate) fn new(inner: S, fd: RawFd, peer: Option<InetAddr>) -> Self {
        let socket = SocketDigest::from_raw_fd(fd);
        // A fresh cell takes its first value.
        let _ = socket.peer_addr.set(peer.map(SocketAddr::Inet));
        let tls = Arc::new(SslDigest::new("", "", None, None, Vec::new()));
        Self {
            inner,
            fd,
            alpn: None,
            socket: Arc::new(socket),
            tls,
            guard: None,
            ahead: Bytes::new(),
            fault: None,
        }
    }

    /// A client's connection, whose heads are watched.
    pub(crate) fn of_client(mut self, is_http2: bool, head: Arc<Head>, patience: Duration) -> Self {
        self.alpn = Some(if is_http2 { ALPN::H2 } else { ALPN::H1 });
        let alarm = Some(Box::pin(tokio::time::sleep(patience)));
        self.guard = Some(Guard { head, patience, is_http2, seen: 0, alarm });
        self
    }

    pub(crate) fn head(&self) -> Option<&Arc<Head>> {
        self.guard.as_ref().map(|guard| &guard.head)
    }
}

impl<S> std::fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("fd", &self.fd).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Waits until the other end says something, and keeps it for whoever reads next. `false` where it ended instead.
    pub(crate) async fn hear(&mut self) -> io::Result<bool> {
        let mut room = vec![0; HEARD];
        let n = self.read(&mut room).await?;
        room.truncate(n);
        self.ahead = room.into();
        Ok(n > 0)
    }

    /// TLS gives a record at a time; what else is here already is taken along, so that bodies travel in pieces as large as there
    /// is room for.
    fn read_all_there_is(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(fault) = self.fault.take() {
            return Poll::Ready(Err(fault));
        }
        let mut before = buf.filled().len();
        let first = Pin::new(&mut self.inner).poll_read(cx, buf);
        if !matches!(first, Poll::Ready(Ok(()))) {
            return first;
        }
        while buf.filled().len() > before && buf.remaining() >= RECORD {
            before = buf.filled().len();
            match Pin::new(&mut self.inner).poll_read(cx, buf) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(fault)) => self.fault = Some(fault),
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let n = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..n]);
            self.ahead.advance(n);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = self.read_all_there_is(cx, buf);
        match self.guard.as_mut() {
            None => polled,
            Some(guard) => guard.judge(cx, polled.map_ok(|()| buf.filled().len() - before)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl<S: AsyncWrite + Unpin + Send> Shutdown for Wire<S> {
    async fn shutdown(&mut self) {
        // Whoever does not take leave is left.
        let _ = tokio::time::timeout(FAREWELL, self.inner.shutdown()).await;
    }
}

impl<S> UniqueID for Wire<S> {
    fn id(&self) -> UniqueIDType {
        self.fd
    }
}

impl<S> Ssl for Wire<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        Some(self.tls.clone())
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.alpn.clone()
    }
}

impl<S> GetTimingDigest for Wire<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S> GetProxyDigest for Wire<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<S> GetSocketDigest for Wire<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}

impl<S> Peek for Wire<S> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(is_http2: bool) -> (Wire<tokio::io::DuplexStream>, tokio::io::DuplexStream, Arc<Head>) {
        let (near, far) = tokio::io::duplex(256 << 10);
        let head = Head::awaited();
        (Wire::new(near, -1, None).of_client(is_http2, head.clone(), Duration::from_secs(10)), far, head)
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_given_up() {
        let (mut wire, mut far, _) = watched(false);
        let dripping = tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut one = [0; 1];
        let ended = loop {
            if let Err(error) = wire.read_exact(&mut one).await {
                break error.kind();
            }
        };
        assert_eq!(ended, io::ErrorKind::TimedOut);
        dripping.abort();
    }

    #[tokio::test]
    async fn a_head_without_end_is_given_up() {
        let (mut wire, mut far, _) = watched(false);
        far.write_all(&vec![b'x'; HEAD_MAX + 2]).await.unwrap();
        let mut all = vec![0; HEAD_MAX + 2];
        assert_eq!(wire.read_exact(&mut all).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_as_long_as_it_takes() {
        let (mut wire, mut far, head) = watched(false);
        far.write_all(b"head").await.unwrap();
        let mut four = [0; 4];
        wire.read_exact(&mut four).await.unwrap();
        head.arrived();
        let sending = tokio::spawn(async move {
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                far.write_all(b"x").await.unwrap();
            }
            far
        });
        let mut eight = [0; 8];
        wire.read_exact(&mut eight).await.unwrap();
        drop(sending.await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_client_that_does_not_greet_is_given_up() {
        let (mut wire, far, _) = watched(true);
        let mut one = [0; 1];
        assert_eq!(wire.read(&mut one).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(far);
    }
}
