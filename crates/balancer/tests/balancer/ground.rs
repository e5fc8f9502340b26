//! An authority, servers that can be told how to behave, a balancer, and clients.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balancer::{Balancer, Config, Running};
use bytes::Bytes;
use futures::TryStreamExt as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

pub(crate) type Answer = Response<BoxBody<Bytes, Infallible>>;
/// How long anything may take before a test says that it never came.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What all parts of a test trust.
pub(crate) struct Ground {
    pub(crate) dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    roots: RootCertStore,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), cert.pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let ground = Self { dir, issuer: Issuer::new(params, key), roots };
        let (chain, key) = ground.certificate();
        std::fs::write(ground.path("cert.pem"), chain.1).unwrap();
        std::fs::write(ground.path("key.pem"), key.serialize_pem()).unwrap();
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn certificate(&self) -> ((CertificateDer<'static>, String), KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        ((cert.der().clone(), cert.pem()), key)
    }

    /// A server that is ready.
    pub(crate) async fn server(&self) -> Server {
        let ((cert, _), key) = self.certificate();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Server::start(TlsAcceptor::from(Arc::new(tls))).await
    }

    /// A balancer before servers; the pause between checks is short.
    pub(crate) async fn balancer(&self, servers: &[&Server]) -> Running {
        self.balancer_with(servers, |_| {}).await
    }

    pub(crate) async fn balancer_with(
        &self,
        servers: &[&Server],
        tweak: impl FnOnce(&mut Config),
    ) -> Running {
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            upstreams: servers.iter().map(|server| server.url().parse().unwrap()).collect(),
            upstream_ca: Some(self.path("ca.pem")),
            tls_cert: Some(self.path("cert.pem")),
            tls_key: Some(self.path("key.pem")),
            admin_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            check_seconds: 0.1,
            ..Config::default()
        };
        tweak(&mut config);
        Balancer::start(config, None).await.unwrap()
    }

    fn connector(&self, alpn: &[u8]) -> TlsConnector {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    /// A bare connection, for words that no library would say.
    pub(crate) async fn raw(&self, balancer: &Running) -> TlsStream<TcpStream> {
        self.dial(balancer, b"http/1.1").await
    }

    async fn dial(&self, balancer: &Running, alpn: &[u8]) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(balancer.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        self.connector(alpn).connect(name, tcp).await.unwrap()
    }

    /// A connection of HTTP/1.1 that several requests may use.
    pub(crate) async fn client<B>(&self, balancer: &Running) -> hyper::client::conn::http1::SendRequest<B>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let stream = TokioIo::new(self.dial(balancer, b"http/1.1").await);
        let (sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// A connection of HTTP/2.
    pub(crate) async fn client2<B>(&self, balancer: &Running) -> hyper::client::conn::http2::SendRequest<B>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(self.dial(balancer, b"h2").await);
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, balancer: &Running, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let mut client = self.client(balancer).await;
        whole(client.send_request(request).await.unwrap()).await
    }

    pub(crate) async fn get(&self, balancer: &Running, path: &str) -> Response<Bytes> {
        self.ask(balancer, request("GET", path, Bytes::new())).await
    }
}

/// A request with the headers that every request has.
pub(crate) fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .body(Full::new(body.into()))
        .unwrap()
}

pub(crate) async fn whole(response: Response<Incoming>) -> Response<Bytes> {
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

/// A body that is sent piece by piece, as a test says.
pub(crate) fn pieces() -> (mpsc::Sender<Bytes>, BoxBody<Bytes, Infallible>) {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let stream = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (Ok(Frame::data(piece)), receiver))
    });
    (sender, BoxBody::new(StreamBody::new(stream)))
}

/// What metrics say.
pub(crate) async fn metrics(balancer: &Running) -> String {
    let mut tcp = TcpStream::connect(balancer.admin_address().unwrap()).await.unwrap();
    tcp.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    tcp.read_to_string(&mut text).await.unwrap();
    text
}

/// Waits until metrics say a line.
pub(crate) async fn until_metrics(balancer: &Running, line: &str) {
    let seen = async {
        while !metrics(balancer).await.lines().any(|found| found == line) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, seen).await.is_ok(), "metrics never said {line}");
}

/// Waits until a server stands as named.
pub(crate) async fn until_state(balancer: &Running, server: &Server, state: &str) {
    let line =
        format!("waxwing_balancer_upstream_state{{upstream=\"{}\",state=\"{state}\"}} 1", server.name());
    until_metrics(balancer, &line).await;
}

/// What a server saw and how it behaves.
pub(crate) struct Behaviour {
    /// What it answers to checks.
    pub(crate) ready: AtomicU16,
    pub(crate) checks: AtomicUsize,
    /// Requests by path, without checks.
    seen: Mutex<HashMap<String, usize>>,
    /// Octets of bodies that arrived so far.
    pub(crate) arrived: AtomicUsize,
    pub(crate) moved: Notify,
    /// Lets answers of `/held` go.
    pub(crate) release: Notify,
}

/// A server that tells what it saw.
pub(crate) struct Server {
    address: SocketAddr,
    pub(crate) behaviour: Arc<Behaviour>,
    stop: CancellationToken,
}

impl Server {
    async fn start(tls: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behaviour = Arc::new(Behaviour {
            ready: AtomicU16::new(200),
            checks: AtomicUsize::new(0),
            seen: Mutex::default(),
            arrived: AtomicUsize::new(0),
            moved: Notify::new(),
            release: Notify::new(),
        });
        let stop = CancellationToken::new();
        let (told, ended) = (behaviour.clone(), stop.clone());
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = ended.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let (tcp, _) = accepted.unwrap();
                let (tls, told, ended) = (tls.clone(), told.clone(), ended.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(tcp).await else { return };
                    let service = service_fn(move |request| answer(told.clone(), request));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades();
                    tokio::select! {
                        _ = connection => {}
                        () = ended.cancelled() => {}
                    }
                });
            }
        });
        Self { address, behaviour, stop }
    }

    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Requests of a path that it saw.
    pub(crate) fn seen(&self, path: &str) -> usize {
        self.behaviour.seen.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    /// All requests that it saw.
    pub(crate) fn seen_all(&self) -> usize {
        self.behaviour.seen.lock().unwrap().values().sum()
    }

    /// Ends as a killed process does: nobody listens, connections are gone.
    pub(crate) async fn die(&self) {
        self.stop.cancel();
        let gone = async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
    }

    /// Waits until so many octets of bodies arrived.
    pub(crate) async fn until_arrived(&self, octets: usize) {
        let arrived = async {
            loop {
                let moved = self.behaviour.moved.notified();
                if self.behaviour.arrived.load(Ordering::SeqCst) >= octets {
                    return;
                }
                moved.await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.expect("the octets never arrived");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn full(text: impl Into<Bytes>) -> BoxBody<Bytes, Infallible> {
    BoxBody::new(Full::new(text.into()))
}

fn shown(headers: &HeaderMap) -> String {
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    lines.collect()
}

/// The broken connection as an error that hyper passes on.
fn break_off() -> std::io::Error {
    std::io::ErrorKind::ConnectionAborted.into()
}

async fn answer(told: Arc<Behaviour>, mut request: Request<Incoming>) -> Result<Answer, std::io::Error> {
    let path = request.uri().path().to_owned();
    if path == "/health/ready" {
        told.checks.fetch_add(1, Ordering::SeqCst);
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::from_u16(told.ready.load(Ordering::SeqCst)).unwrap();
        return Ok(response);
    }
    *told.seen.lock().unwrap().entry(path.clone()).or_default() += 1;
    match path.as_str() {
        "/headers" => Ok(Response::new(full(shown(request.headers())))),
        "/held" => {
            told.moved.notify_waiters();
            told.release.notified().await;
            Ok(Response::new(full("let go")))
        }
        // Reads a little, then breaks off.
        "/breaks" => {
            let mut read = 0;
            while read < 256 << 10 {
                match request.body_mut().frame().await {
                    Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
                    _ => break,
                }
            }
            Err(break_off())
        }
        "/range" => {
            let asked = request.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
            let builder = Response::builder().header("etag", "\"abc\"").header("accept-ranges", "bytes");
            let response = match asked.as_deref() {
                Some("bytes=2-4") => {
                    builder.status(206).header("content-range", "bytes 2-4/10").body(full("234"))
                }
                _ => builder.status(200).body(full("0123456789")),
            };
            Ok(response.unwrap())
        }
        "/api/v1/events" => Ok(echo(request)),
        "/trickle" => Ok(trickle(told, Bytes::from_static(b"first"))),
        // Promises more than it says, and breaks off when it is released.
        "/shortened" => {
            let mut response = trickle(told, Bytes::from(vec![1; 512 << 10]));
            response.headers_mut().insert("content-length", "1000000".parse().unwrap());
            Ok(response)
        }
        _ => {
            while let Some(frame) = request.body_mut().frame().await {
                let len = frame.map_err(|_| break_off())?.data_ref().map_or(0, Bytes::len);
                told.arrived.fetch_add(len, Ordering::SeqCst);
                told.moved.notify_waiters();
            }
            Ok(Response::new(full("done")))
        }
    }
}

/// Answers one piece, and the rest when it is released.
fn trickle(told: Arc<Behaviour>, first: Bytes) -> Answer {
    let stream = futures::stream::unfold(0, move |n| {
        let (told, first) = (told.clone(), first.clone());
        async move {
            match n {
                0 => Some((first, 1)),
                1 => {
                    told.release.notified().await;
                    Some((Bytes::from_static(b"last"), 2))
                }
                _ => None,
            }
        }
    });
    let body = StreamBody::new(futures::StreamExt::map(stream, Ok::<_, Infallible>).map_ok(Frame::data));
    let mut response = Response::new(BoxBody::new(SyncBody::new(body)));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

/// A WebSocket that says whatever was said to it.
fn echo(mut request: Request<Incoming>) -> Answer {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(stream) = upgrade.await else { return };
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(stream));
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    });
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        .body(full(""))
        .unwrap()
}

/// A body that one task alone reads, said to be safe for several by a lock.
struct SyncBody<B>(Mutex<std::pin::Pin<Box<B>>>);

impl<B> SyncBody<B> {
    fn new(body: B) -> Self {
        Self(Mutex::new(Box::pin(body)))
    }
}

impl<B: Body> Body for SyncBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.0.lock().unwrap().as_mut().poll_frame(cx)
    }
}
