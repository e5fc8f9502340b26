//! A small caller: one connection for each question, so that what one of them does to it disturbs no other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use super::token;

const CONNECT: Duration = Duration::from_secs(10);
/// Time for an answer that nothing holds up.
const ANSWER: Duration = Duration::from_secs(30);
/// Octets of an answer that are read, at most.
const ANSWER_MAX: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("the name leads to no address: {0}")]
    Name(std::io::Error),
    #[error("the connection was not taken: {0}")]
    Connect(std::io::Error),
    #[error("the TLS handshake failed: {0}")]
    Tls(std::io::Error),
    #[error("the connection broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error("there was no answer within {0} seconds")]
    Slow(u64),
    #[error("the answer was larger than it can be")]
    Large,
}

/// A stream that HTTP is spoken over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What was learnt of the other end when the connection was made.
pub(super) struct Met {
    pub(super) address: SocketAddr,
    /// Our own end.
    pub(super) own: SocketAddr,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) is_http2: bool,
}

/// An answer that was read whole.
pub(super) struct Answer {
    /// Our own end of the connection that it came over.
    pub(super) own: SocketAddr,
    pub(super) status: StatusCode,
    pub(super) headers: axum::http::HeaderMap,
    pub(super) body: Bytes,
}

/// Calls one address.
pub(super) struct Caller {
    host: String,
    port: u16,
    /// As it stands in `Host`.
    authority: String,
    roots: Option<Arc<RootCertStore>>,
    token: String,
}

impl Caller {
    pub(super) fn new(url: &Url, roots: Arc<RootCertStore>, token: String) -> Option<Self> {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_or_known_default()?;
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let roots = (url.scheme() == "https").then_some(roots);
        Some(Self { host, port, authority, roots, token })
    }

    /// Connects, offering these protocols.
    pub(super) async fn meet(&self, protocols: &[&[u8]]) -> Result<(Box<dyn Stream>, Met), CallError> {
        timeout(CONNECT, self.connect(protocols)).await.map_err(|_| CallError::Slow(CONNECT.as_secs()))?
    }

    async fn connect(&self, protocols: &[&[u8]]) -> Result<(Box<dyn Stream>, Met), CallError> {
        let found =
            tokio::net::lookup_host((self.host.as_str(), self.port)).await.map_err(CallError::Name)?;
        let mut refused = std::io::Error::from(std::io::ErrorKind::NotFound);
        for address in found {
            match TcpStream::connect(address).await {
                Ok(tcp) => return self.protect(tcp, address, protocols).await,
                Err(error) => refused = error,
            }
        }
        Err(CallError::Connect(refused))
    }

    async fn protect(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        protocols: &[&[u8]],
    ) -> Result<(Box<dyn Stream>, Met), CallError> {
        tcp.set_nodelay(true).map_err(CallError::Connect)?;
        let own = tcp.local_addr().map_err(CallError::Connect)?;
        let Some(roots) = &self.roots else {
            return Ok((Box::new(tcp), Met { address, own, certificates: Vec::new(), is_http2: false }));
        };
        let other = |error| CallError::Tls(std::io::Error::other(error));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.map_err(other)?.with_root_certificates(roots.clone()).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| CallError::Tls(std::io::ErrorKind::InvalidInput.into()))?;
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(CallError::Tls)?;
        let session = tls.get_ref().1;
        let certificates = session.peer_certificates().unwrap_or_default();
        let met = Met {
            address,
            own,
            certificates: certificates.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            is_http2: session.alpn_protocol() == Some(b"h2"),
        };
        Ok((Box::new(tls), met))
    }

    /// A request of HTTP/1.1 whose answer's body is not read yet, with as much patience as it takes.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
        patience: Duration,
    ) -> Result<Response<Incoming>, CallError> {
        Ok(self.talk(request, patience).await?.0)
    }

    /// The same, and our own end of the connection.
    async fn talk(
        &self,
        request: Request<Body>,
        patience: Duration,
    ) -> Result<(Response<Incoming>, SocketAddr), CallError> {
        let (stream, met) = self.meet(&[b"http/1.1"]).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the answer has been read, or is dropped.
        tokio::spawn(connection.with_upgrades());
        let sending = timeout(patience, sender.send_request(request));
        let response = sending.await.map_err(|_| CallError::Slow(patience.as_secs()))??;
        Ok((response, met.own))
    }

    /// An answer of HTTP/1.1, read whole.
    pub(super) async fn ask(&self, request: Request<Body>) -> Result<Answer, CallError> {
        let (response, own) = self.talk(request, ANSWER).await?;
        read(response, own).await
    }

    /// A request over HTTP/2, read whole.
    pub(super) async fn ask_http2(&self, path: &str) -> Result<Answer, CallError> {
        let (stream, met) = self.meet(&[b"h2"]).await?;
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = self.request(Method::GET, path, Body::empty());
        request.headers_mut().remove(header::HOST);
        let scheme = if self.roots.is_some() { "https" } else { "http" };
        if let Ok(uri) = format!("{scheme}://{}{path}", self.authority).parse() {
            *request.uri_mut() = uri;
        }
        let sending = timeout(ANSWER, sender.send_request(request));
        read(sending.await.map_err(|_| CallError::Slow(ANSWER.as_secs()))??, met.own).await
    }

    /// A request with the doctor's token.
    pub(super) fn request(&self, method: Method, path: &str, body: Body) -> Request<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        for (name, value) in [(header::HOST, &self.authority)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers.insert(header::USER_AGENT, HeaderValue::from_static("waxd doctor"));
        if let Ok(mut value) = HeaderValue::from_str(&self.token) {
            value.set_sensitive(true);
            headers.insert(token::HEADER, value);
        }
        request
    }
}

async fn read(response: Response<Incoming>, own: SocketAddr) -> Result<Answer, CallError> {
    let (parts, body) = response.into_parts();
    let body = http_body_util::Limited::new(body, ANSWER_MAX).collect();
    let body = timeout(ANSWER, body).await.map_err(|_| CallError::Slow(ANSWER.as_secs()))?;
    let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(error) => CallError::Http(*error),
        Err(_) => CallError::Large,
    })?;
    Ok(Answer { own, status: parts.status, headers: parts.headers, body: body.to_bytes() })
}
