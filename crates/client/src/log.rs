//! What this machine remembers of a server's audit log: its key, and the newest head. A log that was cut or rewritten
//! does not continue what is remembered.

use crate::client::Inner;
use crate::contacts::LOCK;
use crate::{Error, Home, LogFault, Result};
use envelope::ed25519::{PublicKey, Signature};
use proto::{B64, Head, Heads, LogState, SignedHead, paths};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const LOG: &str = "audit.json";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Logs {
    version: u32,
    /// By origin.
    servers: BTreeMap<String, Remembered>,
}

/// What is remembered of one server's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// Pinned at first use.
    key: B64,
    /// The newest head that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<Head>,
}

impl Logs {
    fn load(home: &Home) -> Result<Self> {
        match home.read_json::<Self>(LOG)? {
            None => Ok(Self { version: VERSION, servers: BTreeMap::new() }),
            Some(logs) if logs.version == VERSION => Ok(logs),
            Some(_) => Err(Error::HomeDamaged(home.path().join(LOG))),
        }
    }
}

impl Inner {
    /// What is remembered of the configured server's log. Read before the server is asked: a head that another process
    /// remembers meanwhile may be newer than the answer.
    pub(crate) fn remembered_log(&self) -> Result<Option<Remembered>> {
        Ok(Logs::load(&self.home)?.servers.remove(self.server()?.origin()))
    }

    /// Judges what the server shows against what is remembered, and remembers it.
    pub(crate) async fn judge_log(&self, before: Option<&Remembered>, shown: &LogState) -> Result<()> {
        let key: [u8; 32] = (shown.key.0.as_slice()).try_into().map_err(|_| {
            self.server().map_or_else(|error| error, |server| server.odd("a log without a key"))
        })?;
        if before.is_some_and(|before| before.key != shown.key) {
            return Err(Error::Log(LogFault::OtherKey));
        }
        let seen = before.and_then(|before| before.head);
        match (&shown.newest, seen) {
            (None, None) => {}
            (None, Some(seen)) => return Err(cut(seen, 0)),
            (Some(newest), seen) => {
                verify(newest, &PublicKey::from_bytes(key))?;
                if let Some(seen) = seen {
                    self.continues(seen, newest.head).await?;
                }
            }
        }
        let head = shown.newest.as_ref().map(|newest| newest.head);
        self.remember_log(Remembered { key: shown.key.clone(), head }).await
    }

    /// Walks from the head that was seen to the one that is shown.
    async fn continues(&self, seen: Head, newest: Head) -> Result<()> {
        let rewritten = || Error::Log(LogFault::Rewritten { seen: seen.seq });
        if newest.seq < seen.seq {
            return Err(cut(seen, newest.seq));
        }
        let mut head = seen;
        while head.seq < newest.seq {
            let path = format!("{}?from={}", paths::HEADS, head.seq + 1);
            let page: Heads = self.call(|server| server.request(Method::GET, &path)).await?;
            if page.links.is_empty() {
                return Err(rewritten());
            }
            for link in page.links.iter().take_while(|link| link.seq <= newest.seq) {
                if link.seq != head.seq + 1 {
                    return Err(rewritten());
                }
                head = link.head(&head.hash);
            }
            if page.links.iter().all(|link| link.seq > newest.seq) {
                return Err(rewritten());
            }
        }
        if head == newest { Ok(()) } else { Err(rewritten()) }
    }

    /// Writes what was seen, unless another process has seen more meanwhile.
    async fn remember_log(&self, shown: Remembered) -> Result<()> {
        let origin = self.server()?.origin().to_owned();
        if self.remembered_log()?.as_ref() == Some(&shown) {
            return Ok(());
        }
        let _lock = self.lock(LOCK).await?;
        let mut logs = Logs::load(&self.home)?;
        let seq = |remembered: &Remembered| remembered.head.map_or(0, |head| head.seq);
        if logs.servers.get(&origin).is_some_and(|there| seq(there) > seq(&shown)) {
            return Ok(());
        }
        logs.servers.insert(origin, shown);
        self.home.write_json(LOG, &logs)
    }

    /// Forgets what was seen of the configured server's log; the next look is a first one.
    pub(crate) async fn forget_log(&self) -> Result<()> {
        let _lock = self.lock(LOCK).await?;
        let mut logs = Logs::load(&self.home)?;
        match logs.servers.remove(self.server()?.origin()) {
            Some(_) => self.home.write_json(LOG, &logs),
            None => Ok(()),
        }
    }
}

fn cut(seen: Head, shown: u64) -> Error {
    Error::Log(LogFault::Cut { seen: seen.seq, shown })
}

fn verify(newest: &SignedHead, key: &PublicKey) -> Result<()> {
    let forged = || Error::Log(LogFault::Signature);
    let signature: [u8; 64] = newest.signature.0.as_slice().try_into().map_err(|_| forged())?;
    newest.head.verify(key, &Signature::from_bytes(signature)).map_err(|_| forged())
}
