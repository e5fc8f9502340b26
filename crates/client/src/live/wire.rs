//! The two ways in which events come: a WebSocket, or a reply that does not end where something between does not let
//! WebSockets through.

use crate::http::Server;
use crate::{Error, Result, Token};
use futures::{SinkExt as _, StreamExt as _};
use proto::LiveEvent;
use reqwest::header::{ACCEPT, CONNECTION, CONTENT_TYPE, UPGRADE};
use reqwest::{Method, Response, StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Longest event that is read, bytes.
const EVENT_MAX: usize = 16 << 10;

/// An open connection.
#[derive(Debug)]
pub(super) enum Wire {
    Socket { socket: Box<WebSocketStream<Upgraded>>, is_mute: bool },
    Lines { response: Response, buffer: Vec<u8> },
}

impl Wire {
    /// Opens a WebSocket, or what the server gives where none comes through; `plain` is set then.
    pub(super) async fn open(server: &Server, path: &str, token: &Token, plain: &mut bool) -> Result<Self> {
        if !*plain {
            match Self::socket(server, path, token).await {
                Ok(wire) => {
                    *plain = matches!(wire, Self::Lines { .. });
                    return Ok(wire);
                }
                Err(error) if may_be_the_way(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let request = server.request(Method::GET, path).bearer_auth(token.expose_secret());
        let response = server.send_long(request.header(ACCEPT, "text/event-stream")).await?;
        let wire = Self::lines(server, response)?;
        *plain = true;
        Ok(wire)
    }

    async fn socket(server: &Server, path: &str, token: &Token) -> Result<Self> {
        let key = generate_key();
        let request = server
            .request(Method::GET, path)
            .bearer_auth(token.expose_secret())
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", &key);
        let response = tokio::time::timeout(server.silence, request.send()).await;
        let response = response.map_err(|_| server.timed_out())?.map_err(|error| server.failed(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // What takes the wish for a WebSocket away may leave the rest: then this is already the other way.
            return Self::lines(server, server.accept(response).await?);
        }
        let accepted = response.headers().get("sec-websocket-accept");
        if accepted.is_none_or(|accepted| accepted.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
        {
            return Err(server.odd("the answer to another request for a WebSocket"));
        }
        let upgraded = response.upgrade().await.map_err(|error| server.failed(&error))?;
        let config =
            WebSocketConfig::default().max_message_size(Some(EVENT_MAX)).max_frame_size(Some(EVENT_MAX));
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        Ok(Self::Socket { socket: Box::new(socket), is_mute: true })
    }

    fn lines(server: &Server, response: Response) -> Result<Self> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if response.status() == StatusCode::OK
            && kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
        {
            Ok(Self::Lines { response, buffer: Vec::new() })
        } else {
            Err(server.odd("no stream of events"))
        }
    }

    /// Whether it is a WebSocket through which nothing ever came.
    pub(super) fn is_mute_socket(&self) -> bool {
        matches!(self, Self::Socket { is_mute: true, .. })
    }

    /// What comes next; `None` when the other end closed.
    pub(super) async fn next(&mut self, server: &Server) -> Result<Option<Heard>> {
        match self {
            Self::Socket { socket, is_mute } => match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    *is_mute = false;
                    parse(server, text.as_bytes()).map(|event| Some(Heard::Event(event)))
                }
                Some(Ok(Message::Ping(_))) => {
                    // The answer was put in line by the library; it goes now.
                    let _ = socket.flush().await;
                    Ok(Some(Heard::Beat))
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => Ok(None),
                Some(Ok(_)) => Ok(Some(Heard::Beat)),
            },
            Self::Lines { response, buffer } => loop {
                if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    if let Some(data) = line.strip_prefix(b"data: ") {
                        return parse(server, data.trim_ascii_end()).map(|event| Some(Heard::Event(event)));
                    }
                    if line.starts_with(b":") {
                        return Ok(Some(Heard::Beat));
                    }
                    continue;
                }
                if buffer.len() > EVENT_MAX {
                    return Err(server.odd("an event that is too long"));
                }
                match response.chunk().await {
                    Ok(Some(chunk)) => buffer.extend_from_slice(&chunk),
                    Ok(None) | Err(_) => return Ok(None),
                }
            },
        }
    }
}

/// What came.
pub(super) enum Heard {
    Event(LiveEvent),
    /// The other end lives.
    Beat,
}

fn parse(server: &Server, text: &[u8]) -> Result<LiveEvent> {
    serde_json::from_slice(text).map_err(|_| server.odd("an event that cannot be read"))
}

/// Whether a WebSocket may have failed by what lies between: then the other way is tried. What the server itself said
/// about who asks, or how often, stands.
fn may_be_the_way(error: &Error) -> bool {
    match error {
        Error::NotAServer { .. }
        | Error::Unreachable { .. }
        | Error::Broken { .. }
        | Error::TimedOut { .. }
        | Error::TooLarge => true,
        Error::Refused(problem) => problem.code == proto::Code::Malformed,
        _ => false,
    }
}
