//! Adding a file: its octets go through one call, and at commit it gets its name, a pin and a second look.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use super::{Cid, Node};
use crate::pipe::{PIECE_LEN, Pipe};
use crate::{BlobError, BlobName, BlobWriter, http};

/// How the file is cut and spelled: what the CID is depends on it, so it is said and not left to the node.
const HOW: [(&str, &str); 6] = [
    ("cid-version", "1"),
    ("raw-leaves", "true"),
    ("cid-base", "base32"),
    ("chunker", "size-1048576"),
    ("pin", "false"),
    ("progress", "false"),
];

/// The longest answer to an add that is read.
const ANSWER_MAX: usize = 64 << 10;

pub(super) struct IpfsWriter {
    node: Arc<Node>,
    name: BlobName,
    len: u64,
    adding: Option<Adding>,
    broken: bool,
}

/// The call that adds the file.
struct Adding {
    boundary: String,
    pipe: Pipe<Cid>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Added {
    hash: String,
}

impl IpfsWriter {
    pub(super) fn new(node: Arc<Node>, name: BlobName) -> Self {
        Self { node, name, len: 0, adding: None, broken: false }
    }
}

#[async_trait]
impl BlobWriter for IpfsWriter {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        // Stays set if this future is dropped or fails on the way.
        if std::mem::replace(&mut self.broken, true) {
            return Err(BlobError::Broken);
        }
        self.len += bytes.len() as u64;
        let node = self.node.clone();
        while !bytes.is_empty() {
            let piece = bytes.split_to(PIECE_LEN.min(bytes.len()));
            let adding = match &mut self.adding {
                Some(adding) => adding,
                None => self.adding.insert(Adding::begin(&node).await?),
            };
            adding.pipe.send(piece, node.silence).await?;
        }
        self.broken = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), BlobError> {
        if self.broken {
            return Err(BlobError::Broken);
        }
        let node = self.node.clone();
        let mut adding = match self.adding.take() {
            Some(adding) => adding,
            None => Adding::begin(&node).await?,
        };
        let cid = adding.end(&node).await?;
        let _turn = node.turns.of(self.name).lock().await;
        if node.entry(self.name).await?.is_some() {
            return Err(BlobError::AlreadyExists);
        }
        let named = node.name(self.name, &cid, self.len).await;
        if named.is_err()
            && let Err(error) = node.remove(self.name).await
        {
            tracing::warn!(%error, "a file that must not be used keeps its name; the orphan sweep will find it");
        }
        named
    }
}

impl Node {
    /// Gives an added file its name and a pin, and asks the node what it has now.
    async fn name(&self, name: BlobName, cid: &Cid, len: u64) -> Result<(), BlobError> {
        let folder = self.path(name);
        self.call("files/mkdir", &[("arg", &folder), ("parents", "true")]).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (from, to) = (format!("/ipfs/{cid}"), format!("{folder}/{now}"));
        match self.call("files/cp", &[("arg", &from), ("arg", &to)]).await {
            Ok(_) => {}
            // Only this writer names this blob now: an answer of an earlier try was lost.
            Err(error) if error.is_taken() => {}
            Err(error) => return Err(error.into()),
        }
        // Walks the whole file, so that what garbage collection may have taken since the add is found missing now.
        let pin = http::send(self.request("pin/add", &[("arg", cid.as_str())]), self.commit_time).await?;
        self.accept(pin).await?;
        match self.entry(name).await? {
            Some(entry) if entry.cid == *cid && entry.len == len => Ok(()),
            Some(_) => Err(http::odd("the node has another file or another length than was sent")),
            None => Err(http::unavailable("the node lost the name of a file")),
        }
    }
}

impl Adding {
    async fn begin(node: &Arc<Node>) -> Result<Self, BlobError> {
        let boundary = format!("waxwing-{}", BlobName::generate());
        let kind = format!("multipart/form-data; boundary={boundary}");
        let (adding, within) = (node.clone(), node.silence);
        let pipe = Pipe::open(move |body| async move {
            // Not bounded by itself: every piece that is handed over is, and so is the end.
            let request = adding.request("add", &HOW).header(CONTENT_TYPE, kind).body(body);
            let response = adding.accept(request.send().await.map_err(http::failed)?).await?;
            let text = http::text(response, adding.commit_time, ANSWER_MAX).await?;
            let added = text.lines().rev().find_map(|line| serde_json::from_str::<Added>(line).ok());
            let cid = added.and_then(|added| Cid::parse(&added.hash));
            // An error that came after the head of the answer stands where it cannot be read.
            cid.ok_or_else(|| http::unavailable("the node did not say under which CID it stored a file"))
        });
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"blob\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        let mut begun = Self { boundary, pipe };
        begun.pipe.send(Bytes::from(head), within).await?;
        Ok(begun)
    }

    async fn end(&mut self, node: &Node) -> Result<Cid, BlobError> {
        let tail = format!("\r\n--{}--\r\n", self.boundary);
        self.pipe.send(Bytes::from(tail), node.silence).await?;
        self.pipe.end(node.commit_time).await
    }
}
