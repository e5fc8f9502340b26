//! Folders that were made here for folders that were received: only into one of its own a folder goes on.

use super::inside::{Identity, Root};
use crate::client::Inner;
use crate::contacts::LOCK;
use crate::{Error, Home, Result};
use proto::ContentId;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::{fs, io};

const MADE: &str = "folders.json";
const VERSION: u32 = 1;
/// As many are remembered, the newest ones.
const KEPT: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct Made {
    version: u32,
    folders: Vec<One>,
}

#[derive(Serialize, Deserialize)]
struct One {
    content_id: ContentId,
    device: u64,
    inode: u64,
    /// What it held when all of it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole: Option<Held>,
}

/// How much a folder holds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl One {
    fn is(&self, content_id: ContentId, identity: &Identity) -> bool {
        self.content_id == content_id && (self.device, self.inode) == (identity.device, identity.inode)
    }
}

impl Inner {
    /// Whether this folder was made here for that content.
    pub(super) fn is_made_for(&self, root: &Root, content_id: ContentId) -> Result<bool> {
        let identity = root.identity()?;
        Ok(load(&self.home)?.folders.iter().any(|one| one.is(content_id, &identity)))
    }

    /// Whether that folder was made here for that content, was whole once, and holds as much as then: so nothing of it needs
    /// to be fetched, and no download to be begun.
    pub(super) fn is_here_whole(&self, path: &Path, content_id: ContentId) -> Result<bool> {
        // Nothing there, or nothing that can be opened: whoever fetches it says so.
        let Ok(Some(root)) = Root::open(path) else { return Ok(false) };
        let identity = root.identity()?;
        let made = load(&self.home)?;
        let whole = made.folders.iter().find(|one| one.is(content_id, &identity)).and_then(|one| one.whole);
        Ok(whole.is_some_and(|whole| held(path, whole.files).is_ok_and(|held| held == whole)))
    }

    /// Remembers that all of it is there.
    pub(super) async fn was_whole(&self, root: &Root, content_id: ContentId, whole: Held) -> Result<()> {
        let identity = root.identity()?;
        let _lock = self.lock(LOCK).await?;
        let mut made = load(&self.home)?;
        for one in made.folders.iter_mut().filter(|one| one.is(content_id, &identity)) {
            one.whole = Some(whole);
        }
        self.home.write_json(MADE, &made)
    }

    /// Remembers that it was.
    pub(super) async fn was_made_for(&self, root: &Root, content_id: ContentId) -> Result<()> {
        let identity = root.identity()?;
        let _lock = self.lock(LOCK).await?;
        let mut made = load(&self.home)?;
        made.folders.retain(|one| (one.device, one.inode) != (identity.device, identity.inode));
        let Identity { device, inode } = identity;
        made.folders.push(One { content_id, device, inode, whole: None });
        let first = made.folders.len().saturating_sub(KEPT);
        made.folders.drain(..first);
        self.home.write_json(MADE, &made)
    }
}

/// What a folder holds, without following a link; counting ends behind `most` files.
fn held(path: &Path, most: u64) -> io::Result<Held> {
    let mut held = Held { files: 0, bytes: 0 };
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
                continue;
            }
            held.files += 1;
            held.bytes += if kind.is_file() { entry.metadata()?.len() } else { 0 };
            if held.files > most {
                return Ok(held);
            }
        }
    }
    Ok(held)
}

fn load(home: &Home) -> Result<Made> {
    match home.read_json::<Made>(MADE)? {
        None => Ok(Made { version: VERSION, folders: Vec::new() }),
        Some(made) if made.version == VERSION => Ok(made),
        Some(_) => Err(Error::HomeDamaged(home.path().join(MADE))),
    }
}
