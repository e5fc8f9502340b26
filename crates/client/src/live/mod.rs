//! Watching: what happens in one's account, as it happens, across servers that stop and networks that go away.

mod wire;

use crate::files::with_query;
use crate::http::Backoff;
use crate::{Client, Error, FileId, Note, Progress, Result};
use proto::{LiveKind, Notify, paths};
use reqwest::Method;
use std::time::Duration;

use wire::{Heard, Wire};

/// How long nothing may come: the server says every twenty seconds that it lives.
const SILENCE: Duration = Duration::from_secs(65);

/// Something that happened. It says where to look, and is the server's word: what is shown must come from a list or a
/// file that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// What.
    pub kind: Happening,
    /// The file that it is about.
    pub file_id: Option<FileId>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// Watching began: what is looked at from now on misses nothing. Told once.
    Begun,
    /// Too much happened while this client was away: look at everything again.
    Missed,
    /// A file came into the list.
    FileArrived,
    /// A file in the list changed.
    FileChanged,
    /// A file left the list.
    FileGone,
    /// There is a new event of activity: an [`crate::EventKind`] as text.
    Activity(String),
    /// Something that only newer clients know.
    Other,
}

impl Happening {
    /// One stable word, for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Missed => "missed",
            Self::FileArrived => "file_arrived",
            Self::FileChanged => "file_changed",
            Self::FileGone => "file_gone",
            Self::Activity(_) => "activity",
            Self::Other => "other",
        }
    }
}

/// A view of what happens; see [`Client::watch`].
#[derive(Debug)]
pub struct Watch {
    client: Client,
    wire: Option<Wire>,
    cursor: Option<String>,
    backoff: Backoff,
    /// Something on the way does not let WebSockets through.
    plain: bool,
    told_begun: bool,
    /// Whoever watches was told that the server cannot be reached.
    told_away: bool,
}

impl Client {
    /// Begins to watch. Nothing is asked before the first [`Watch::next`].
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch {
            client: self.clone(),
            wire: None,
            cursor: None,
            // Whoever watches waits for the network as long as it takes.
            backoff: Backoff::new(Duration::MAX),
            plain: false,
            told_begun: false,
            told_away: false,
        }
    }

    /// Whether letters tell of files that others share.
    pub async fn notified_by_mail(&self) -> Result<bool> {
        let notify: Notify = self.inner.call(|server| server.request(Method::GET, paths::NOTIFY)).await?;
        Ok(notify.mail)
    }

    /// Says whether letters should tell of files that others share.
    pub async fn notify_by_mail(&self, mail: bool) -> Result<()> {
        let body = Notify { mail };
        self.inner.authed(|server| server.request(Method::PUT, paths::NOTIFY).json(&body)).await?;
        Ok(())
    }
}

impl Watch {
    /// The next thing that happens. While the network is away it waits, and says so to `progress`, once, and once when it is
    /// back; nothing that happened meanwhile is left out. May be dropped and called again.
    ///
    /// # Errors
    /// Whatever does not pass by itself: the session has ended, the certificate is not trusted.
    pub async fn next(&mut self, progress: &dyn Progress) -> Result<Happened> {
        loop {
            let outcome = self.step().await;
            if outcome.is_ok() && self.wire.is_some() && std::mem::take(&mut self.told_away) {
                progress.note(&Note::Back);
            }
            match outcome {
                Ok(Some(happened)) => return Ok(happened),
                Ok(None) => {}
                Err(error) => {
                    self.wire = None;
                    let pause = self.backoff.next(error)?;
                    // A pause that nobody notices is not told, and a long absence once.
                    if pause.note().is_some() && !std::mem::replace(&mut self.told_away, true) {
                        progress.note(&Note::Away);
                    }
                    tokio::time::sleep(pause.time).await;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Happened>> {
        if self.wire.is_none() {
            self.wire = Some(self.connect().await?);
        }
        let Some(wire) = self.wire.as_mut() else { return Ok(None) };
        let server = self.client.inner.server()?;
        let Ok(received) = tokio::time::timeout(SILENCE, wire.next(&server)).await else {
            return Err(server.timed_out());
        };
        let event = match received? {
            Some(Heard::Event(event)) => Some(event),
            Some(Heard::Beat) => return Ok(None),
            None => None,
        };
        let Some(event) = event else {
            // A proxy may take the greeting and then let nothing through.
            self.plain |= wire.is_mute_socket();
            return Err(Error::Broken {
                host: server.host().to_owned(),
                why: "the connection was closed".into(),
            });
        };
        self.backoff.moved();
        self.cursor = Some(event.cursor);
        let kind = match event.kind {
            LiveKind::Begun if self.told_begun => return Ok(None),
            LiveKind::Begun => Happening::Begun,
            LiveKind::Restarted => Happening::Missed,
            LiveKind::FileArrived => Happening::FileArrived,
            LiveKind::FileChanged => Happening::FileChanged,
            LiveKind::FileGone => Happening::FileGone,
            LiveKind::Activity => Happening::Activity(event.what.unwrap_or_default()),
            LiveKind::Ended => {
                // With another token or at another server; where the session is over, that is where it is said.
                self.wire = None;
                let why = event.what.unwrap_or_default();
                return match why.as_str() {
                    proto::live::TOKEN_ENDED | proto::live::SESSION_ENDED => Ok(None),
                    _ => Err(Error::Unreachable {
                        host: server.host().to_owned(),
                        why: "the server is stopping".into(),
                    }),
                };
            }
            _ => Happening::Other,
        };
        self.told_begun = true;
        Ok(Some(Happened { kind, file_id: event.file_id }))
    }

    /// A connection with a token that is good: where it is refused, with a new one.
    async fn connect(&mut self) -> Result<Wire> {
        let inner = self.client.inner.clone();
        let server = inner.server()?;
        let path = match &self.cursor {
            Some(cursor) => with_query(paths::EVENTS, &[("after", cursor.clone())]),
            None => paths::EVENTS.to_owned(),
        };
        let mut rejected = None;
        loop {
            let token = inner.access_token(rejected.as_ref()).await?;
            match Wire::open(&server, &path, &token, &mut self.plain).await {
                Err(Error::SessionEnded) if rejected.is_none() => rejected = Some(token),
                outcome => return outcome,
            }
        }
    }
}
