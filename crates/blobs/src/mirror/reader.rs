//! Reading from whichever store has the blob, going on elsewhere when one breaks off.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::{Set, together};
use crate::{BlobError, BlobName, BlobStream};

/// The octets `range` of a blob, from the first store that gives them.
pub(super) async fn read(set: Arc<Set>, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
    let mut reader = Reader { left: set.to_read(name), set, name, rest: range, from: 0, stream: None };
    reader.open(Vec::new()).await?;
    let pieces = stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next_piece().await? {
            Ok(piece) => Some((Ok(piece), Some(reader))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(pieces.boxed())
}

struct Reader {
    set: Arc<Set>,
    name: BlobName,
    /// What has not been handed out yet.
    rest: Range<u64>,
    /// Stores that were not asked since the last piece that came, the next one first.
    left: Vec<usize>,
    from: usize,
    stream: Option<BlobStream>,
}

impl Reader {
    /// Opens the rest at the next store that has it. `errors` is what the others said.
    async fn open(&mut self, mut errors: Vec<BlobError>) -> Result<(), BlobError> {
        let mut outside = None;
        while !self.left.is_empty() {
            let index = self.left.remove(0);
            match self.set.stores[index].blobs.read(self.name, self.rest.clone()).await {
                Ok(stream) => {
                    (self.from, self.stream) = (index, Some(stream));
                    return Ok(());
                }
                Err(BlobError::NotFound) => {}
                // One copy may have lost its end: a longer one is the answer.
                Err(BlobError::OutOfRange { len }) => outside = outside.max(Some(len)),
                Err(error) => errors.push(self.set.failed(index, error)),
            }
        }
        match outside {
            Some(len) => Err(BlobError::OutOfRange { len }),
            None if errors.is_empty() => Err(BlobError::NotFound),
            // A store that did not answer may be the one that has it.
            None => Err(together(errors)),
        }
    }

    async fn next_piece(&mut self) -> Option<Result<Bytes, BlobError>> {
        loop {
            let piece = match &mut self.stream {
                Some(stream) => stream.next().await,
                None => None,
            };
            match piece {
                // Nothing came, so that whoever broke before is not asked again for it.
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    self.rest.start += piece.len() as u64;
                    self.left = self.set.to_read(self.name);
                    self.left.retain(|&index| index != self.from);
                    return Some(Ok(piece));
                }
                None if self.rest.is_empty() => return None,
                broken => {
                    self.stream = None;
                    let errors = broken.and_then(Result::err).map(|error| self.set.failed(self.from, error));
                    if let Err(error) = self.open(errors.into_iter().collect()).await {
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}
