//! Signed actions: what only the holder of a root key may ask a server to do.

use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};
use crate::ids::{ContentId, FileId, UserId};

/// The purpose of deleting a file; the signed bytes are the 16 bytes of its id.
pub const DELETE: &str = "delete";

/// The purpose of changing the second factor of an account; the signed bytes are [`factor_bytes`].
pub const SECOND_FACTOR: &str = "second-factor";

/// The purpose of keeping a key file at the server; the signed bytes are [`vault_bytes`].
pub const VAULT: &str = "vault";

/// The purpose of removing it from there; the signed bytes are [`vault_bytes`] with a digest of zeros.
pub const VAULT_REMOVAL: &str = "vault-removal";

/// What is signed for a key file at the server: the account's id ‖ the key file's number, 4 bytes, the high end first ‖
/// SHA-256 of the key file. The number only grows, which keeps a signature from being of use later.
pub fn vault_bytes(user: &UserId, version: u32, digest: &[u8; 32]) -> [u8; 52] {
    let mut bytes = [0; 52];
    bytes[..16].copy_from_slice(user.as_bytes());
    bytes[16..20].copy_from_slice(&version.to_be_bytes());
    bytes[20..].copy_from_slice(digest);
    bytes
}

/// The purpose of keeping one's keys although somebody asked for new ones; the signed bytes are [`keep_bytes`].
pub const KEEP_KEYS: &str = "keep-keys";

/// What is signed to keep one's keys: the account's id ‖ the hash of the bundle that is not to be published.
pub fn keep_bytes(user: &UserId, bundle_hash: &[u8; 32]) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..16].copy_from_slice(user.as_bytes());
    bytes[16..].copy_from_slice(bundle_hash);
    bytes
}

/// The purpose of erasing an account; the signed bytes are [`erase_bytes`].
pub const ERASE: &str = "erase";

/// What is signed to erase an account: its id ‖ unix seconds, 8 bytes, the high end first. The time keeps a signature
/// from being of use later.
pub fn erase_bytes(user: &UserId, unix_seconds: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(user.as_bytes());
    bytes[16..].copy_from_slice(&unix_seconds.to_be_bytes());
    bytes
}

/// What may be done to a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorChange {
    /// Add an authenticator app or a passkey.
    Add = 1,
    /// Remove one.
    Remove = 2,
    /// Make new backup codes in the place of the old ones.
    BackupCodes = 3,
}

/// What is signed for a change of the second factor: the account's id ‖ unix seconds, 8 bytes, the high end first ‖
/// the change, 1 byte. The time keeps a signature from being of use later.
pub fn factor_bytes(user: &UserId, unix_seconds: u64, change: FactorChange) -> [u8; 25] {
    let mut bytes = [0; 25];
    bytes[..16].copy_from_slice(user.as_bytes());
    bytes[16..24].copy_from_slice(&unix_seconds.to_be_bytes());
    bytes[24] = change as u8;
    bytes
}

/// The purpose of a receipt, by which a recipient says that they opened a file; the signed bytes are [`receipt_bytes`].
pub const RECEIPT: &str = "receipt";

/// What a receipt is signed over: the file's id (16), its content id (32), unix seconds of the opening by the clock of
/// whoever opened (8, big-endian).
pub fn receipt_bytes(file_id: FileId, content_id: ContentId, opened: i64) -> [u8; 56] {
    let mut bytes = [0; 56];
    bytes[..16].copy_from_slice(file_id.as_bytes());
    bytes[16..48].copy_from_slice(content_id.as_bytes());
    bytes[48..].copy_from_slice(&opened.to_be_bytes());
    bytes
}

/// What the signature of an action covers before the action's own bytes:
/// `"waxwing/v1/action/"` purpose `"\0"`.
///
/// # Panics
/// If `purpose` holds a zero byte, which would let two actions look alike.
pub fn context(purpose: &str) -> Vec<u8> {
    assert!(!purpose.contains('\0'), "an action's purpose holds no zero byte");
    format!("waxwing/v1/action/{purpose}\0").into_bytes()
}

/// Checks that the holder of `root` asked for the action `purpose` over `bytes`.
pub fn verify_action(
    root: &PublicKey,
    purpose: &str,
    bytes: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    verify_strict(root, &[&context(purpose), bytes], signature)
}
