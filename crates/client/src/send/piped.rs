//! Sending what a reader gives: its length is unknown, and nothing of it can be read again.

use super::share::Sharing;
use super::{Compress, Job, Sent, produce, stream, upload};
use crate::{Error, Note, Phase, Result};
use format::{FileKey, PayloadSealer};
use proto::Begin;
use std::io::Read;
use std::sync::Arc;

impl Job<'_> {
    pub(super) async fn send_stream(&self, reader: Box<dyn Read + Send>) -> Result<Sent> {
        self.progress.note(&Note::NotResumable);
        let (mut sent, request) = self.stream_up(reader).await?;
        let completed = self.complete(sent.file_id, &request).await?;
        sent.received_bytes = completed.received_bytes;
        sent.received_parts = completed.received_parts;
        sent.expires_at = completed.expires_at;
        Ok(sent)
    }

    /// Uploads what a reader gives; what makes it appear is still to be asked for.
    pub(super) async fn stream_up(&self, reader: Box<dyn Read + Send>) -> Result<(Sent, Vec<u8>)> {
        let (fk, file_id) = (FileKey::generate(), format::random::file_id());
        let (suite, root) = self.author.suite();
        let sealer = Arc::new(PayloadSealer::generate(&fk, suite, file_id, root));
        let cut = self.first_cut(None)?;
        let box_id = self.named_box();
        let begin = Begin { file_id, part_len: cut.part_bytes(), body_len: None, box_id };
        let is_direct = self.begin(&begin).await?.direct;
        let feed = stream::StreamFeed::new(reader, self.options.compress, self.options.padded, cut);
        let producer = produce::Producer::stream(feed, Arc::clone(&sealer), self.buffers());
        let produced = match upload::run(self, file_id, producer, is_direct, 0, None).await {
            Ok(produced) => produced,
            Err(stopped) => {
                // Nobody can go on with it: better gone at once than counted for a week. The first error is the story.
                drop(self.delete_upload(file_id).await);
                return Err(match stopped {
                    upload::Stopped::TooLarge(_) if self.into.is_some_and(|(_, most)| most > 0) => {
                        Error::TooLargeForBox
                    }
                    upload::Stopped::TooLarge(_) => Error::TooLarge,
                    upload::Stopped::Failed(error, _) => error,
                });
            }
        };
        if self.options.compress == Compress::Auto && !produced.compressed {
            self.progress.note(&Note::NotCompressed);
        }
        self.progress.progress(Phase::Finishing, 0, None);
        let body_root =
            envelope::merkle::root(&produced.nodes).ok_or(Error::Internal("a body without parts"))?;
        let request = self.sealed_request(&Sharing {
            fk: &fk,
            file_id,
            payload_header: sealer.header(),
            body: produced.body,
            body_root,
            original_size: produced.original,
            stored_size: produced.stored,
            compressed: produced.compressed,
            modified_ms: self.inner.now().saturating_mul(1_000),
            preview: None,
        })?;
        let sent = Sent {
            file_id,
            name: self.name.as_str().to_owned(),
            bytes: produced.original,
            stored: produced.stored,
            body_len: produced.body.body_len(),
            parts: produced.nodes.len() as u64,
            resumed_parts: 0,
            received_bytes: 0,
            received_parts: 0,
            expires_at: 0,
            kept: None,
        };
        Ok((sent, request))
    }
}
