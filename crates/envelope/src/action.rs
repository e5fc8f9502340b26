//! Signed actions: what only the holder of a root key may ask a server to do.

use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};
use crate::ids::{ContentId, FileId};

/// The purpose of deleting a file; the signed bytes are the 16 bytes of its id.
pub const DELETE: &str = "delete";

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
