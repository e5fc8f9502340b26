//! `GET /events`: what happens in the caller's account, as it happens; over a WebSocket, or as a reply that does not end.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use proto::Code;
use proto::live::PROTOCOL;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::auth::Watcher;
use crate::error::{Answer, Refusal};
use crate::http::Params;
use crate::live::{Frames, Lines, NoPlace, Place, Watching, tell};
use crate::state::App;

/// Octets of one message from whoever watches: nothing but heartbeats is expected.
const MESSAGE_MAX: usize = 1 << 10;
/// Octets that may wait to be written.
const WAITING_MAX: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    after: Option<String>,
}

pub(crate) async fn watch(
    State(app): State<App>,
    Watcher(caller): Watcher,
    Params(query): Params<Query>,
    method: Method,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let asked = match query.after.as_deref().or_else(|| last_id(&headers)) {
        None => None,
        Some(text) => Some(cursor(text)?),
    };
    let upgrade = match upgrade {
        Ok(upgrade) => Some(upgrade),
        Err(_) if headers.contains_key(header::UPGRADE) => {
            return Err(Refusal::malformed("The request for a WebSocket is not a whole one (RFC 6455)."));
        }
        Err(_) => None,
    };
    if app.is_draining() {
        return Err(Refusal::new(Code::Unavailable, "The server is stopping. Come again.").retry_after(1));
    }
    // Before the place of the cursor is looked up: what happens from here on rings.
    let place = Place::take(&app, caller.user).map_err(full)?;
    let span = app.db.live_span().await?;
    let known = asked.filter(|seq| span.holds(*seq));
    let restarted = asked.is_some() && known.is_none();
    let watching = Watching { caller, place, after: known.unwrap_or(span.last), restarted };
    if let Some(upgrade) = upgrade {
        let held = app.tasks.token();
        let upgraded = upgrade
            .protocols([PROTOCOL])
            .max_message_size(MESSAGE_MAX)
            .max_frame_size(MESSAGE_MAX)
            .write_buffer_size(0)
            .max_write_buffer_size(WAITING_MAX)
            .on_upgrade(move |socket| async move {
                tell(app, watching, Frames::new(socket)).await;
                drop(held);
            });
        return Ok(upgraded);
    }
    let (sender, receiver) = mpsc::channel::<Bytes>(Lines::WAITING);
    if method != Method::HEAD {
        app.tasks.spawn(tell(app.clone(), watching, Lines::new(sender)));
    }
    let lines = futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|lines| (Ok::<_, Infallible>(lines), receiver))
    });
    let mut response = Body::from_stream(lines).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies gather replies before they pass them on, and are told not to.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// What a browser sends by itself when it comes back.
fn last_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id").and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
}

/// Digits in their one spelling.
fn cursor(text: &str) -> Answer<u64> {
    let parsed = text.parse::<u64>().ok().filter(|seq| seq.to_string() == text);
    parsed.ok_or_else(|| Refusal::malformed("The cursor is not one of this server's. Begin without one."))
}

fn full(no: NoPlace) -> Refusal {
    match no {
        NoPlace::Account => Refusal::new(
            Code::TooMany,
            "Your account watches from as many places as it may. End one of them, then try again.",
        )
        .retry_after(30),
        NoPlace::Server => Refusal::new(
            Code::Unavailable,
            "As many people watch this server as it serves at once. Everything else works; come again.",
        )
        .retry_after(30),
    }
}
