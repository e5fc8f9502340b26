//! One's own keys: made, sealed to disk, published, unlocked, recovered, changed and replaced.

mod backup;
mod change;
mod reset;
mod rewrap;
mod rotate;
mod settle;
mod store;

use crate::client::Inner;
use crate::{Address, Client, Error, Result, RootId, RsaPrivateKey, RsaPublicKey, UserId, VaultKey};
pub use backup::{BackupState, KeptKeyFile, RestoreWith};
use envelope::Bundle;
use format::passphrase::{MIN_SCORE_LOCAL, Passphrase, strength};
use format::vault::{open_vault, open_vault_with_key, reseal_vault, seal_vault};
use format::{Identity, OpenError, RecoveryPhrase, VaultSecret};
use proto::PendingReset;
pub use rewrap::Rewrapped;
use std::fmt;

const LOCK: &str = "keys.lock";

/// Whether keys are on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysState {
    /// None.
    None,
    /// Sealed on disk, made for this account.
    OnDisk {
        /// Whose.
        user_id: UserId,
    },
}

/// Keys in memory, compared with what the server shows. Wiped when dropped; `Debug` shows the root id only.
pub struct Unlocked {
    pub(crate) vault: format::vault::Unlocked,
    pub(crate) bundle: Bundle,
    /// Somebody has asked for other keys.
    pub(crate) reset: Option<PendingReset>,
}

impl Unlocked {
    /// Account.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.vault.user_id
    }

    /// Own address.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.bundle.address()
    }

    /// Own root.
    #[must_use]
    pub fn root_id(&self) -> RootId {
        self.bundle.root_id()
    }

    /// The X-Wing public key that files are sealed to, 1216 bytes.
    #[must_use]
    pub fn xwing_public(&self) -> &[u8] {
        self.vault.identity.xwing_public()
    }

    /// Whether there are RSA keys among one's own.
    #[must_use]
    pub fn has_rsa_keys(&self) -> bool {
        self.vault.identity.rsa_keys().next().is_some()
    }

    /// Unix seconds from which other keys take the place of these, which somebody with the mailbox asked for. As the server
    /// said when these were unlocked.
    #[must_use]
    pub fn reset_due(&self) -> Option<i64> {
        self.reset.as_ref().map(|reset| reset.due)
    }

    /// The RSA keys of the vault, newest first.
    pub fn rsa_keys(&self) -> impl Iterator<Item = &RsaPublicKey> {
        self.vault.identity.rsa_keys().map(RsaPrivateKey::public)
    }

    /// For an agent that spares the passphrase: good for [`Client::unlock_with_key`].
    #[must_use]
    pub fn vault_key(&self) -> &VaultKey {
        &self.vault.vault_key
    }
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unlocked").field("root_id", &self.root_id()).finish_non_exhaustive()
    }
}

impl Client {
    /// Whether keys are on this machine; no network.
    pub fn keys_state(&self) -> Result<KeysState> {
        Ok(match self.inner.vault_layout()? {
            None => KeysState::None,
            Some(layout) => KeysState::OnDisk { user_id: layout.user_id() },
        })
    }

    /// Makes keys: sealed to disk first, then the public half is published.
    ///
    /// # Errors
    /// [`Error::KeysExist`], [`Error::KeysElsewhere`] if the account has published keys that are not here,
    /// [`Error::PassphraseTooWeak`]. `phrase` opens the keys as well, when the passphrase is forgotten. If publishing fails the keys are kept and [`Client::unlock`] publishes them.
    pub async fn create_keys(
        &self,
        passphrase: &Passphrase,
        phrase: Option<&RecoveryPhrase>,
    ) -> Result<Unlocked> {
        let inner = &self.inner;
        let session = inner.stored_session()?.ok_or(Error::NotSignedIn)?;
        strong(passphrase)?;
        let _lock = inner.lock(LOCK).await?;
        if inner.vault_layout()?.is_some() {
            return Err(Error::KeysExist);
        }
        if inner.published_bundle().await?.is_some() {
            return Err(Error::KeysElsewhere);
        }
        let (identity, vault_key) = (Identity::generate(), VaultKey::generate());
        let (user_id, version) = (session.user_id, inner.next_version(session.user_id)?);
        let vault = tokio::task::block_in_place(|| {
            seal_vault(&identity, &vault_key, &secrets(passphrase, phrase), user_id, version)
        })
        .map_err(|_| Error::Internal("fresh keys do not fit into a vault"))?;
        inner.store_vault(&vault)?;
        let unlocked = format::vault::Unlocked { identity, vault_key, user_id, version };
        inner.settle(unlocked, &session).await
    }

    /// Opens the keys on this machine and compares them with what the server shows for this account.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::WrongPassphrase`], [`Error::OtherAccount`], [`Error::OwnKeysDiffer`],
    /// [`Error::OlderKeys`]. What a rotation left undone is done first.
    pub async fn unlock(&self, passphrase: &Passphrase) -> Result<Unlocked> {
        self.inner.unlock(|vault| open_vault(vault, VaultSecret::Passphrase(passphrase))).await
    }

    /// The same with the vault key that an agent kept ([`Unlocked::vault_key`]).
    pub async fn unlock_with_key(&self, key: &VaultKey) -> Result<Unlocked> {
        self.inner.unlock(|vault| open_vault_with_key(vault, key)).await
    }

    /// Opens the keys on this machine and compares them with the own bundle on this machine. No network and no
    /// session are needed; what the server shows meanwhile is looked at by the next [`Client::unlock`]. Blocks for
    /// the few tenths of a second that the passphrase takes.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::WrongPassphrase`], [`Error::OwnKeysDiffer`], [`Error::OlderKeys`],
    /// [`Error::NeverPublished`].
    pub fn unlock_offline(&self, passphrase: &Passphrase) -> Result<Unlocked> {
        self.inner.unlock_offline(|vault| open_vault(vault, VaultSecret::Passphrase(passphrase)))
    }

    /// The same with the vault key that an agent kept ([`Unlocked::vault_key`]).
    pub fn unlock_offline_with_key(&self, key: &VaultKey) -> Result<Unlocked> {
        self.inner.unlock_offline(|vault| open_vault_with_key(vault, key))
    }

    /// Puts an RSA key into the vault on this machine, so that files for it open without its file. Whether it was
    /// new; the passphrase stays, and no network is needed.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::KeysChangedMeanwhile`] if the vault was replaced since it was unlocked.
    pub async fn add_rsa_key(&self, me: &mut Unlocked, key: RsaPrivateKey) -> Result<bool> {
        let inner = &self.inner;
        let _lock = inner.lock(LOCK).await?;
        // What lies there now and not what was unlocked some time ago: nothing added meanwhile is lost.
        let (old, mut there) = inner.reopen(me)?;
        if !there.identity.add_rsa(key) {
            return Ok(false);
        }
        there.version = inner.next_version(there.user_id)?;
        let sealed = reseal_vault(&old, &there, there.version)
            .map_err(|_| Error::Internal("the vault holds as much as it can"))?;
        inner.store_vault(&sealed)?;
        me.vault = there;
        Ok(true)
    }

    /// Publishes the own bundle (again); the same bytes again change nothing.
    pub async fn publish_own_bundle(&self, me: &Unlocked) -> Result<()> {
        self.inner.publish(&me.bundle).await
    }

    /// The own newest bundle, to hand to somebody by another way; no network.
    pub fn own_bundle(&self) -> Result<Vec<u8>> {
        Ok(self.inner.stored_bundle()?.ok_or(Error::NoKeys)?.as_bytes().to_vec())
    }
}

impl Inner {
    /// Own root, if there are keys here; no network.
    pub(crate) fn own_root(&self) -> Result<Option<RootId>> {
        Ok(self.stored_bundle()?.map(|bundle| bundle.root_id()))
    }

    async fn unlock(
        &self,
        open: impl FnOnce(&[u8]) -> Result<format::vault::Unlocked, OpenError>,
    ) -> Result<Unlocked> {
        let session = self.stored_session()?.ok_or(Error::NotSignedIn)?;
        let unlocked = tokio::task::block_in_place(|| self.open_stored(open))?;
        if unlocked.user_id != session.user_id {
            return Err(Error::OtherAccount);
        }
        let _lock = self.lock(LOCK).await?;
        self.still(&unlocked)?;
        self.settle(unlocked, &session).await
    }

    fn unlock_offline(
        &self,
        open: impl FnOnce(&[u8]) -> Result<format::vault::Unlocked, OpenError>,
    ) -> Result<Unlocked> {
        let vault = self.open_stored(open)?;
        let _lock = self.home.lock(LOCK)?;
        self.still(&vault)?;
        self.settle_offline(vault)
    }

    /// Whether the vault on disk is the one that was opened before the lock was there.
    fn still(&self, unlocked: &format::vault::Unlocked) -> Result<()> {
        match self.vault_layout()? {
            Some(layout) if layout.version() == unlocked.version => Ok(()),
            _ => Err(Error::KeysChangedMeanwhile),
        }
    }

    /// Opens the vault on this machine, unless it is an older one than was here before.
    fn open_stored(
        &self,
        open: impl FnOnce(&[u8]) -> Result<format::vault::Unlocked, OpenError>,
    ) -> Result<format::vault::Unlocked> {
        let vault = self.vault()?.ok_or(Error::NoKeys)?;
        let unlocked = open(&vault).map_err(|error| match error {
            OpenError::Malformed(_) => self.damaged_vault(),
            _ => Error::WrongPassphrase,
        })?;
        self.not_older(&unlocked)?;
        Ok(unlocked)
    }

    /// The vault on disk once more, for a change; the caller holds the lock of the keys.
    fn reopen(&self, me: &Unlocked) -> Result<(Vec<u8>, format::vault::Unlocked)> {
        let vault = self.vault()?.ok_or(Error::NoKeys)?;
        let unlocked =
            open_vault_with_key(&vault, me.vault_key()).map_err(|_| Error::KeysChangedMeanwhile)?;
        if unlocked.user_id != me.user_id() {
            return Err(Error::KeysChangedMeanwhile);
        }
        self.not_older(&unlocked)?;
        Ok((vault.to_vec(), unlocked))
    }
}

fn strong(passphrase: &Passphrase) -> Result<()> {
    if strength(passphrase) < MIN_SCORE_LOCAL { Err(Error::PassphraseTooWeak) } else { Ok(()) }
}

fn secrets<'a>(passphrase: &'a Passphrase, phrase: Option<&'a RecoveryPhrase>) -> Vec<VaultSecret<'a>> {
    let mut secrets = vec![VaultSecret::Passphrase(passphrase)];
    secrets.extend(phrase.map(VaultSecret::Phrase));
    secrets
}
