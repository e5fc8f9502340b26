//! A node of IPFS by Kubo's RPC: one blob is one pinned file, and the node itself keeps which name has which CID.
//!
//! ```text
//! FOLDER/ab/ab01…ef/1767323045     in the node's own files (MFS): the name, and when it was committed
//! ```
//! A CID is known only after its octets were sent, so a commit gives the added file its name by `files/cp`, pins it and reads
//! back what the node says of it. What was added and never named is neither listed nor pinned; the node's own garbage
//! collection (`ipfs repo gc`, the operator's) takes it, and it takes what was deleted.
//!
//! **Publishing cannot be undone.** A node that is connected to others announces what it holds, and whoever fetched a file
//! keeps it. What lies here is sealed, but it is out.
//!
//! The node must not answer to strangers: its RPC rules over everything it has. Memory behind one writer is below 3 MiB.

mod calls;
mod cid;
mod options;
mod writer;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use url::Url;

use crate::turns::Turns;
use crate::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health, ListedBlob, http};
pub use cid::Cid;
pub use options::{BadIpfs, IpfsAuthorization, IpfsOptions};

/// Names that a listing asks for at once: each is a question of its own.
const ASKED_AT_ONCE: usize = 8;

/// The longest listing of one folder that is read.
const LISTING_MAX: usize = 32 << 20;

/// Blobs in a node of IPFS. Clones share connections.
#[derive(Clone)]
pub struct Ipfs {
    node: Arc<Node>,
}

/// What the store's methods, writers and listings share.
struct Node {
    client: reqwest::Client,
    base: Url,
    authorization: Option<IpfsAuthorization>,
    folder: String,
    silence: Duration,
    commit_time: Duration,
    turns: Turns,
}

/// A blob as the node's files know it.
#[derive(Clone, Debug)]
struct Entry {
    cid: Cid,
    len: u64,
    modified: i64,
}

impl Ipfs {
    /// The node of `options`. Nothing is asked yet: [`Blobs::health`] tells whether it answers.
    ///
    /// # Errors
    /// Options that name no node.
    pub fn new(options: &IpfsOptions) -> Result<Self, BadIpfs> {
        Ok(Self {
            node: Arc::new(Node {
                client: http::client(options.ca_pem.as_deref(), options.connect_timeout)?,
                base: options.base()?,
                authorization: options.authorization.clone(),
                folder: options.folder()?,
                silence: options.silence,
                commit_time: options.commit_time,
                turns: Turns::new(),
            }),
        })
    }

    /// The CID of a blob, under which any gateway can serve it; `None` if there is no blob of that name.
    ///
    /// # Errors
    /// A node that cannot answer.
    pub async fn cid(&self, name: BlobName) -> Result<Option<Cid>, BlobError> {
        Ok(self.node.entry(name).await?.map(|entry| entry.cid))
    }

    /// Whether the node has pinned what a blob holds.
    ///
    /// # Errors
    /// [`BlobError::NotFound`]; a node that cannot answer.
    pub async fn is_pinned(&self, name: BlobName) -> Result<bool, BlobError> {
        let entry = self.node.entry(name).await?.ok_or(BlobError::NotFound)?;
        self.node.is_pinned(&entry.cid).await
    }
}

#[async_trait]
impl Blobs for Ipfs {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(writer::IpfsWriter::new(self.node.clone(), name)))
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        let node = &self.node;
        let entry = node.entry(name).await?.ok_or(BlobError::NotFound)?;
        if range.start > range.end || range.end > entry.len {
            return Err(BlobError::OutOfRange { len: entry.len });
        }
        let len = range.end - range.start;
        if len == 0 {
            return Ok(stream::empty().boxed());
        }
        let path = format!("/ipfs/{}", entry.cid);
        let (offset, length) = (range.start.to_string(), len.to_string());
        let asked = [("arg", path.as_str()), ("offset", &offset), ("length", &length)];
        let response = node.call("cat", &asked).await?;
        Ok(http::pieces(response, node.silence, len))
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        Ok(self.node.entry(name).await?.map(|entry| entry.len))
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        let _turn = self.node.turns.of(name).lock().await;
        self.node.remove(name).await
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        let node = self.node.clone();
        // At once, so that a node that cannot be reached is an error and not an empty list.
        let shards = node.ls(&node.folder, false).await?.unwrap_or_default();
        let listing = node.clone();
        let names = stream::iter(shards).then(move |shard| {
            let node = listing.clone();
            async move {
                let blobs = node.ls(&format!("{}/{}", node.folder, shard.name), false).await?;
                Ok::<_, BlobError>(stream::iter(blobs.unwrap_or_default()).map(Ok))
            }
        });
        let blobs = names.try_flatten().map(move |found: Result<LsEntry, BlobError>| {
            let node = node.clone();
            async move {
                let Ok(name) = found?.name.parse::<BlobName>() else {
                    tracing::warn!("a file in the node's folder is not a blob and is left alone");
                    return Ok(None);
                };
                let entry = node.entry(name).await?;
                Ok(entry.map(|entry| ListedBlob { name, len: entry.len, modified: entry.modified }))
            }
        });
        let blobs = blobs.buffer_unordered(ASKED_AT_ONCE);
        Ok(blobs.try_filter_map(|blob| async move { Ok(blob) }).boxed())
    }

    async fn sweep_temporary(&self, _older_than: Duration) -> Result<u64, BlobError> {
        // What was never named is not pinned: the node's garbage collection knows it better.
        Ok(0)
    }

    async fn health(&self) -> Result<Health, BlobError> {
        self.node.text("version", &[]).await?;
        Ok(Health { free_bytes: None })
    }
}

/// One line of `files/ls`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LsEntry {
    name: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ls {
    /// `null` for an empty folder.
    entries: Option<Vec<LsEntry>>,
}

impl Node {
    fn path(&self, name: BlobName) -> String {
        format!("{}/{:02x}/{name}", self.folder, name.as_bytes()[0])
    }

    /// What lies in a folder of the node's files; `None` if it is not there.
    async fn ls(&self, path: &str, long: bool) -> Result<Option<Vec<LsEntry>>, BlobError> {
        let asked = [("arg", path), ("long", if long { "true" } else { "false" })];
        let response = match self.call("files/ls", &asked).await {
            Err(error) if error.is_absence() => return Ok(None),
            other => other?,
        };
        let text = http::text(response, self.silence, LISTING_MAX).await?;
        let ls: Ls = serde_json::from_str(&text).map_err(|_| http::odd("a listing that cannot be read"))?;
        Ok(Some(ls.entries.unwrap_or_default()))
    }

    async fn entry(&self, name: BlobName) -> Result<Option<Entry>, BlobError> {
        let Some(files) = self.ls(&self.path(name), true).await? else { return Ok(None) };
        // More than one is left only by two processes under one name: the first one counts.
        let committed = |file: LsEntry| Some((file.name.parse::<i64>().ok()?, file));
        let Some((modified, file)) = files.into_iter().filter_map(committed).min_by_key(|(time, _)| *time)
        else {
            return Ok(None);
        };
        let cid = Cid::parse(&file.hash).ok_or_else(|| http::odd("a CID of another kind"))?;
        Ok(Some(Entry { cid, len: file.size, modified }))
    }

    /// Unpins a blob and takes its name away, in this order: a name without a pin is found again, a pin without
    /// a name is not.
    async fn remove(&self, name: BlobName) -> Result<(), BlobError> {
        let Some(entry) = self.entry(name).await? else { return Ok(()) };
        match self.call("pin/rm", &[("arg", entry.cid.as_str())]).await {
            Ok(_) => {}
            Err(error) if error.is_no_pin() => {}
            Err(error) => return Err(error.into()),
        }
        match self.call("files/rm", &[("arg", &self.path(name)), ("recursive", "true")]).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_absence() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn is_pinned(&self, cid: &Cid) -> Result<bool, BlobError> {
        match self.text("pin/ls", &[("arg", cid.as_str()), ("type", "recursive")]).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_no_pin() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
