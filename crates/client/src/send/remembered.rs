//! What stays of a request on this machine, so that the same request goes on where it was: its journal, found by a digest of
//! all that was asked for, and the key of the file, sealed.

use super::journal::{self, Header, Journal, SourceIdentity, Unusable};
use super::request::Kept;
use super::{Compress, Job, Kind};
use crate::{Error, FileId, RecipientId, Result};
use envelope::Manifest;
use format::small::{open_small, seal_small};
use format::{FileKey, Secret};
use proto::{B64, Complete};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long another process (or an abandoned try of this one) may take to let go of a journal.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

impl Job<'_> {
    /// The journal of the same request, if there is one, locked.
    pub(super) async fn journal_of(&self, digest: &[u8; 32]) -> Result<Option<Journal>> {
        let since = Instant::now();
        loop {
            let found = find_journal(&self.inner.home.journals(), |header| {
                header.request.0 == digest && header.user_id == self.author.user_id()
            })?;
            let Some(path) = found else { return Ok(None) };
            match Journal::open(&path) {
                Ok(journal) => return Ok(Some(journal)),
                Err(Unusable::Locked) if since.elapsed() < LOCK_PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(Unusable::Locked) => return Err(Error::UploadRunning),
                Err(Unusable::Damaged) => {
                    std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
                    return Ok(None);
                }
                // It was finished by the process that held it.
                Err(Unusable::Failed(_)) if !path.exists() => return Ok(None),
                Err(Unusable::Failed(error)) => return Err(error),
            }
        }
    }

    pub(super) fn key_ids(&self) -> Vec<RecipientId> {
        self.keys.iter().map(|key| key.recipient_id(None)).collect()
    }

    /// SHA-256 over all that the request asks for.
    pub(super) fn request_digest(&self, source: &SourceIdentity) -> Result<[u8; 32]> {
        let addresses: Vec<&str> =
            self.recipients.iter().map(|checked| checked.contact.address.as_str()).collect();
        let keys = self.key_ids();
        let options = (self.options.expires_in, self.options.max_downloads, self.options.padded);
        let compress = self.options.compress == Compress::Auto;
        let server = self.server()?;
        let all = (server.origin(), source, self.name.as_str(), addresses, keys, options, compress);
        let text = match self.into {
            None => serde_json::to_vec(&all),
            Some((id, _)) => serde_json::to_vec(&(all, id)),
        };
        let mut text = text.map_err(|_| Error::Internal("a request has no JSON form"))?;
        if !matches!(self.kind, Kind::File) {
            text.extend_from_slice(b"member");
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
        Ok(digest.as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }

    pub(super) fn seal_key(&self, fk: &FileKey, file_id: FileId) -> Result<Vec<u8>> {
        let key = self.author.journal_key();
        seal_small(key.secret(), &key_aad(file_id), fk.secret().expose_secret())
            .map_err(|_| Error::Internal("a file key could not be sealed"))
    }

    pub(super) fn open_key(&self, file_id: FileId, sealed: &[u8]) -> Option<FileKey> {
        let key = self.author.journal_key();
        let bytes = open_small(key.secret(), &key_aad(file_id), sealed).ok()?;
        let bytes: [u8; 32] = bytes.as_slice().try_into().ok()?;
        Some(FileKey::from_secret(Secret::from_bytes(bytes)))
    }

    /// What the list of a folder needs of a member that the server has, by the request that made it appear.
    pub(super) fn kept_of(&self, sealed_key: &B64, request: &[u8]) -> Result<Option<Kept>> {
        if !matches!(self.kind, Kind::Member) {
            return Ok(None);
        }
        let odd = Error::Internal("a request cannot be read");
        match serde_json::from_slice::<Complete>(request) {
            Ok(complete) => self.kept(sealed_key.clone(), &complete),
            Err(_) => Err(odd),
        }
    }

    pub(super) fn kept(&self, sealed_key: B64, complete: &Complete) -> Result<Option<Kept>> {
        let manifest = Manifest::parse(complete.manifest.0.as_slice());
        let manifest = manifest.map_err(|_| Error::Internal("a manifest cannot be read"))?;
        Ok(Some(Kept { sealed_key, content_id: manifest.content_id() }))
    }
}

fn key_aad(file_id: FileId) -> Vec<u8> {
    [b"waxwing/v1/journal-key\0".as_slice(), file_id.as_bytes()].concat()
}

/// The first journal in the folder whose header is `wanted`. Journals that cannot be read are left alone.
pub(crate) fn find_journal(folder: &Path, wanted: impl Fn(&Header) -> bool) -> Result<Option<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    for entry in entries {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "wxj")
            && journal::peek_header(&path).is_some_and(|header| wanted(&header))
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
