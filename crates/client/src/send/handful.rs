//! Small files: sealed whole in memory, many in one request.

use super::Job;
use super::plan::{self, SourceFile};
use super::share::Sharing;
use super::{Compress, Kind, Sent};
use crate::{Error, Result};
use envelope::segment::{SEGMENT_OVERHEAD, SEGMENT_PLAIN};
use format::compress::Compressor;
use format::{FileKey, PayloadSealer, Position};
use proto::limits::{BATCH_FILES_MAX, JSON_BODY_MAX};
use proto::{B64, BatchFile};
use std::io::Read;
use std::os::unix::fs::FileExt;

/// A small file as it goes into a batch, and what will be said of it.
pub(super) struct Sealed {
    json: Vec<u8>,
    pub(super) sent: Sent,
}

/// Files of one request.
#[derive(Default)]
pub(super) struct Handful {
    files: Vec<Sealed>,
    bytes: usize,
}

const HEAD: &[u8] = b"{\"files\":[";
const TAIL: &[u8] = b"]}";

impl Handful {
    /// Takes another file; `false` if it does not fit any more.
    pub(super) fn add(&mut self, sealed: Sealed) -> bool {
        let more = sealed.json.len() + 1;
        let is_full = self.files.len() == BATCH_FILES_MAX
            || HEAD.len() + self.bytes + more + TAIL.len() > JSON_BODY_MAX;
        if is_full && !self.files.is_empty() {
            return false;
        }
        self.bytes += more;
        self.files.push(sealed);
        true
    }

    /// The request, and what will be said of its files.
    pub(super) fn request(self) -> (Vec<u8>, Vec<Sent>) {
        let mut request = Vec::with_capacity(HEAD.len() + self.bytes + TAIL.len());
        request.extend_from_slice(HEAD);
        let mut sent = Vec::with_capacity(self.files.len());
        for (n, file) in self.files.into_iter().enumerate() {
            if n > 0 {
                request.push(b',');
            }
            request.extend_from_slice(&file.json);
            sent.push(file.sent);
        }
        request.extend_from_slice(TAIL);
        (request, sent)
    }
}

impl Job<'_> {
    /// The most that a file of this size takes of a request, if it is sealed into one segment and so goes with others.
    pub(super) fn cost_of_small(&self, size: u64) -> Option<usize> {
        let shape = plan::shape(size, self.options.padded).ok().filter(|shape| shape.segments() == 1)?;
        let body = usize::try_from(shape.body_len()).ok()?;
        let grants = match self.kind {
            Kind::Member => 0,
            Kind::File | Kind::Folder(_) => 1 + self.recipients.len() + self.keys.len(),
        };
        // Base64 of body, manifest and grants, and the JSON around them.
        Some((body + 2_048 + grants * 1_500) / 3 * 4 + 512)
    }

    /// Seals a small file whole. Blocks.
    pub(super) fn seal_small_file(&self, file: &SourceFile) -> Result<Sealed> {
        let size = usize::try_from(file.identity.size).map_err(|_| Error::SourceTooLong)?;
        let mut content = vec![0; size];
        file.file.read_exact_at(&mut content, 0).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::SourceChanged(file.identity.path.clone()),
            _ => Error::io("read", &file.identity.path)(error),
        })?;
        if !file.is_unchanged() {
            return Err(Error::SourceChanged(file.identity.path.clone()));
        }
        let preview = self.options.preview.then(|| crate::preview::of_bytes(content.clone())).flatten();
        let compressed = self.compressed(&content)?;
        let is_compressed = compressed.is_some();
        let mut stored = compressed.unwrap_or(content);
        let stored_size = stored.len() as u64;
        let shape = plan::shape(stored_size, self.options.padded)?;
        stored.resize(usize::try_from(shape.plain_len()).map_err(|_| Error::SourceTooLong)?, 0);
        if stored.len() > SEGMENT_PLAIN {
            return Err(Error::Internal("a small file is longer than a segment"));
        }
        let (fk, file_id) = (FileKey::generate(), format::random::file_id());
        let (suite, root) = self.author.suite();
        let sealer = PayloadSealer::generate(&fk, suite, file_id, root);
        let mut body = vec![0; stored.len() + SEGMENT_OVERHEAD];
        let record = sealer.seal(0, Position::Final, &stored, &mut body);
        let record = record.map_err(|_| Error::Internal("a segment does not fit its place"))?;
        let complete = self.signed(&Sharing {
            fk: &fk,
            file_id,
            payload_header: sealer.header(),
            body: shape,
            body_root: record.leaf(),
            original_size: file.identity.size,
            stored_size,
            compressed: is_compressed,
            modified_ms: file.modified_ms,
            preview,
        })?;
        let kept = match self.kind {
            Kind::Member => self.kept(B64(self.seal_key(&fk, file_id)?), &complete)?,
            Kind::File | Kind::Folder(_) => None,
        };
        let sent = Sent {
            file_id,
            name: self.name.as_str().to_owned(),
            bytes: file.identity.size,
            stored: stored_size,
            body_len: body.len() as u64,
            parts: 1,
            resumed_parts: 0,
            received_bytes: body.len() as u64,
            received_parts: 1,
            expires_at: self.inner.now().saturating_add(self.options.expires_in),
            kept,
        };
        let file = BatchFile { file_id, body: B64(body), complete };
        let json = serde_json::to_vec(&file).map_err(|_| Error::Internal("a request has no JSON form"))?;
        Ok(Sealed { json, sent })
    }

    /// The content compressed, if that was asked for and makes what is sealed smaller.
    fn compressed(&self, content: &[u8]) -> Result<Option<Vec<u8>>> {
        if self.options.compress == Compress::Never || content.is_empty() {
            return Ok(None);
        }
        let sealed_len = |len: usize| Ok(plan::shape(len as u64, self.options.padded)?.body_len());
        let mut smaller = Vec::new();
        let limit = content.len() as u64;
        let read = Compressor::new(content).take(limit).read_to_end(&mut smaller);
        read.map_err(|_| Error::Internal("memory could not be compressed"))?;
        let is_smaller =
            smaller.len() < content.len() && sealed_len(smaller.len())? < sealed_len(content.len())?;
        Ok(is_smaller.then_some(smaller))
    }
}
