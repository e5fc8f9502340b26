//! The key file kept at the server: what brings the keys to a new device when the old one is lost.

use super::change::cannot_seal;
use super::{LOCK, Unlocked, strong};
use crate::client::Inner;
use crate::hash::sha256;
use crate::{Client, Error, Result};
use envelope::Bundle;
use envelope::action::{VAULT, VAULT_REMOVAL, vault_bytes};
use envelope::vault::VaultLayout;
use format::passphrase::{MIN_SCORE_SERVER, strength};
use format::vault::{change_passphrase, open_vault};
use format::{OpenError, Passphrase, RecoveryPhrase, VaultSecret};
use proto::{B64, PutVault, RemoveVault, VaultReply, paths};
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// Which key file is kept at the server, as far as this device knows.
const BACKUP: &str = "backup.json";

/// `backup.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    user_id: crate::UserId,
    version: u32,
}

/// How the key file at the server stands to the one on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupState {
    /// None was put there from this device.
    None,
    /// The same.
    Current,
    /// An older one: the keys were changed since.
    Outdated,
}

/// A key file at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptKeyFile {
    /// Its number.
    pub version: u32,
    /// Unix seconds at which it came.
    pub stored_at: i64,
}

/// What opens the key file of the server.
pub enum RestoreWith<'a> {
    /// The passphrase that it had.
    Passphrase(&'a Passphrase),
    /// The recovery phrase, and the passphrase from now on.
    Phrase(&'a RecoveryPhrase, &'a Passphrase),
}

impl Client {
    /// Keeps the key file at the server, sealed as it is here. The server can guess at its passphrase, so that must be a
    /// strong one.
    ///
    /// # Errors
    /// [`Error::WrongPassphrase`], [`Error::PassphraseTooWeak`], and a refusal if a newer one is there.
    pub async fn back_up_keys(&self, me: &Unlocked, passphrase: &Passphrase) -> Result<()> {
        let inner = &self.inner;
        if strength(passphrase) < MIN_SCORE_SERVER {
            return Err(Error::PassphraseTooWeak);
        }
        let _lock = inner.lock(LOCK).await?;
        let (vault, there) = inner.reopen(me)?;
        let opened = tokio::task::block_in_place(|| open_vault(&vault, VaultSecret::Passphrase(passphrase)));
        opened.map_err(|_| Error::WrongPassphrase)?;
        let digest = sha256(&[&vault]);
        let bytes = vault_bytes(&there.user_id, there.version, &digest);
        let proof = there.identity.sign_action(VAULT, &bytes);
        let body = PutVault { vault: B64(vault), proof: B64(proof.as_bytes().to_vec()) };
        inner.authed(|server| server.request(Method::PUT, paths::VAULT).json(&body)).await?;
        inner.home.write_json(BACKUP, &Kept { user_id: there.user_id, version: there.version })
    }

    /// Removes the key file from the server; says whether one was there.
    pub async fn remove_backup(&self, me: &Unlocked) -> Result<bool> {
        let inner = &self.inner;
        let there: VaultReply = match inner.call(|server| server.request(Method::GET, paths::VAULT)).await {
            Ok(reply) => reply,
            Err(Error::NotFound) => return inner.home.remove(BACKUP).map(|()| false),
            Err(error) => return Err(error),
        };
        let bytes = vault_bytes(&me.user_id(), there.version, &[0; 32]);
        let proof = me.vault.identity.sign_action(VAULT_REMOVAL, &bytes);
        let body = RemoveVault { version: there.version, proof: B64(proof.as_bytes().to_vec()) };
        inner.authed(|server| server.request(Method::POST, paths::VAULT_REMOVE).json(&body)).await?;
        inner.home.remove(BACKUP)?;
        Ok(true)
    }

    /// The number and age of the key file at the server, if there is one. It is handed out ten times a day.
    pub async fn backup_at_server(&self) -> Result<Option<KeptKeyFile>> {
        match self.inner.call::<VaultReply>(|server| server.request(Method::GET, paths::VAULT)).await {
            Ok(reply) => Ok(Some(KeptKeyFile { version: reply.version, stored_at: reply.stored_at })),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How the key file at the server stands to the one here; no network.
    pub fn backup_state(&self) -> Result<BackupState> {
        let Some(layout) = self.inner.vault_layout()? else { return Ok(BackupState::None) };
        let kept = self.inner.home.read_json::<Kept>(BACKUP)?;
        Ok(match kept.filter(|kept| kept.user_id == layout.user_id()) {
            None => BackupState::None,
            Some(kept) if kept.version == layout.version() => BackupState::Current,
            Some(_) => BackupState::Outdated,
        })
    }

    /// Brings the keys to this device out of the key file at the server.
    ///
    /// # Errors
    /// [`Error::KeysExist`] if there are keys here, [`Error::NotFound`] without a key file there,
    /// [`Error::WrongPassphrase`], [`Error::WrongPhrase`], [`Error::OwnKeysDiffer`] if it does not hold the keys that
    /// the server shows for this account. Then nothing is on this device.
    pub async fn restore_keys(&self, with: &RestoreWith<'_>) -> Result<Unlocked> {
        let inner = &self.inner;
        let session = inner.stored_session()?.ok_or(Error::NotSignedIn)?;
        if let RestoreWith::Phrase(_, new) = with {
            strong(new)?;
        }
        let _lock = inner.lock(LOCK).await?;
        if inner.vault_layout()?.is_some() {
            return Err(Error::KeysExist);
        }
        let reply: VaultReply = inner.call(|server| server.request(Method::GET, paths::VAULT)).await?;
        let vault = reply.vault.0;
        let layout = VaultLayout::parse(&vault).map_err(|_| Error::NotAuthentic)?;
        if layout.user_id() != session.user_id {
            return Err(Error::OtherAccount);
        }
        let mut unlocked = tokio::task::block_in_place(|| open(&vault, with))?;
        inner.shown_as_own(&unlocked, &session).await?;
        let kept = Kept { user_id: unlocked.user_id, version: unlocked.version };
        match with {
            RestoreWith::Passphrase(_) => inner.store_vault(&vault)?,
            RestoreWith::Phrase(_, new) => {
                let version = inner.next_version(unlocked.user_id)?.max(unlocked.version + 1);
                let changed =
                    tokio::task::block_in_place(|| change_passphrase(&vault, &unlocked, new, version));
                inner.store_vault(&changed.map_err(cannot_seal)?)?;
                unlocked.version = version;
            }
        }
        inner.home.write_json(BACKUP, &kept)?;
        inner.settle(unlocked, &session).await
    }
}

fn open(vault: &[u8], with: &RestoreWith<'_>) -> Result<format::vault::Unlocked> {
    let (secret, wrong) = match with {
        RestoreWith::Passphrase(passphrase) => (VaultSecret::Passphrase(passphrase), Error::WrongPassphrase),
        RestoreWith::Phrase(phrase, _) => (VaultSecret::Phrase(phrase), Error::WrongPhrase),
    };
    open_vault(vault, secret).map_err(|error| match error {
        OpenError::Malformed(_) => Error::NotAuthentic,
        _ => wrong,
    })
}

impl Inner {
    /// Refuses keys that are not those that the server shows as this account's: an older key file, or a server that
    /// shows others.
    async fn shown_as_own(
        &self,
        unlocked: &format::vault::Unlocked,
        session: &crate::account::Session,
    ) -> Result<()> {
        let Some(shown) = self.published_bundle().await? else { return Ok(()) };
        let fits = |bundle: &Bundle| {
            unlocked.identity.matches(bundle)
                && bundle.user_id() == session.user_id
                && *bundle.address() == session.address
        };
        Bundle::parse(shown).ok().filter(fits).map(drop).ok_or(Error::OwnKeysDiffer)
    }
}
