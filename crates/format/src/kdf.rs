//! Key derivation: HKDF-SHA-256 for everything, Argon2id before it for passphrases.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use envelope::FileId;
use zeroize::Zeroizing;

use crate::{FileKey, Passphrase, Secret};

/// Memory of Argon2id in KiB: 64 MiB.
const ARGON2_MEMORY_KIB: u32 = 64 * 1024;
/// Passes of Argon2id.
const ARGON2_PASSES: u32 = 3;
/// Lanes of Argon2id.
const ARGON2_LANES: u32 = 1;

/// HKDF-SHA-256(ikm, salt, info, 32).
pub(crate) fn hkdf(ikm: &[u8], salt: &[u8], info: &[&[u8]]) -> Secret<32> {
    let prk = Salt::new(HKDF_SHA256, salt).extract(ikm);
    Secret::fill_with(|out| {
        prk.expand(info, HKDF_SHA256)
            .and_then(|okm| okm.fill(out))
            .expect("32 bytes are one block of HKDF-SHA-256");
    })
}

/// The role of a key that is derived from a file key.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Payload,
    Metadata,
    Manifest,
}

/// `K_x` = HKDF-SHA-256(FK, file id, `"waxwing/v1/key/"` ‖ x, 32).
pub(crate) fn file_role_key(fk: &FileKey, file_id: FileId, role: Role) -> Secret<32> {
    let label: &[u8] = match role {
        Role::Payload => b"payload",
        Role::Metadata => b"metadata",
        Role::Manifest => b"manifest",
    };
    hkdf(fk.secret().expose_secret(), file_id.as_bytes(), &[b"waxwing/v1/key/", label])
}

/// Argon2id v1.3 with the costs that the format fixes. Takes 64 MiB, gives them back at once.
pub(crate) fn argon2id(passphrase: &Passphrase, salt: &[u8; 16]) -> Secret<32> {
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, Some(32))
        .expect("the format's costs are within the bounds of Argon2");
    let mut arena = Zeroizing::new(vec![Block::default(); params.block_count()]);
    Secret::fill_with(|out| {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                passphrase.expose_secret().as_bytes(),
                salt,
                out,
                arena.as_mut_slice(),
            )
            .expect("passphrase, salt and output are within the bounds of Argon2");
    })
}
