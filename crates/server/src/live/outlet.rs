//! The two ways to whoever watches: frames of a WebSocket, or lines of a reply that does not end.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use proto::LiveEvent;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long a reader may leave a message waiting.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a WebSocket may be silent: it answers every heartbeat.
const SILENCE: Duration = Duration::from_secs(65);

/// Nobody reads any more, or too slowly.
pub(crate) struct Gone;

/// A way to whoever watches. At most some messages wait in it.
pub(crate) trait Outlet: Send {
    /// Tells something.
    fn tell(&mut self, event: &LiveEvent) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Says that the connection lives.
    fn beat(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Comes back once the other end is gone. May be dropped and called again.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;

    /// Says the last message and takes leave.
    fn end(self, event: &LiveEvent) -> impl Future<Output = ()> + Send;
}

/// Text frames, a ping for each heartbeat.
pub(crate) struct Frames {
    socket: WebSocket,
    heard: Instant,
}

impl Frames {
    pub(crate) fn new(socket: WebSocket) -> Self {
        Self { socket, heard: Instant::now() }
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        match tokio::time::timeout(PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

impl Outlet for Frames {
    async fn tell(&mut self, event: &LiveEvent) -> Result<(), Gone> {
        self.send(Message::text(text(event))).await
    }

    async fn beat(&mut self) -> Result<(), Gone> {
        if self.heard.elapsed() > SILENCE {
            return Err(Gone);
        }
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn gone(&mut self) {
        // Nothing is expected of the other end but answers to heartbeats.
        while let Some(Ok(Message::Ping(_) | Message::Pong(_))) = self.socket.recv().await {
            self.heard = Instant::now();
        }
    }

    async fn end(mut self, event: &LiveEvent) {
        if self.tell(event).await.is_ok() {
            let frame = CloseFrame { code: close_code::AWAY, reason: "".into() };
            let _ = self.send(Message::Close(Some(frame))).await;
        }
    }
}

/// Lines of `text/event-stream`, a comment for each heartbeat.
pub(crate) struct Lines(mpsc::Sender<Bytes>);

impl Lines {
    /// Messages that wait until they are read, at most.
    pub(crate) const WAITING: usize = 16;

    pub(crate) fn new(sender: mpsc::Sender<Bytes>) -> Self {
        Self(sender)
    }

    async fn send(&mut self, lines: Bytes) -> Result<(), Gone> {
        match tokio::time::timeout(PATIENCE, self.0.send(lines)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

impl Outlet for Lines {
    async fn tell(&mut self, event: &LiveEvent) -> Result<(), Gone> {
        self.send(format!("id: {}\ndata: {}\n\n", event.cursor, text(event)).into()).await
    }

    async fn beat(&mut self) -> Result<(), Gone> {
        self.send(Bytes::from_static(b":\n\n")).await
    }

    async fn gone(&mut self) {
        self.0.closed().await;
    }

    async fn end(mut self, event: &LiveEvent) {
        // Whoever does not take it sees the end of the reply.
        let _ = self.tell(event).await;
    }
}

fn text(event: &LiveEvent) -> String {
    serde_json::to_string(event).expect("text and ids serialise")
}
