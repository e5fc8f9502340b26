//! Blobs on their way from one store to another: none arrives that is not as it was recorded.

use async_trait::async_trait;
use blobs::{BlobError, BlobName, BlobWriter, Blobs};
use bytes::Bytes;
use envelope::segment::SEGMENT_LEN;

use super::AdminError;
use crate::stored::{Damage, Recorded};

/// Up to this length blobs are collected and made durable together: fewer waits for the device.
const SMALL: u64 = SEGMENT_LEN as u64;
/// Blobs, and octets of them, that are collected at most.
const TOGETHER: usize = 100;
const TOGETHER_BYTES: u64 = 8 << 20;

/// Copies sound blobs. [`Copier::flush`] is its last word.
pub(super) struct Copier<'a> {
    from: &'a dyn Blobs,
    to: &'a dyn Blobs,
    /// Whether what is there already is read again instead of believed.
    rereads: bool,
    small: Vec<(BlobName, Bytes)>,
    small_bytes: u64,
    /// Blobs and octets that were not there before.
    pub(super) copied: u64,
    pub(super) copied_bytes: u64,
}

impl<'a> Copier<'a> {
    pub(super) fn new(from: &'a dyn Blobs, to: &'a dyn Blobs, rereads: bool) -> Self {
        Self { from, to, rereads, small: Vec::new(), small_bytes: 0, copied: 0, copied_bytes: 0 }
    }

    /// Copies a blob unless it is there. What is damaged is not copied, and takes the place of nothing.
    pub(super) async fn take(&mut self, recorded: &Recorded) -> Result<Option<Damage>, AdminError> {
        let Some(name) = recorded.name() else { return Ok(Some(Damage::Rows)) };
        // A blob gets its name when all of it is durable, so what has name and length is whole.
        if let Some(len) = self.to.len(name).await? {
            let is_sound =
                len == recorded.len && (!self.rereads || recorded.check(self.to, None).await?.is_none());
            if is_sound {
                return Ok(None);
            }
            if let Some(damage) = recorded.check(self.from, None).await? {
                return Ok(Some(damage));
            }
            self.to.delete(name).await?;
        }
        let damage = if recorded.len <= SMALL {
            self.collect(name, recorded).await?
        } else {
            let mut writer = self.to.create(name).await?;
            let damage = recorded.check(self.from, Some(writer.as_mut())).await?;
            if damage.is_none() {
                writer.commit().await?;
            }
            damage
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
        if small.is_empty() { Ok(()) } else { Ok(self.to.put_all(small).await?) }
    }

    async fn collect(&mut self, name: BlobName, recorded: &Recorded) -> Result<Option<Damage>, AdminError> {
        let mut collected = Collected(Vec::new());
        let damage = recorded.check(self.from, Some(&mut collected)).await?;
        if damage.is_none() {
            self.small_bytes += recorded.len;
            self.small.push((name, collected.0.into()));
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
