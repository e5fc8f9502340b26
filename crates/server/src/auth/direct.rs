//! What binds an object that a client puts into the object store itself to who it is and what it is for.

use blobs::BlobName;
use db::UnixTime;
use envelope::ids::{FileId, UserId};
use proto::{B64, Code, Token};

use crate::error::{Answer, Refusal};
use crate::secrets::Keys;

const PART: &[u8] = b"part\0";
const PART_NAME: &[u8] = b"part name\0";
const V0: &[u8] = b"v0 object\0";
/// user 16 ‖ file 16 ‖ number 4 ‖ name 16 ‖ end 8.
const BODY_LEN: usize = 60;
const MAC_LEN: usize = 32;

/// Leave to put one part of an upload into the object store, under a name that is that part's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectPart {
    pub(crate) user: UserId,
    pub(crate) file_id: FileId,
    pub(crate) n: u32,
    pub(crate) name: BlobName,
    pub(crate) expires_at: UnixTime,
}

impl DirectPart {
    /// Its text, which only this server's key makes.
    pub(crate) fn seal(&self, keys: &Keys) -> Token {
        let mut bytes = Vec::with_capacity(BODY_LEN + MAC_LEN);
        bytes.extend_from_slice(self.user.as_bytes());
        bytes.extend_from_slice(self.file_id.as_bytes());
        bytes.extend_from_slice(&self.n.to_be_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(&self.expires_at.0.to_be_bytes());
        let mac = keys.direct_mac(PART, &bytes);
        bytes.extend_from_slice(&mac);
        Token::new(B64(bytes).to_text())
    }

    /// Judges it; whether it is for what is asked for is for the caller to compare.
    pub(crate) fn open(text: &str, keys: &Keys, now: UnixTime) -> Answer<Self> {
        let refused =
            || Refusal::new(Code::Forbidden, "This leave to send a part has ended. Ask for a new one.");
        Self::read(text, keys).filter(|leave| now < leave.expires_at).ok_or_else(refused)
    }

    fn read(text: &str, keys: &Keys) -> Option<Self> {
        let bytes = B64::parse(text).ok()?.0;
        if bytes.len() != BODY_LEN + MAC_LEN {
            return None;
        }
        let (body, mac) = bytes.split_at(BODY_LEN);
        if !keys.direct_is_good(PART, body, mac) {
            return None;
        }
        Some(Self {
            user: UserId::from_bytes(body[..16].try_into().ok()?),
            file_id: FileId::from_bytes(body[16..32].try_into().ok()?),
            n: u32::from_be_bytes(body[32..36].try_into().ok()?),
            name: BlobName::from_bytes(body[36..52].try_into().ok()?),
            expires_at: UnixTime(i64::from_be_bytes(body[52..60].try_into().ok()?)),
        })
    }
}

/// The name of the object in which a part of an upload is put. Nobody can tell it from others who was not given its address.
pub(crate) fn part_object(keys: &Keys, user: UserId, file_id: FileId, n: u32) -> BlobName {
    let which = [user.as_bytes().as_slice(), file_id.as_bytes(), &n.to_be_bytes()].concat();
    let code = keys.direct_mac(PART_NAME, &which);
    BlobName::from_bytes(std::array::from_fn(|n| code[n]))
}

/// A fresh name for an object of the documented API, half of it random and half of it a code: whose it is can be told from the
/// name alone.
pub(crate) fn v0_object(keys: &Keys, user: UserId) -> BlobName {
    let random: [u8; 8] = crate::random::bytes();
    named(keys, user, random)
}

/// Whether that name was made for that person.
pub(crate) fn is_v0_object_of(keys: &Keys, user: UserId, name: BlobName) -> bool {
    let random: [u8; 8] = std::array::from_fn(|n| name.as_bytes()[n]);
    // Whoever could tell by the time how much of it was right would still need the other half to be one that somebody was given.
    named(keys, user, random) == name
}

fn named(keys: &Keys, user: UserId, random: [u8; 8]) -> BlobName {
    let code = keys.direct_mac(V0, &[user.as_bytes().as_slice(), &random].concat());
    let mut name = [0; 16];
    name[..8].copy_from_slice(&random);
    name[8..].copy_from_slice(&code[..8]);
    BlobName::from_bytes(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;

    fn keys() -> (tempfile::TempDir, Keys) {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(&Secrets::default(), dir.path()).unwrap();
        (dir, keys)
    }

    #[test]
    fn leave_to_send_a_part_says_which_and_is_good_for_its_time_only() {
        let (_dir, keys) = keys();
        let leave = DirectPart {
            user: UserId::from_bytes([1; 16]),
            file_id: FileId::from_bytes([2; 16]),
            n: 7,
            name: BlobName::generate(),
            expires_at: UnixTime(1_000),
        };
        let text = leave.seal(&keys);
        let text = text.expose_secret();
        assert_eq!(DirectPart::open(text, &keys, UnixTime(999)).unwrap(), leave);
        assert!(DirectPart::open(text, &keys, UnixTime(1_000)).is_err());
        for at in 0..text.len() {
            let mut forged = text.as_bytes().to_vec();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(DirectPart::open(&forged, &keys, UnixTime(1)).is_err(), "{at}");
        }
    }

    #[test]
    fn an_object_of_the_documented_api_is_known_as_its_owners_and_nobody_elses() {
        let (_dir, keys) = keys();
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let name = v0_object(&keys, alice);
        assert!(is_v0_object_of(&keys, alice, name) && !is_v0_object_of(&keys, bob, name));
        assert!(!is_v0_object_of(&keys, alice, BlobName::generate()));
        assert_ne!(v0_object(&keys, alice), name);
    }
}
