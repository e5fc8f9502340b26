//! The client: one person's home, one server, one session.

use crate::account::Session;
use crate::home::HomeLock;
use crate::http::{Server, parse_origin};
use crate::{Error, Home, Result};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

const SERVER: &str = "server.json";

/// How a client behaves; the defaults are right for people, tests turn them.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What is told to the server as the client's version.
    pub agent: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an answer may take, and how long a running transfer may stand still.
    pub silence_timeout: Duration,
    /// How long transfers go on trying without network.
    pub retry_for: Duration,
    /// Parts on their way at once, 1 to 8.
    pub parts_at_once: usize,
    /// Bytes of one part (a power of two of 256 KiB, from 1 MiB); absent: chosen by the length.
    pub part_len: Option<u64>,
    /// Whether senders are told, by a signed receipt, that their files were opened here.
    pub give_receipts: bool,
    /// Whether parts may come from and go to the object store behind the server without it in between.
    pub direct: bool,
    /// The clock, unix seconds.
    pub now: fn() -> i64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            agent: concat!("wax/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(60),
            retry_for: Duration::from_secs(600),
            parts_at_once: 2,
            part_len: None,
            give_receipts: true,
            direct: true,
            now: system_now,
        }
    }
}

fn system_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// One person on one machine with one server. Cheap to clone; all clones share the session.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) home: Home,
    pub(crate) options: ClientOptions,
    server: RwLock<Option<Server>>,
    pub(crate) session: tokio::sync::Mutex<Option<Session>>,
}

/// `server.json`.
#[derive(Debug, Serialize, Deserialize)]
struct ServerFile {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_pem: Option<String>,
}

impl Client {
    /// Opens the home's state. No network. Works before a server is configured.
    pub fn open(home: Home, options: ClientOptions) -> Result<Self> {
        let server = match home.read_json::<ServerFile>(SERVER)? {
            Some(file) => Some(Server::new(&parse_origin(&file.url)?, file.ca_pem.as_deref(), &options)?),
            None => None,
        };
        let inner =
            Inner { home, options, server: RwLock::new(server), session: tokio::sync::Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.inner.home
    }

    /// Remembers which server to use: an origin `https://host[:port]`, and the PEM certificate of its authority
    /// when it is not one that the system knows (then only that one is trusted). Another server than before ends
    /// the session here and keeps keys and pins.
    pub fn configure_server(&self, url: &str, ca_pem: Option<&str>) -> Result<()> {
        let origin = parse_origin(url)?;
        let server = Server::new(&origin, ca_pem, &self.inner.options)?;
        let before = self.inner.server.read().unwrap_or_else(PoisonError::into_inner).clone();
        if before.is_some_and(|before| before.origin() != origin) {
            self.inner.forget_session()?;
        }
        self.inner.home.write_json(SERVER, &ServerFile { url: origin, ca_pem: ca_pem.map(str::to_owned) })?;
        *self.inner.server.write().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(())
    }

    /// The configured origin.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        self.inner.server().ok().map(|server| server.origin().to_owned())
    }
}

impl Inner {
    pub(crate) fn server(&self) -> Result<Server> {
        self.server.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::NoServer)
    }

    pub(crate) fn now(&self) -> i64 {
        (self.options.now)()
    }

    /// [`Home::lock`] without holding up a thread of the runtime.
    pub(crate) async fn lock(&self, name: &'static str) -> Result<HomeLock> {
        let home = self.home.clone();
        tokio::task::spawn_blocking(move || home.lock(name))
            .await
            .map_err(|_| Error::Internal("the thread that waits for a lock ended"))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_remembered_and_another_one_ends_the_session() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path().join("h")).unwrap();
        let client = Client::open(home.clone(), ClientOptions::default()).unwrap();
        assert!(matches!(client.inner.server(), Err(Error::NoServer)));
        client.configure_server("https://one.example", None).unwrap();
        home.write("session.json", b"{}").unwrap();
        client.configure_server("https://one.example/", None).unwrap();
        assert!(home.read("session.json").unwrap().is_some());
        client.configure_server("https://two.example", None).unwrap();
        assert!(home.read("session.json").unwrap().is_none());
        let again = Client::open(home, ClientOptions::default()).unwrap();
        assert_eq!(again.server().as_deref(), Some("https://two.example"));
    }
}
