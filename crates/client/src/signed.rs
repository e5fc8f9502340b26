//! What is signed of a file: parsed first, verified and unwrapped when it is known who must have signed.

use crate::files::{Author, OpenFileInfo};
use crate::opener::Opener;
use crate::{Error, RecipientId, Result};
use envelope::{Grant, Manifest, Suite};
use format::open::{OpenFile, open_file};
use proto::FileInfo;

/// What the server shows of a file, parsed and not verified yet.
pub(crate) struct SignedParts {
    pub(crate) info: FileInfo,
    pub(crate) manifest: Manifest,
    pub(crate) grant: Grant,
}

impl SignedParts {
    pub(crate) fn parse(info: FileInfo) -> Result<Self> {
        let forged = || Error::NotAuthentic;
        let manifest = Manifest::parse(info.manifest.0.as_slice()).map_err(|_| forged())?;
        let grant = Grant::parse(info.grant.0.as_slice()).map_err(|_| forged())?;
        if manifest.file_id() != info.file_id || manifest.suite() != Suite::Signed {
            return Err(forged());
        }
        Ok(Self { info, manifest, grant })
    }

    /// Verifies and unwraps, given who must have signed. Takes about a millisecond.
    pub(crate) fn open(
        self,
        opener: Opener<'_>,
        author: Author,
        recipient: Option<RecipientId>,
    ) -> Result<OpenFileInfo> {
        let Self { info, manifest, grant } = self;
        let open = OpenFile {
            manifest: &manifest,
            grant: &grant,
            reader: opener.reader(),
            author: Some(&author.key),
            grantor: None,
            linked: author.newest.as_slice(),
        };
        let opened = open_file(&open).map_err(|_| Error::NotAuthentic)?;
        let Author { sender, judged, .. } = author;
        Ok(OpenFileInfo { info, manifest, grant, opened, sender, recipient, judged })
    }
}
