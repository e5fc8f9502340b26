//! One's own keys: made, sealed to disk, published, unlocked.

use crate::UserId;

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
pub struct Unlocked {}

impl Unlocked {
    /// Account.
    pub fn user_id(&self) -> UserId;
    /// Own address.
    pub fn address(&self) -> &Address;
    /// Own root.
    pub fn root_id(&self) -> RootId;
    /// For an agent that spares the passphrase.
    pub fn vault_key(&self) -> &VaultKey;
}
