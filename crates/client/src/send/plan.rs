//! Before the first byte goes: which file it is, how long the body will be, whether compression helps.

use super::journal::SourceIdentity;
use super::{Compress, Limits};
use crate::{Cancel, Error, Note, Phase, Progress, Result};
use envelope::{BodyShape, PartShape};
use format::compress::Compressor;
use format::pad::padme;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How much is compressed to see whether compressing is worth it.
pub(super) const SAMPLE: usize = 1 << 20;
/// Pieces of a sample, from the beginning to the end: a file may begin with a header that compresses, and hold a film.
const PIECES: u64 = 4;

/// An open regular file, and how it was when it was opened.
pub(crate) struct SourceFile {
    pub(crate) file: Arc<File>,
    pub(crate) identity: SourceIdentity,
    pub(crate) modified_ms: i64,
}

/// How the bytes of a file become a body.
pub(super) struct Plan {
    pub(super) compressed: bool,
    /// Bytes after compression, before padding.
    pub(super) stored: u64,
    pub(super) shape: BodyShape,
}

impl SourceFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let canonical = path.canonicalize().map_err(Error::io("open", path))?;
        // Before opening: opening a named pipe would wait for its other end.
        if !std::fs::metadata(&canonical).map_err(Error::io("open", path))?.is_file() {
            return Err(Error::NotAFile(path.to_path_buf()));
        }
        let file = File::open(&canonical).map_err(Error::io("open", path))?;
        let meta = file.metadata().map_err(Error::io("read", path))?;
        let modified_ms = meta.mtime().saturating_mul(1_000).saturating_add(meta.mtime_nsec() / 1_000_000);
        let limit = (1_i64 << 53) - 1;
        Ok(Self {
            identity: identity(&canonical, &meta),
            modified_ms: modified_ms.clamp(-limit, limit),
            file: Arc::new(file),
        })
    }

    /// A regular file as it is now, without opening it.
    pub(crate) fn look(path: &Path) -> Result<SourceIdentity> {
        let canonical = path.canonicalize().map_err(Error::io("open", path))?;
        let meta = std::fs::metadata(&canonical).map_err(Error::io("open", path))?;
        if !meta.is_file() {
            return Err(Error::NotAFile(path.to_path_buf()));
        }
        Ok(identity(&canonical, &meta))
    }

    /// Whether size, time and inode are still what they were, of the open file and of the path.
    pub(crate) fn is_unchanged(&self) -> bool {
        let path = &self.identity.path;
        let same = |meta: io::Result<Metadata>| meta.is_ok_and(|meta| identity(path, &meta) == self.identity);
        same(self.file.metadata()) && same(std::fs::metadata(path))
    }
}

fn identity(path: &Path, meta: &Metadata) -> SourceIdentity {
    SourceIdentity {
        path: path.to_path_buf(),
        size: meta.size(),
        mtime_ns: meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()),
        device: meta.dev(),
        inode: meta.ino(),
    }
}

/// The body that `stored` bytes make.
pub(crate) fn shape(stored: u64, padded: bool) -> Result<BodyShape> {
    let plain = if padded { padme(stored) } else { stored };
    BodyShape::from_plain_len(plain).map_err(|_| Error::SourceTooLong)
}

/// Decides on compression and measures.
pub(super) async fn of_file(
    source: &SourceFile,
    limits: &Limits,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Plan> {
    let size = source.identity.size;
    let plain = Plan { compressed: false, stored: size, shape: shape(size, limits.padded)? };
    // Parts longer than the default are sealed twice, and compressing twice more would cost hours.
    let huge = PartShape::fitting(Some(plain.shape.body_len())) != PartShape::DEFAULT;
    if limits.compress == Compress::Never || huge || size == 0 {
        return Ok(plain);
    }
    progress.progress(Phase::Reading, 0, Some(size));
    let stored = measured(source, progress, cancel).await?;
    match stored {
        // What padding would make as long again is not worth the time of whoever opens it.
        Some(stored) if shape(stored, limits.padded)?.body_len() < plain.shape.body_len() => {
            Ok(Plan { compressed: true, stored, shape: shape(stored, limits.padded)? })
        }
        _ => {
            progress.note(&Note::NotCompressed);
            Ok(plain)
        }
    }
}

/// The compressed size of the whole file, unless a sample shows that it is not worth measuring.
async fn measured(source: &SourceFile, progress: &dyn Progress, cancel: &Cancel) -> Result<Option<u64>> {
    let path = source.identity.path.clone();
    let size = source.identity.size;
    let read = Arc::new(AtomicU64::new(0));
    let reader = Counting { inner: FromStart::new(Arc::clone(&source.file)), count: Arc::clone(&read) };
    let (stop, file) = (cancel.clone(), Arc::clone(&source.file));
    let mut counting = tokio::task::spawn_blocking(move || -> io::Result<Option<u64>> {
        if !is_promising(&sample(&file, size)?)? {
            return Ok(None);
        }
        let mut compressed = Compressor::new(reader);
        let (mut total, mut chunk) = (0, vec![0; 64 << 10]);
        loop {
            match compressed.read(&mut chunk)? {
                0 => return Ok(Some(total)),
                got => total += got as u64,
            }
            if stop.is_cancelled() || total >= size {
                return Ok(None);
            }
        }
    });
    loop {
        tokio::select! {
            done = &mut counting => {
                if cancel.is_cancelled() {
                    return Err(Error::Interrupted);
                }
                let done = done.map_err(|_| Error::Internal("the measuring thread ended"))?;
                return done.map_err(Error::io("read", path));
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                progress.progress(Phase::Reading, read.load(Ordering::Relaxed).min(size), Some(size));
            }
        }
    }
}

/// Pieces of a file, evenly from its beginning to its end; all of a small one.
fn sample(file: &Arc<File>, size: u64) -> io::Result<Vec<u8>> {
    let whole = SAMPLE as u64;
    let piece = if size <= whole { whole } else { whole / PIECES };
    let starts = if size <= whole {
        vec![0]
    } else {
        (0..PIECES).map(|n| (size - piece) / (PIECES - 1) * n).collect()
    };
    let mut sample = Vec::new();
    for at in starts {
        FromStart { file: Arc::clone(file), at }.take(piece).read_to_end(&mut sample)?;
    }
    Ok(sample)
}

/// Whether compressing saves at least a tenth of a sample.
pub(super) fn is_promising(sample: &[u8]) -> io::Result<bool> {
    let size = io::copy(&mut Compressor::new(sample), &mut io::sink())?;
    Ok(size < (sample.len() as u64) / 10 * 9)
}

/// Reads until `out` is full or the source ends.
pub(crate) fn read_full(source: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match source.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads a shared file from its start, whatever others read from it.
pub(super) struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl FromStart {
    pub(super) fn new(file: Arc<File>) -> Self {
        Self { file, at: 0 }
    }
}

impl Read for FromStart {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let got = self.file.read_at(out, self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

/// Counts what passes, for somebody who watches.
pub(super) struct Counting<R> {
    pub(super) inner: R,
    pub(super) count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(out)?;
        self.count.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_promises_and_noise_does_not() {
        assert!(is_promising(&b"the same words again and again ".repeat(1_000)).unwrap());
        let mut noise = vec![0; 100_000];
        aws_lc_rs::rand::fill(&mut noise).unwrap();
        assert!(!is_promising(&noise).unwrap());
        assert!(!is_promising(b"").unwrap());
    }

    #[test]
    fn a_sample_is_of_the_beginning_the_middle_and_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let words = b"the same words again and again ".repeat(20_000);
        let mut noise = vec![0; 9 << 20];
        aws_lc_rs::rand::fill(&mut noise).unwrap();
        let promising = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let file = Arc::new(File::open(&path).unwrap());
            let sample = sample(&file, content.len() as u64).unwrap();
            assert_eq!(sample.len(), content.len().min(SAMPLE));
            is_promising(&sample).unwrap()
        };
        assert!(promising(&words) && promising(&words.repeat(20)));
        assert!(!promising(&noise) && !promising(b""));
        let film = [&words[..64 << 10], &noise].concat();
        assert!(is_promising(&film[..64 << 10]).unwrap(), "the beginning alone would promise much");
        assert!(!promising(&film), "a header that compresses, and noise behind it");
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"one").unwrap();
        let source = SourceFile::open(&path).unwrap();
        assert!(source.is_unchanged());
        std::fs::write(&path, b"longer").unwrap();
        assert!(!source.is_unchanged());
    }

    #[test]
    fn a_replaced_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("f"), folder.path().join("g"));
        std::fs::write(&path, b"one").unwrap();
        let source = SourceFile::open(&path).unwrap();
        std::fs::write(&other, b"two").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!source.is_unchanged());
    }

    #[test]
    fn a_folder_is_not_a_source() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(SourceFile::open(folder.path()), Err(Error::NotAFile(_))));
        assert!(matches!(SourceFile::open(&folder.path().join("missing")), Err(Error::Io { .. })));
    }
}
