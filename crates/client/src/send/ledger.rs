//! Which of many files were sent: so that the same command again sends each once, whatever interrupted it.
//!
//! Two files in the home, named by what was asked for: `many-DIGEST.log` grows by a line for every file that the
//! server acknowledged; `many-DIGEST.batch` is the request that was on its way. The request is durable before its
//! first byte is sent and is repeated as it was, which the server answers as it did the first time. Of a folder,
//! `many-DIGEST.folder` is the last request of all, which makes it appear.

use super::Sent;
use super::journal::SourceIdentity;
use crate::home::{Home, HomeLock};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What nobody went on with for so long is forgotten, like an unfinished upload.
const KEPT: Duration = Duration::from_secs(7 * 86_400);

/// One file that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) source: SourceIdentity,
    pub(super) sent: Sent,
}

/// A request on its way.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) entries: Vec<Entry>,
    pub(super) request: proto::B64,
}

/// The request that makes a folder appear, and what will be said of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Last {
    /// Digest of what is in the folder: only the same goes on.
    pub(super) tree: proto::B64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) there: u64,
    pub(super) received_bytes: u64,
    pub(super) sent: Sent,
    pub(super) request: proto::B64,
}

/// The files that were sent by one command and those that repeated it. Locked until dropped.
pub(super) struct Ledger<'h> {
    home: &'h Home,
    log_name: String,
    batch_name: String,
    log: File,
    done: HashMap<PathBuf, Entry>,
    pub(super) pending: Option<Pending>,
    last_name: String,
    pub(super) last: Option<Last>,
    _lock: HomeLock,
}

impl<'h> Ledger<'h> {
    /// The ledger of what is asked for (a digest), made if there is none.
    pub(super) fn open(home: &'h Home, digest: &[u8; 32]) -> Result<Self> {
        forget_old(home);
        let id: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let (log_name, batch_name) = (format!("many-{id}.log"), format!("many-{id}.batch"));
        let lock = home.try_lock(&log_name)?.ok_or(Error::UploadRunning)?;
        let text = home.read(&log_name)?.unwrap_or_default();
        // A torn last line is of a file whose request is still pending.
        let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let whole: usize = lines.clone().map(<[u8]>::len).sum();
        let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
        let done = entries.map(|entry| (entry.source.path.clone(), entry)).collect();
        let pending = home.read_json(&batch_name)?;
        let last_name = format!("many-{id}.folder");
        let last = home.read_json(&last_name)?;
        let path = home.path().join(&log_name);
        let failed = |error| Error::io("write", &path)(error);
        let log = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        log.set_len(whole as u64).map_err(failed)?;
        Ok(Self { home, log_name, batch_name, log, done, pending, last_name, last, _lock: lock })
    }

    /// What was sent of this source, as it is now.
    pub(super) fn sent(&self, source: &SourceIdentity) -> Option<&Sent> {
        self.done.get(&source.path).filter(|entry| entry.source == *source).map(|entry| &entry.sent)
    }

    /// Before a request goes: durable when this returns.
    pub(super) fn begin(&self, pending: &Pending) -> Result<()> {
        // What was acknowledged before must not be lost when the request that was pending is replaced.
        self.log.sync_data().map_err(Error::io("write", self.home.path().join(&self.log_name)))?;
        let bytes = serde_json::to_vec(pending).map_err(|_| Error::Internal("a batch has no JSON form"))?;
        self.home.write(&self.batch_name, &bytes)
    }

    /// Before a folder is to appear: durable when this returns.
    pub(super) fn begin_last(&self, last: &Last) -> Result<()> {
        let bytes = serde_json::to_vec(last).map_err(|_| Error::Internal("a folder has no JSON form"))?;
        self.home.write(&self.last_name, &bytes)
    }

    /// The request that was on its way is not to go again.
    pub(super) fn forget_batch(&mut self) -> Result<()> {
        // What was acknowledged before must not be lost with it.
        self.log.sync_data().map_err(Error::io("write", self.home.path().join(&self.log_name)))?;
        self.pending = None;
        self.home.remove(&self.batch_name)
    }

    /// Nothing of it was sent, as far as anybody knows.
    pub(super) fn forget(&mut self) -> Result<()> {
        self.home.remove(&self.batch_name)?;
        self.home.remove(&self.last_name)?;
        self.log.set_len(0).map_err(Error::io("write", self.home.path().join(&self.log_name)))?;
        self.done.clear();
        (self.pending, self.last) = (None, None);
        Ok(())
    }

    /// After the server acknowledged it.
    pub(super) fn acknowledged(&mut self, entries: Vec<Entry>) -> Result<()> {
        let mut lines = Vec::new();
        for entry in &entries {
            serde_json::to_writer(&mut lines, entry)
                .map_err(|_| Error::Internal("an entry has no JSON form"))?;
            lines.push(b'\n');
        }
        self.log.write_all(&lines).map_err(Error::io("write", self.home.path().join(&self.log_name)))?;
        self.done.extend(entries.into_iter().map(|entry| (entry.source.path.clone(), entry)));
        Ok(())
    }

    /// At the end of a command that sent all its files: they are forgotten, so that sending them again is possible.
    pub(super) fn finish(mut self, sources: &[SourceIdentity]) -> Result<()> {
        self.home.remove(&self.batch_name)?;
        self.home.remove(&self.last_name)?;
        for source in sources {
            self.done.remove(&source.path);
        }
        if self.done.is_empty() {
            return self.home.remove(&self.log_name);
        }
        let mut rest = Vec::new();
        for entry in self.done.values() {
            serde_json::to_writer(&mut rest, entry)
                .map_err(|_| Error::Internal("an entry has no JSON form"))?;
            rest.push(b'\n');
        }
        self.home.write(&self.log_name, &rest)
    }
}

/// Removes ledgers that nobody touched for a week. What cannot be removed is tried again next time.
fn forget_old(home: &Home) {
    let Ok(entries) = std::fs::read_dir(home.path()) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with("many-"));
        let changed = entry.metadata().and_then(|meta| meta.modified());
        let age = changed.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if is_ours && age.is_some_and(|age| age > KEPT) {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}
