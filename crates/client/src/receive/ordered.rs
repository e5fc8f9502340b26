//! What is wanted in order: a pipe, or content that is inflated on its way.

use crate::pool::SegmentBuf;
use crate::{Cancel, Error, Result};
use format::Metadata;
use format::compress::{InflateError, Inflater};
use format::metadata::Compression;
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};

/// The thread that writes, and inflates if need be, in order.
pub(super) struct Ordered {
    segments: mpsc::Sender<(SegmentBuf, Range<usize>)>,
    end: oneshot::Receiver<Result<()>>,
}

impl Ordered {
    pub(super) fn start(
        out: Box<dyn Write + Send>,
        path: Option<PathBuf>,
        metadata: &Metadata,
    ) -> Result<Self> {
        let (segments, taken) = mpsc::channel(4);
        let (done, end) = oneshot::channel();
        let inflated = (metadata.compression == Compression::Gzip).then_some(metadata.original_size);
        let work = move || {
            let outcome = write_all(out, taken, inflated).map_err(|error| match (error, path) {
                (InflateError::Sink(error), Some(path)) => Error::io("write", path)(error),
                (InflateError::Sink(error), None) => Error::Output(error),
                _ => Error::NotAuthentic,
            });
            // Nobody waits for it when the verb was dropped.
            drop(done.send(outcome));
        };
        std::thread::Builder::new()
            .name("wax-write".into())
            .spawn(work)
            .map_err(|_| Error::Internal("no thread could be started"))?;
        Ok(Self { segments, end })
    }

    /// Waits until the thread takes it.
    pub(super) async fn push(&self, buffer: SegmentBuf, range: Range<usize>) -> Result<()> {
        self.segments.send((buffer, range)).await.map_err(|_| Error::Output(io::ErrorKind::BrokenPipe.into()))
    }

    /// Waits until everything is written. A pipe that nobody reads is not waited for once stopping is asked for.
    pub(super) async fn end(self, cancel: &Cancel) -> Result<()> {
        drop(self.segments);
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::Interrupted),
            outcome = self.end => outcome.map_err(|_| Error::Internal("the writing thread ended"))?,
        }
    }
}

fn write_all(
    out: Box<dyn Write + Send>,
    mut segments: mpsc::Receiver<(SegmentBuf, Range<usize>)>,
    inflated: Option<u64>,
) -> Result<(), InflateError> {
    let mut out = out;
    match inflated {
        None => {
            while let Some((buffer, range)) = segments.blocking_recv() {
                out.write_all(&buffer.as_ref()[range])?;
            }
        }
        Some(original) => {
            let mut inflater = Inflater::new(out, original);
            while let Some((buffer, range)) = segments.blocking_recv() {
                inflater.push(&buffer.as_ref()[range])?;
            }
            out = inflater.finish()?;
        }
    }
    Ok(out.flush()?)
}
