//! Brings the keys, the bundle here and the bundle at the server together, or refuses.

use super::Unlocked;
use crate::account::Session;
use crate::client::Inner;
use crate::{Error, Result};
use envelope::Bundle;
use format::Identity;
use format::identity::BundleParams;
use proto::{B64, MyBundle, PublishBundle, Published, paths};
use reqwest::Method;

/// The newest bundle that the server is known to have.
pub(super) const BUNDLE: &str = "bundle.wxb";
/// Its successor, from the time it is made until the server has it.
const NEXT: &str = "bundle.next.wxb";

impl Inner {
    pub(crate) fn stored_bundle(&self) -> Result<Option<Bundle>> {
        self.bundle_in(BUNDLE)
    }

    fn bundle_in(&self, name: &str) -> Result<Option<Bundle>> {
        let Some(bytes) = self.home.read(name)? else { return Ok(None) };
        let damaged = |_| Error::HomeDamaged(self.home.path().join(name));
        Bundle::parse(bytes.as_slice()).map(Some).map_err(damaged)
    }

    /// What the server shows as the newest own bundle; checked by nobody yet.
    pub(super) async fn published_bundle(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.published().await?.map(|reply| reply.bundle.0))
    }

    async fn published(&self) -> Result<Option<MyBundle>> {
        match self.call(|server| server.request(Method::GET, paths::MY_BUNDLE)).await {
            Ok(reply) => Ok(Some(reply)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn publish(&self, bundle: &Bundle) -> Result<()> {
        let body = PublishBundle { bundle: B64(bundle.as_bytes().to_vec()) };
        let published: Published =
            self.call(|server| server.request(Method::PUT, paths::MY_BUNDLE).json(&body)).await?;
        if published.seq == bundle.seq() { Ok(()) } else { Err(Error::OwnKeysDiffer) }
    }

    /// The caller holds the lock of the keys.
    ///
    /// A rotation is written to the vault first and finished here, step by step, by whoever unlocks next: its bundle
    /// is made, kept, published, and only then takes the place of the one before.
    pub(super) async fn settle(&self, vault: format::vault::Unlocked, session: &Session) -> Result<Unlocked> {
        let stored = self.stored_bundle()?;
        let fits = |bundle: &Bundle| {
            vault.identity.matches(bundle)
                && bundle.user_id() == session.user_id
                && *bundle.address() == session.address
        };
        let (shown, reset) = match self.published().await? {
            Some(reply) => (Some(reply.bundle.0), reply.reset),
            None => (None, None),
        };
        if let Some(next) = self.next_bundle(&vault, stored.as_ref())? {
            if next.address() != &session.address {
                return Err(Error::OwnKeysDiffer);
            }
            let known = |bundle: Option<&Bundle>| bundle.map(Bundle::as_bytes) == shown.as_deref();
            if known(stored.as_ref()) {
                self.publish(&next).await?;
            } else if !known(Some(&next)) {
                return Err(Error::OwnKeysDiffer);
            }
            self.home.write(BUNDLE, next.as_bytes())?;
            self.home.remove(NEXT)?;
            return Ok(Unlocked { vault, bundle: next, reset: None });
        }
        if stored.as_ref().is_some_and(|bundle| !fits(bundle)) {
            return Err(Error::OwnKeysDiffer);
        }
        if let Some(bytes) = shown {
            let shown = Bundle::parse(bytes).ok().filter(fits).ok_or(Error::OwnKeysDiffer)?;
            match &stored {
                // An older one, or another one of the same number, was not made by these keys' owner just now.
                Some(here) if here.as_bytes() != shown.as_bytes() && here.seq() >= shown.seq() => {
                    return Err(Error::OwnKeysDiffer);
                }
                Some(here) if here.seq() == shown.seq() => {}
                _ => self.home.write(BUNDLE, shown.as_bytes())?,
            }
            return Ok(Unlocked { vault, bundle: shown, reset });
        }
        let bundle = match stored {
            Some(bundle) => bundle,
            None => {
                let bundle = self.first_bundle(&vault.identity, session)?;
                // Kept before it is published: a second, differing one of the same number would look like a forgery.
                self.home.write(BUNDLE, bundle.as_bytes())?;
                bundle
            }
        };
        self.publish(&bundle).await?;
        Ok(Unlocked { vault, bundle, reset: None })
    }

    /// The same without a server: what a rotation left undone stays to be published, and counts already.
    pub(super) fn settle_offline(&self, vault: format::vault::Unlocked) -> Result<Unlocked> {
        let stored = self.stored_bundle()?.ok_or(Error::NeverPublished)?;
        let bundle = self.next_bundle(&vault, Some(&stored))?.unwrap_or(stored);
        if vault.identity.matches(&bundle) && bundle.user_id() == vault.user_id {
            Ok(Unlocked { vault, bundle, reset: None })
        } else {
            Err(Error::OwnKeysDiffer)
        }
    }

    /// The bundle of keys that were rotated and are not published yet, if that is how things stand: made at most
    /// once and kept, so that the same bytes are published however often it takes.
    fn next_bundle(
        &self,
        vault: &format::vault::Unlocked,
        stored: Option<&Bundle>,
    ) -> Result<Option<Bundle>> {
        let rotated =
            stored.filter(|stored| stored.user_id() == vault.user_id && vault.identity.succeeds(stored));
        let Some(stored) = rotated else {
            self.home.remove(NEXT)?;
            return Ok(None);
        };
        if let Some(next) = self.bundle_in(NEXT)?
            && vault.identity.matches(&next)
            && next.follows(stored).is_ok()
        {
            return Ok(Some(next));
        }
        let now = u64::try_from(self.now()).unwrap_or(0);
        let next = vault
            .identity
            .next_bundle(stored, now)
            .map_err(|_| Error::Internal("the rotated keys do not fit into a bundle"))?;
        self.home.write(NEXT, next.as_bytes())?;
        Ok(Some(next))
    }

    fn first_bundle(&self, identity: &Identity, session: &Session) -> Result<Bundle> {
        let params = BundleParams {
            user_id: session.user_id,
            address: session.address.clone(),
            seq: 1,
            prev_hash: [0; 32],
            created: u64::try_from(self.now()).unwrap_or(0),
            min_format: 1,
        };
        identity.bundle(&params).map_err(|_| Error::Internal("fresh keys do not fit into a bundle"))
    }
}
