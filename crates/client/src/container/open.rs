//! Opening a container: the head is proven, then the leaves, then segment by segment.

use super::{ContainerKey, Run, Runs};
use crate::pins::{Judged, Pins};
use crate::receive::sink::{FileSink, Sink};
use crate::send::plan::{SourceFile, read_full};
use crate::{
    Address, Cancel, Client, Error, IdentityChange, Phase, Progress, Result, RootId, Source, Target, Trust,
};
use envelope::container::{Head, ReadError, read_leaves};
use envelope::merkle::Node;
use envelope::{Bundle, Manifest};
use format::compress::{InflateError, Inflater};
use format::grant::RecipientKey;
use format::metadata::Compression;
use format::open::{OpenFile, Reader, Sharing, open_file};
use format::payload::{plain_of, segments_of};
use format::safety::safety_number;
use format::{OpenedFile, pad};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tempfile::SpooledTempFile;

/// Leaves that are kept in memory, in bytes: those of 32 GiB. More go into a nameless file.
const LEAVES_IN_MEMORY: usize = 4 << 20;

/// What to open, and where it goes.
pub struct OpenContainer {
    /// The container.
    pub source: Source,
    /// Where the file goes.
    pub target: Target,
    /// Only if it is by this contact; otherwise anything that verifies is opened and its author named.
    pub from: Option<Address>,
}

/// Whose file it is, as far as this machine knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// Nobody signed it.
    Anonymous,
    /// Somebody whose keys are pinned here, or oneself.
    Known {
        /// Who.
        address: Address,
        /// How far the keys are trusted.
        trust: Trust,
        /// Whether the root that signed was replaced since.
        retired_root: bool,
    },
    /// Somebody who says to be at this address; nobody has checked that.
    Unknown {
        /// What the bundle in the container says.
        claims: Address,
        /// The root that signed.
        root_id: RootId,
    },
}

/// What was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Name as sealed (not to be used as a path).
    pub name: String,
    /// Media type as sealed; empty if unknown.
    pub media_type: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Where it is, unless it went into a writer.
    pub path: Option<PathBuf>,
    /// Whose it is.
    pub author: Author,
}

impl Client {
    /// Opens a container; no network, and nothing is pinned.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`] for everything that does not verify or is for somebody else;
    /// [`Error::IdentityChanged`] if the author says to be a contact with other keys; [`Error::OtherAuthor`] if
    /// `from` is given and it is by another; those of the target. After any of them there is no file.
    pub fn open_container(
        &self,
        key: ContainerKey<'_>,
        request: OpenContainer,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Opened> {
        let (file, shown, reader): (_, PathBuf, Box<dyn Read + Send>) = match request.source {
            Source::Stream { reader, .. } => (None, "the input".into(), reader),
            Source::File(path) => {
                let file = SourceFile::open(&path)?;
                let reader = file.file.try_clone().map_err(Error::io("read", &path))?;
                (Some(file), path, Box::new(reader))
            }
        };
        let mut source = Counted { inner: BufReader::with_capacity(1 << 16, reader), count: 0 };
        let head = Head::read(&mut source, |grant| wanted(key).any(|id| id == grant.recipient_id()));
        let head = head.map_err(|error| failed(error, &shown))?;
        let author = self.container_author(key, &head.manifest, head.author.as_ref())?;
        check_from(request.from.as_ref(), &author)?;
        let opened = open_head(key, &head)?;
        let mut leaves = SpooledTempFile::new(LEAVES_IN_MEMORY);
        read_leaves(&mut source, &head.manifest, |leaf| leaves.write_all(leaf.as_bytes()))
            .map_err(|error| failed(error, &shown))?;
        let sink = Sink::prepare(request.target, &opened.metadata)?;
        let job =
            Job { manifest: &head.manifest, opened: &opened, leaves: Mutex::new(leaves), progress, cancel };
        let modified_ms = opened.metadata.modified_ms;
        let as_is = opened.metadata.compression == Compression::None;
        let path = match (file, sink) {
            (Some(file), Sink::File(sink)) if as_is => {
                job.scattered(&file, source.count, &shown, &sink)?;
                Some(sink.finish(modified_ms)?)
            }
            (_, Sink::File(sink)) => {
                let path = sink.path();
                job.in_order(source, &shown, sink.handle()?, Error::io("write", path))?;
                Some(sink.finish(modified_ms)?)
            }
            (_, Sink::Writer(out)) => {
                job.in_order(source, &shown, out, Error::Output)?;
                None
            }
        };
        let metadata = opened.metadata;
        Ok(Opened {
            name: metadata.name.as_str().to_owned(),
            media_type: metadata.media_type,
            bytes: metadata.original_size,
            path,
            author,
        })
    }

    /// Compares the author's bundle, which was verified when it was read, with the pins.
    fn container_author(
        &self,
        key: ContainerKey<'_>,
        manifest: &Manifest,
        bundle: Option<&Bundle>,
    ) -> Result<Author> {
        let Some(bundle) = bundle else { return Ok(Author::Anonymous) };
        let (address, root_id) = (bundle.address().clone(), manifest.author_root_id());
        if let ContainerKey::Person(me) = key
            && me.vault.identity.has_root(root_id)
        {
            let retired_root = me.vault.identity.root().root_id() != root_id;
            return Ok(Author::Known { address, trust: Trust::Own, retired_root });
        }
        let pins = Pins::load(&self.inner.home)?;
        let Some(pin) = pins.pin(&address) else {
            return Ok(Author::Unknown { claims: address, root_id });
        };
        if pins.is_disputed(&address) {
            return Err(Error::DevicesDisagree(address));
        }
        let pinned = pin.bundle()?.root_id();
        // As far as each signed the next one over: what a person rejected by hand ends the line.
        let mut line = pin.previous.iter().take_while(|previous| previous.linked);
        let before = line.any(|previous| previous.root_id == root_id);
        let linked = || Ok(matches!(pin.judge(bundle, None)?, Judged::Successor { .. }));
        if pinned == root_id || before || linked()? {
            let trust = if pin.verified { Trust::Verified } else { Trust::Pinned };
            return Ok(Author::Known { address, trust, retired_root: before && pinned != root_id });
        }
        let own = self.inner.own_root()?.ok_or(Error::NotAuthentic)?;
        Err(Error::IdentityChanged(Box::new(IdentityChange {
            address,
            old: safety_number(&own, &pinned),
            new: safety_number(&own, &root_id),
            was_verified: pin.verified,
        })))
    }
}

/// The recipient ids that the key opens.
fn wanted(key: ContainerKey<'_>) -> impl Iterator<Item = envelope::RecipientId> {
    match key {
        ContainerKey::Person(me) => me.vault.identity.recipient_ids(),
        ContainerKey::Rsa(key) => vec![RecipientKey::rsa(None, key.public()).id()],
    }
    .into_iter()
}

fn check_from(from: Option<&Address>, author: &Author) -> Result<()> {
    match (from, author) {
        (None, _) => Ok(()),
        (Some(from), Author::Known { address, .. }) if from == address => Ok(()),
        (Some(from), _) => Err(Error::OtherAuthor(from.clone())),
    }
}

/// Opens what stands before the leaves, with the first grant that was kept.
pub(crate) fn open_head(key: ContainerKey<'_>, head: &Head) -> Result<OpenedFile> {
    let reader = match key {
        ContainerKey::Person(me) => Reader::Identity(&me.vault.identity),
        ContainerKey::Rsa(key) => Reader::Rsa(key),
    };
    let open = OpenFile {
        manifest: &head.manifest,
        grant: head.grants.first().ok_or(Error::NotAuthentic)?,
        reader,
        author: head.author.as_ref().map(Bundle::root_key),
        grantor: None,
        linked: &[],
    };
    let opened = open_file(&open).map_err(|_| Error::NotAuthentic)?;
    match opened.sharing {
        Sharing::ByAuthor(_) | Sharing::ByAuthorRewrapped(_) | Sharing::Anonymous => Ok(opened),
        // A container has one author; who else would have passed it on cannot be told from it.
        _ => Err(Error::NotAuthentic),
    }
}

/// A container that is cut short or is none does not verify; a source that fails is something else.
fn failed(error: ReadError, path: &Path) -> Error {
    match error {
        ReadError::Io(error) => Error::io("read", path)(error),
        _ => Error::NotAuthentic,
    }
}

/// Counts what was read.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(out)?;
        self.count += got as u64;
        Ok(got)
    }
}

struct Job<'a> {
    manifest: &'a Manifest,
    opened: &'a OpenedFile,
    /// All leaves, proven under the signed root.
    leaves: Mutex<SpooledTempFile>,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Job<'_> {
    /// Out of a file into a file: runs in any order, each written where it belongs.
    fn scattered(&self, source: &SourceFile, body_at: u64, shown: &Path, sink: &FileSink) -> Result<()> {
        let (out, path) = (sink.handle()?, sink.path());
        let body = self.manifest.body();
        if source.identity.size != body_at + body.body_len() {
            return Err(Error::NotAuthentic);
        }
        let stored = self.opened.metadata.stored_size;
        Runs::new(body).work(Phase::Decrypting, self.progress, self.cancel, |run, buffer| {
            source.file.read_exact_at(buffer, body_at + run.offset).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Error::NotAuthentic,
                _ => Error::io("read", shown)(error),
            })?;
            let mut at = self.open_run(run, buffer)?;
            for plain in plain_of(buffer) {
                let content = pad::strip(stored, at, plain).map_err(|_| Error::NotAuthentic)?;
                out.write_all_at(content, at).map_err(Error::io("write", &path))?;
                at += plain.len() as u64;
            }
            Ok(())
        })
    }

    /// From a pipe, into a pipe, or inflated on the way.
    fn in_order(
        &self,
        mut source: impl Read,
        shown: &Path,
        out: impl Write,
        failed: impl FnOnce(io::Error) -> Error,
    ) -> Result<()> {
        let poured = self.pour(&mut source, BufWriter::with_capacity(1 << 18, out));
        poured.map_err(|stopped| match stopped {
            Stopped::Reading(error) => Error::io("read", shown)(error),
            Stopped::Writing(error) => failed(error),
            Stopped::Otherwise(error) => error,
        })
    }

    fn pour(&self, source: &mut impl Read, out: impl Write) -> Result<(), Stopped> {
        let metadata = &self.opened.metadata;
        let mut out = match metadata.compression {
            Compression::None => Content::AsIs(out),
            Compression::Gzip => Content::Inflated(Box::new(Inflater::new(out, metadata.original_size))),
        };
        let runs = Runs::new(self.manifest.body());
        let total = self.manifest.body().plain_len();
        let mut buffer = Vec::new();
        let mut at = 0;
        while let Some(run) = runs.take() {
            if self.cancel.is_cancelled() {
                return Err(Error::Interrupted.into());
            }
            buffer.resize(run.bytes, 0);
            if read_full(source, &mut buffer).map_err(Stopped::Reading)? < run.bytes {
                return Err(Error::NotAuthentic.into());
            }
            self.open_run(&run, &mut buffer)?;
            for plain in plain_of(&buffer) {
                let content = pad::strip(metadata.stored_size, at, plain);
                out.push(content.map_err(|_| Error::NotAuthentic)?)?;
                at += plain.len() as u64;
            }
            self.progress.progress(Phase::Decrypting, at.min(total), Some(total));
        }
        if read_full(source, &mut [0]).map_err(Stopped::Reading)? != 0 {
            return Err(Error::NotAuthentic.into());
        }
        out.finish()
    }

    /// Opens a run in place; gives the place of its first plaintext byte in the payload.
    fn open_run(&self, run: &Run, buffer: &mut [u8]) -> Result<u64> {
        let leaves = self.leaves_of(run)?;
        let opened =
            self.opened.opener.open_run(run.first, run.last, &mut segments_of(buffer), Some(&leaves));
        opened.map_err(|_| Error::NotAuthentic)?;
        Ok(run.first * envelope::segment::SEGMENT_PLAIN as u64)
    }

    fn leaves_of(&self, run: &Run) -> Result<Vec<Node>> {
        let failed = || Error::io("read", std::env::temp_dir());
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        leaves.seek(SeekFrom::Start(run.first * 32)).map_err(failed())?;
        let mut bytes = vec![0; run.count * 32];
        leaves.read_exact(&mut bytes).map_err(failed())?;
        envelope::merkle::parse_nodes(&bytes).map_err(|_| Error::Internal("leaves of another length"))
    }
}

/// Content on its way out.
enum Content<W: Write> {
    AsIs(W),
    Inflated(Box<Inflater<W>>),
}

impl<W: Write> Content<W> {
    fn push(&mut self, stored: &[u8]) -> Result<(), Stopped> {
        match self {
            Self::AsIs(out) => out.write_all(stored).map_err(Stopped::Writing),
            Self::Inflated(inflater) => Ok(inflater.push(stored)?),
        }
    }

    fn finish(self) -> Result<(), Stopped> {
        let mut out = match self {
            Self::AsIs(out) => out,
            Self::Inflated(inflater) => inflater.finish()?,
        };
        out.flush().map_err(Stopped::Writing)
    }
}

/// Why pouring ended: whose fault it was decides how it is told.
enum Stopped {
    Reading(io::Error),
    Writing(io::Error),
    Otherwise(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Otherwise(error)
    }
}

impl From<InflateError> for Stopped {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Sink(error) => Self::Writing(error),
            _ => Self::Otherwise(Error::NotAuthentic),
        }
    }
}
