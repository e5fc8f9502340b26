//! A folder, or files that go together: a sealed list of its members, which the specification calls a bundle of files.
//!
//! The list is the content of an ordinary file of the type [`MEDIA_TYPE`]. It holds the key of every member, so that whoever
//! may open the list opens all of them; a member has no grant of its own.

mod path;
mod safe;

use std::collections::HashSet;

use envelope::ed25519::PublicKey;
use envelope::segment::{BodyShape, MAX_BODY_LEN};
use envelope::{ContentId, FileId, Manifest, ParseError, Suite};
use zeroize::Zeroizing;

pub use path::{MemberPath, TreeError, check_tree};
pub use safe::safe_paths;

use crate::cbor::{Reader, Writer};
use crate::manifest::open_parts;
use crate::{FileKey, Metadata, OpenError, PayloadOpener, Secret};

/// Media type of the list, in the metadata of the file that holds it.
pub const MEDIA_TYPE: &str = "application/vnd.waxwing.bundle+cbor";
/// Most members of one folder.
pub const MEMBERS_MAX: usize = 50_000;
/// Most folders inside one, empty ones included.
pub const FOLDERS_MAX: usize = 50_000;
/// Longest list, bytes.
pub const LIST_MAX: usize = 16 << 20;

/// One file of a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it stands in the folder.
    pub path: MemberPath,
    /// Which file it is.
    pub file_id: FileId,
    /// Its key.
    pub fk: FileKey,
    /// The content id of its manifest.
    pub content_id: ContentId,
    /// Size of the original in bytes, at most 2^44.
    pub size: u64,
    /// The lowest revision of its manifest that may be shown, from 1.
    pub min_revision: u64,
}

/// What a folder holds: legal, sorted, and without two names that some file system takes for one.
#[derive(Debug, PartialEq, Eq)]
pub struct Folder {
    members: Vec<Member>,
    empty: Vec<MemberPath>,
}

impl Folder {
    /// A folder of these members and of these folders that hold nothing, in any order.
    ///
    /// # Errors
    /// What [`check_tree`] says; [`TreeError::SameFile`] if a file is named twice; [`TreeError::TooLong`].
    pub fn new(mut members: Vec<Member>, mut empty: Vec<MemberPath>) -> Result<Self, TreeError> {
        members.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        empty.sort_unstable();
        check_tree(members.iter().map(|member| &member.path), empty.iter())?;
        let mut ids = HashSet::with_capacity(members.len());
        if !members.iter().all(|member| ids.insert(member.file_id)) {
            return Err(TreeError::SameFile);
        }
        let folder = Self { members, empty };
        if folder.room() > LIST_MAX { Err(TreeError::TooLong) } else { Ok(folder) }
    }

    /// The members, sorted by the bytes of their paths.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The folders that hold nothing, sorted by the bytes of their paths.
    pub fn empty(&self) -> &[MemberPath] {
        &self.empty
    }

    /// Bytes of all originals together.
    pub fn size(&self) -> u64 {
        self.members.iter().map(|member| member.size).sum()
    }

    /// At least as many bytes as the list has.
    fn room(&self) -> usize {
        // 3 + 17 + 34 + 34 + 9 + 9 bytes of values and 7 of keys, and the path behind a head of at most 3.
        let members: usize = self.members.iter().map(|member| member.path.as_str().len() + 128).sum();
        let empty: usize = self.empty.iter().map(|path| path.as_str().len() + 3).sum();
        members + empty + 16
    }

    /// The list, in the one form that it has.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(self.room());
        writer.map(1 + usize::from(!self.empty.is_empty()));
        writer.uint(1);
        writer.array(self.members.len());
        for member in &self.members {
            writer.map(6);
            writer.uint(1);
            writer.text(member.path.as_str());
            writer.uint(2);
            writer.bytes(member.file_id.as_bytes());
            writer.uint(3);
            writer.bytes(member.fk.secret().expose_secret());
            writer.uint(4);
            writer.bytes(member.content_id.as_bytes());
            writer.uint(5);
            writer.uint(member.size);
            writer.uint(6);
            writer.uint(member.min_revision);
        }
        if !self.empty.is_empty() {
            writer.uint(2);
            writer.array(self.empty.len());
            self.empty.iter().for_each(|path| writer.text(path.as_str()));
        }
        Zeroizing::new(writer.finish())
    }

    /// Reads what [`Folder::encode`] writes, and nothing else. What it takes of memory is bounded by what is read.
    pub fn decode(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > LIST_MAX {
            return Err(ParseError::OutOfRange { field: "folder" });
        }
        let (mut members, mut empty) = (None, Vec::new());
        let mut reader = Reader::new(bytes);
        reader.map(|key, value| {
            match key {
                1 => members = Some(list(value, MEMBERS_MAX, member)?),
                2 => {
                    empty = list(value, FOLDERS_MAX, |value| MemberPath::from_sealed(value.text()?))?;
                    if empty.is_empty() {
                        return Err(ParseError::OutOfRange { field: "empty folders" });
                    }
                }
                _ => return Err(ParseError::UnknownCode { field: "folder key" }),
            }
            Ok(())
        })?;
        reader.finish()?;
        let members: Vec<Member> = members.ok_or(ParseError::Truncated { field: "folder key" })?;
        let ascending = members.windows(2).all(|two| two[0].path < two[1].path)
            && empty.windows(2).all(|two: &[MemberPath]| two[0] < two[1]);
        if !ascending {
            return Err(ParseError::Contradiction { field: "order of a folder" });
        }
        Self::new(members, empty).map_err(|_| ParseError::Contradiction { field: "folder" })
    }
}

/// At most `most` values; nothing is reserved for what is only announced.
fn list<T>(
    reader: &mut Reader<'_>,
    most: usize,
    mut each: impl FnMut(&mut Reader<'_>) -> Result<T, ParseError>,
) -> Result<Vec<T>, ParseError> {
    let len = reader.array()?;
    if len > most {
        return Err(ParseError::OutOfRange { field: "members of a folder" });
    }
    let mut out = Vec::new();
    for _ in 0..len {
        out.push(each(reader)?);
    }
    Ok(out)
}

fn member(reader: &mut Reader<'_>) -> Result<Member, ParseError> {
    let missing = ParseError::Truncated { field: "member key" };
    let length = |field| ParseError::OutOfRange { field };
    let (mut path, mut file_id, mut fk) = (None, None, None);
    let (mut content_id, mut size, mut min_revision) = (None, None, None);
    reader.map(|key, value| {
        match key {
            1 => path = Some(MemberPath::from_sealed(value.text()?)?),
            2 => {
                let id = value.bytes()?.try_into().map_err(|_| length("file id"))?;
                file_id = Some(FileId::from_bytes(id));
            }
            3 => {
                let key = Secret::from_slice(value.bytes()?).ok_or(length("file key"))?;
                fk = Some(FileKey::from_secret(key));
            }
            4 => {
                let id = value.bytes()?.try_into().map_err(|_| length("content id"))?;
                content_id = Some(ContentId::from_bytes(id));
            }
            5 => size = Some(value.uint()?).filter(|size| *size <= MAX_BODY_LEN),
            6 => min_revision = Some(value.uint()?).filter(|revision| *revision > 0),
            _ => return Err(ParseError::UnknownCode { field: "member key" }),
        }
        Ok(())
    })?;
    Ok(Member {
        path: path.ok_or(missing)?,
        file_id: file_id.ok_or(missing)?,
        fk: fk.ok_or(missing)?,
        content_id: content_id.ok_or(missing)?,
        size: size.ok_or(missing)?,
        min_revision: min_revision.ok_or(missing)?,
    })
}

/// A member whose manifest and metadata are authentic. Its segments are checked as they come.
#[derive(Debug)]
pub struct OpenedMember {
    /// Opens the segments.
    pub opener: PayloadOpener,
    /// The authenticated metadata.
    pub metadata: Metadata,
    /// Length and segments of the body.
    pub shape: BodyShape,
}

/// Checks what is shown as a member against the list and against the list's author, then opens its metadata.
///
/// It must be that file with that content, signed by `author`, who signed the file that the list is in; not of an older revision
/// than the list allows, of the size that it gives, and no folder itself.
pub fn open_member(
    member: &Member,
    manifest: &Manifest,
    author: &PublicKey,
) -> Result<OpenedMember, OpenError> {
    let is_meant = manifest.suite() == Suite::Signed
        && manifest.file_id() == member.file_id
        && manifest.content_id() == member.content_id
        && manifest.revision() >= member.min_revision;
    if !is_meant {
        return Err(OpenError::NotAuthentic);
    }
    manifest.verify(author).map_err(|_| OpenError::NotAuthentic)?;
    let (opener, metadata) = open_parts(manifest, &member.fk)?;
    if metadata.original_size != member.size || metadata.media_type == MEDIA_TYPE {
        return Err(OpenError::NotAuthentic);
    }
    Ok(OpenedMember { opener, metadata, shape: manifest.body() })
}
