//! New keys for whoever has lost theirs, passphrase and phrase included. What was sealed to the lost ones stays closed.

use super::change::cannot_seal;
use super::settle::BUNDLE;
use super::{LOCK, Unlocked, secrets, strong};
use crate::client::Inner;
use crate::pins::Share;
use crate::{Client, Error, Result, VaultKey};
use envelope::Bundle;
use envelope::action::{KEEP_KEYS, keep_bytes};
use format::identity::BundleParams;
use format::vault::{open_vault, reseal_vault, seal_vault};
use format::{Identity, OpenError, Passphrase, RecoveryPhrase, VaultSecret};
use proto::{B64, PendingReset, PublishBundle, StopReset, paths};
use reqwest::Method;

/// The keys that are to take the place of the lost ones, and their bundle.
const NEXT_VAULT: &str = "vault.reset.wxv";
const NEXT_BUNDLE: &str = "bundle.reset.wxb";

impl Client {
    /// Makes new keys and asks the server for them, without the signature of the lost ones. They count after three
    /// days ([`Client::finish_reset`]), unless whoever holds the present keys objects. Returns the unix seconds from which
    /// they may. Called again it asks again for the keys that were made.
    ///
    /// # Errors
    /// [`Error::PassphraseTooWeak`], [`Error::NeverPublished`] if there are no keys to be replaced, [`Error::OwnKeysDiffer`].
    pub async fn begin_reset(&self, passphrase: &Passphrase, phrase: Option<&RecoveryPhrase>) -> Result<i64> {
        let inner = &self.inner;
        let session = inner.stored_session()?.ok_or(Error::NotSignedIn)?;
        strong(passphrase)?;
        let _lock = inner.lock(LOCK).await?;
        let shown = inner.published_bundle().await?.ok_or(Error::NeverPublished)?;
        let newest = Bundle::parse(shown).map_err(|_| Error::OwnKeysDiffer)?;
        if newest.user_id() != session.user_id || *newest.address() != session.address {
            return Err(Error::OwnKeysDiffer);
        }
        let (identity, vault_key) = (Identity::generate(), VaultKey::generate());
        let version = inner.next_version(session.user_id)?;
        let vault = tokio::task::block_in_place(|| {
            seal_vault(&identity, &vault_key, &secrets(passphrase, phrase), session.user_id, version)
        })
        .map_err(|_| Error::Internal("fresh keys do not fit into a vault"))?;
        let params = BundleParams {
            user_id: session.user_id,
            address: session.address.clone(),
            seq: newest.seq().checked_add(1).ok_or(Error::OwnKeysDiffer)?,
            prev_hash: newest.hash(),
            created: u64::try_from(inner.now()).unwrap_or(0),
            min_format: newest.min_format(),
        };
        let bundle =
            identity.bundle(&params).map_err(|_| Error::Internal("fresh keys do not fit into a bundle"))?;
        inner.home.write(NEXT_VAULT, &vault)?;
        inner.home.write(NEXT_BUNDLE, bundle.as_bytes())?;
        let body = PublishBundle { bundle: B64(bundle.as_bytes().to_vec()) };
        let pending: PendingReset =
            inner.call(|server| server.request(Method::POST, paths::RESET).json(&body)).await?;
        Ok(pending.due)
    }

    /// Whether new keys wait here for their time.
    pub fn reset_is_pending(&self) -> Result<bool> {
        Ok(self.inner.home.read(NEXT_BUNDLE)?.is_some())
    }

    /// Puts the new keys in the place of the lost ones, once three days have passed. The lost key file is kept beside
    /// the new one.
    ///
    /// # Errors
    /// A refusal while it is too early or after somebody objected; [`Error::WrongPassphrase`]. Nothing is changed then.
    pub async fn finish_reset(&self, passphrase: &Passphrase) -> Result<Unlocked> {
        let inner = &self.inner;
        inner.stored_session()?.ok_or(Error::NotSignedIn)?;
        let _lock = inner.lock(LOCK).await?;
        let (Some(vault), Some(bundle)) = (inner.home.read(NEXT_VAULT)?, inner.home.read(NEXT_BUNDLE)?)
        else {
            return Err(Error::NoKeys);
        };
        let damaged = || Error::HomeDamaged(inner.home.path().join(NEXT_BUNDLE));
        let bundle = Bundle::parse(bundle.as_slice()).map_err(|_| damaged())?;
        let opened = tokio::task::block_in_place(|| open_vault(&vault, VaultSecret::Passphrase(passphrase)));
        let mut unlocked = opened.map_err(|error| match error {
            OpenError::Malformed(_) => Error::HomeDamaged(inner.home.path().join(NEXT_VAULT)),
            _ => Error::WrongPassphrase,
        })?;
        if !unlocked.identity.matches(&bundle) {
            return Err(damaged());
        }
        inner.publish(&bundle).await?;
        let version = inner.next_version(unlocked.user_id)?;
        inner.store_vault(&reseal_vault(&vault, &unlocked, version).map_err(cannot_seal)?)?;
        unlocked.version = version;
        inner.home.write(BUNDLE, bundle.as_bytes())?;
        inner.forget_reset()?;
        let me = Unlocked { vault: unlocked, bundle, reset: None };
        drop(_lock);
        // The record of pins was sealed under the lost keys; what this device knows takes its place.
        self.share_contacts(&me, Share::Anew).await?;
        Ok(me)
    }

    /// Says that the keys stay, although new ones were asked for; or gives up the ones that wait here. Whether there was
    /// anything to stop.
    pub async fn stop_reset(&self, me: &Unlocked) -> Result<bool> {
        let Some(pending) = &me.reset else { return Ok(false) };
        let hash: [u8; 32] = pending.bundle_hash.0.as_slice().try_into().map_err(|_| Error::NotAuthentic)?;
        let proof = me.vault.identity.sign_action(KEEP_KEYS, &keep_bytes(&me.user_id(), &hash));
        let body = StopReset { bundle_hash: B64(hash.to_vec()), proof: B64(proof.as_bytes().to_vec()) };
        let stopped = self
            .inner
            .authed(|server| server.request(Method::POST, paths::RESET_STOP).json(&body))
            .await
            .map(|_| true);
        match stopped {
            Err(Error::NotFound) => Ok(false),
            outcome => outcome,
        }
    }

    /// Forgets new keys that wait here.
    pub fn forget_reset(&self) -> Result<()> {
        self.inner.forget_reset()
    }
}

impl Inner {
    fn forget_reset(&self) -> Result<()> {
        self.home.remove(NEXT_BUNDLE)?;
        self.home.remove(NEXT_VAULT)
    }
}
