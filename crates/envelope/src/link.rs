//! Links as a server knows them: their id, and the proof that somebody has the secret.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ed25519::{BadSignature, PublicKey, Signature, verify_strict};
use crate::{ParseError, RecipientId};

/// What the signature of a proof covers before link id and nonce.
pub const AUTH_CONTEXT: &[u8] = b"waxwing/v1/link-auth\0";
/// Bytes of the nonce that a proof is over.
pub const NONCE_LEN: usize = 32;
/// Characters of a link id in its one spelling.
pub const ID_TEXT_LEN: usize = 22;

const TEXT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// One link: 16 random bytes made by its maker, base64url without padding in text.
///
/// It opens nothing by itself, but whoever knows it can try: `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId([u8; 16]);

impl LinkId {
    /// The id made of these 16 bytes; any bytes are an id.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The recipient id of the link's grant.
    pub fn recipient_id(&self) -> RecipientId {
        RecipientId::of_link(&self.0)
    }
}

impl fmt::Display for LinkId {
    /// 22 characters of base64url.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&TEXT.encode(self.0))
    }
}

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkId")
    }
}

impl FromStr for LinkId {
    type Err = ParseError;

    /// Accepts the one spelling only.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = ParseError::Spelling { field: "link id" };
        let mut bytes = [0; 16];
        match TEXT.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(Self(bytes)),
            _ => Err(bad),
        }
    }
}

impl Serialize for LinkId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LinkId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Checks the proof that whoever asks has the secret of the link (and its password, if it has one): a signature over
/// [`AUTH_CONTEXT`] ‖ link id ‖ nonce.
pub fn verify_proof(
    key: &PublicKey,
    link: LinkId,
    nonce: &[u8; NONCE_LEN],
    signature: &Signature,
) -> Result<(), BadSignature> {
    verify_strict(key, &[AUTH_CONTEXT, &link.0, nonce], signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_id_has_one_spelling_and_does_not_show_itself_by_chance() {
        let id = LinkId::from_bytes([0xfb; 16]);
        let text = id.to_string();
        assert_eq!(text, "-_v7-_v7-_v7-_v7-_v7-w");
        assert_eq!(text.len(), ID_TEXT_LEN);
        assert_eq!(text.parse::<LinkId>(), Ok(id));
        assert_eq!(format!("{id:?}"), "LinkId");
        for other in [
            text.replace('-', "+").replace('_', "/"),
            format!("{text}=="),
            format!("{text}A"),
            text[..21].to_owned(),
            // Loose bits behind the last byte.
            text.replace("-w", "-x"),
            format!(" {text}"),
            format!("{text}\n"),
            String::new(),
        ] {
            assert!(other.parse::<LinkId>().is_err(), "{other:?}");
        }
    }
}
