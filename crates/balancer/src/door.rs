//! Connections of clients: accepted by Pingora, TLS by ours, then requests over HTTP/1.1 or HTTP/2.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use pingora::apps::{HttpServerApp as _, ReusedHttpStream, ServerApp as _};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::{HttpProxy, ProcessCustomSession};
use pingora::server::ShutdownWatch;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dialer::Dialer;
use crate::gate::Gate;
use crate::metrics::{Metrics, add};
use crate::wire::{Head, Wire};

/// Pingora's proxy with our hooks and our connections.
pub(crate) type Proxy = HttpProxy<Gate, Dialer>;
/// A client's connection.
pub(crate) type ClientWire = Wire<TlsStream<Stream>>;

/// What may be under way on one HTTP/2 stream, and on one connection; uploads are slow where it is small.
const HTTP2_STREAM_WINDOW: u32 = 1 << 20;
const HTTP2_CONNECTION_WINDOW: u32 = 2 << 20;
const HTTP2_FRAME: u32 = 64 << 10;
const HTTP2_STREAMS: u32 = 64;
const HTTP2_HEADER_LIST: u32 = 32 << 10;

/// How long a client that was just accepted may take to begin when the end comes.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Limits of HTTP/2.
pub(crate) fn http2_options() -> H2Options {
    let mut options = default_h2_options();
    options
        .initial_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_frame_size(HTTP2_FRAME)
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(HTTP2_HEADER_LIST);
    options
}

/// Everything that a connection needs.
pub(crate) struct Door {
    pub(crate) tls: TlsAcceptor,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) header_time: Duration,
    pub(crate) idle_seconds: u64,
    pub(crate) connections: TaskTracker,
    /// No more requests; those there are go on.
    pub(crate) stop: CancellationToken,
    /// Connections end now.
    pub(crate) abort: CancellationToken,
}

impl Door {
    /// The door as Pingora calls it, once for each connection.
    pub(crate) fn open(self: Arc<Self>) -> ProcessCustomSession<Gate, Dialer> {
        Arc::new(move |proxy, stream, shutdown| {
            let (door, shutdown) = (self.clone(), shutdown.clone());
            let connection = async move {
                door.clone().enter(proxy, stream, shutdown).await;
                None
            };
            self.connections.track_future(connection).boxed()
        })
    }

    async fn enter(self: Arc<Self>, proxy: Arc<Proxy>, stream: Stream, shutdown: ShutdownWatch) {
        let Ok(_place) = self.room.clone().try_acquire_owned() else {
            add(&self.metrics.turned_away, 1);
            return;
        };
        add(&self.metrics.accepted, 1);
        self.metrics.open.fetch_add(1, Ordering::Relaxed);
        let head = Head::awaited();
        tokio::select! {
            () = self.serve(&proxy, stream, &shutdown, &head) => {}
            () = self.abort.cancelled() => {}
            // Whoever watches is told nothing more by this process and goes on watching elsewhere.
            () = self.stopped_watching(&head) => {}
        }
        self.metrics.open.fetch_sub(1, Ordering::Relaxed);
    }

    async fn stopped_watching(&self, head: &Head) {
        self.stop.cancelled().await;
        if !head.is_watching() {
            std::future::pending::<()>().await;
        }
    }

    async fn serve(&self, proxy: &Arc<Proxy>, stream: Stream, shutdown: &ShutdownWatch, head: &Arc<Head>) {
        let fd = stream.id();
        let peer = stream.get_socket_digest().and_then(|digest| digest.peer_addr()?.as_inet().copied());
        let Ok(Ok(tls)) = tokio::time::timeout(self.header_time, self.tls.accept(stream)).await else {
            add(&self.metrics.handshakes_failed, 1);
            tracing::debug!("a TLS handshake failed or took too long");
            return;
        };
        let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        let wire: ClientWire = Wire::new(tls, fd, peer).of_client(is_http2, head.clone(), self.header_time);
        if is_http2 {
            proxy.process_new(Box::new(wire), shutdown).await;
        } else {
            self.converse(proxy, wire, shutdown, head).await;
        }
    }

    /// Whether a new client of HTTP/1.1 begins to speak. Pingora hangs up on whoever is silent when the end comes; somebody whose
    /// connection was accepted a moment ago has a request on the way.
    async fn begins(&self, wire: &mut ClientWire) -> bool {
        let end = async {
            self.stop.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            heard = wire.hear() => heard.unwrap_or(false),
            () = end => false,
        }
    }

    /// Requests of HTTP/1.1, one after the other.
    async fn converse(
        &self,
        proxy: &Arc<Proxy>,
        mut wire: ClientWire,
        shutdown: &ShutdownWatch,
        head: &Arc<Head>,
    ) {
        if !self.begins(&mut wire).await {
            return;
        }
        let mut session = ServerSession::new_http1(Box::new(wire));
        session.set_keepalive((!self.stop.is_cancelled()).then_some(self.idle_seconds));
        let mut kept = proxy.process_new_http(session, shutdown).await;
        while let Some((stream, settings)) = kept.map(ReusedHttpStream::consume) {
            head.wait();
            let mut session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
            kept = proxy.process_new_http(session, shutdown).await;
        }
    }
}
