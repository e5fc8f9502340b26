//! What `waxd doctor` asks through whatever stands before the server. Without its token there is nothing here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use proto::Code;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::doctor::token;
use crate::error::{Answer, Refusal};
use crate::http::{Params, Peer, Wanted, reply, wanted};
use crate::state::App;

pub(crate) const BODY: &str = "/api/v1/doctor/body";
pub(crate) const DRIP: &str = "/api/v1/doctor/drip";
pub(crate) const RANGE: &str = "/api/v1/doctor/range";
pub(crate) const FRESH: &str = "/api/v1/doctor/fresh";
pub(crate) const SOCKET: &str = "/api/v1/doctor/socket";

/// Octets of a body that are read and thrown away, at most: a whole part and a little.
pub(crate) const BODY_MAX: usize = 17 << 20;
/// Octets of what is asked for in ranges.
pub(crate) const RANGE_LEN: usize = 256 << 10;
/// What the WebSocket says.
pub(crate) const GREETING: &str = "waxwing";
/// Doctors at once.
const AT_ONCE: usize = 8;
/// How long a body may pause, and take.
const IDLE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE_MAX_MS: u64 = 600_000;

/// How a body arrived.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Arrived {
    /// Octets.
    pub(crate) bytes: u64,
    /// Their SHA-256, in hex.
    pub(crate) sha256: String,
    /// Milliseconds from the first of them to the last.
    pub(crate) spread_ms: u64,
    /// Whether the connection from the proxy is HTTP/2.
    pub(crate) http2: bool,
    /// The other end of the connection.
    pub(crate) peer: String,
    /// Its port. Servers of the version before do not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peer_port: Option<u16>,
    /// Whether its `X-Forwarded-For` is believed.
    pub(crate) is_trusted: bool,
    /// Whether it sent one.
    pub(crate) is_forwarded: bool,
    /// For whom limits count the request.
    pub(crate) client: String,
    /// The server's clock.
    pub(crate) now: i64,
}

/// Where the doctor asks: between a server and its own operator, and no part of the protocol.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route(BODY, put(body))
        .route(DRIP, get(drip))
        .route(RANGE, get(range))
        .route(FRESH, get(fresh))
        .route(SOCKET, get(socket))
}

/// Places for doctors.
pub(crate) struct Practice(Arc<Semaphore>);

impl Default for Practice {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Proof that the server's own doctor asks; holds one of few places.
pub(crate) struct Doctor {
    _place: OwnedSemaphorePermit,
}

impl FromRequestParts<App> for Doctor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let token = parts.headers.get(token::HEADER).and_then(|token| token.to_str().ok());
        if !token.is_some_and(|token| token::is_good(&app.keys, token, app.now())) {
            return Err(Refusal::not_found());
        }
        let place = app.practice.0.clone().try_acquire_owned();
        place.map(|place| Self { _place: place }).map_err(|_| {
            Refusal::new(Code::Unavailable, "Other doctors are at work. Try again.").retry_after(5)
        })
    }
}

/// Reads a body, throws it away, and says how it came.
pub(crate) async fn body(
    State(app): State<App>,
    _doctor: Doctor,
    parts: Parts,
    body: Body,
) -> Answer<Response> {
    let reading = timeout(PATIENCE, read(&app, &parts, body));
    reading.await.map_err(|_| Refusal::new(Code::Timeout, "The body took too long."))?
}

async fn read(app: &App, parts: &Parts, mut body: Body) -> Answer<Response> {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let (mut bytes, mut first, mut last) = (0_usize, None, Instant::now());
    loop {
        let frame = timeout(IDLE, body.frame()).await;
        let frame = frame.map_err(|_| Refusal::new(Code::Timeout, "The body paused for too long."))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Refusal::malformed("The body broke off."))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len();
        if bytes > BODY_MAX {
            return Err(Refusal::new(Code::TooLarge, "That is more than a doctor needs."));
        }
        hash.update(&data);
        last = Instant::now();
        first.get_or_insert(last);
    }
    let spread = first.map_or(Duration::ZERO, |first| last.duration_since(first));
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let address = peer.map(|peer| peer.ip().to_canonical());
    Ok(reply(&Arrived {
        bytes: bytes as u64,
        sha256: hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        spread_ms: u64::try_from(spread.as_millis()).unwrap_or(u64::MAX),
        http2: parts.version == Version::HTTP_2,
        peer: address.map_or_else(String::new, |address| address.to_string()),
        peer_port: peer.map(|peer| peer.port()),
        is_trusted: address.is_some_and(|address| app.trusted_proxies.contain(address)),
        is_forwarded: parts.headers.contains_key("x-forwarded-for"),
        client: crate::http::client_of(parts, &app.trusted_proxies).to_string(),
        now: app.now(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dripping {
    pause_ms: u64,
}

/// Two pieces with a pause between them.
pub(crate) async fn drip(doctor: Doctor, Params(dripping): Params<Dripping>) -> Response {
    let pause = Duration::from_millis(dripping.pause_ms.min(PAUSE_MAX_MS));
    let first = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first"))]);
    let second = futures::stream::once(async move {
        tokio::time::sleep(pause).await;
        drop(doctor);
        Ok(Bytes::from_static(b"last"))
    });
    let mut response = Body::from_stream(first.chain(second)).into_response();
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Octets that never change, whole or a range of them.
pub(crate) async fn range(_doctor: Doctor, headers: HeaderMap) -> Answer<Response> {
    let whole = range_octets();
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let take = (header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match wanted(asked, whole.len() as u64) {
        Wanted::Whole => Ok(([kind, take], whole).into_response()),
        Wanted::Outside => Err(Refusal::new(Code::Range, "There are no such octets.")),
        Wanted::Part(part) => {
            let said = format!("bytes {}-{}/{}", part.start, part.end - 1, whole.len());
            let said = HeaderValue::from_str(&said).map_err(Refusal::internal)?;
            let (from, to) = (usize::try_from(part.start), usize::try_from(part.end));
            let (from, to) = (from.map_err(Refusal::internal)?, to.map_err(Refusal::internal)?);
            let headers = [kind, take, (header::CONTENT_RANGE, said)];
            Ok((StatusCode::PARTIAL_CONTENT, headers, whole.slice(from..to)).into_response())
        }
    }
}

/// What [`range`] gives: text that a proxy would like to compress.
pub(crate) fn range_octets() -> Bytes {
    let lines = (0..RANGE_LEN / 16).map(|n| format!("line of it {n:04x}\n"));
    lines.collect::<String>().into()
}

/// Something new each time.
pub(crate) async fn fresh(_doctor: Doctor) -> String {
    uuid::Uuid::from_bytes(crate::random::uuid()).to_string()
}

/// One word over a WebSocket, then its end.
pub(crate) async fn socket(doctor: Doctor, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(1 << 10).on_upgrade(async move |mut socket| {
        // A proxy that does not pass it on is what is being looked for.
        let _ = timeout(IDLE, socket.send(Message::text(GREETING))).await;
        let _ = timeout(IDLE, socket.recv()).await;
        drop(doctor);
    })
}
