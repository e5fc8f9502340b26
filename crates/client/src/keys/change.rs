//! What opens the keys, changed: another passphrase, another recovery phrase, or a passphrase by the phrase.

use super::{LOCK, Unlocked, strong};
use crate::{Client, Error, Result};
use format::vault::{ResealVaultError, change_passphrase, has_phrase, new_phrase, open_vault};
use format::{OpenError, Passphrase, RecoveryPhrase, VaultSecret};

impl Client {
    /// Gives the keys another passphrase; the recovery phrase stays. No network. Copies of the key file that were made
    /// before, the earlier ones in the home among them, open with the old passphrase still.
    pub fn change_passphrase(&self, me: &Unlocked, new: &Passphrase) -> Result<()> {
        strong(new)?;
        let inner = &self.inner;
        let _lock = inner.home.lock(LOCK)?;
        let (old, unlocked) = inner.reopen(me)?;
        let version = inner.next_version(unlocked.user_id)?;
        inner.store_vault(&change_passphrase(&old, &unlocked, new, version).map_err(cannot_seal)?)
    }

    /// Gives the keys another recovery phrase, or a first one; the passphrase stays. No network. Copies of the key file
    /// that were made before open with the old phrase still.
    pub fn set_recovery_phrase(&self, me: &Unlocked, phrase: &RecoveryPhrase) -> Result<()> {
        let inner = &self.inner;
        let _lock = inner.home.lock(LOCK)?;
        let (old, unlocked) = inner.reopen(me)?;
        let version = inner.next_version(unlocked.user_id)?;
        inner.store_vault(&new_phrase(&old, &unlocked, phrase, version).map_err(cannot_seal)?)
    }

    /// Whether a recovery phrase opens the keys on this machine.
    pub fn has_recovery_phrase(&self) -> Result<bool> {
        let vault = self.inner.vault()?.ok_or(Error::NoKeys)?;
        has_phrase(&vault).map_err(|_| self.inner.damaged_vault())
    }

    /// Opens the keys on this machine with the recovery phrase and gives them a new passphrase. No network, no session.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::NoPhrase`], [`Error::WrongPhrase`], [`Error::PassphraseTooWeak`],
    /// [`Error::OlderKeys`]; then nothing is changed.
    pub fn recover(&self, phrase: &RecoveryPhrase, new: &Passphrase) -> Result<()> {
        strong(new)?;
        let inner = &self.inner;
        let _lock = inner.home.lock(LOCK)?;
        if !self.has_recovery_phrase()? {
            return Err(Error::NoPhrase);
        }
        let vault = inner.vault()?.ok_or(Error::NoKeys)?;
        let unlocked = open_vault(&vault, VaultSecret::Phrase(phrase)).map_err(|error| match error {
            OpenError::Malformed(_) => inner.damaged_vault(),
            _ => Error::WrongPhrase,
        })?;
        inner.not_older(&unlocked)?;
        let version = inner.next_version(unlocked.user_id)?;
        inner.store_vault(&change_passphrase(&vault, &unlocked, new, version).map_err(cannot_seal)?)
    }
}

/// The vault was opened with that very key a moment ago.
pub(super) fn cannot_seal(_: ResealVaultError) -> Error {
    Error::Internal("an opened vault cannot be sealed again")
}
