//! What an object store lets clients do themselves, without the server in between.

use std::time::Duration;

use async_trait::async_trait;
use blobs::{BlobError, BlobName};

/// Addresses by which whoever has them reaches one blob for a short while, and nothing else. Made without asking the store.
#[async_trait]
pub trait Direct: Send + Sync {
    /// Where a blob is fetched by GET, a range of it too.
    ///
    /// # Errors
    /// A store that cannot sign.
    async fn fetch_at(&self, name: BlobName, valid: Duration) -> Result<String, BlobError>;

    /// Where a blob is put by PUT.
    ///
    /// # Errors
    /// A store that cannot sign.
    async fn put_at(&self, name: BlobName, valid: Duration) -> Result<String, BlobError>;

    /// The bucket, and the object's key in it.
    fn object(&self, name: BlobName) -> (String, String);
}
