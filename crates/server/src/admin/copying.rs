//! Blobs on their way from one store to another: none arrives that is not as it was recorded.

use async_trait::async_trait;
use blobs::{BlobError, BlobWriter, Blobs};
use bytes::Bytes;
use envelope::segment::SEGMENT_LEN;

use super::AdminError;
use crate::stored::{Damage, Recorded, worse};
use crate::stores::{Place, StoreError, Stores};

/// Up to this length blobs are collected and made durable together: fewer waits for the device.
const SMALL: u64 = SEGMENT_LEN as u64;
/// Blobs, and octets of them, that are collected at most.
const TOGETHER: usize = 100;
const TOGETHER_BYTES: u64 = 8 << 20;

/// Where blobs come from or go to.
#[derive(Clone, Copy)]
pub(super) enum Side<'a> {
    /// The folder of a backup: a name is used once, whatever store it is in.
    Folder(&'a dyn Blobs),
    /// The stores of a server, each blob in the one that its reference names.
    Server(&'a Stores),
}

impl<'a> Side<'a> {
    fn holding(self, place: Place) -> Result<&'a dyn Blobs, StoreError> {
        match self {
            Self::Folder(blobs) => Ok(blobs),
            Self::Server(stores) => Ok(&*stores.shelf(place.store)?.blobs),
        }
    }

    /// Every copy there may be.
    fn sources(self, place: Place) -> Result<Vec<&'a dyn Blobs>, StoreError> {
        match self {
            Self::Folder(blobs) => Ok(vec![blobs]),
            Self::Server(stores) => Ok(stores.shelf(place.store)?.sources()),
        }
    }
}

/// Copies sound blobs. [`Copier::flush`] is its last word.
pub(super) struct Copier<'a> {
    from: Side<'a>,
    to: Side<'a>,
    /// Whether what is there already is read again instead of believed.
    rereads: bool,
    small: Vec<(Place, Bytes)>,
    small_bytes: u64,
    /// Blobs and octets that were not there before.
    pub(super) copied: u64,
    pub(super) copied_bytes: u64,
}

impl<'a> Copier<'a> {
    pub(super) fn new(from: Side<'a>, to: Side<'a>, rereads: bool) -> Self {
        Self { from, to, rereads, small: Vec::new(), small_bytes: 0, copied: 0, copied_bytes: 0 }
    }

    /// Copies a blob unless it is there. What is damaged is not copied, and takes the place of nothing.
    pub(super) async fn take(&mut self, recorded: &Recorded) -> Result<Option<Damage>, AdminError> {
        let Some(place) = recorded.place() else { return Ok(Some(Damage::Rows)) };
        let Ok(sources) = self.from.sources(place) else { return Ok(Some(Damage::NoStore)) };
        let (name, to) = (place.name, self.to.holding(place)?);
        // A blob gets its name when all of it is durable, so what has name and length is whole.
        if let Some(len) = to.len(name).await? {
            let is_sound =
                len == recorded.len && (!self.rereads || recorded.check_in(to, name, None).await?.is_none());
            if is_sound {
                return Ok(None);
            }
            if let Some(damage) = recorded.sound_among(&sources, name).await?.err() {
                return Ok(Some(damage));
            }
            to.delete(name).await?;
        }
        let damage = match recorded.len {
            0..=SMALL => self.collect(&sources, place, recorded).await?,
            _ => recorded.copy(&sources, name, to, name).await?,
        };
        if damage.is_none() {
            self.copied += 1;
            self.copied_bytes += recorded.len;
        }
        Ok(damage)
    }

    /// Makes durable what was collected.
    pub(super) async fn flush(&mut self) -> Result<(), AdminError> {
        self.small_bytes = 0;
        let small = std::mem::take(&mut self.small);
        match self.to {
            Side::Server(stores) => stores.put_all(small).await?,
            Side::Folder(_) if small.is_empty() => {}
            Side::Folder(blobs) => {
                blobs.put_all(small.into_iter().map(|(place, bytes)| (place.name, bytes)).collect()).await?;
            }
        }
        Ok(())
    }

    async fn collect(
        &mut self,
        sources: &[&dyn Blobs],
        place: Place,
        recorded: &Recorded,
    ) -> Result<Option<Damage>, AdminError> {
        let mut damage = None;
        for from in sources {
            let mut collected = Collected(Vec::new());
            match recorded.check_in(*from, place.name, Some(&mut collected)).await? {
                None => {
                    self.small_bytes += recorded.len;
                    self.small.push((place, collected.0.into()));
                    damage = None;
                    break;
                }
                Some(found) => damage = worse(damage, found),
            }
        }
        if self.small.len() == TOGETHER || self.small_bytes >= TOGETHER_BYTES {
            self.flush().await?;
        }
        Ok(damage)
    }
}

/// A small blob in memory.
struct Collected(Vec<u8>);

#[async_trait]
impl BlobWriter for Collected {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), BlobError> {
        Ok(())
    }
}
