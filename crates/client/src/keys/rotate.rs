//! New keys in the place of the present ones, which are kept so that old files open.

use super::change::cannot_seal;
use super::{LOCK, Unlocked, secrets, strong};
use crate::{Client, Error, Result, VaultKey};
use format::vault::{reseal_vault, seal_vault};
use format::{Passphrase, RecoveryPhrase};

impl Client {
    /// Replaces the root and the encryption key. The old root signs the new one over, so that contacts follow; the key
    /// file gets a new key of its own, which `passphrase` and `phrase` open and nothing from before. Old keys stay in it.
    ///
    /// The key file with both is on disk before anything is published; whatever stops this afterwards, the next
    /// unlocking goes on. Old copies of the key file open with what opened them, and hold the old keys only.
    ///
    /// # Errors
    /// [`Error::PassphraseTooWeak`], [`Error::KeysChangedMeanwhile`]: nothing happened. Others: the new keys are on disk,
    /// and publishing them is what [`Client::unlock`] does first.
    pub async fn rotate(
        &self,
        me: &Unlocked,
        passphrase: &Passphrase,
        phrase: Option<&RecoveryPhrase>,
    ) -> Result<Unlocked> {
        strong(passphrase)?;
        let inner = &self.inner;
        let session = inner.stored_session()?.ok_or(Error::NotSignedIn)?;
        let _lock = inner.lock(LOCK).await?;
        let (_, mut unlocked) = inner.reopen(me)?;
        unlocked.identity.rotate();
        unlocked.identity.set_pins_version(inner.shared_version(unlocked.user_id)?);
        unlocked.vault_key = VaultKey::generate();
        unlocked.version = inner.next_version(unlocked.user_id)?;
        let vault = tokio::task::block_in_place(|| {
            let secrets = secrets(passphrase, phrase);
            seal_vault(&unlocked.identity, &unlocked.vault_key, &secrets, unlocked.user_id, unlocked.version)
        })
        .map_err(|_| Error::Internal("the rotated keys do not fit into a vault"))?;
        inner.store_vault(&vault)?;
        inner.settle(unlocked, &session).await
    }

    /// Replaces the encryption key alone: the root, the passphrase, the recovery phrase and every safety number stay.
    ///
    /// # Errors
    /// As [`Client::rotate`].
    pub async fn rotate_encryption(&self, me: &Unlocked) -> Result<Unlocked> {
        let inner = &self.inner;
        let session = inner.stored_session()?.ok_or(Error::NotSignedIn)?;
        let _lock = inner.lock(LOCK).await?;
        let (old, mut unlocked) = inner.reopen(me)?;
        unlocked.identity.rotate_xwing();
        unlocked.identity.set_pins_version(inner.shared_version(unlocked.user_id)?);
        unlocked.version = inner.next_version(unlocked.user_id)?;
        inner.store_vault(&reseal_vault(&old, &unlocked, unlocked.version).map_err(cannot_seal)?)?;
        inner.settle(unlocked, &session).await
    }
}
