//! Adding a file: its octets go through one call, and at commit it gets its name, a pin and a second look.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use reqwest::Body;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Cid, Node};
use crate::{BlobError, BlobName, BlobWriter, http};

/// Octets that are handed over at once.
const PIECE_LEN: usize = 1 << 20;

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

/// The call that adds the file. It is broken off when dropped.
struct Adding {
    boundary: String,
    /// One piece waits, one is in the client, one is being handed over.
    pieces: Option<mpsc::Sender<Bytes>>,
    call: JoinHandle<Result<Cid, BlobError>>,
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
            self.adding.get_or_insert_with(|| Adding::begin(&node)).send(&node, piece).await?;
        }
        self.broken = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), BlobError> {
        if self.broken {
            return Err(BlobError::Broken);
        }
        let node = self.node.clone();
        let mut adding = self.adding.take().unwrap_or_else(|| Adding::begin(&node));
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
    fn begin(node: &Arc<Node>) -> Self {
        let boundary = format!("waxwing-{}", BlobName::generate());
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"blob\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let body = stream::unfold((Some(Bytes::from(head)), receiver), |(head, mut receiver)| async move {
            let piece = match head {
                Some(head) => head,
                None => receiver.recv().await?,
            };
            Some((Ok::<_, io::Error>(piece), (None, receiver)))
        });
        let request = node
            .request("add", &HOW)
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"))
            .body(Body::wrap_stream(body));
        let node = node.clone();
        let call = tokio::spawn(async move {
            // Not bounded by itself: every piece that is handed over is, and so is the end.
            let response = node.accept(request.send().await.map_err(http::failed)?).await?;
            let text = http::text(response, node.commit_time, ANSWER_MAX).await?;
            let added = text.lines().rev().find_map(|line| serde_json::from_str::<Added>(line).ok());
            let cid = added.and_then(|added| Cid::parse(&added.hash));
            // An error that came after the head of the answer stands where it cannot be read.
            cid.ok_or_else(|| http::unavailable("the node did not say under which CID it stored a file"))
        });
        Self { boundary, pieces: Some(sender), call }
    }

    async fn send(&mut self, node: &Node, piece: Bytes) -> Result<(), BlobError> {
        let Some(pieces) = &self.pieces else { return Err(BlobError::Broken) };
        match timeout(node.silence, pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            // The call is over before its end: it says why.
            Ok(Err(_)) => Err(self.result(node).await.err().unwrap_or(BlobError::Broken)),
            Err(_) => Err(http::silent()),
        }
    }

    async fn end(&mut self, node: &Node) -> Result<Cid, BlobError> {
        self.send(node, Bytes::from(format!("\r\n--{}--\r\n", self.boundary))).await?;
        self.pieces = None;
        self.result(node).await
    }

    async fn result(&mut self, node: &Node) -> Result<Cid, BlobError> {
        let ended = timeout(node.commit_time, &mut self.call).await.map_err(|_| http::silent())?;
        ended.map_err(|_| http::unavailable("the call was stopped"))?
    }
}

impl Drop for Adding {
    fn drop(&mut self) {
        // Before the pieces end, so that the body breaks off and the node does not take it for whole.
        self.call.abort();
    }
}
