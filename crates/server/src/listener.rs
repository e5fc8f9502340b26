//! Connections: accept, TLS, HTTP/1.1 and HTTP/2, and an orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::config::Limits;
use crate::http::Peer;
use crate::patience::{Greeted, Requests, Stalled};

/// Largest read of HTTP/1.1, and most that waits to be written.
const HTTP1_BUFFER: usize = 512 << 10;
const HTTP1_HEADERS: usize = 64;
/// What may be under way on one HTTP/2 stream, and on one connection.
const HTTP2_STREAM_WINDOW: u32 = 2 << 20;
const HTTP2_CONNECTION_WINDOW: u32 = 4 << 20;
const HTTP2_FRAME: u32 = 256 << 10;
const HTTP2_STREAMS: u32 = 64;
const HTTP2_HEADER_LIST: u32 = 32 << 10;
const HTTP2_PING: Duration = Duration::from_secs(20);

/// Everything that the accept loop needs.
pub(crate) struct Listener {
    pub(crate) tcp: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) max_connections: usize,
    /// No more connections; those there are finish what they are doing.
    pub(crate) stop: CancellationToken,
    /// Connections end now.
    pub(crate) abort: CancellationToken,
}

impl Listener {
    /// Accepts until told to stop, then waits for the connections.
    pub(crate) async fn run(self) {
        let connections = TaskTracker::new();
        let room = Arc::new(Semaphore::new(self.max_connections));
        let (idle, header_time) =
            (Duration::from_secs(self.limits.idle_seconds), Duration::from_secs(self.limits.header_seconds));
        let builder = Arc::new(http(header_time, idle));
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                accepted = accept(&self.tcp, &room) => accepted,
            };
            let (stream, peer, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Mostly too many open files: the connections there are will end.
                    tracing::warn!(cause = %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (tls, abort) = (self.tls.clone(), self.abort.clone());
            let talk = Talk {
                builder: builder.clone(),
                peer,
                router: self.router.clone(),
                stop: self.stop.clone(),
                header_time,
                idle,
            };
            connections.spawn(async move {
                let serve = async {
                    let stream = Stalled::new(stream, idle);
                    match tls {
                        None => talk.converse(stream).await,
                        Some(tls) => match tokio::time::timeout(header_time, tls.accept(stream)).await {
                            Ok(Ok(stream)) => talk.converse(stream).await,
                            Ok(Err(error)) => tracing::debug!(cause = %error, "a TLS handshake failed"),
                            Err(_) => tracing::debug!("a TLS handshake took too long"),
                        },
                    }
                };
                tokio::select! {
                    () = serve => {}
                    () = abort.cancelled() => {}
                }
                drop(permit);
            });
        }
        drop(self.tcp);
        connections.close();
        connections.wait().await;
    }
}

async fn accept(
    tcp: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = tcp.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

fn http(header_time: Duration, idle: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time.max(idle))
        .max_buf_size(HTTP1_BUFFER)
        .max_headers(HTTP1_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_frame_size(HTTP2_FRAME)
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(HTTP2_HEADER_LIST)
        .max_send_buf_size(HTTP1_BUFFER)
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING);
    builder
}

/// One connection, from its greeting to its end.
struct Talk {
    builder: Arc<Builder<TokioExecutor>>,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
    header_time: Duration,
    idle: Duration,
}

impl Talk {
    async fn converse<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let requests = Requests::none();
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(self.peer));
            let under_way = requests.begin();
            let answer = self.router.clone().oneshot(request.map(Body::new));
            async move { answer.await.map(|response| response.map(|body| under_way.until_sent(body))) }
        });
        let stream = TokioIo::new(Greeted::new(stream, self.header_time));
        let mut connection = std::pin::pin!(self.builder.serve_connection_with_upgrades(stream, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = requests.idle_for(self.idle.max(self.header_time)) => {
                connection.as_mut().graceful_shutdown();
                // Whoever does not take leave is left.
                tokio::time::timeout(self.idle, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(cause = %error, "a connection ended early");
        }
    }
}
