//! One's own keys: made, sealed to disk, published, unlocked.

use crate::account::Session;
use crate::client::Inner;
use crate::{Address, Client, Error, Result, RootId, RsaPrivateKey, RsaPublicKey, UserId, VaultKey};
use envelope::Bundle;
use envelope::vault::VaultLayout;
use format::identity::BundleParams;
use format::passphrase::{MIN_SCORE_LOCAL, Passphrase, strength};
use format::vault::{open_vault, open_vault_with_key, reseal_vault, seal_vault};
use format::{Identity, OpenError, VaultSecret};
use proto::{B64, PublishBundle, Published, paths};
use reqwest::Method;
use std::fmt;

const VAULT: &str = "vault.wxv";
const BUNDLE: &str = "bundle.wxb";
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
        let Some(vault) = self.inner.home.read(VAULT)? else { return Ok(KeysState::None) };
        let layout = VaultLayout::parse(&vault).map_err(|_| self.inner.damaged_vault())?;
        Ok(KeysState::OnDisk { user_id: layout.user_id() })
    }

    /// Makes keys: sealed to disk first, then the public half is published.
    ///
    /// # Errors
    /// [`Error::KeysExist`], [`Error::KeysElsewhere`] if the account has published keys that are not here,
    /// [`Error::PassphraseTooWeak`]. If publishing fails the keys are kept and [`Client::unlock`] publishes them.
    pub async fn create_keys(&self, passphrase: &Passphrase) -> Result<Unlocked> {
        let inner = &self.inner;
        let session = inner.stored_session()?.ok_or(Error::NotSignedIn)?;
        if strength(passphrase) < MIN_SCORE_LOCAL {
            return Err(Error::PassphraseTooWeak);
        }
        let _lock = inner.lock(LOCK).await?;
        if inner.home.read(VAULT)?.is_some() {
            return Err(Error::KeysExist);
        }
        if inner.published_bundle().await?.is_some() {
            return Err(Error::KeysElsewhere);
        }
        let (identity, vault_key) = (Identity::generate(), VaultKey::generate());
        let (user_id, version) = (session.user_id, 1);
        let vault = tokio::task::block_in_place(|| {
            let secrets = [VaultSecret::Passphrase(passphrase)];
            seal_vault(&identity, &vault_key, &secrets, user_id, version)
        })
        .map_err(|_| Error::Internal("fresh keys do not fit into a vault"))?;
        inner.home.write(VAULT, &vault)?;
        let unlocked = format::vault::Unlocked { identity, vault_key, user_id, version };
        inner.settle(unlocked, &session).await
    }

    /// Opens the keys on this machine and compares them with what the server shows for this account.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::WrongPassphrase`], [`Error::OtherAccount`], [`Error::OwnKeysDiffer`].
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
    /// [`Error::NoKeys`], [`Error::WrongPassphrase`], [`Error::OwnKeysDiffer`], [`Error::NeverPublished`].
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
    /// [`Error::NoKeys`], [`Error::WrongPassphrase`] if the vault was replaced since it was unlocked.
    pub async fn add_rsa_key(&self, me: &mut Unlocked, key: RsaPrivateKey) -> Result<bool> {
        let inner = &self.inner;
        let _lock = inner.lock(LOCK).await?;
        let old = inner.home.read(VAULT)?.ok_or(Error::NoKeys)?;
        // What lies there now and not what was unlocked some time ago: nothing added meanwhile is lost.
        let mut there = inner.open_stored(|vault| open_vault_with_key(vault, me.vault_key()))?;
        if !there.identity.add_rsa(key) {
            return Ok(false);
        }
        let full = Error::Internal("the vault holds as much as it can");
        let Some(version) = there.version.checked_add(1) else { return Err(full) };
        let sealed = reseal_vault(&old, &there, version).map_err(|_| full)?;
        inner.home.write(VAULT, &sealed)?;
        there.version = version;
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
    fn damaged_vault(&self) -> Error {
        Error::HomeDamaged(self.home.path().join(VAULT))
    }

    pub(crate) fn stored_bundle(&self) -> Result<Option<Bundle>> {
        let Some(bytes) = self.home.read(BUNDLE)? else { return Ok(None) };
        let damaged = |_| Error::HomeDamaged(self.home.path().join(BUNDLE));
        Bundle::parse(bytes.as_slice()).map(Some).map_err(damaged)
    }

    /// Own root, if there are keys here; no network.
    pub(crate) fn own_root(&self) -> Result<Option<RootId>> {
        Ok(self.stored_bundle()?.map(|bundle| bundle.root_id()))
    }

    /// What the server shows as the newest own bundle; checked by nobody yet.
    async fn published_bundle(&self) -> Result<Option<Vec<u8>>> {
        match self.call::<PublishBundle>(|server| server.request(Method::GET, paths::MY_BUNDLE)).await {
            Ok(reply) => Ok(Some(reply.bundle.0)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn publish(&self, bundle: &Bundle) -> Result<()> {
        let body = PublishBundle { bundle: B64(bundle.as_bytes().to_vec()) };
        let published: Published =
            self.call(|server| server.request(Method::PUT, paths::MY_BUNDLE).json(&body)).await?;
        if published.seq == bundle.seq() { Ok(()) } else { Err(Error::OwnKeysDiffer) }
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
        self.settle(unlocked, &session).await
    }

    fn unlock_offline(
        &self,
        open: impl FnOnce(&[u8]) -> Result<format::vault::Unlocked, OpenError>,
    ) -> Result<Unlocked> {
        let vault = self.open_stored(open)?;
        let bundle = self.stored_bundle()?.ok_or(Error::NeverPublished)?;
        if bundle.verify().is_ok() && vault.identity.matches(&bundle) && bundle.user_id() == vault.user_id {
            Ok(Unlocked { vault, bundle })
        } else {
            Err(Error::OwnKeysDiffer)
        }
    }

    fn open_stored(
        &self,
        open: impl FnOnce(&[u8]) -> Result<format::vault::Unlocked, OpenError>,
    ) -> Result<format::vault::Unlocked> {
        let vault = self.home.read(VAULT)?.ok_or(Error::NoKeys)?;
        open(&vault).map_err(|error| match error {
            OpenError::Malformed(_) => self.damaged_vault(),
            _ => Error::WrongPassphrase,
        })
    }

    /// Brings keys, the bundle here and the bundle at the server together, or refuses.
    async fn settle(&self, vault: format::vault::Unlocked, session: &Session) -> Result<Unlocked> {
        let stored = self.stored_bundle()?;
        let fits = |bundle: &Bundle| {
            bundle.verify().is_ok()
                && vault.identity.matches(bundle)
                && bundle.user_id() == session.user_id
                && *bundle.address() == session.address
        };
        if stored.as_ref().is_some_and(|bundle| !fits(bundle)) {
            return Err(Error::OwnKeysDiffer);
        }
        if let Some(bytes) = self.published_bundle().await? {
            let shown = Bundle::parse(bytes).ok().filter(fits).ok_or(Error::OwnKeysDiffer)?;
            match &stored {
                // An older one, or another one of the same number, was not made by these keys' owner just now.
                Some(here) if here.as_bytes() != shown.as_bytes() && here.seq() >= shown.seq() => {
                    return Err(Error::OwnKeysDiffer);
                }
                Some(here) if here.seq() == shown.seq() => {}
                _ => self.home.write(BUNDLE, shown.as_bytes())?,
            }
            return Ok(Unlocked { vault, bundle: shown });
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
        Ok(Unlocked { vault, bundle })
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
