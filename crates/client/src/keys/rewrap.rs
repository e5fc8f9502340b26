//! After a rotation: the keys of one's files, wrapped to the present encryption key.

use super::Unlocked;
use crate::client::Inner;
use crate::files::{OpenFileInfo, with_query};
use crate::opener::Opener;
use crate::{Cancel, Class, Client, Error, FileId, Phase, Progress, Result};
use envelope::{Grant, Wrap};
use format::grant::{RecipientKey, SealGrant, seal_grant};
use proto::{B64, Code, FileInfo, FilePage, ReplaceGrant, limits, paths};
use reqwest::Method;

/// What became of one's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Files that are wrapped to the present key now.
    pub done: u64,
    /// Files that were before, or that no X-Wing key of one's own opens.
    pub already: u64,
    /// Files that do not verify: nothing was signed for them.
    pub refused: Vec<FileId>,
}

impl Client {
    /// Goes through all files and wraps the keys of those that a retired key opens to the present one. The retired keys
    /// are kept. Stopped in the middle, the next call does what is left; what is done is not done again.
    ///
    /// # Errors
    /// [`Error::Interrupted`], and whatever keeps the server from being asked.
    pub async fn rewrap(&self, me: &Unlocked, progress: &dyn Progress, cancel: &Cancel) -> Result<Rewrapped> {
        let mut told = Rewrapped::default();
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("limit", limits::PAGE_MAX.to_string())];
            query.extend(after.map(|after| ("after", after)));
            let page: FilePage = self
                .inner
                .call(|server| server.request(Method::GET, &with_query(paths::FILES, &query)))
                .await?;
            for info in page.files {
                if cancel.is_cancelled() {
                    return Err(Error::Interrupted);
                }
                let file_id = info.file_id;
                match self.inner.rewrap_one(me, info).await {
                    Ok(true) => told.done += 1,
                    Ok(false) => told.already += 1,
                    Err(error) if matches!(error.class(), Class::Authentication | Class::Identity) => {
                        told.refused.push(file_id);
                    }
                    // It ended, or was taken back, while we went through the list.
                    Err(Error::NotFound | Error::Expired) => {}
                    Err(error) => return Err(error),
                }
                progress.progress(Phase::Rewrapping, told.done + told.already, None);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(told),
            }
        }
    }
}

impl Inner {
    /// `false` if there is nothing to do.
    async fn rewrap_one(&self, me: &Unlocked, info: FileInfo) -> Result<bool> {
        let identity = &me.vault.identity;
        let grant = Grant::parse(info.grant.0.as_slice()).map_err(|_| Error::NotAuthentic)?;
        if grant.wrap() != Wrap::XWing || grant.recipient_id() == identity.recipient_id() {
            return Ok(false);
        }
        let path = paths::fill(paths::MY_GRANT, &[&info.file_id]);
        let file = self.open_info(Opener::Person(me), info, None, false).await?;
        let sealed = tokio::task::block_in_place(|| seal_anew(me, &file))?;
        let body = ReplaceGrant { grant: B64(sealed.as_bytes().to_vec()) };
        match self.authed(|server| server.request(Method::PUT, &path).json(&body)).await {
            Ok(_) => Ok(true),
            // Another process of this person was there first: it wrapped to the same key.
            Err(error) if error.code() == Some(Code::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The same file key for the present key; everything else of the grant stays.
fn seal_anew(me: &Unlocked, file: &OpenFileInfo) -> Result<Grant> {
    let identity = &me.vault.identity;
    let failed = |_| Error::Internal("a grant to oneself could not be sealed");
    let key = RecipientKey::xwing(Some(identity.root_id()), identity.xwing_public()).map_err(failed)?;
    let seal = SealGrant {
        fk: &file.opened.fk,
        manifest: &file.manifest,
        grantor: Some(identity.root()),
        min_revision: file.grant.min_revision(),
        not_after: file.grant.not_after(),
    };
    seal_grant(&seal, &key).map_err(failed)
}
