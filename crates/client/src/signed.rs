//! What is signed of a file: parsed first, verified and unwrapped when it is known who must have signed. And what nobody signed.

use crate::files::OpenFileInfo;
use crate::opener::Opener;
use crate::signers::{Giver, Signer};
use crate::{Error, RecipientId, Result, RootId, Sender, Trust};
use envelope::ed25519::PublicKey;
use envelope::{Grant, Manifest, Suite};
use format::open::{OpenFile, Sharing, open_file};
use proto::{BoxId, FileInfo};

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
        if manifest.file_id() != info.file_id {
            return Err(forged());
        }
        Ok(Self { info, manifest, grant })
    }

    /// Whether it says itself that nobody signed it.
    pub(crate) fn is_unsigned(&self) -> bool {
        self.manifest.suite() == Suite::Anonymous
    }

    /// A file that nobody signed. It is taken only out of a drop box, and only out of the one that is sealed in it.
    pub(crate) fn open_unsigned(self, opener: Opener<'_>) -> Result<OpenFileInfo> {
        let Self { info, manifest, grant } = self;
        let forged = || Error::NotAuthentic;
        let Opener::Person(me) = opener else { return Err(forged()) };
        let reader = opener.reader();
        let open =
            OpenFile { manifest: &manifest, grant: &grant, reader, author: None, grantor: None, linked: &[] };
        let opened = open_file(&open).map_err(|_| forged())?;
        let is_unshared = match opened.sharing {
            Sharing::Anonymous => true,
            // Wrapped again by oneself, after the keys were replaced.
            Sharing::AnonymousSharedBy(root) => me.vault.identity.has_root(root),
            _ => false,
        };
        let sealed_for = opened.metadata.box_id.map(BoxId::from_bytes);
        if !is_unshared || sealed_for.is_none() || sealed_for != info.box_id {
            return Err(forged());
        }
        let sender =
            Sender { address: None, root_id: RootId::ZERO, trust: Trust::Anonymous, retired_root: false };
        Ok(OpenFileInfo {
            info,
            manifest,
            grant,
            opened,
            sender,
            recipient: None,
            author_key: None,
            passed_by: None,
            judged: Vec::new(),
        })
    }

    /// Verifies and unwraps, given who must have signed. Takes about a millisecond.
    pub(crate) fn open(
        self,
        opener: Opener<'_>,
        author: Signer,
        giver: Giver,
        recipient: Option<RecipientId>,
    ) -> Result<OpenFileInfo> {
        let Self { info, manifest, grant } = self;
        let linked: Vec<PublicKey> = author.newest.into_iter().chain(giver.linked()).collect();
        let open = OpenFile {
            manifest: &manifest,
            grant: &grant,
            reader: opener.reader(),
            author: Some(&author.key),
            grantor: giver.passer().map(|passer| &passer.key),
            linked: &linked,
        };
        let opened = open_file(&open).map_err(|_| Error::NotAuthentic)?;
        let Signer { key, sender, judged, .. } = author;
        let (passed_by, passer_judged) = giver.into_passer().map(|by| (by.sender, by.judged)).unzip();
        let judged = judged.into_iter().chain(passer_judged.flatten()).collect();
        let author_key = Some(key);
        Ok(OpenFileInfo { info, manifest, grant, opened, sender, recipient, author_key, passed_by, judged })
    }
}
