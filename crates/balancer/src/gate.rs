//! The way of one request: judged at the door, given to a server that is ready, given to another where that is safe.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use hyper::header::{self, HeaderName};
use hyper::{Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::door::ClientWire;
use crate::forwarded::{self, Trusted};
use crate::metrics::{Metrics, add};
use crate::pool::Pool;
use crate::refusal::Refusal;
use crate::upstream::{InHand, News, Upstream};
use crate::{dialer, route};

/// Most header fields of a request; what servers take.
const HEADERS_MAX: usize = 64;
/// Most octets of a request's header fields together, names and values.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Longest target (path and query) of a request.
const TARGET_MAX: usize = 2 << 10;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What every request needs.
pub(crate) struct Gate {
    pub(crate) pool: Arc<Pool>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) trusted: Trusted,
    /// For requests under way, each of which has a connection to a server.
    pub(crate) places: Arc<Semaphore>,
    /// Cancelled when no further requests are wanted.
    pub(crate) stop: CancellationToken,
}

/// What is known of one request on its way.
pub(crate) struct Passage {
    started: Instant,
    /// The server's name for the request, or ours where no server named it.
    id: Option<String>,
    client: IpAddr,
    tried: Vec<Arc<Upstream>>,
    in_hand: Option<InHand>,
    place: Option<OwnedSemaphorePermit>,
    refusal: Option<Refusal>,
}

impl Passage {
    fn id(&mut self) -> &str {
        self.id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string())
    }

    fn refuse(&mut self, refusal: Refusal) -> Box<Error> {
        self.refusal = Some(refusal);
        Error::explain(ErrorType::HTTPStatus(refusal.code().status()), "refused by the balancer")
    }

    fn upstream(&self) -> Option<&Arc<Upstream>> {
        self.in_hand.as_ref().map(InHand::upstream)
    }
}

impl Gate {
    /// Times for this connection from now on.
    fn set_times(&self, session: &mut ServerSession) {
        session.set_read_timeout(Some(self.limits.idle()));
        session.set_write_timeout(Some(self.limits.idle()));
        session.set_total_drain_timeout(Some(self.limits.idle()));
        if session.is_http2() {
            return;
        }
        if self.stop.is_cancelled() {
            session.set_keepalive(None);
        } else if session.get_keepalive().is_some() {
            session.set_keepalive(Some(self.limits.idle_seconds));
        }
    }

    fn judge(session: &ServerSession) -> Option<Refusal> {
        let request = session.req_header();
        let bytes: usize =
            request.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let target = request.uri.path_and_query().map_or(0, |target| target.as_str().len());
        if request.headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX || target > TARGET_MAX {
            return Some(Refusal::HeadersTooLarge);
        }
        has_two_lengths(session).then_some(Refusal::Malformed)
    }

    /// Whether another server may be asked after one broke off: nothing was answered yet, the request may be repeated, and all
    /// of its body that was forwarded is still in Pingora's buffer of 64 KiB.
    fn may_ask_another(session: &mut ServerSession, error: &Error) -> bool {
        let is_repeatable = matches!(
            session.req_header().method,
            Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS
        );
        is_repeatable
            && *error.esource() == ErrorSource::Upstream
            && !is_timeout(error)
            && !session.retry_buffer_truncated()
            && session.response_written().is_none()
    }

    /// What a client is told of an error; `None` where it is the client that is gone.
    fn refusal_of(error: &Error) -> Option<Refusal> {
        match error.esource() {
            ErrorSource::Upstream if is_timeout(error) => Some(Refusal::ServerSilent),
            ErrorSource::Upstream => Some(Refusal::ServerFailed),
            ErrorSource::Downstream => match error.etype() {
                ErrorType::ReadTimedout => Some(Refusal::TooSlow),
                ErrorType::ReadError
                | ErrorType::WriteError
                | ErrorType::WriteTimedout
                | ErrorType::ConnectionClosed => None,
                _ => Some(Refusal::Malformed),
            },
            ErrorSource::Internal | ErrorSource::Unset => Some(Refusal::Internal),
        }
    }
}

fn is_timeout(error: &Error) -> bool {
    matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout)
}

/// Whether a request of HTTP/1 tells its length in two ways. Pingora drops one of the two; here such a request is refused, for
/// no honest client makes one.
fn has_two_lengths(session: &ServerSession) -> bool {
    let Some(http1) = session.as_http1() else { return false };
    if !session.req_header().headers.contains_key(header::TRANSFER_ENCODING) {
        return false;
    }
    let raw = http1.get_headers_raw_bytes();
    let is_length = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"content-length")
    };
    raw.split(|byte| *byte == b'\n').any(is_length)
}

fn peer_of(session: &ServerSession) -> IpAddr {
    let known = session.client_addr().and_then(SocketAddr::as_inet).map(std::net::SocketAddr::ip);
    known.unwrap_or(IpAddr::from([0, 0, 0, 0]))
}

/// The stream of a client of HTTP/1.
fn wire_of(session: &ServerSession) -> Option<&ClientWire> {
    let stream = session.as_http1()?.stream();
    (**stream).as_any().downcast_ref()
}

#[async_trait]
impl ProxyHttp for Gate {
    type CTX = Passage;

    fn new_ctx(&self) -> Passage {
        Passage {
            started: Instant::now(),
            id: None,
            client: IpAddr::from([0, 0, 0, 0]),
            tried: Vec::new(),
            in_hand: None,
            place: None,
            refusal: None,
        }
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, passage: &mut Passage) -> Result<()> {
        let session = &mut *session.downstream_session;
        if let Some(head) = wire_of(session).and_then(ClientWire::head) {
            head.arrived();
            head.watches(route::is_watch(session.req_header().uri.path()));
        }
        passage.started = Instant::now();
        self.set_times(session);
        passage.client = forwarded::client(peer_of(session), &session.req_header().headers, &self.trusted);
        if let Some(refusal) = Self::judge(session) {
            return Err(passage.refuse(refusal));
        }
        // Over HTTP/2 one connection of a client may ask for many to servers.
        match self.places.clone().try_acquire_owned() {
            Ok(place) => passage.place = Some(place),
            Err(_) => return Err(passage.refuse(Refusal::Full)),
        }
        Ok(())
    }

    async fn upstream_peer(&self, _: &mut Session, passage: &mut Passage) -> Result<Box<HttpPeer>> {
        let chosen = self.pool.choose(passage.client, &passage.tried);
        let Some((upstream, address)) = chosen.and_then(|one| Some((one.clone(), one.address()?))) else {
            let is_first = passage.tried.is_empty();
            return Err(passage.refuse(if is_first { Refusal::NoServer } else { Refusal::ServerFailed }));
        };
        if !passage.tried.is_empty() {
            add(&self.metrics.retries, 1);
        }
        passage.in_hand = Some(upstream.begin());
        let peer = dialer::peer(address, upstream.target.host(), self.limits.answer());
        passage.tried.push(upstream);
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        passage: &mut Passage,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let Some(upstream) = passage.upstream() {
            upstream.counted.broke();
            if dialer::is_ours(&error) {
                tracing::error!(cause = %error, "this machine has no means left to connect to a server");
            } else {
                upstream.learn(News::RequestFailed);
                tracing::debug!(upstream = upstream.name, "a server could not be reached");
            }
        }
        // Nothing was forwarded: any request may go to another server.
        error.set_retry(true);
        error
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        passage: &mut Passage,
        was_reused: bool,
    ) -> Box<Error> {
        let again = Self::may_ask_another(&mut session.downstream_session, &error);
        error.set_retry(again);
        if *error.esource() != ErrorSource::Upstream {
            return error;
        }
        if let Some(upstream) = passage.upstream() {
            upstream.counted.broke();
            if was_reused || session.response_written().is_some() {
                // A kept connection may have ended for reasons of its own, and an answer because whoever reads it is too slow
                // for the server's patience, which clients could do to all servers at once: the check tells.
                upstream.look.notify_one();
            } else {
                upstream.learn(News::RequestFailed);
            }
            tracing::debug!(upstream = upstream.name, again, "a server broke off");
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        passage: &mut Passage,
    ) -> Result<()> {
        let headers = &session.req_header().headers;
        let by_proxy = self.trusted.contain(peer_of(session)).then(|| headers.get(FORWARDED_HOST)).flatten();
        let host = by_proxy.or_else(|| request.headers.get(header::HOST)).cloned();
        for name in forwarded::claims(&request.headers) {
            request.remove_header(&name);
        }
        request.insert_header(FORWARDED_FOR, passage.client.to_string())?;
        request.insert_header(FORWARDED_PROTO, "https")?;
        if let Some(host) = host {
            request.insert_header(FORWARDED_HOST, host)?;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        passage: &mut Passage,
    ) -> Result<()> {
        let is_upgrade = response.status == StatusCode::SWITCHING_PROTOCOLS;
        if response.status.is_informational() && !is_upgrade {
            return Ok(());
        }
        if let Some(upstream) = passage.upstream() {
            upstream.counted.answered(response.status.as_u16());
        }
        let named = response.headers.get(proto::headers::REQUEST_ID).and_then(|id| id.to_str().ok());
        if let Some(id) = named.filter(|id| id.len() <= 64) {
            passage.id = Some(id.to_owned());
        }
        if !is_upgrade {
            drop_hop_by_hop(response);
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        passage: &mut Passage,
    ) -> Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // What follows are messages, with pauses as long as nothing happens.
            session.downstream_session.set_read_timeout(Some(self.limits.answer()));
        }
        if !response.headers.contains_key(proto::headers::REQUEST_ID) {
            response.insert_header(proto::headers::REQUEST_ID, passage.id())?;
        }
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        passage: &mut Passage,
    ) -> FailToProxy {
        let told = FailToProxy { error_code: 0, can_reuse_downstream: false };
        let Some(refusal) = passage.refusal.or_else(|| Self::refusal_of(error)) else { return told };
        let has_answer = session.response_written().is_some_and(|head| !head.status.is_informational());
        if has_answer || session.was_upgraded() {
            return told;
        }
        let counter = match refusal {
            Refusal::NoServer | Refusal::Full => &self.metrics.unavailable,
            Refusal::ServerFailed | Refusal::ServerSilent => &self.metrics.gateway,
            _ => &self.metrics.refused,
        };
        add(counter, 1);
        let id = passage.id().to_owned();
        if refusal.write(&mut session.downstream_session, &id).await.is_err() {
            tracing::debug!(request = id, "a client left before it was answered");
        }
        FailToProxy { error_code: refusal.code().status(), can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, passage: &mut Passage) {
        let session = &*session.downstream_session;
        let (bytes_in, bytes_out) = (session.body_bytes_read() as u64, session.body_bytes_sent() as u64);
        add(&self.metrics.bytes_in, bytes_in);
        add(&self.metrics.bytes_out, bytes_out);
        let id = passage.id().to_owned();
        let request = session.req_header();
        tracing::info!(
            request = id,
            method = %request.method,
            route = route::class_of(request.uri.path()),
            http = if session.is_http2() { 2 } else { 1 },
            upstream = passage.tried.last().map_or("-", |upstream| upstream.name.as_str()),
            tries = passage.tried.len(),
            status = session.response_written().map_or(0, |head| head.status.as_u16()),
            ms = u64::try_from(passage.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes_in,
            bytes_out,
            ended = error.map_or("well", |error| error.etype().as_str()),
            "passed on"
        );
        (passage.in_hand, passage.place) = (None, None);
    }

    // Pingora's own lines show requests with their queries and headers.
    fn suppress_error_log(&self, _: &Session, _: &Passage, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Passage, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }

    fn request_summary(&self, _: &Session, _: &Passage) -> String {
        String::new()
    }
}

/// Takes away what a server says to its neighbour alone; Pingora says for itself how the client's connection goes on.
fn drop_hop_by_hop(response: &mut ResponseHeader) {
    let named: Vec<HeaderName> = response
        .headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| *name != header::TRANSFER_ENCODING && *name != header::CONTENT_LENGTH)
        .collect();
    for name in named {
        response.remove_header(&name);
    }
    for name in ["connection", "keep-alive", "proxy-connection", "upgrade"] {
        response.remove_header(name);
    }
}
