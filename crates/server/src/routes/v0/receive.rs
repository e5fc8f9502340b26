//! Takes an upload from the socket: JSON is read, base64 decoded, hashed and written while the rest arrives.

use std::time::Duration;

use axum::body::Body;
use blobs::{BlobStream, BlobWriter};
use envelope::merkle::{self, Accumulator, Node};
use envelope::segment::SEGMENT_LEN;
use futures::TryStreamExt as _;
use proto::Code;
use proto::v0::{CIPHERTEXT, FILE_MAX, JsonFault, Reader, UploadFields};

use crate::error::{Answer, Refusal};
use crate::http::{Pace, Slow};

/// What came.
pub(super) struct Received {
    pub(super) fields: UploadFields,
    /// Whether the nonce may be told in the metadata alone.
    pub(super) may_lack_nonce: bool,
    pub(super) len: u64,
    pub(super) node: Node,
}

/// Receives a body of at most `most` bytes into `writer`. After an error the writer is to be dropped, which leaves
/// nothing behind. Memory: a piece from the socket, its octets, and a segment.
pub(super) async fn receive(
    body: &mut Body,
    most: u64,
    idle: Duration,
    writer: &mut dyn BlobWriter,
) -> Answer<Received> {
    let mut reader = Reader::new(CIPHERTEXT);
    let mut written = Written { writer, segment: Vec::new(), nodes: Accumulator::new(), len: 0 };
    let (mut seen, mut octets) = (0_u64, Vec::new());
    let mut pace = Pace::new(idle);
    while let Some(piece) = pace.next(body).await.map_err(stopped)? {
        seen += piece.len() as u64;
        if seen > most {
            return Err(too_large(most));
        }
        reader.push(&piece, &mut octets).map_err(refused)?;
        written.take(&octets).await?;
        octets.clear();
    }
    let fields: UploadFields = reader.finish().map_err(refused)?;
    let (len, node) = written.finish().await?;
    Ok(Received { fields, may_lack_nonce: false, len, node })
}

/// Receives the octets of an object into `writer`, cut and hashed in the same way.
pub(super) async fn receive_stream(
    mut octets: BlobStream,
    writer: &mut dyn BlobWriter,
) -> Answer<(u64, Node)> {
    let mut written = Written { writer, segment: Vec::new(), nodes: Accumulator::new(), len: 0 };
    while let Some(piece) = octets.try_next().await? {
        written.take(&piece).await?;
    }
    written.finish().await
}

pub(super) fn too_large(most: u64) -> Refusal {
    Refusal::new(Code::TooLarge, format!("This API takes bodies of up to {most} bytes. Nothing was stored."))
}

fn stopped(slow: Slow) -> Refusal {
    match slow {
        Slow::Given(refusal) => refusal,
        Slow::Broken(_) => Refusal::malformed("The body did not arrive whole. Nothing was stored."),
    }
}

fn refused(fault: JsonFault) -> Refusal {
    match fault {
        JsonFault::Long => Refusal::new(
            Code::TooLarge,
            "The fields beside the ciphertext are longer than 1 MiB. Nothing was stored.",
        ),
        fault => Refusal::malformed(format!("The body cannot be taken: {fault}. Nothing was stored.")),
    }
}

/// What has been decoded, cut and hashed as parts are, so that whoever checks what is stored can check it too.
struct Written<'w> {
    writer: &'w mut dyn BlobWriter,
    segment: Vec<u8>,
    nodes: Accumulator,
    len: u64,
}

impl Written<'_> {
    async fn take(&mut self, mut octets: &[u8]) -> Answer<()> {
        self.len += octets.len() as u64;
        if self.len > FILE_MAX {
            return Err(Refusal::new(
                Code::TooLarge,
                "A file of this API has at most 500 MB. Nothing was stored; send larger ones with wax.",
            ));
        }
        while !octets.is_empty() {
            let (taken, left) = octets.split_at(octets.len().min(SEGMENT_LEN - self.segment.len()));
            self.segment.extend_from_slice(taken);
            octets = left;
            if self.segment.len() == SEGMENT_LEN {
                self.write().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self) -> Answer<()> {
        let full = std::mem::replace(&mut self.segment, Vec::with_capacity(SEGMENT_LEN));
        self.nodes.push(merkle::leaf(&full));
        Ok(self.writer.write(full.into()).await?)
    }

    async fn finish(mut self) -> Answer<(u64, Node)> {
        if !self.segment.is_empty() {
            self.write().await?;
        }
        let empty = || Refusal::malformed("The ciphertext is empty. Nothing was stored.");
        Ok((self.len, self.nodes.root().ok_or_else(empty)?))
    }
}
