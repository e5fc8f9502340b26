//! Signed actions: what only the holder of a root key may ask a server to do.

use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};

/// The purpose of deleting a file; the signed bytes are the 16 bytes of its id.
pub const DELETE: &str = "delete";

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
