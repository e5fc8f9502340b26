//! The stores that a server keeps blobs in. Each blob's reference names its store; here is the one place that resolves it.

mod away;
mod open;
mod place;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use blobs::{BlobError, BlobStream, BlobWriter, Blobs, Cid, Health, Ipfs, S3};
use bytes::Bytes;
use db::{BlobRef, DbError};

pub use open::OpenStoresError;
pub(crate) use place::Place;
pub use place::{BadReference, StoreName};

/// Why a blob cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database names something that can be no blob.
    #[error("the database names a blob that cannot be one: {0}")]
    BadReference(#[from] BadReference),
    /// The blob is in a store that this server was told nothing about. Nothing is done to it.
    #[error("a blob is in the store {0}, which is not configured here")]
    NotConfigured(StoreName),
    /// The store.
    #[error("the storage failed: {0}")]
    Blob(#[from] BlobError),
}

impl StoreError {
    /// Whether other blobs of the same store would fail like this now.
    pub(crate) fn is_of_the_store(&self) -> bool {
        match self {
            Self::NotConfigured(_) => true,
            Self::Blob(error) => error.is_transient(),
            Self::BadReference(_) => false,
        }
    }
}

/// The configured stores; new blobs go to one of them. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Stores {
    shelves: Arc<[Shelf]>,
    default: StoreName,
}

/// How long a store may take to say that it is well.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);

/// One store.
pub(crate) struct Shelf {
    pub(crate) name: StoreName,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) copies: Option<Copies>,
    /// The object store, where clients may come to it themselves.
    pub(crate) direct: Option<S3>,
    /// The node of IPFS, which knows the CIDs of its blobs.
    pub(crate) node: Option<Ipfs>,
}

/// Folders of which several hold each blob.
#[derive(Clone)]
pub(crate) struct Copies {
    /// Each by itself.
    pub(crate) folders: Vec<Folder>,
    /// How many of them are to hold a blob.
    pub(crate) wanted: usize,
}

/// One of several folders.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) blobs: Arc<dyn Blobs>,
}

impl Shelf {
    pub(crate) fn new(name: StoreName, blobs: Arc<dyn Blobs>) -> Self {
        Self { name, blobs, copies: None, direct: None, node: None }
    }

    /// Whether the store answers, in a time in which whoever asks for readiness still listens.
    async fn health(&self) -> Result<Health, BlobError> {
        let silent = || BlobError::Unavailable(std::io::ErrorKind::TimedOut.into());
        tokio::time::timeout(HEALTH_PATIENCE, self.blobs.health()).await.unwrap_or_else(|_| Err(silent()))
    }

    /// Where a whole blob may be read: the store, or each of its folders, because one copy may be sound where another is not.
    pub(crate) fn sources(&self) -> Vec<&dyn Blobs> {
        match &self.copies {
            None => vec![&*self.blobs],
            Some(copies) => copies.folders.iter().map(|folder| &*folder.blobs).collect(),
        }
    }
}

impl Stores {
    /// Over `shelves`, each of another name; new blobs go to `default`, which is one of them.
    fn new(shelves: Vec<Shelf>, default: StoreName) -> Result<Self, StoreError> {
        let stores = Self { shelves: shelves.into(), default };
        stores.shelf(default)?;
        Ok(stores)
    }

    /// A local store and no other.
    #[cfg(test)]
    pub(crate) fn only_local(blobs: impl Blobs + 'static) -> Self {
        let shelves = vec![Shelf::new(StoreName::Local, Arc::new(blobs))];
        Self { shelves: shelves.into(), default: StoreName::Local }
    }

    pub(crate) fn all(&self) -> &[Shelf] {
        &self.shelves
    }

    pub(crate) fn shelf(&self, name: StoreName) -> Result<&Shelf, StoreError> {
        self.shelves.iter().find(|shelf| shelf.name == name).ok_or(StoreError::NotConfigured(name))
    }

    /// The store that new blobs go to, if clients may put them there themselves.
    pub(crate) fn direct(&self) -> Option<&Shelf> {
        self.shelf(self.default).ok().filter(|shelf| shelf.direct.is_some())
    }

    /// Whether new blobs go where everybody can fetch and keep them.
    pub(crate) fn publishes(&self) -> bool {
        self.default == StoreName::Ipfs
    }

    /// The CID of a blob, if it is on IPFS. One that was moved away meanwhile is there no more.
    pub(crate) async fn cid(&self, blob: &BlobRef) -> Result<Option<Cid>, StoreError> {
        let place = Place::try_from(blob)?;
        if place.store != StoreName::Ipfs {
            return Ok(None);
        }
        match &self.shelf(place.store)?.node {
            Some(node) => Ok(node.cid(place.name).await?),
            None => Ok(None),
        }
    }

    /// Where the next blob goes.
    pub(crate) fn fresh(&self) -> Place {
        Place::fresh(self.default)
    }

    pub(crate) async fn create(&self, place: Place) -> Result<Box<dyn BlobWriter>, StoreError> {
        Ok(self.shelf(place.store)?.blobs.create(place.name).await?)
    }

    /// Small blobs, durable together where they go to one store.
    pub(crate) async fn put_all(&self, blobs: Vec<(Place, Bytes)>) -> Result<(), StoreError> {
        for shelf in &*self.shelves {
            let own = blobs.iter().filter(|(place, _)| place.store == shelf.name);
            let own: Vec<_> = own.map(|(place, bytes)| (place.name, bytes.clone())).collect();
            if !own.is_empty() {
                shelf.blobs.put_all(own).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn read(&self, blob: &BlobRef, range: Range<u64>) -> Result<BlobStream, StoreError> {
        let place = Place::try_from(blob)?;
        Ok(self.shelf(place.store)?.blobs.read(place.name, range).await?)
    }

    pub(crate) async fn delete(&self, place: Place) -> Result<(), StoreError> {
        Ok(self.shelf(place.store)?.blobs.delete(place.name).await?)
    }

    /// Deletes a blob that came to nothing. What cannot be deleted now the orphan sweep finds.
    pub(crate) async fn discard(&self, place: Place) {
        if let Err(error) = self.delete(place).await {
            let cause = crate::logging::chain(&error);
            tracing::warn!(%cause, blob = %place, "a blob that was not used could not be deleted; the orphan sweep will");
        }
    }

    /// Deletes a blob that was written for a row, if the row certainly does not name it: the answer says so, or the database
    /// refused before anything happened. An answer that was lost on the way is neither: the row may be there. Then the blob
    /// stays, and the orphan sweep asks again when it is old enough.
    pub(crate) async fn discard_unless<T>(
        &self,
        place: Place,
        answer: &Result<T, DbError>,
        names_it: impl FnOnce(&T) -> bool,
    ) {
        let is_unused = match answer {
            Ok(answer) => !names_it(answer),
            Err(error) => error.changed_nothing(),
        };
        if is_unused {
            self.discard(place).await;
        }
    }

    /// Whether every store could be written to and read from now; the name of the first that could not.
    pub(crate) async fn health(&self) -> Result<(), (StoreName, BlobError)> {
        let asked = self
            .shelves
            .iter()
            .map(|shelf| async { shelf.health().await.map(drop).map_err(|error| (shelf.name, error)) });
        futures::future::try_join_all(asked).await.map(drop)
    }

    /// Whether there is a store of that name and it is well.
    pub(crate) async fn is_available(&self, name: StoreName) -> bool {
        match self.shelf(name) {
            Ok(shelf) => shelf.health().await.is_ok(),
            Err(_) => false,
        }
    }

    /// Removes what interrupted writers left behind, in every store.
    pub(crate) async fn sweep_temporary(&self, older_than: Duration) -> Result<(), StoreError> {
        for shelf in &*self.shelves {
            shelf.blobs.sweep_temporary(older_than).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use blobs::MemoryBlobs;
    use futures::TryStreamExt as _;

    use super::*;

    fn two() -> (Stores, MemoryBlobs, MemoryBlobs) {
        let (local, s3) = (MemoryBlobs::new(), MemoryBlobs::new());
        let shelves = vec![
            Shelf::new(StoreName::Local, Arc::new(local.clone())),
            Shelf::new(StoreName::S3, Arc::new(s3.clone())),
        ];
        (Stores::new(shelves, StoreName::S3).unwrap(), local, s3)
    }

    #[tokio::test]
    async fn a_blob_is_read_from_the_store_that_its_reference_names() {
        let (stores, local, s3) = two();
        let (new, old) = (stores.fresh(), Place::fresh(StoreName::Local));
        stores.put_all(vec![(new, "new".into()), (old, "old".into())]).await.unwrap();
        assert_eq!(new.store, StoreName::S3, "the default");
        assert_eq!((s3.len(new.name).await.unwrap(), s3.len(old.name).await.unwrap()), (Some(3), None));
        assert_eq!(local.len(old.name).await.unwrap(), Some(3));
        for (place, bytes) in [(new, "new"), (old, "old")] {
            let read = stores.read(&place.reference(), 0..3).await.unwrap();
            assert_eq!(read.try_collect::<Vec<_>>().await.unwrap().concat(), bytes.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_store_that_is_not_configured_is_said_and_no_other_is_asked() {
        let (stores, ..) = two();
        let place = Place::fresh(StoreName::Ipfs);
        let read = stores.read(&place.reference(), 0..1).await.err();
        assert!(matches!(read, Some(StoreError::NotConfigured(StoreName::Ipfs))));
        let deleted = stores.delete(place).await;
        assert!(matches!(deleted, Err(StoreError::NotConfigured(StoreName::Ipfs))));
        assert!(Stores::new(Vec::new(), StoreName::Local).is_err(), "new blobs need a store");
    }
}
