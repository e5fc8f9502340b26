//! Whether stored bytes are those that were recorded: blobs are read to their end and hashed again, without any key.

use blobs::{BlobError, BlobName, BlobStream, BlobWriter, Blobs};
use bytes::Bytes;
use db::{BlobRef, Database, DbError, Digest, Part, StoredFile, UploadState};
use envelope::merkle::{self, Accumulator, Node};
use envelope::segment::SEGMENT_LEN;
use futures::TryStreamExt as _;
use proto::FileId;
use tokio::task::spawn_blocking;

use crate::stores::{Place, Stores};

/// Files of one page.
const PAGE: u32 = 100;
/// Octets of a leaf.
const LEAF: u64 = 32;

/// Which piece of a file a blob holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The part of that number, from 0.
    Part(u32),
    /// The leaves of its tree.
    Leaves,
    /// All of them together.
    Whole,
}

/// What is wrong with a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It is not there.
    Missing,
    /// It has another length than was recorded.
    Length,
    /// Its bytes are not those that were recorded.
    Altered,
    /// The storage could not read it.
    Unreadable,
    /// What was recorded of the parts does not give the root that was signed.
    Rows,
    /// It is in a store that is not configured.
    NoStore,
}

impl Damage {
    /// One word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Length => "length",
            Self::Altered => "altered",
            Self::Unreadable => "unreadable",
            Self::Rows => "rows",
            Self::NoStore => "no-store",
        }
    }
}

/// A blob as it was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) piece: Piece,
    pub(crate) blob: BlobRef,
    pub(crate) len: u64,
    pub(crate) node: Node,
}

/// What was recorded of a file or an open upload.
pub(crate) struct RecordedFile {
    pub(crate) file_id: FileId,
    pub(crate) blobs: Vec<Recorded>,
    /// Whether parts and leaves are those of the signed root, as far as the rows say.
    pub(crate) fits: bool,
}

/// Everything that a database records as stored, file by file.
pub(crate) struct Recordings<'a> {
    db: &'a dyn Database,
    page: std::vec::IntoIter<StoredFile>,
    after: Option<FileId>,
    is_last: bool,
}

impl<'a> Recordings<'a> {
    pub(crate) fn of(db: &'a dyn Database) -> Self {
        Self { db, page: Vec::new().into_iter(), after: None, is_last: false }
    }

    /// The next file; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordedFile>, DbError> {
        loop {
            if let Some(file) = self.page.next() {
                let parts = self.db.parts_of(file.file_id).await?;
                return Ok(Some(recorded(file, parts)));
            }
            if self.is_last {
                return Ok(None);
            }
            let page = self.db.stored_files(self.after, PAGE).await?;
            self.is_last = page.len() < PAGE as usize;
            self.after = page.last().map(|file| file.file_id).or(self.after);
            self.page = page.into_iter();
        }
    }
}

fn recorded(file: StoredFile, parts: Vec<Part>) -> RecordedFile {
    let nodes: Vec<Node> = parts.iter().map(|part| node(part.node)).collect();
    let bytes: u64 = parts.iter().map(|part| part.len).sum();
    let fits = match (file.state, file.body_len, file.body_root) {
        (UploadState::Open, ..) => true,
        // Parts are equal runs of a power of two of leaves, so their nodes give the root of the whole.
        (UploadState::Finished, Some(len), Some(root)) => {
            bytes == len && merkle::root(&nodes) == Some(node(root))
        }
        (UploadState::Finished, ..) => false,
    };
    let leaves = file.leaves_blob.zip(file.body_len).zip(file.body_root);
    let leaves = leaves.map(|((blob, len), root)| Recorded::leaves(blob, len, root));
    let parts = parts.into_iter().map(Recorded::from);
    RecordedFile { file_id: file.file_id, blobs: parts.chain(leaves).collect(), fits }
}

impl From<Part> for Recorded {
    fn from(part: Part) -> Self {
        Self { piece: Piece::Part(part.n), blob: part.blob, len: part.len, node: node(part.node) }
    }
}

fn node(digest: Digest) -> Node {
    Node::from_bytes(*digest.as_bytes())
}

impl Recorded {
    /// The leaves of a body of so many octets under that root.
    pub(crate) fn leaves(blob: BlobRef, body_len: u64, root: Digest) -> Self {
        let len = body_len.div_ceil(SEGMENT_LEN as u64) * LEAF;
        Self { piece: Piece::Leaves, blob, len, node: node(root) }
    }
}

/// Reading broke off for a reason that lies elsewhere than in the blob.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The copy could not be written.
    #[error(transparent)]
    Copy(BlobError),
    /// A thread ended.
    #[error("hashing was stopped")]
    Stopped,
}

impl Recorded {
    /// Where the blob is; `None` if the row names no place that can be.
    pub(crate) fn place(&self) -> Option<Place> {
        Place::try_from(&self.blob).ok()
    }

    /// Reads the blob in the store that its reference names; see [`Recorded::check_in`].
    pub(crate) async fn check(
        &self,
        stores: &Stores,
        copy: Option<&mut (dyn BlobWriter + '_)>,
    ) -> Result<Option<Damage>, ReadError> {
        let Some(place) = self.place() else { return Ok(Some(Damage::Rows)) };
        match stores.shelf(place.store) {
            Ok(shelf) => self.check_in(&*shelf.blobs, place.name, copy).await,
            Err(_) => Ok(Some(Damage::NoStore)),
        }
    }

    /// Reads the blob of that name to its end, into `copy` as well if there is one, and says what is wrong with it. Memory: a
    /// few MiB, whatever its length. A copy is to be committed only if nothing is.
    pub(crate) async fn check_in(
        &self,
        blobs: &dyn Blobs,
        name: BlobName,
        mut copy: Option<&mut (dyn BlobWriter + '_)>,
    ) -> Result<Option<Damage>, ReadError> {
        let mut stream = match open(blobs, name, self.len).await {
            Ok(stream) => stream,
            Err(damage) => return Ok(Some(damage)),
        };
        let mut hasher = Hasher::new(self.piece);
        loop {
            let piece = match stream.try_next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(BlobError::NotFound) => return Ok(Some(Damage::Missing)),
                Err(_) => return Ok(Some(Damage::Unreadable)),
            };
            if let Some(copy) = copy.as_deref_mut() {
                copy.write(piece.clone()).await.map_err(ReadError::Copy)?;
            }
            hasher.take(piece).await?;
        }
        Ok((hasher.finish().await? != Some(self.node)).then_some(Damage::Altered))
    }
}

impl Recorded {
    /// Which of several copies is sound, or else what is wrong with all of them.
    pub(crate) async fn sound_among<'b>(
        &self,
        sources: &[&'b dyn Blobs],
        name: BlobName,
    ) -> Result<Result<&'b dyn Blobs, Damage>, ReadError> {
        let mut damage = None;
        for from in sources {
            match self.check_in(*from, name, None).await? {
                None => return Ok(Ok(*from)),
                Some(found) => damage = worse(damage, found),
            }
        }
        Ok(Err(damage.unwrap_or(Damage::Missing)))
    }

    /// Copies the first sound one of several copies to `to`, where it is durable then, and says what is wrong if none is.
    pub(crate) async fn copy(
        &self,
        sources: &[&dyn Blobs],
        name: BlobName,
        to: &dyn Blobs,
        as_name: BlobName,
    ) -> Result<Option<Damage>, ReadError> {
        let mut damage = None;
        for from in sources {
            let mut writer = to.create(as_name).await.map_err(ReadError::Copy)?;
            match self.check_in(*from, name, Some(writer.as_mut())).await? {
                None => {
                    writer.commit().await.map_err(ReadError::Copy)?;
                    return Ok(None);
                }
                Some(found) => damage = worse(damage, found),
            }
        }
        Ok(damage.or(Some(Damage::Missing)))
    }
}

/// Of what is wrong with two copies, what says more: that one is not there at all says least.
pub(crate) fn worse(known: Option<Damage>, found: Damage) -> Option<Damage> {
    match known {
        None | Some(Damage::Missing) => Some(found),
        known => known,
    }
}

async fn open(blobs: &dyn Blobs, name: BlobName, len: u64) -> Result<BlobStream, Damage> {
    match blobs.len(name).await {
        Ok(Some(found)) if found == len => {}
        Ok(Some(_)) => return Err(Damage::Length),
        Ok(None) => return Err(Damage::Missing),
        Err(_) => return Err(Damage::Unreadable),
    }
    blobs.read(name, 0..len).await.map_err(|error| match error {
        BlobError::NotFound => Damage::Missing,
        BlobError::OutOfRange { .. } => Damage::Length,
        _ => Damage::Unreadable,
    })
}

/// Folds a blob into the node over what it holds: segments, or leaves.
struct Hasher {
    holds_leaves: bool,
    /// What is collected is cut at this length: a run of segments that are hashed together, or of leaves.
    run_len: usize,
    run: Vec<u8>,
    nodes: Accumulator,
}

impl Hasher {
    fn new(piece: Piece) -> Self {
        let run_len = merkle::leaves_at_once() * SEGMENT_LEN;
        Self { holds_leaves: piece == Piece::Leaves, run_len, run: Vec::new(), nodes: Accumulator::new() }
    }

    async fn take(&mut self, mut piece: Bytes) -> Result<(), ReadError> {
        while !piece.is_empty() {
            let room = self.run_len - self.run.len();
            self.run.extend_from_slice(&piece.split_to(room.min(piece.len())));
            if self.run.len() == self.run_len {
                self.fold().await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Option<Node>, ReadError> {
        self.fold().await?;
        Ok(self.nodes.root())
    }

    async fn fold(&mut self) -> Result<(), ReadError> {
        let (run, holds_leaves) = (std::mem::take(&mut self.run), self.holds_leaves);
        let folded = spawn_blocking(move || {
            let nodes = if holds_leaves {
                run.as_chunks::<32>().0.iter().map(|leaf| Node::from_bytes(*leaf)).collect()
            } else {
                merkle::leaves(&run.chunks(SEGMENT_LEN).collect::<Vec<_>>())
            };
            (run, nodes)
        });
        let (run, nodes) = folded.await.map_err(|_| ReadError::Stopped)?;
        nodes.into_iter().for_each(|node| self.nodes.push(node));
        self.run = run;
        self.run.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use blobs::MemoryBlobs;

    use super::*;

    async fn put(blobs: &MemoryBlobs, bytes: &[u8]) -> BlobRef {
        let name = BlobName::generate();
        let mut writer = blobs.create(name).await.unwrap();
        writer.write(Bytes::copy_from_slice(bytes)).await.unwrap();
        writer.commit().await.unwrap();
        BlobRef::new(name.to_string())
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from((at * 7 + at / 251) % 256).unwrap()).collect()
    }

    fn tree(bytes: &[u8]) -> (Node, Vec<u8>) {
        let leaves: Vec<Node> = bytes.chunks(SEGMENT_LEN).map(merkle::leaf).collect();
        (merkle::root(&leaves).unwrap(), merkle::nodes_to_bytes(&leaves))
    }

    #[tokio::test]
    async fn a_part_is_sound_exactly_if_every_octet_is_as_it_was_recorded() {
        for len in [32, SEGMENT_LEN, 5 * SEGMENT_LEN + 100, 17 * SEGMENT_LEN + 1] {
            let blobs = MemoryBlobs::new();
            let whole = bytes(len);
            let (node, leaves) = tree(&whole);
            let part = |blob| Recorded { piece: Piece::Part(0), blob, len: len as u64, node };
            let sound = part(put(&blobs, &whole).await);
            assert_eq!(sound.check(&Stores::only_local(blobs.clone()), None).await.unwrap(), None, "{len}");
            for at in [0, len / 2, len - 1] {
                let mut altered = whole.clone();
                altered[at] ^= 1;
                let altered = part(put(&blobs, &altered).await);
                assert_eq!(
                    altered.check(&Stores::only_local(blobs.clone()), None).await.unwrap(),
                    Some(Damage::Altered),
                    "{len} {at}"
                );
            }
            let short = part(put(&blobs, &whole[1..]).await);
            assert_eq!(
                short.check(&Stores::only_local(blobs.clone()), None).await.unwrap(),
                Some(Damage::Length)
            );
            let gone = part(BlobRef::new(BlobName::generate().to_string()));
            assert_eq!(
                gone.check(&Stores::only_local(blobs.clone()), None).await.unwrap(),
                Some(Damage::Missing)
            );
            let nonsense = part(BlobRef::new("../x"));
            assert_eq!(
                nonsense.check(&Stores::only_local(blobs.clone()), None).await.unwrap(),
                Some(Damage::Rows)
            );
            let of_leaves = |blob| Recorded { piece: Piece::Leaves, blob, len: leaves.len() as u64, node };
            let sound = of_leaves(put(&blobs, &leaves).await);
            assert_eq!(sound.check(&Stores::only_local(blobs.clone()), None).await.unwrap(), None);
            let mut altered = leaves.clone();
            altered[5] ^= 1;
            let altered = of_leaves(put(&blobs, &altered).await);
            assert_eq!(
                altered.check(&Stores::only_local(blobs.clone()), None).await.unwrap(),
                Some(Damage::Altered)
            );
        }
    }

    #[tokio::test]
    async fn a_copy_holds_what_was_read() {
        let (from, to) = (MemoryBlobs::new(), MemoryBlobs::new());
        let whole = bytes(3 * SEGMENT_LEN + 9);
        let recorded = Recorded {
            piece: Piece::Part(0),
            blob: put(&from, &whole).await,
            len: whole.len() as u64,
            node: tree(&whole).0,
        };
        let name = recorded.place().unwrap().name;
        let mut writer = to.create(name).await.unwrap();
        assert_eq!(recorded.check_in(&from, name, Some(writer.as_mut())).await.unwrap(), None);
        writer.commit().await.unwrap();
        assert_eq!(recorded.check_in(&to, name, None).await.unwrap(), None);
        let full = MemoryBlobs::with_capacity(10);
        let mut writer = full.create(name).await.unwrap();
        let copied = recorded.check_in(&from, name, Some(writer.as_mut())).await;
        assert!(matches!(copied, Err(ReadError::Copy(_))));
    }
}
