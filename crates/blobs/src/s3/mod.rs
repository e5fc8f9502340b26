//! A bucket of any S3-compatible store: one blob is one object.
//!
//! ```text
//! PREFIX<name>         an object, visible when its upload was completed
//! ```
//! Requests are signed by rusty-s3 in their query, so that an address is a key: errors and logs hold none. Every call is bounded
//! in time. What fails for a passing reason is repeated where its octets are at hand; the rest is for
//! [`Retry`](crate::Retry).
//!
//! A blob of up to one chunk (5 MiB) is one request. A longer one is uploaded in chunks, the one before on its way while
//! the next one fills: memory behind one writer is two chunks, 10 MiB. Less is not possible for a body of unknown
//! length, because 5 MiB is the shortest part that stores take. One of known length flows through a single request
//! ([`Blobs::create_sized`]), and below 5 MiB of memory suffice.
//!
//! That a name is taken is asked before a commit and is a condition of it (`If-None-Match: *`). Stores without conditional writes ignore
//! that; then commits of one name are told apart within this process alone, which is enough for random names.

mod calls;
mod listing;
mod options;
mod presign;
mod streamed;
mod writer;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use rusty_s3::Bucket;
use url::Url;

use crate::turns::Turns;
use crate::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health, RetryPolicy, http};
pub use options::{BadS3, S3Keys, S3Options, S3Style};
pub use presign::{Presign, PresignedUrl, PutTerms};

/// The longest object that stores take in one request.
const LONGEST_PUT: u64 = 5 << 30;

/// Longer ranges than this are not written into a header: no blob is so long.
const LONGEST_BLOB: u64 = 1 << 50;

/// Blobs as objects of one bucket. Clones share connections.
#[derive(Clone)]
pub struct S3 {
    store: Arc<Store>,
}

/// What the store's methods, writers and listings share.
struct Store {
    client: reqwest::Client,
    bucket: Bucket,
    keys: S3Keys,
    prefix: String,
    cdn: Option<Url>,
    silence: Duration,
    chunk_time: Duration,
    list_page: u16,
    policy: RetryPolicy,
    turns: Turns,
    /// Whether the store knows conditional writes, as far as is known.
    conditions: AtomicBool,
}

impl S3 {
    /// The bucket of `options`. Nothing is asked yet: [`Blobs::health`] tells whether it can be used.
    ///
    /// # Errors
    /// Options that make no bucket.
    pub fn new(options: &S3Options, keys: S3Keys) -> Result<Self, BadS3> {
        Ok(Self {
            store: Arc::new(Store {
                client: http::client(options.ca_pem.as_deref(), options.connect_timeout)?,
                bucket: options.bucket()?,
                keys,
                prefix: options.prefix()?,
                cdn: options.cdn()?,
                silence: options.silence,
                chunk_time: options.chunk_time,
                list_page: options.list_page.clamp(1, 1000),
                policy: RetryPolicy::default(),
                turns: Turns::new(),
                conditions: AtomicBool::new(true),
            }),
        })
    }

    /// The name of the bucket.
    pub fn bucket(&self) -> &str {
        self.store.bucket.name()
    }

    /// The key under which a blob is kept in the bucket.
    pub fn key(&self, name: BlobName) -> String {
        self.store.key(name)
    }

    /// The blob that is kept under a key; `None` for a key that is none of ours.
    pub fn name(&self, key: &str) -> Option<BlobName> {
        self.store.name(key)
    }
}

#[async_trait]
impl Blobs for S3 {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(writer::S3Writer::new(self.store.clone(), name)))
    }

    async fn create_sized(&self, name: BlobName, len: u64) -> Result<Box<dyn BlobWriter>, BlobError> {
        // What fits into one chunk is collected and can be sent again; what is longer than one request takes is cut.
        if len <= writer::CHUNK_LEN as u64 || len > LONGEST_PUT {
            return self.create(name).await;
        }
        Ok(Box::new(streamed::StreamedWriter::new(self.store.clone(), name, len)))
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        if range.start < range.end && range.end <= LONGEST_BLOB {
            return self.store.get(name, range).await;
        }
        match self.store.len(name).await? {
            None => Err(BlobError::NotFound),
            Some(len) if range.start > range.end || range.end > len => Err(BlobError::OutOfRange { len }),
            Some(_) => Ok(stream::empty().boxed()),
        }
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        self.store.len(name).await
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        let store = &self.store;
        let _turn = store.turns.of(name).lock().await;
        let key = store.key(name);
        let url = store.sign(&store.bucket.delete_object(Some(&store.keys.0), &key));
        match store.call(store.client.delete(url), store.silence).await {
            Ok(_) | Err(BlobError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        listing::list(self.store.clone()).await
    }

    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
        listing::sweep(&self.store, older_than).await
    }

    async fn health(&self) -> Result<Health, BlobError> {
        let store = &self.store;
        let url = store.sign(&store.bucket.head_bucket(Some(&store.keys.0)));
        match store.call(store.client.head(url), store.silence).await {
            Ok(_) => Ok(Health { free_bytes: None }),
            Err(BlobError::NotFound) => Err(http::odd("there is no such bucket")),
            Err(error) => Err(error),
        }
    }
}
