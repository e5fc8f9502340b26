//! Key files: PEM blocks, and PKCS#8 under a passphrase.

use pem_rfc7468::{Decoder, LineEnding};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, Encode};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use zeroize::Zeroizing;

use crate::{Passphrase, RsaKeyError, random};

/// Rounds of PBKDF2-HMAC-SHA-256 that this crate writes; `openssl pkey` reads it with its defaults,
/// which scrypt of the same strength would not fit (it stops at 32 MiB).
const PBKDF2_ROUNDS: u32 = 600_000;
/// Most rounds that a file may ask for: some seconds.
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;
/// Most memory that a file may ask of scrypt, in bytes.
const MAX_SCRYPT_MEMORY: u64 = 256 << 20;
/// Most passes over that memory that a file may ask for.
const MAX_SCRYPT_LANES: u64 = 4;
/// Longest text that is looked at; a key of 4096 bits under a passphrase takes less than 4 KiB.
const MAX_TEXT: usize = 64 << 10;

/// One PEM block, strictly as RFC 7468 has it; white space may follow and text may stand before.
pub(crate) fn decode(text: &str) -> Result<(&str, Zeroizing<Vec<u8>>), RsaKeyError> {
    if text.len() > MAX_TEXT {
        return Err(RsaKeyError::Pem);
    }
    // What openssl wrote in the last century: a cipher in a header, and a key derived by one MD5.
    if text.contains("\nProc-Type:") {
        return Err(RsaKeyError::Encryption);
    }
    let mut decoder = Decoder::new(text.trim_ascii_end().as_bytes()).map_err(|_| RsaKeyError::Pem)?;
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    decoder.decode(&mut der).map_err(|_| RsaKeyError::Pem)?;
    Ok((decoder.type_label(), der))
}

/// `der` as a PEM block in lines of 64 characters.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let text = pem_rfc7468::encode_string(label, LineEnding::LF, der);
    Zeroizing::new(text.expect("a key is short and the label is ASCII"))
}

/// PKCS#8 under `passphrase`: PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC.
pub(crate) fn encrypt(pkcs8: &[u8], passphrase: &Passphrase) -> Vec<u8> {
    let (salt, iv): ([u8; 16], [u8; 16]) = (random::bytes(), random::bytes());
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ROUNDS, &salt, iv)
        .expect("these parameters are legal");
    let sealed =
        parameters.encrypt(passphrase.expose_secret(), pkcs8).expect("a key is short enough to be encrypted");
    let encrypted_data = OctetStringRef::new(&sealed).expect("a key is short");
    let info = EncryptedPrivateKeyInfoRef { encryption_algorithm: parameters.into(), encrypted_data };
    info.to_der().expect("the fields are legal")
}

/// What PKCS#8 under a passphrase holds. Costs are judged before anything is spent.
///
/// CBC authenticates nothing: some wrong passphrases give bytes all the same, and only what they
/// are parsed as tells.
pub(crate) fn decrypt(encrypted: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, RsaKeyError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(encrypted).map_err(|_| RsaKeyError::Encryption)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(RsaKeyError::Encryption);
    };
    check_costs(&parameters.kdf)?;
    let mut buffer = Zeroizing::new(info.encrypted_data.as_bytes().to_vec());
    let len = match parameters.decrypt_in_place(passphrase.expose_secret(), &mut buffer) {
        Ok(plain) => plain.len(),
        Err(pkcs8::pkcs5::Error::DecryptFailed) => return Err(RsaKeyError::Passphrase),
        Err(_) => return Err(RsaKeyError::Encryption),
    };
    buffer.truncate(len);
    Ok(buffer)
}

fn check_costs(kdf: &Kdf) -> Result<(), RsaKeyError> {
    let legal = match kdf {
        Kdf::Pbkdf2(pbkdf2) => (1..=MAX_PBKDF2_ROUNDS).contains(&pbkdf2.iteration_count),
        Kdf::Scrypt(scrypt) => {
            let (n, r) = (scrypt.cost_parameter, u64::from(scrypt.block_size));
            let memory = n.checked_mul(128 * r);
            n >= 2
                && n.is_power_of_two()
                && r >= 1
                && (1..=MAX_SCRYPT_LANES).contains(&scrypt.parallelization.into())
                && memory.is_some_and(|memory| memory <= MAX_SCRYPT_MEMORY)
        }
        _ => return Err(RsaKeyError::Encryption),
    };
    if legal { Ok(()) } else { Err(RsaKeyError::Cost) }
}
