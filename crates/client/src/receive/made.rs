//! Folders that were made here for folders that were received: only into one of its own a folder goes on.

use super::inside::{Identity, Root};
use crate::client::Inner;
use crate::contacts::LOCK;
use crate::{Error, Home, Result};
use proto::ContentId;
use serde::{Deserialize, Serialize};

const MADE: &str = "folders.json";
const VERSION: u32 = 1;
/// As many are remembered, the newest ones.
const KEPT: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct Made {
    version: u32,
    folders: Vec<One>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct One {
    content_id: ContentId,
    device: u64,
    inode: u64,
}

impl One {
    fn of(content_id: ContentId, Identity { device, inode }: Identity) -> Self {
        Self { content_id, device, inode }
    }
}

impl Inner {
    /// Whether this folder was made here for that content.
    pub(super) fn is_made_for(&self, root: &Root, content_id: ContentId) -> Result<bool> {
        Ok(load(&self.home)?.folders.contains(&One::of(content_id, root.identity()?)))
    }

    /// Remembers that it was.
    pub(super) async fn was_made_for(&self, root: &Root, content_id: ContentId) -> Result<()> {
        let identity = root.identity()?;
        let _lock = self.lock(LOCK).await?;
        let mut made = load(&self.home)?;
        made.folders.retain(|one| (one.device, one.inode) != (identity.device, identity.inode));
        made.folders.push(One::of(content_id, identity));
        let first = made.folders.len().saturating_sub(KEPT);
        made.folders.drain(..first);
        self.home.write_json(MADE, &made)
    }
}

fn load(home: &Home) -> Result<Made> {
    match home.read_json::<Made>(MADE)? {
        None => Ok(Made { version: VERSION, folders: Vec::new() }),
        Some(made) if made.version == VERSION => Ok(made),
        Some(_) => Err(Error::HomeDamaged(home.path().join(MADE))),
    }
}
