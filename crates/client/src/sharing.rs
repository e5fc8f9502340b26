//! After sharing: more people, another name, other limits, and the end of it all. Content is never touched.

use crate::files::{OpenFileInfo, Trust};
use crate::http::retrying;
use crate::keys::Unlocked;
use crate::opener::Opener;
use crate::pins::Pins;
use crate::seen::Seen;
use crate::send::each_once;
use crate::{Address, Cancel, Client, Error, FileId, Progress, Quiet, Result, RsaPublicKey, UserId};
use envelope::Suite;
use format::FileName;
use format::grant::{RecipientKey, SealGrant, seal_grants};
use format::manifest::rename;
use proto::limits::EXPIRY_MAX_SECONDS;
use proto::{B64, ChangeFile, FileInfo, GrantTo, Rename, Share, Shared, paths};
use reqwest::Method;

/// Who else is to have a file.
#[derive(Clone, Debug, Default)]
pub struct ShareWith {
    /// People.
    pub to: Vec<Address>,
    /// Bare RSA keys; only the sender gives to these.
    pub to_keys: Vec<RsaPublicKey>,
}

/// What came of sharing a file further.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedFile {
    /// People who may open it now and could not before.
    pub added: Vec<Address>,
    /// People who could before; nothing changed for them.
    pub already: Vec<Address>,
    /// Bare keys that were added.
    pub added_keys: usize,
    /// Bare keys that had access before.
    pub already_keys: usize,
    /// People whom the server took and does not show among those with access: it may have dropped them.
    pub missing: Vec<Address>,
    /// Whether one was given the file oneself: then this passed it on.
    pub passed_on: bool,
}

/// What stopping took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// People.
    pub people: u32,
    /// Bare keys.
    pub keys: u32,
    /// Links.
    pub links: u32,
}

/// The limits of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileTerms {
    /// Unix seconds at which it ends.
    pub expires_at: i64,
    /// Downloads by others so far.
    pub downloads: u32,
    /// Downloads by others before it closes.
    pub max_downloads: Option<u32>,
}

impl Client {
    /// Gives a file to more people: as its sender, or passing on what one was given. What is signed says which of the two.
    ///
    /// # Errors
    /// [`Error::NotSigned`], [`Error::BareKeyPassing`], [`Error::NoRecipients`], and those of [`Client::info`] and
    /// [`Client::lookup`]: then nobody was added.
    pub async fn share(
        &self,
        me: &Unlocked,
        file_id: FileId,
        with: ShareWith,
        progress: &dyn Progress,
    ) -> Result<SharedFile> {
        let inner = &self.inner;
        let file = inner.file(Opener::Person(me), file_id).await?;
        if file.manifest.suite() != Suite::Signed {
            return Err(Error::NotSigned);
        }
        let passed_on = file.sender.trust != Trust::Own;
        let keys = each_once(with.to_keys);
        if passed_on && (!keys.is_empty() || file.recipient.is_some()) {
            return Err(Error::BareKeyPassing);
        }
        let recipients = self.recipients(me, &with.to, keys.len(), progress).await?;
        let mut told = SharedFile { passed_on, ..SharedFile::default() };
        if with.to.contains(me.address()) {
            told.already.push(me.address().clone());
        }
        let mut to = Vec::with_capacity(recipients.len() + keys.len());
        for checked in &recipients {
            to.push((Some(checked.bundle.user_id()), inner.key_of(&checked.bundle)?));
        }
        to.extend(keys.iter().map(|key| (None, RecipientKey::rsa(None, key))));
        if to.is_empty() {
            return Ok(told);
        }
        let request = Share { grants: tokio::task::block_in_place(|| seal(me, &file, to))? };
        let path = paths::fill(paths::GRANTS, &[&file_id]);
        // The same request again changes nothing, so that one whose answer was lost is simply repeated.
        let shared: Shared = retrying(inner.options.retry_for, progress, &Cancel::new(), || {
            inner.call(|server| server.request(Method::POST, &path).json(&request))
        })
        .await?;
        told.already_keys = shared.already_keys.len().min(keys.len());
        told.added_keys = keys.len() - told.already_keys;
        let there = if passed_on { None } else { Some(self.holders(file_id).await?) };
        for checked in recipients {
            let (user, address) = (checked.bundle.user_id(), checked.contact.address);
            if there.as_ref().is_some_and(|there| !there.contains(&user)) {
                told.missing.push(address);
            } else if shared.already.contains(&user) {
                told.already.push(address);
            } else {
                told.added.push(address);
            }
        }
        Ok(told)
    }

    /// Ends every other's access to a file that one has sent, all links to it, and downloads that have leave already. The file
    /// stays for oneself; what was fetched stays with who fetched it.
    ///
    /// # Errors
    /// [`Error::NotTheSender`], [`Error::NotFound`], [`Error::Expired`].
    pub async fn stop_sharing(&self, file_id: FileId) -> Result<Stopped> {
        let path = paths::fill(paths::STOP, &[&file_id]);
        let stopped: proto::Stopped = self.only_the_sender(Method::POST, &path, None::<&()>).await?;
        Ok(Stopped { people: stopped.people, keys: stopped.keys, links: stopped.links })
    }

    /// Gives a file that one has sent another name, as its next revision; who has access keeps it and sees the new name. The
    /// name before.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::NotTheSender`], [`Error::NotSigned`], those of [`Client::info`], and
    /// [`Error::RenamedElsewhere`].
    pub async fn rename(&self, me: &Unlocked, file_id: FileId, name: &str) -> Result<String> {
        let name = FileName::parse(name).map_err(|_| Error::BadName("1 to 255 bytes, without / and \\"))?;
        let inner = &self.inner;
        let file = inner.file(Opener::Person(me), file_id).await?;
        if file.manifest.suite() != Suite::Signed {
            return Err(Error::NotSigned);
        }
        if file.sender.trust != Trust::Own {
            return Err(Error::NotTheSender);
        }
        let before = &file.opened.metadata;
        if before.name == name {
            return Ok(name.as_str().to_owned());
        }
        // The content id names the root that signed first; that one may be retired by now, and the vault keeps it.
        let root = me.vault.identity.root_pair(file.manifest.author_root_id()).ok_or(Error::NotTheSender)?;
        let renamed = rename(&file.manifest, &file.opened.fk, root, name, before.media_type.clone())
            .map_err(|_| Error::Internal("a new manifest could not be sealed"))?;
        let request = Rename { manifest: B64(renamed.as_bytes().to_vec()) };
        let path = paths::fill(paths::MANIFEST, &[&file_id]);
        retrying(inner.options.retry_for, &Quiet, &Cancel::new(), || async {
            inner.authed(|server| server.request(Method::PUT, &path).json(&request)).await.map(drop)
        })
        .await
        .map_err(|error| match error.code() {
            Some(proto::Code::Conflict) => Error::RenamedElsewhere,
            _ => error,
        })?;
        // From here on the older one is not taken from the server again.
        let mut seen = Seen::load(&inner.home)?;
        seen.accept(&renamed);
        inner.remember(&seen).await?;
        Ok(before.name.as_str().to_owned())
    }

    /// Sets both limits of a file that one has sent anew: `expires_at` in unix seconds, at most 366 days after it was sent;
    /// `max_downloads` with those so far. The files of a folder end with it.
    ///
    /// # Errors
    /// [`Error::BadLimit`], [`Error::NotTheSender`], [`Error::NotFound`], [`Error::Expired`].
    pub async fn change_file(
        &self,
        file_id: FileId,
        expires_at: i64,
        max_downloads: Option<u32>,
    ) -> Result<FileTerms> {
        if max_downloads == Some(0) {
            return Err(Error::BadLimit("a download limit of 0 would close the file at once"));
        }
        let path = paths::fill(paths::TERMS, &[&file_id]);
        let request = ChangeFile { expires_at, max_downloads };
        let changed: proto::FileTerms = self.only_the_sender(Method::PUT, &path, Some(&request)).await?;
        Ok(FileTerms {
            expires_at: changed.expires_at,
            downloads: changed.downloads,
            max_downloads: changed.max_downloads,
        })
    }

    /// The limits of a file that one has sent, and the latest time at which it may end.
    ///
    /// # Errors
    /// [`Error::NotTheSender`], and those of [`Client::info`].
    pub async fn file_terms(&self, me: &Unlocked, file_id: FileId) -> Result<(FileTerms, i64)> {
        let file = self.inner.file(Opener::Person(me), file_id).await?;
        if file.info.role != proto::Role::Author {
            return Err(Error::NotTheSender);
        }
        let FileInfo { expires_at, downloads, max_downloads, created, .. } = file.info;
        Ok((FileTerms { expires_at, downloads, max_downloads }, created.saturating_add(EXPIRY_MAX_SECONDS)))
    }

    async fn only_the_sender<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl serde::Serialize + Sync)>,
    ) -> Result<T> {
        let inner = &self.inner;
        let cancel = Cancel::new();
        let answer = retrying(inner.options.retry_for, &Quiet, &cancel, || {
            inner.call(|server| {
                let request = server.request(method.clone(), path);
                match body {
                    Some(body) => request.json(body),
                    None => request,
                }
            })
        });
        answer.await.map_err(|error| match error.code() {
            Some(proto::Code::Forbidden) => Error::NotTheSender,
            _ => error,
        })
    }

    /// Whom the server shows as having access to one's own file.
    async fn holders(&self, file_id: FileId) -> Result<Vec<UserId>> {
        let path = paths::fill(paths::FILE, &[&file_id]);
        let info: FileInfo = self.inner.call(|server| server.request(Method::GET, &path)).await?;
        Ok(info.recipients.iter().map(|holder| holder.user_id).collect())
    }

    /// Of people who hold access to one's own file, those to whom `user` passed it on, by address where it is known.
    ///
    /// # Errors
    /// Those of [`Client::lookup`].
    pub async fn passed_on_by(&self, file_id: FileId, user: UserId) -> Result<Vec<crate::Holder>> {
        let path = paths::fill(paths::FILE, &[&file_id]);
        let info: FileInfo = self.inner.call(|server| server.request(Method::GET, &path)).await?;
        let pins = Pins::load(&self.inner.home)?;
        let theirs = info.recipients.iter().filter(|holder| holder.given_by == Some(user));
        let known = |user_id: UserId| crate::Holder { user_id, address: pins.address_of(user_id).cloned() };
        Ok(theirs.map(|holder| known(holder.user_id)).collect())
    }
}

/// Grants by one's present root. They ask for the revision that is there, so that no earlier name goes with them, and end no
/// later than the grant that they come from.
fn seal(me: &Unlocked, file: &OpenFileInfo, to: Vec<(Option<UserId>, RecipientKey)>) -> Result<Vec<GrantTo>> {
    let seal = SealGrant {
        fk: &file.opened.fk,
        manifest: &file.manifest,
        grantor: Some(me.vault.identity.root()),
        min_revision: file.manifest.revision(),
        not_after: file.grant.not_after(),
    };
    let (users, keys): (Vec<_>, Vec<_>) = to.into_iter().unzip();
    let grants = seal_grants(&seal, &keys).map_err(|_| Error::Internal("a grant could not be sealed"))?;
    let grants = grants.iter().map(|grant| B64(grant.as_bytes().to_vec()));
    Ok(users.into_iter().zip(grants).map(|(user_id, grant)| GrantTo { user_id, grant }).collect())
}
