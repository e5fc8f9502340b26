//! A folder that could not be opened when the server started, while others of its mirror could.

use std::io;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use blobs::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health};

/// Fails whatever it is asked; the mirror goes on with the others. A server that is started again tries to open it again.
pub(super) struct Away;

fn away<T>() -> Result<T, BlobError> {
    Err(BlobError::Unavailable(io::Error::other("the folder could not be opened at the start")))
}

#[async_trait]
impl Blobs for Away {
    async fn create(&self, _: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        away()
    }

    async fn read(&self, _: BlobName, _: Range<u64>) -> Result<BlobStream, BlobError> {
        away()
    }

    async fn len(&self, _: BlobName) -> Result<Option<u64>, BlobError> {
        away()
    }

    async fn delete(&self, _: BlobName) -> Result<(), BlobError> {
        away()
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        away()
    }

    async fn sweep_temporary(&self, _: Duration) -> Result<u64, BlobError> {
        away()
    }

    async fn health(&self) -> Result<Health, BlobError> {
        away()
    }
}
