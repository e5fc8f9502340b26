//! Writing an object: short ones in one request, longer ones in chunks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::header::ETAG;
use rusty_s3::S3Action as _;
use rusty_s3::actions::{CompleteMultipartUploadResponse, CreateMultipartUpload};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{Store, calls, listing};
use crate::retry::repeat;
use crate::{BlobError, BlobName, BlobWriter, http};

/// Octets of a chunk: the fewest that stores take. Two exist at a time.
pub(super) const CHUNK_LEN: usize = 5 << 20;

/// Chunks of one object at most, by the rules of the protocol: 48 GiB in all.
const MOST_CHUNKS: usize = 10_000;

/// The longest answer that is read when an upload begins or ends.
const ANSWER_MAX: usize = 64 << 10;

pub(super) struct S3Writer {
    store: Arc<Store>,
    name: BlobName,
    filling: BytesMut,
    /// Octets in all.
    len: u64,
    upload: Option<Upload>,
    broken: bool,
}

/// An upload in chunks. It is ended when dropped, unless it was completed.
struct Upload {
    store: Arc<Store>,
    key: String,
    id: String,
    etags: Vec<String>,
    in_flight: Option<JoinHandle<Result<String, BlobError>>>,
    is_over: bool,
}

impl S3Writer {
    pub(super) fn new(store: Arc<Store>, name: BlobName) -> Self {
        Self { store, name, filling: BytesMut::new(), len: 0, upload: None, broken: false }
    }

    /// Sends the full chunk on its way, after the one before it.
    async fn send_chunk(&mut self) -> Result<(), BlobError> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self.upload.insert(Upload::begin(self.store.clone(), self.name).await?),
        };
        let chunk = std::mem::replace(&mut self.filling, BytesMut::with_capacity(CHUNK_LEN)).freeze();
        upload.send(chunk).await
    }
}

#[async_trait]
impl BlobWriter for S3Writer {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        // Stays set if this future is dropped or fails on the way.
        if std::mem::replace(&mut self.broken, true) {
            return Err(BlobError::Broken);
        }
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            // Only when more comes: what fits into one chunk is one request.
            if self.filling.len() == CHUNK_LEN {
                self.send_chunk().await?;
            }
            let room = CHUNK_LEN - self.filling.len();
            self.filling.extend_from_slice(&bytes.split_to(room.min(bytes.len())));
        }
        self.broken = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), BlobError> {
        if self.broken {
            return Err(BlobError::Broken);
        }
        if self.upload.is_some() {
            // What is left goes before the turn is taken: it makes nothing visible.
            self.send_chunk().await?;
            if let Some(upload) = &mut self.upload {
                upload.landed().await?;
            }
        }
        let store = self.store.clone();
        let _turn = store.turns.of(self.name).lock().await;
        if repeat(&store.policy, 0, || store.len(self.name)).await?.is_some() {
            return Err(BlobError::AlreadyExists);
        }
        match &mut self.upload {
            Some(upload) => {
                store.publish(self.name, self.len, |once| upload.complete(once)).await?;
                upload.is_over = true;
            }
            None => {
                let body = std::mem::take(&mut self.filling).freeze();
                store.publish(self.name, self.len, |once| store.put(self.name, body.clone(), once)).await?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Makes an object visible by the last `step` of its upload, whose argument says whether it is to refuse a taken name.
    ///
    /// An answer that was lost leaves open whether the step was done. Nobody else commits this name (the turn is held and
    /// it was free), so when a further attempt finds an object of this length there, it is ours.
    async fn publish<F: Future<Output = Result<(), BlobError>>>(
        &self,
        name: BlobName,
        len: u64,
        step: impl Fn(bool) -> F,
    ) -> Result<(), BlobError> {
        let was_tried = AtomicBool::new(false);
        let attempt = || async {
            let was_tried = was_tried.swap(true, Ordering::Relaxed);
            let once = self.conditions.load(Ordering::Relaxed);
            let done = match step(once).await {
                Err(error) if once && is_unsupported(&error) => {
                    self.no_conditions();
                    step(false).await
                }
                other => other,
            };
            match done {
                // In whatever words a store says that this was done before.
                Err(error) if was_tried && !error.is_transient() => match (self.len(name).await?, error) {
                    (Some(found), _) if found == len => Ok(()),
                    (None, BlobError::AlreadyExists | BlobError::NotFound) => {
                        Err(http::unavailable("the upload is gone"))
                    }
                    (_, error) => Err(error),
                },
                // An upload that somebody ended: the blob has to be sent again.
                Err(BlobError::NotFound) => Err(http::unavailable("the upload is gone")),
                other => other,
            }
        };
        repeat(&self.policy, 0, attempt).await
    }

    /// Remembers that the store has no conditional writes.
    pub(super) fn no_conditions(&self) {
        if self.conditions.swap(false, Ordering::Relaxed) {
            tracing::warn!("this object store has no conditional writes: that a name is free is only asked");
        }
    }

    /// A whole object in one request.
    async fn put(&self, name: BlobName, body: Bytes, once: bool) -> Result<(), BlobError> {
        let key = self.key(name);
        let mut action = self.bucket.put_object(Some(&self.keys.0), &key);
        if once {
            action.headers_mut().insert("if-none-match", "*");
        }
        let mut request = self.client.put(self.sign(&action)).body(body);
        if once {
            request = request.header("if-none-match", "*");
        }
        self.call(request, self.chunk_time).await.map(drop)
    }
}

pub(super) fn is_unsupported(error: &BlobError) -> bool {
    matches!(error, BlobError::Io(error) if error.kind() == std::io::ErrorKind::Unsupported)
}

impl Upload {
    async fn begin(store: Arc<Store>, name: BlobName) -> Result<Self, BlobError> {
        let key = store.key(name);
        let begin = || async {
            let url = store.sign(&store.bucket.create_multipart_upload(Some(&store.keys.0), &key));
            let response = store.call(store.client.post(url), store.silence).await?;
            let text = http::text(response, store.silence, ANSWER_MAX).await?;
            CreateMultipartUpload::parse_response(&text).map_err(|_| http::odd("an upload without an id"))
        };
        let begun = repeat(&store.policy, 0, begin).await?;
        let id = begun.upload_id().to_owned();
        Ok(Self { store, key, id, etags: Vec::new(), in_flight: None, is_over: false })
    }

    /// Waits for the chunk before and sends this one on its way.
    async fn send(&mut self, chunk: Bytes) -> Result<(), BlobError> {
        self.landed().await?;
        if self.etags.len() == MOST_CHUNKS {
            return Err(http::odd("a blob that is longer than an object may be"));
        }
        let number = u16::try_from(self.etags.len() + 1).expect("at most 10,000 chunks");
        let (store, key, id) = (self.store.clone(), self.key.clone(), self.id.clone());
        self.in_flight = Some(tokio::spawn(async move {
            repeat(&store.policy, 0, || store.put_chunk(&key, &id, number, chunk.clone())).await
        }));
        Ok(())
    }

    /// Waits for the chunk that is on its way.
    async fn landed(&mut self) -> Result<(), BlobError> {
        if let Some(handle) = &mut self.in_flight {
            let etag = handle.await.map_err(|_| http::unavailable("the upload was stopped"))??;
            self.in_flight = None;
            self.etags.push(etag);
        }
        Ok(())
    }

    async fn complete(&self, once: bool) -> Result<(), BlobError> {
        let store = &self.store;
        let etags = self.etags.iter().map(String::as_str);
        let mut action =
            store.bucket.complete_multipart_upload(Some(&store.keys.0), &self.key, &self.id, etags);
        if once {
            action.headers_mut().insert("if-none-match", "*");
        }
        let mut request = store.client.post(store.sign(&action)).body(action.body());
        if once {
            request = request.header("if-none-match", "*");
        }
        let response = store.call(request, store.chunk_time).await?;
        let status = response.status();
        let text = http::text(response, store.chunk_time, ANSWER_MAX).await?;
        // A store may say that all is well and add an error afterwards.
        match CompleteMultipartUploadResponse::parse(&text) {
            Ok(_) => Ok(()),
            Err(_) if calls::code(&text) == "InternalError" => Err(http::unavailable("the store failed")),
            Err(_) => Err(calls::refusal(status, calls::code(&text))),
        }
    }
}

impl Store {
    async fn put_chunk(&self, key: &str, id: &str, number: u16, chunk: Bytes) -> Result<String, BlobError> {
        let url = self.sign(&self.bucket.upload_part(Some(&self.keys.0), key, number, id));
        match self.call(self.client.put(url).body(chunk), self.chunk_time).await {
            Ok(response) => {
                let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
                let etag = etag.filter(|etag| !etag.is_empty());
                etag.map(str::to_owned).ok_or_else(|| http::odd("a chunk without an ETag"))
            }
            // The upload was ended by somebody: the blob has to be sent again.
            Err(BlobError::NotFound) => Err(http::unavailable("the upload is gone")),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(handle) = self.in_flight.take() {
            handle.abort();
        }
        // Without a runtime nothing can be sent; the sweep finds the upload.
        if let Ok(runtime) = Handle::try_current()
            && !self.is_over
        {
            let (store, key, id) = (self.store.clone(), self.key.clone(), self.id.clone());
            runtime.spawn(async move {
                if let Err(error) = listing::abort(&store, &key, &id).await {
                    tracing::warn!(%error, "an unfinished upload could not be ended; the sweep will find it");
                }
            });
        }
    }
}
