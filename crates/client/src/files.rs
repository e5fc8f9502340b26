//! Files that were sent and received: check, list, look, remove, take back.

use crate::client::Inner;
use crate::http::proof_text;
use crate::keys::Unlocked;
use crate::opener::{Opener, OwnRoot};
use crate::pins::{Judged, Pins};
use crate::receipts::Receipt;
use crate::seen::Seen;
use crate::send::find_journal;
use crate::send::journal::{self, Journal};
use crate::signed::SignedParts;
use crate::signers::Signer;
use crate::{
    Address, Client, Error, FileId, Note, Progress, RecipientId, Result, RootId, RsaPublicKey, UserId,
};
use envelope::ed25519::PublicKey;
use envelope::{Bundle, Grant, Manifest};
use format::metadata::{Compression, Padding, Preview};
use format::open::OpenedFile;
use proto::{BoxId, FileInfo, FilePage, headers, paths};
use reqwest::Method;
use std::path::PathBuf;

/// What one is to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sent it.
    Author,
    /// Was given it.
    Recipient,
}

/// How far the keys behind an address are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Oneself.
    Own,
    /// Pinned, and a human compared the safety number.
    Verified,
    /// Pinned at first use.
    Pinned,
    /// Never seen before. Receiving pins it; looking and listing do not.
    FirstContact,
    /// Not the pinned keys, or contradicting them. Only a list shows this; every other verb stops.
    Changed,
    /// Nobody signed it: it came into a drop box from somebody without an account. The sender cannot be verified.
    Anonymous,
}

/// Who sent a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Address in the signed bundle; none where nobody signed.
    pub address: Option<Address>,
    /// Root that signed; zeros where nobody did.
    pub root_id: RootId,
    /// How far it is trusted.
    pub trust: Trust,
    /// Whether a root signed that has been retired since (linked to the present one).
    pub retired_root: bool,
}

/// Somebody who holds access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Account.
    pub user_id: UserId,
    /// Address, if a contact.
    pub address: Option<Address>,
    /// Who passed it on to them (the server's word); absent: the author gave it.
    pub given_by: Option<Holder>,
    /// Unix seconds: since when (the server's word).
    pub since: i64,
    /// Downloads that they began (the server's word).
    pub downloads: u32,
    /// Unix seconds: when the last of these began.
    pub fetched_at: Option<i64>,
}

/// An account, by address if it is a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Account.
    pub user_id: UserId,
    /// Address, if a contact.
    pub address: Option<Address>,
}

/// One file that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// Id.
    pub file_id: FileId,
    /// One's role.
    pub role: Role,
    /// Sealed name. Control and direction characters are the reader's to mind.
    pub name: String,
    /// Sealed media type; empty if unknown.
    pub media_type: String,
    /// Whether it is a folder: then the sizes are those of the list of its files.
    pub is_folder: bool,
    /// Bytes of the original.
    pub bytes: u64,
    /// Bytes of the sealed body.
    pub body_len: u64,
    /// Whether it was compressed.
    pub compressed: bool,
    /// Whether its size is padded.
    pub padded: bool,
    /// Whether a small picture is sealed with the name.
    pub has_preview: bool,
    /// That picture, as somebody else made it: see [`crate::Picture::of`]. Only from [`Client::info`]: absent in a list.
    pub preview: Option<Preview>,
    /// Modification time of the original, milliseconds since 1970.
    pub modified_ms: i64,
    /// Who sent it.
    pub sender: Sender,
    /// Who passed it on to oneself, by their signature; absent: the sender gave it.
    pub passed_by: Option<Sender>,
    /// Unix seconds: when it appeared (the server's word).
    pub created: i64,
    /// Unix seconds: when it ends (the server's word).
    pub expires_at: i64,
    /// Downloads by others (the server's word).
    pub downloads: u32,
    /// Allowed downloads by others.
    pub max_downloads: Option<u32>,
    /// Who holds access besides the author (the server's word); known to the author, and only from
    /// [`Client::info`]: empty in a list.
    pub recipients: Vec<Recipient>,
    /// Bare keys that hold access (the server's word); known like `recipients`.
    pub keys: Vec<RecipientId>,
    /// Who signed that they opened it; known like `recipients`.
    pub receipts: Vec<Receipt>,
    /// The drop box of one's own that it came into: sealed by whoever sent it where nobody signed, else the server's word.
    pub box_id: Option<BoxId>,
}

/// Which page.
#[derive(Clone, Debug, Default)]
pub struct FilePaging {
    /// `next` of the page before.
    pub after: Option<String>,
    /// Rows, at most 200; absent: 50.
    pub limit: Option<u32>,
    /// Only what came into this drop box of one's own.
    pub into_box: Option<BoxId>,
}

/// One page of files.
#[derive(Clone, Debug, Default)]
pub struct FileList {
    /// Those that verified, newest first.
    pub files: Vec<FileSummary>,
    /// Those that did not: nothing of them is shown but the id.
    pub refused: Vec<FileId>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What became of a removed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Gone for everybody.
    ForEveryone,
    /// Only the own access was given up.
    OwnAccess,
}

/// An upload that this machine can resume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// Id.
    pub file_id: FileId,
    /// The source.
    pub path: PathBuf,
    /// Bytes of the source.
    pub bytes: u64,
    /// Recipients besides oneself.
    pub to: Vec<Address>,
    /// Bare keys.
    pub to_keys: Vec<RecipientId>,
    /// Parts sealed so far.
    pub sealed_parts: u64,
    /// Parts in all.
    pub parts: u64,
    /// Unix seconds at which it was begun.
    pub begun: i64,
    /// Whether another process is at it just now.
    pub running: bool,
}

/// A file whose signatures, ids, key and metadata are authentic; its content is checked as it comes.
pub(crate) struct OpenFileInfo {
    pub(crate) info: FileInfo,
    pub(crate) manifest: Manifest,
    pub(crate) grant: Grant,
    pub(crate) opened: OpenedFile,
    pub(crate) sender: Sender,
    /// The bare key by whose grant it opened.
    pub(crate) recipient: Option<RecipientId>,
    /// Who signed the manifest; absent if nobody did.
    pub(crate) author_key: Option<PublicKey>,
    /// Who passed it on; absent where the author gave it.
    pub(crate) passed_by: Option<Sender>,
    /// The newest bundles of whoever signed and is not oneself, and what they mean against the pins.
    pub(crate) judged: Vec<(Bundle, Judged)>,
}

impl OpenFileInfo {
    /// Says whose keys were never seen before.
    pub(crate) fn note_first_contacts(&self, progress: &dyn Progress) {
        for who in std::iter::once(&self.sender).chain(&self.passed_by) {
            if let (Trust::FirstContact, Some(address)) = (who.trust, &who.address) {
                progress.note(&Note::FirstContact { address: address.clone() });
            }
        }
    }

    /// Whether its content is the list of a folder. One that nobody signed is none: members are by the author of their list.
    pub(crate) fn is_folder(&self) -> bool {
        self.author_key.is_some() && self.opened.metadata.media_type == format::folder::MEDIA_TYPE
    }
}

impl Client {
    /// One page of files sent and received, newest first; of those that do not verify only the ids.
    pub async fn list(&self, me: &Unlocked, paging: FilePaging) -> Result<FileList> {
        let page = self.inner.list_page(paging).await?;
        let mut list = FileList { next: page.next, ..FileList::default() };
        let pins = Pins::load(&self.inner.home)?;
        let mut seen = Seen::load(&self.inner.home)?;
        for info in page.files {
            let file_id = info.file_id;
            match self.inner.open_info(Opener::Person(me), info, None, false).await {
                Ok(file) if seen.accept(&file.manifest) => list.files.push(summary(&file, &pins)),
                Ok(_) => list.refused.push(file_id),
                Err(error) if error.class() == crate::Class::Authentication => list.refused.push(file_id),
                Err(error) if error.class() == crate::Class::Identity => list.refused.push(file_id),
                Err(error) => return Err(error),
            }
        }
        self.inner.remember(&seen).await?;
        Ok(list)
    }

    /// One file.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Expired`], [`Error::NotAuthentic`], the `Identity…` errors.
    pub async fn info(&self, me: &Unlocked, file_id: FileId) -> Result<FileSummary> {
        let file = self.inner.file(Opener::Person(me), file_id).await?;
        let pins = Pins::load(&self.inner.home)?;
        let receipts = self.inner.judge_receipts(&file, &pins).await?;
        let preview = file.opened.metadata.preview.clone();
        Ok(FileSummary { receipts, preview, ..summary(&file, &pins) })
    }

    /// The author removes the file for everybody, proven by the root key; a recipient only gives up the own access.
    pub async fn remove(&self, me: &Unlocked, file_id: FileId) -> Result<Removed> {
        let path = paths::fill(paths::FILE, &[&file_id]);
        let role = match self.inner.call::<FileInfo>(|server| server.request(Method::GET, &path)).await {
            Ok(info) => info.role,
            // What has ended can still be removed by its author.
            Err(Error::Expired | Error::DownloadsUsed) => proto::Role::Author,
            Err(error) => return Err(error),
        };
        if role == proto::Role::Recipient {
            self.inner.drop_grant(file_id, me.user_id()).await?;
            return Ok(Removed::OwnAccess);
        }
        let proof = me.vault.identity.sign_action(envelope::action::DELETE, file_id.as_bytes());
        let proof = proof_text(proof.as_bytes());
        self.inner
            .authed(|server| server.request(Method::DELETE, &path).header(headers::PROOF, &proof))
            .await
            .map(|_| Removed::ForEveryone)
    }

    /// The author takes one recipient's access back. What was fetched before stays with them, and so does the access of those to
    /// whom they passed it on. Whose account it was.
    pub async fn revoke(&self, _me: &Unlocked, file_id: FileId, address: &Address) -> Result<UserId> {
        let pins = Pins::load(&self.inner.home)?;
        let user_id = match pins.pin(address) {
            Some(pin) => pin.bundle()?.user_id(),
            None => {
                let found = self.lookup(std::slice::from_ref(address)).await?;
                found.first().ok_or_else(|| Error::UnknownRecipients(vec![address.clone()]))?.user_id
            }
        };
        self.inner.drop_grant(file_id, user_id).await?;
        Ok(user_id)
    }

    /// The author takes the access of a bare key back. What was fetched before stays with its holder.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the file is not here for oneself, or not for that key.
    pub async fn revoke_key(&self, _me: &Unlocked, file_id: FileId, key: &RsaPublicKey) -> Result<()> {
        let path = paths::fill(paths::KEY, &[&file_id, &key.recipient_id(None)]);
        self.inner.authed(|server| server.request(Method::DELETE, &path)).await.map(drop)
    }

    /// Unfinished uploads that this machine can resume, oldest first; no network.
    pub fn uploads(&self) -> Result<Vec<UnfinishedUpload>> {
        let folder = self.inner.home.journals();
        let mut uploads = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            let path = entry.map_err(Error::io("read", &folder))?.path();
            let Ok((journal, running)) = Journal::peek(&path) else { continue };
            let parts = journal.header.shapes().map_or(0, |(body, cut)| u64::from(cut.parts(body)));
            let sealed_parts = journal.recorded();
            let journal::Header { file_id, source, to, to_keys, begun, .. } = journal.header;
            let (path, bytes) = (source.path, source.size);
            uploads.push(UnfinishedUpload {
                file_id,
                path,
                bytes,
                to,
                to_keys,
                sealed_parts,
                parts,
                begun,
                running,
            });
        }
        uploads.sort_by_key(|upload| (upload.begun, upload.file_id));
        Ok(uploads)
    }

    /// Gives an unfinished upload up, here and at the server.
    ///
    /// # Errors
    /// [`Error::SentAlready`] if all that was missing was the server's word for it: then it is a file.
    pub async fn abandon_upload(&self, file_id: FileId) -> Result<()> {
        let mut visit = None;
        let mut is_file = false;
        if let Some(path) = find_journal(&self.inner.home.journals(), |header| header.file_id == file_id)? {
            visit = journal::peek_header(&path)
                .filter(|header| header.user_id == UserId::from_bytes([0; 16]))
                .and_then(|header| Some((header.server, header.box_id?)));
            match Journal::open(&path) {
                Ok(journal) => {
                    is_file = visit.is_none()
                        && journal.complete().is_some()
                        && self.inner.ends(file_id).await?.is_some();
                    journal.remove()?;
                }
                Err(journal::Unusable::Locked) => return Err(Error::UploadRunning),
                Err(journal::Unusable::Damaged) => {
                    std::fs::remove_file(&path).map_err(Error::io("remove", &path))?
                }
                Err(journal::Unusable::Failed(error)) => return Err(error),
            }
        }
        match visit {
            None if is_file => Err(Error::SentAlready(file_id)),
            None => self.inner.delete_upload(file_id).await,
            Some((origin, box_id)) => self.inner.abandon_visit(&origin, box_id, file_id).await,
        }
    }
}

pub(crate) fn with_query(path: &str, query: &[(&str, String)]) -> String {
    let mut out = path.to_owned();
    for (n, (key, value)) in query.iter().enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        out.push_str(key);
        out.push('=');
        // Cursors are the server's own text; whatever it is must not end the field.
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    out.push(char::from(byte))
                }
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    out
}

fn summary(file: &OpenFileInfo, pins: &Pins) -> FileSummary {
    let (info, metadata) = (&file.info, &file.opened.metadata);
    let recipients = info.recipients.iter().filter(|holder| holder.user_id != info.author);
    let known = |user_id: UserId| Holder { user_id, address: pins.address_of(user_id).cloned() };
    FileSummary {
        file_id: info.file_id,
        role: if file.sender.trust == Trust::Own { Role::Author } else { Role::Recipient },
        name: metadata.name.as_str().to_owned(),
        media_type: metadata.media_type.clone(),
        is_folder: file.is_folder(),
        bytes: metadata.original_size,
        body_len: file.opened.shape.body_len(),
        compressed: metadata.compression != Compression::None,
        padded: metadata.padding != Padding::None,
        has_preview: metadata.preview.is_some(),
        preview: None,
        modified_ms: metadata.modified_ms,
        sender: file.sender.clone(),
        passed_by: file.passed_by.clone(),
        created: info.created,
        expires_at: info.expires_at,
        downloads: info.downloads,
        max_downloads: info.max_downloads,
        recipients: recipients
            .map(|holder| Recipient {
                user_id: holder.user_id,
                address: pins.address_of(holder.user_id).cloned(),
                given_by: holder.given_by.map(known),
                since: holder.since,
                downloads: holder.downloads,
                fetched_at: holder.fetched_at,
            })
            .collect(),
        keys: info.keys.clone(),
        receipts: Vec::new(),
        box_id: info.box_id,
    }
}

impl Inner {
    pub(crate) async fn list_page(&self, paging: FilePaging) -> Result<FilePage> {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(paging.after.map(|after| ("after", after)));
        query.extend(paging.limit.map(|limit| ("limit", limit.to_string())));
        query.extend(paging.into_box.map(|id| ("box", id.to_string())));
        self.call(|server| server.request(Method::GET, &with_query(paths::FILES, &query))).await
    }

    /// When a file of that id ends, if the server shows one to oneself.
    pub(crate) async fn ends(&self, file_id: FileId) -> Result<Option<i64>> {
        let path = paths::fill(paths::FILE, &[&file_id]);
        match self.call::<FileInfo>(|server| server.request(Method::GET, &path)).await {
            Ok(info) => Ok(Some(info.expires_at)),
            Err(Error::NotFound | Error::Expired) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn delete_upload(&self, file_id: FileId) -> Result<()> {
        let path = paths::fill(paths::UPLOAD, &[&file_id]);
        match self.authed(|server| server.request(Method::DELETE, &path)).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) if error.code() == Some(proto::Code::UploadEnded) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn drop_grant(&self, file_id: FileId, user: UserId) -> Result<()> {
        let path = paths::fill(paths::GRANT, &[&file_id, &user]);
        self.authed(|server| server.request(Method::DELETE, &path)).await.map(drop)
    }

    /// Fetches a file's signed parts and opens them; whoever is not who they were stops it.
    pub(crate) async fn file(&self, opener: Opener<'_>, file_id: FileId) -> Result<OpenFileInfo> {
        let (info, recipient) = self.file_info(opener, file_id).await?;
        if info.file_id != file_id {
            return Err(Error::NotAuthentic);
        }
        let file = self.open_info(opener, info, recipient, true).await?;
        let mut seen = Seen::load(&self.home)?;
        if !seen.accept(&file.manifest) {
            return Err(Error::NotAuthentic);
        }
        self.remember(&seen).await?;
        Ok(file)
    }

    pub(crate) async fn remember(&self, seen: &Seen) -> Result<()> {
        if !seen.is_changed() {
            return Ok(());
        }
        let _lock = self.lock(crate::contacts::LOCK).await?;
        seen.save(&self.home)
    }

    /// The format's reading order, up to the metadata. `strict`: a contact with other keys than pinned is an error
    /// and not a mark.
    pub(crate) async fn open_info(
        &self,
        opener: Opener<'_>,
        info: FileInfo,
        recipient: Option<RecipientId>,
        strict: bool,
    ) -> Result<OpenFileInfo> {
        let signed = SignedParts::parse(info)?;
        if signed.is_unsigned() {
            return signed.open_unsigned(opener);
        }
        let author = self.author_of(opener, &signed, strict).await?;
        let giver = self.giver(opener, &signed.info, &signed.grant, &author, strict).await?;
        signed.open(opener, author, giver, recipient)
    }

    /// Who signed, as far as their bundle is genuine.
    pub(crate) async fn author_of(
        &self,
        opener: Opener<'_>,
        signed: &SignedParts,
        strict: bool,
    ) -> Result<Signer> {
        let root = signed.manifest.author_root_id();
        match self.own_author(opener, root)? {
            Some(OwnRoot { key, address, retired }) => {
                let address = Some(address);
                let sender = Sender { address, root_id: root, trust: Trust::Own, retired_root: retired };
                Ok(Signer { key, newest: None, sender, judged: None })
            }
            None => {
                let by = (signed.info.author, signed.info.author_bundle.0.as_slice());
                self.signer(&self.own_address(opener)?, by, root, strict).await
            }
        }
    }
}
