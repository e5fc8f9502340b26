//! The last step of sending: manifest, grants, and the request that makes the file appear.

use super::plan::SourceFile;
use super::way::Author;
use super::{Job, Kind};
use crate::client::Inner;
use crate::http::retrying;
use crate::{Error, FileId, Note, Result, preview};
use envelope::merkle::Node;
use envelope::small::HEADER_LEN;
use envelope::{BodyShape, Bundle};
use format::grant::{RecipientKey, SealGrant, seal_grants};
use format::manifest::{SealManifest, seal_manifest};
use format::metadata::{Compression, Padding, Preview};
use format::{FileKey, Metadata, SealError};
use proto::limits::UPLOAD_SECONDS;
use proto::{B64, Complete, Completed, GrantTo, UserId};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

/// What is known of the body once all of it is sealed.
pub(super) struct Sharing<'a> {
    pub(super) fk: &'a FileKey,
    pub(super) file_id: FileId,
    pub(super) payload_header: &'a [u8; HEADER_LEN],
    pub(super) body: BodyShape,
    pub(super) body_root: Node,
    pub(super) original_size: u64,
    pub(super) stored_size: u64,
    pub(super) compressed: bool,
    pub(super) modified_ms: i64,
    pub(super) preview: Option<Preview>,
}

impl Inner {
    /// The key of a verified bundle that files are sealed to.
    pub(crate) fn key_of(&self, bundle: &Bundle) -> Result<RecipientKey> {
        // A bundle made by a clock ahead of this one is new, not "not yet valid".
        let at = u64::try_from(self.now()).unwrap_or(0).max(bundle.created());
        let address = || bundle.address().clone();
        RecipientKey::from_bundle(bundle, at).map_err(|error| match error {
            SealError::Format => Error::LaterFormat(address()),
            _ => Error::UnknownRecipients(vec![address()]),
        })
    }
}

impl Job<'_> {
    /// The bytes of the request that makes the file appear.
    pub(super) fn sealed_request(&self, sharing: &Sharing<'_>) -> Result<Vec<u8>> {
        let request = self.signed(sharing)?;
        serde_json::to_vec(&request).map_err(|_| Error::Internal("a request has no JSON form"))
    }

    /// Signed manifest, a grant for everybody and for oneself.
    pub(super) fn signed(&self, sharing: &Sharing<'_>) -> Result<Complete> {
        let author = self.author.root();
        let metadata = Metadata {
            name: self.name.clone(),
            media_type: match self.kind {
                Kind::Folder(_) => format::folder::MEDIA_TYPE.to_owned(),
                Kind::File | Kind::Member => String::new(),
            },
            original_size: sharing.original_size,
            stored_size: sharing.stored_size,
            compression: if sharing.compressed { Compression::Gzip } else { Compression::None },
            padding: if self.options.padded { Padding::Padme } else { Padding::None },
            modified_ms: sharing.modified_ms,
            // Where nobody signs, this is what says into which box it was sealed.
            box_id: match self.author {
                Author::Me(_) => None,
                Author::Nobody(_) => self.into.map(|(id, _)| *id.as_bytes()),
            },
            preview: sharing.preview.clone(),
        };
        let manifest = seal_manifest(&SealManifest {
            fk: sharing.fk,
            file_id: sharing.file_id,
            revision: 1,
            author,
            payload_header: sharing.payload_header,
            body: sharing.body,
            body_root: sharing.body_root,
            metadata: &metadata,
        })
        .map_err(|_| Error::Internal("the manifest does not fit the file"))?;
        let complete = Complete {
            manifest: B64(manifest.as_bytes().to_vec()),
            grants: Vec::new(),
            expires_in: self.options.expires_in,
            max_downloads: self.options.max_downloads,
            member: false,
            members: None,
        };
        let members = match self.kind {
            // It waits for its folder as long as an upload waits to be finished.
            Kind::Member => {
                return Ok(Complete {
                    expires_in: UPLOAD_SECONDS,
                    max_downloads: None,
                    member: true,
                    ..complete
                });
            }
            Kind::Folder(ids) if !ids.is_empty() => Some(B64(ids.to_vec())),
            Kind::File | Kind::Folder(_) => None,
        };
        let bundles = || {
            self.author.own_bundle().into_iter().chain(self.recipients.iter().map(|checked| &checked.bundle))
        };
        let mut keys =
            bundles().map(|bundle| self.inner.key_of(bundle)).collect::<Result<Vec<RecipientKey>>>()?;
        keys.extend(self.keys.iter().map(|key| RecipientKey::rsa(None, key)));
        let seal =
            SealGrant { fk: sharing.fk, manifest: &manifest, grantor: author, min_revision: 1, not_after: 0 };
        let grants = seal_grants(&seal, &keys).map_err(|_| Error::Internal("a grant could not be sealed"))?;
        let holders = bundles().map(|bundle| Some(bundle.user_id())).chain(self.keys.iter().map(|_| None));
        let grants =
            holders.zip(grants).map(|(user_id, grant)| grant_to(user_id, grant.as_bytes())).collect();
        Ok(Complete { grants, members, ..complete })
    }

    /// A small picture of the file, if one was asked for and can be made.
    pub(super) fn preview_of(&self, file: &SourceFile) -> Option<Preview> {
        if !self.options.preview {
            return None;
        }
        let made = tokio::task::block_in_place(|| preview::of_file(&file.file, file.identity.size));
        if made.is_none() {
            self.progress.note(&Note::NoPreview);
        }
        made
    }

    /// Makes the file appear; the same bytes again give the same answer.
    pub(super) async fn complete(&self, file_id: FileId, request: &[u8]) -> Result<Completed> {
        let path = self.complete_path(file_id);
        retrying(self.inner.options.retry_for, self.progress, self.cancel, || {
            self.call(file_id, |server| {
                server
                    .request(Method::POST, &path)
                    .header(CONTENT_TYPE, "application/json")
                    .body(request.to_vec())
            })
        })
        .await
    }
}

fn grant_to(user_id: Option<UserId>, grant: &[u8]) -> GrantTo {
    GrantTo { user_id, grant: B64(grant.to_vec()) }
}
