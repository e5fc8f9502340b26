//! Links to one's own files: made, listed, changed, taken back. Opening one stands in [`visit`].

mod visit;

pub(crate) use visit::{Visit, linked_with};

use crate::http::retrying;
use crate::keys::Unlocked;
use crate::opener::Opener;
use crate::{Cancel, Client, Error, FileId, Passphrase, Quiet, Result};
use format::grant::{SealGrant, seal_link_grant};
use format::link::{LinkAddress, LinkSecret, link_id};
use proto::limits::EXPIRY_MAX_SECONDS;
use proto::{B64, ChangeLink, LinkId, LinkInfo, LinkList, MakeLink, paths};
use reqwest::Method;
use std::time::Duration;

/// What a link is to allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkLimits {
    /// How long it opens; absent: as long as the file.
    pub expires_in: Option<Duration>,
    /// Downloads before it closes; absent: no limit of its own.
    pub max_downloads: Option<u32>,
}

/// A link to one of one's own files, as the server remembers it. Its secret is known to whoever has the address alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which link.
    pub link_id: LinkId,
    /// To which file.
    pub file_id: FileId,
    /// Unix seconds: when it was made.
    pub created: i64,
    /// Unix seconds: when it ends, if before the file does.
    pub expires_at: Option<i64>,
    /// Unix seconds: when the file ends.
    pub file_expires_at: i64,
    /// Downloads by it.
    pub downloads: u32,
    /// Downloads before it closes.
    pub max_downloads: Option<u32>,
}

impl From<LinkInfo> for Link {
    fn from(info: LinkInfo) -> Self {
        Self {
            link_id: info.link_id,
            file_id: info.file_id,
            created: info.created,
            expires_at: info.expires_at,
            file_expires_at: info.file_expires_at,
            downloads: info.downloads,
            max_downloads: info.max_downloads,
        }
    }
}

impl Client {
    /// Makes a link to a file that one has sent. Whoever has the address, and the password if there is one, opens the
    /// file; the server is told neither. The address is given once and kept nowhere.
    ///
    /// # Errors
    /// [`Error::NotTheSender`], [`Error::BadLimit`], and those of [`Client::info`].
    pub async fn make_link(
        &self,
        me: &Unlocked,
        file_id: FileId,
        password: Option<&Passphrase>,
        limits: LinkLimits,
    ) -> Result<(LinkAddress, Link)> {
        let inner = &self.inner;
        let expires_in = check(limits)?;
        let server = inner.server()?;
        let file = inner.file(Opener::Person(me), file_id).await?;
        if file.info.role != proto::Role::Author {
            return Err(Error::NotTheSender);
        }
        let root = me.vault.identity.root();
        let (id, secret) = (link_id(), LinkSecret::generate());
        let address = LinkAddress::new(server.origin(), id, secret, password.is_some(), root.root_id())
            .map_err(|_| Error::ServerAddress(server.origin().to_owned()))?;
        let keys = tokio::task::block_in_place(|| address.keys(password));
        let seal = SealGrant {
            fk: &file.opened.fk,
            manifest: &file.manifest,
            grantor: Some(root),
            min_revision: file.manifest.revision(),
            not_after: 0,
        };
        let grant =
            seal_link_grant(&seal, &keys).map_err(|_| Error::Internal("a grant could not be sealed"))?;
        let request = MakeLink {
            link_id: id,
            file_id,
            public_key: B64(keys.public().as_bytes().to_vec()),
            grant: B64(grant.as_bytes().to_vec()),
            expires_in,
            max_downloads: limits.max_downloads,
        };
        // The same request again changes nothing, so that one whose answer was lost is simply repeated.
        let made: LinkInfo = retrying(inner.options.retry_for, &Quiet, &Cancel::new(), || {
            inner.call(|server| server.request(Method::POST, paths::LINKS).json(&request))
        })
        .await?;
        Ok((address, made.into()))
    }

    /// All links to one's own files, newest first.
    pub async fn links(&self) -> Result<Vec<Link>> {
        let list: LinkList = self.inner.call(|server| server.request(Method::GET, paths::LINKS)).await?;
        Ok(list.links.into_iter().map(Link::from).collect())
    }

    /// Sets both limits of a link anew: `expires_at` in unix seconds, absent: as long as the file.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such link of one's own.
    pub async fn change_link(
        &self,
        link: LinkId,
        expires_at: Option<i64>,
        max_downloads: Option<u32>,
    ) -> Result<Link> {
        let path = paths::fill(paths::LINK, &[&link]);
        let request = ChangeLink { expires_at, max_downloads };
        let changed: LinkInfo =
            self.inner.call(|server| server.request(Method::PUT, &path).json(&request)).await?;
        Ok(changed.into())
    }

    /// Takes a link back: the server opens it for nobody from now on. What was fetched stays with who fetched it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such link of one's own.
    pub async fn revoke_link(&self, link: LinkId) -> Result<()> {
        let path = paths::fill(paths::LINK, &[&link]);
        self.inner.authed(|server| server.request(Method::DELETE, &path)).await.map(drop)
    }
}

fn check(limits: LinkLimits) -> Result<Option<i64>> {
    if limits.max_downloads == Some(0) {
        return Err(Error::BadLimit("a download limit of 0 would close the link at once"));
    }
    let seconds = limits.expires_in.map(|time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    match seconds {
        Some(seconds) if !(1..=EXPIRY_MAX_SECONDS).contains(&seconds) => {
            Err(Error::BadLimit("a link opens for at least one second and at most 366 days"))
        }
        seconds => Ok(seconds),
    }
}
