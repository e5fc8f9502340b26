//! Sealing a container: straight into its file where the length is known, else by way of a nameless file.

use super::Runs;
use crate::pins::{Pins, genuine};
use crate::pool::Pool;
use crate::receive::sink::Sink;
use crate::send::plan::{SourceFile, shape};
use crate::send::stream::{StreamFeed, Totals};
use crate::{
    Address, Cancel, Client, Compress, Error, FileId, Phase, Progress, Result, Source, Target, Unlocked,
};
use envelope::container::{Head, MAX_GRANTS};
use envelope::merkle::{Accumulator, Node, nodes_to_bytes};
use envelope::segment::{BodyShape, SEGMENT_PLAIN};
use envelope::{Bundle, PartShape};
use format::grant::{RecipientKey, SealGrant, seal_grants};
use format::manifest::{SealManifest, seal_manifest, suite_of};
use format::metadata::{Compression, Padding};
use format::payload::{plain_of_mut, segments_of};
use format::rsa::RsaPublicKey;
use format::{FileKey, FileName, Metadata, PayloadSealer, RootKeyPair};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Segment buffers of a stream, 256 KiB each: two parts and a little.
const BUFFERS: usize = 160;

/// Whom a container is for.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// A contact whose keys are pinned, or oneself.
    Contact(Address),
    /// The public keys that somebody exported (`wax keys export`).
    Bundle(Vec<u8>),
    /// A bare RSA key.
    Rsa(RsaPublicKey),
}

/// What to seal for whom.
pub struct SealContainer {
    /// The bytes.
    pub source: Source,
    /// Recipients. The author can always open it too.
    pub to: Vec<Recipient>,
    /// Another name than the source's.
    pub name: Option<String>,
    /// Compression.
    pub compress: Compress,
    /// Whether to hide the exact size (Padmé, at most 12 % more).
    pub padded: bool,
    /// Where the container goes: a file or a writer. A folder is no target, as a container has no name of its own.
    pub target: Target,
}

/// What was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedContainer {
    /// The id of the file inside.
    pub file_id: FileId,
    /// Name as sealed.
    pub name: String,
    /// Bytes of the source.
    pub bytes: u64,
    /// Bytes of the container.
    pub container_bytes: u64,
    /// Where it is, unless it went into a writer.
    pub path: Option<PathBuf>,
    /// How many keys open it, the author's own included.
    pub recipients: usize,
}

/// What does not change from the first to the last step.
struct Job<'a> {
    fk: FileKey,
    file_id: FileId,
    author: Option<(&'a RootKeyPair, &'a Bundle)>,
    keys: Vec<RecipientKey>,
    name: FileName,
    modified_ms: i64,
    padded: bool,
    sealer: PayloadSealer,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Client {
    /// Seals a container; no network. Without `me` it is anonymous: nobody vouches for it.
    ///
    /// # Errors
    /// [`Error::UnknownContact`], [`Error::NoRecipients`], [`Error::BundleNotGenuine`]; [`Error::SourceChanged`];
    /// those of the target, of which nothing stays behind.
    pub fn seal_container(
        &self,
        me: Option<&Unlocked>,
        request: SealContainer,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<SealedContainer> {
        let keys = self.container_keys(me, &request.to)?;
        let name = request.source.sealed_name(request.name.as_deref())?;
        let source = match &request.source {
            Source::File(path) => Some(SourceFile::open(path)?),
            Source::Stream { .. } => None,
        };
        let now_ms = self.inner.now().saturating_mul(1_000);
        let author = me.map(|me| (me.vault.identity.root(), &me.bundle));
        let (suite, author_id) = suite_of(author.map(|(root, _)| root));
        let (fk, file_id) = (FileKey::generate(), format::random::file_id());
        let sealer = PayloadSealer::generate(&fk, suite, file_id, author_id);
        let modified_ms = source.as_ref().map_or(now_ms, |source| source.modified_ms);
        let job = Job {
            fk,
            file_id,
            author,
            keys,
            name,
            modified_ms,
            padded: request.padded,
            sealer,
            progress,
            cancel,
        };
        let sink = Sink::nameless(request.target)?;
        match (request.source, source, sink) {
            (_, Some(file), Sink::File(sink)) if request.compress == Compress::Never => {
                let out = sink.handle()?;
                let (bytes, container_bytes) = job.direct(&file, &out, &sink.path())?;
                let path = sink.finish(now_ms)?;
                Ok(job.sealed(bytes, container_bytes, Some(path)))
            }
            (source, file, sink) => {
                let reader: Box<dyn Read + Send> = match (source, &file) {
                    (Source::Stream { reader, .. }, _) => reader,
                    (Source::File(path), Some(file)) => {
                        Box::new(file.file.try_clone().map_err(Error::io("read", path))?)
                    }
                    (Source::File(_), None) => return Err(Error::Internal("a file was not opened")),
                };
                job.stream(reader, request.compress, file.as_ref(), sink, now_ms)
            }
        }
    }

    /// The keys to seal to, oneself first, nobody twice.
    fn container_keys(&self, me: Option<&Unlocked>, to: &[Recipient]) -> Result<Vec<RecipientKey>> {
        if to.is_empty() {
            return Err(Error::NoRecipients);
        }
        let pins = Pins::load(&self.inner.home)?;
        let key_of = |bundle: &Bundle| self.inner.key_of(bundle);
        let mut keys: Vec<RecipientKey> = me.map(|me| key_of(&me.bundle)).transpose()?.into_iter().collect();
        for recipient in to {
            keys.push(match recipient {
                Recipient::Contact(address) if me.is_some_and(|me| me.address() == address) => continue,
                Recipient::Contact(address) if pins.is_disputed(address) => {
                    return Err(Error::DevicesDisagree(address.clone()));
                }
                Recipient::Contact(address) => {
                    let pin = pins.pin(address).ok_or_else(|| Error::UnknownContact(address.clone()))?;
                    key_of(&pin.bundle()?)?
                }
                Recipient::Bundle(bytes) => {
                    let bundle = Bundle::parse(bytes.as_slice()).map_err(|_| Error::BundleNotGenuine)?;
                    let address = bundle.address().clone();
                    key_of(&genuine(bytes, &address).map_err(|_| Error::BundleNotGenuine)?)?
                }
                Recipient::Rsa(key) => RecipientKey::rsa(None, key),
            });
        }
        keys.sort_by_key(RecipientKey::id);
        keys.dedup_by_key(|key| key.id());
        if keys.len() > MAX_GRANTS {
            return Err(Error::TooManyRecipients(keys.len()));
        }
        Ok(keys)
    }
}

impl Job<'_> {
    fn sealed(&self, bytes: u64, container_bytes: u64, path: Option<PathBuf>) -> SealedContainer {
        SealedContainer {
            file_id: self.file_id,
            name: self.name.as_str().to_owned(),
            bytes,
            container_bytes,
            path,
            recipients: self.keys.len(),
        }
    }

    /// Everything before the leaves.
    fn head(&self, totals: &Totals, body_root: Node) -> Result<Head> {
        let metadata = Metadata {
            name: self.name.clone(),
            media_type: String::new(),
            original_size: totals.original,
            stored_size: totals.stored,
            compression: if totals.compressed { Compression::Gzip } else { Compression::None },
            padding: if self.padded { Padding::Padme } else { Padding::None },
            modified_ms: self.modified_ms,
            box_id: None,
            preview: None,
        };
        let author = self.author.map(|(root, _)| root);
        let manifest = seal_manifest(&SealManifest {
            fk: &self.fk,
            file_id: self.file_id,
            revision: 1,
            author,
            payload_header: self.sealer.header(),
            body: totals.body,
            body_root,
            metadata: &metadata,
        })
        .map_err(|_| Error::Internal("the manifest does not fit the file"))?;
        let seal =
            SealGrant { fk: &self.fk, manifest: &manifest, grantor: author, min_revision: 1, not_after: 0 };
        let grants =
            seal_grants(&seal, &self.keys).map_err(|_| Error::Internal("a grant could not be sealed"))?;
        let bundle = self.author.map(|(_, bundle)| bundle.clone());
        Head::new(manifest, bundle, grants).map_err(|_| Error::Internal("the parts of a container differ"))
    }

    /// A file of known length into a file: every run is read, sealed and written where it belongs.
    fn direct(&self, source: &SourceFile, out: &File, path: &Path) -> Result<(u64, u64)> {
        let size = source.identity.size;
        let body = shape(size, self.padded)?;
        let totals = Totals { body, original: size, stored: size, compressed: false };
        // The root is not known yet, but its length is, and with it where everything will stand.
        let head_len = self.head(&totals, Node::from_bytes([0; 32]))?.encoded_len();
        let body_at = head_len + body.segments() * 32;
        let written = || Error::io("write", path);
        Runs::new(body).work(Phase::Sealing, self.progress, self.cancel, |run, buffer| {
            self.fill(source, size, run.first, buffer)?;
            let records = self.sealer.seal_run(run.first, run.last, &mut segments_of(buffer));
            let records = records.map_err(|_| Error::Internal("a segment does not fit its place"))?;
            let leaves: Vec<Node> = records.iter().map(|record| record.leaf()).collect();
            out.write_all_at(&nodes_to_bytes(&leaves), head_len + run.first * 32).map_err(written())?;
            out.write_all_at(buffer, body_at + run.offset).map_err(written())
        })?;
        if !source.is_unchanged() {
            return Err(Error::SourceChanged(source.identity.path.clone()));
        }
        let root = root_of(At { file: out, at: head_len }, body).map_err(Error::io("read", path))?;
        let head = self.head(&totals, root)?;
        if head.encoded_len() != head_len {
            return Err(Error::Internal("the head of a container changed its length"));
        }
        let mut bytes = Vec::new();
        head.write(&mut bytes).map_err(written())?;
        out.write_all_at(&bytes, 0).map_err(written())?;
        Ok((size, body_at + body.body_len()))
    }

    /// Reads the plaintext of a run, and zeros what lies behind the content.
    fn fill(&self, source: &SourceFile, size: u64, first: u64, buffer: &mut [u8]) -> Result<()> {
        let mut at = first * SEGMENT_PLAIN as u64;
        for plain in plain_of_mut(buffer) {
            let real = usize::try_from(size.saturating_sub(at)).unwrap_or(usize::MAX).min(plain.len());
            let (real, zeros) = plain.split_at_mut(real);
            zeros.fill(0);
            source.file.read_exact_at(real, at).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Error::SourceChanged(source.identity.path.clone()),
                _ => Error::io("read", &source.identity.path)(error),
            })?;
            at += plain.len() as u64;
        }
        Ok(())
    }

    /// Anything else: the body goes sealed into a nameless file first, as the head can only be signed at the end.
    fn stream(
        &self,
        reader: Box<dyn Read + Send>,
        compress: Compress,
        file: Option<&SourceFile>,
        sink: Sink,
        now_ms: i64,
    ) -> Result<SealedContainer> {
        let folder = std::env::temp_dir();
        let spooled = || Error::io("write", &folder);
        let nameless = || tempfile::tempfile_in(&folder).map_err(spooled());
        let (body, leaves) = (nameless()?, nameless()?);
        let (mut body_out, mut leaves_out) = (BufWriter::new(&body), BufWriter::new(&leaves));
        let mut tree = Accumulator::new();
        let mut done = 0;
        let feed = StreamFeed::new(reader, compress, self.padded, PartShape::DEFAULT);
        let totals = feed.cut_and_seal(&self.sealer, &Pool::new(BUFFERS), |records, part| {
            if self.cancel.is_cancelled() {
                return Err(Error::Interrupted);
            }
            for (record, segment) in records.iter().zip(&part) {
                tree.push(record.leaf());
                leaves_out.write_all(record.leaf().as_bytes()).map_err(spooled())?;
                body_out.write_all(segment.as_ref()).map_err(spooled())?;
                done += segment.len() as u64;
            }
            self.progress.progress(Phase::Sealing, done, file.map(|file| file.identity.size.max(done)));
            Ok(())
        })?;
        body_out.flush().and_then(|()| leaves_out.flush()).map_err(spooled())?;
        drop((body_out, leaves_out));
        if let Some(file) = file.filter(|file| !file.is_unchanged()) {
            return Err(Error::SourceChanged(file.identity.path.clone()));
        }
        let root = tree.root().ok_or(Error::Internal("a body without segments"))?;
        let head = self.head(&totals, root)?;
        let total = head.encoded_len() + totals.body.segments() * 32 + totals.body.body_len();
        let pieces = [leaves, body];
        let path = match sink {
            Sink::Writer(out) => {
                pour(&head, pieces, BufWriter::new(out)).map_err(Error::Output)?;
                None
            }
            Sink::File(sink) => {
                pour(&head, pieces, BufWriter::new(sink.handle()?))
                    .map_err(Error::io("write", sink.path()))?;
                Some(sink.finish(now_ms)?)
            }
        };
        Ok(self.sealed(totals.original, total, path))
    }
}

fn pour(head: &Head, pieces: [File; 2], mut out: impl Write) -> io::Result<()> {
    head.write(&mut out)?;
    for mut piece in pieces {
        piece.rewind()?;
        io::copy(&mut piece, &mut out)?;
    }
    out.flush()
}

/// Reads a file from a place on.
struct At<'f> {
    file: &'f File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(out, self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

fn root_of(leaves: At<'_>, body: BodyShape) -> io::Result<Node> {
    let mut leaves = BufReader::with_capacity(1 << 16, leaves);
    let mut tree = Accumulator::new();
    for _ in 0..body.segments() {
        let mut leaf = [0; 32];
        leaves.read_exact(&mut leaf)?;
        tree.push(Node::from_bytes(leaf));
    }
    tree.root().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
