//! Opening the stores that the configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use blobs::{BadMirror, BlobError, Blobs, LocalBlobs, Mirror};

use super::away::Away;
use super::{Copies, Folder, Shelf, StoreError, StoreName, Stores};
use crate::config::{Config, ConfigError};

/// Why the stores cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoresError {
    /// What is configured makes no store.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder.
    #[error("{} cannot be used as a storage folder: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: BlobError,
    },
    /// Folders that cannot hold copies of each other's blobs.
    #[error("the storage folders cannot hold copies: {0}")]
    Mirror(#[from] BadMirror),
    /// New blobs would go nowhere.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Stores {
    /// Opens every configured store; missing folders are made. `more` stands beside or in the place of those.
    pub(crate) async fn open(
        config: &Config,
        more: Vec<(StoreName, Arc<dyn Blobs>)>,
    ) -> Result<Self, OpenStoresError> {
        config.storage.check()?;
        let given = |name| more.iter().any(|(given, _)| *given == name);
        let mut shelves = Vec::new();
        if !given(StoreName::Local) {
            shelves.push(local(config).await?);
        }
        shelves.extend(more.into_iter().map(|(name, blobs)| Shelf::new(name, blobs)));
        Ok(Self::new(shelves, config.storage.parts.store)?)
    }
}

/// One folder, or a mirror of several. A mirror is opened as long as a blob can have all its copies.
async fn local(config: &Config) -> Result<Shelf, OpenStoresError> {
    let (paths, wanted) = (config.storage.blob_dirs(), config.storage.wanted_copies());
    if let [only] = paths.as_slice() {
        return Ok(Shelf::new(StoreName::Local, Arc::new(open(only).await?)));
    }
    let (mut folders, mut failed) = (Vec::new(), Vec::new());
    for path in paths {
        let blobs: Arc<dyn Blobs> = match open(&path).await {
            Ok(blobs) => Arc::new(blobs),
            Err(error) => {
                tracing::error!(%error, "a storage folder is away; its copies are read from the others");
                failed.push(error);
                Arc::new(Away)
            }
        };
        folders.push(Folder { path, blobs });
    }
    if folders.len() - failed.len() < wanted
        && let Some(error) = failed.pop()
    {
        return Err(error);
    }
    let label = |folder: &Folder| folder.path.display().to_string();
    let own = config.storage.parts.own_folder.saturating_sub(1).min(folders.len() - 1);
    let stores = folders.iter().map(|folder| (label(folder), folder.blobs.clone())).collect();
    let mirror = Mirror::new(stores, wanted)?.preferring(&label(&folders[own]))?;
    let copies = Some(Copies { folders, wanted });
    Ok(Shelf { copies, ..Shelf::new(StoreName::Local, Arc::new(mirror)) })
}

async fn open(path: &PathBuf) -> Result<LocalBlobs, OpenStoresError> {
    LocalBlobs::open(path).await.map_err(|source| OpenStoresError::Folder { path: path.clone(), source })
}
