//! Reading a blob: one piece is read ahead while the one before it is sent.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use rustix::buffer::spare_capacity;
use rustix::fs::Advice;
use rustix::io::Errno;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{blocking, join};
use crate::{BlobError, BlobStream};

/// Octets of one piece. At most three exist: handed out, kept for reuse, being read.
const PIECE_LEN: u64 = 512 << 10;

/// The octets `range` of the file at `path`.
pub(super) async fn read(path: PathBuf, range: Range<u64>) -> Result<BlobStream, BlobError> {
    let Range { start, end } = range;
    // Opening and the first piece share one trip to a blocking thread.
    let opened = blocking(move || {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        if start > end || end > len {
            return Ok(Err(len));
        }
        if end - start > PIECE_LEN {
            // Advice only: without it the kernel reads ahead less.
            let _ = rustix::fs::fadvise(&file, start, None, Advice::Sequential);
        }
        let first = read_piece(&file, start, end, Vec::new())?;
        Ok(Ok((file, first)))
    })
    .await?;
    let (file, first) = opened.map_err(|len| BlobError::OutOfRange { len })?;
    let mut reader = Reader { file: Arc::new(file), next: start, end, kept: None, ahead: None };
    reader.next += first.len() as u64;
    reader.read_ahead();
    let rest = stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next_piece().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(reader))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    let first = (!first.is_empty()).then(|| Ok(Bytes::from(first)));
    Ok(stream::iter(first).chain(rest).boxed())
}

struct Reader {
    file: Arc<File>,
    /// Where the piece after the one that is being read begins.
    next: u64,
    end: u64,
    /// The last piece handed out; when nobody else holds it any more, its memory is used again.
    kept: Option<Bytes>,
    ahead: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Reader {
    async fn next_piece(&mut self) -> Result<Option<Bytes>, BlobError> {
        let Some(handle) = &mut self.ahead else { return Ok(None) };
        let piece = join(handle).await?;
        self.ahead = None;
        self.read_ahead();
        let piece = Bytes::from(piece);
        self.kept = Some(piece.clone());
        Ok(Some(piece))
    }

    /// Starts reading the next piece, if there is one.
    fn read_ahead(&mut self) {
        if self.next == self.end {
            return;
        }
        let buffer = match self.kept.take() {
            Some(kept) if kept.is_unique() => Vec::from(kept),
            _ => Vec::new(),
        };
        let (file, from, end) = (self.file.clone(), self.next, self.end);
        self.next += PIECE_LEN.min(end - from);
        self.ahead = Some(spawn_blocking(move || read_piece(&file, from, end, buffer)));
    }
}

/// Reads one piece from `from` on into `buffer`. Blocks.
fn read_piece(file: &File, from: u64, end: u64, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    let want = usize::try_from(PIECE_LEN.min(end - from)).expect("a piece fits in memory");
    buffer.clear();
    buffer.reserve_exact(want);
    while buffer.len() < want {
        // The spare room may exceed what is wanted; a tail that is too long is cut below.
        let at = from + buffer.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut buffer), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    buffer.truncate(want);
    Ok(buffer)
}
