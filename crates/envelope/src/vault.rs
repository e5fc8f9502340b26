//! The outside of a vault: who, which version, which slots, and a sealed body.
//!
//! `WXWGVT01 ‖ user id 16 ‖ version 4 ‖ n 1 ‖ n × {kind 1 ‖ salt 16 ‖ slot 138} ‖ body`

use crate::ParseError;
use crate::ids::UserId;
use crate::segment::SEGMENT_LEN;
use crate::small::{HEADER_LEN, check_small};
use crate::wire::Reader;

/// First eight bytes of a vault.
pub const MAGIC: &[u8; 8] = b"WXWGVT01";
/// Bytes of a sealed slot: a small message of a 32-byte key.
pub const SLOT_LEN: usize = 138;
/// Bytes of a slot's salt.
pub const SALT_LEN: usize = 16;
/// Longest vault in bytes.
pub const MAX_LEN: usize = 29 + 255 * (1 + SALT_LEN + SLOT_LEN) + HEADER_LEN + SEGMENT_LEN;

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SlotKind {
    /// A passphrase (1).
    Passphrase = 1,
    /// A recovery phrase (2).
    Recovery = 2,
}

/// One sealed copy of the vault key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What opens it.
    pub kind: SlotKind,
    /// Salt of its key derivation.
    pub salt: [u8; SALT_LEN],
    /// The sealed vault key.
    pub sealed: [u8; SLOT_LEN],
}

/// A vault's layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultLayout {
    user_id: UserId,
    version: u32,
    slots: Vec<Slot>,
    body: Box<[u8]>,
}

impl VaultLayout {
    /// Parses the whole of `bytes` as one vault.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(bytes);
        reader.magic(MAGIC)?;
        let user_id = UserId::from_bytes(reader.array("user id")?);
        let version = reader.u32("version")?;
        let count = reader.u8("slots")?;
        if count == 0 {
            return Err(ParseError::OutOfRange { field: "slots" });
        }
        let slots = (0..count).map(|_| parse_slot(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        let body = reader.take(reader.remaining(), "body")?;
        check_small(body, "body")?;
        Ok(Self { user_id, version, slots, body: body.into() })
    }

    /// The bytes before the body, which the body's seal covers.
    pub fn head_bytes(user_id: UserId, version: u32, slots: &[Slot]) -> Result<Vec<u8>, ParseError> {
        let count = u8::try_from(slots.len()).map_err(|_| ParseError::OutOfRange { field: "slots" })?;
        let mut bytes = Vec::with_capacity(29 + slots.len() * (1 + SALT_LEN + SLOT_LEN));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(user_id.as_bytes());
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.push(count);
        for slot in slots {
            bytes.push(slot.kind as u8);
            bytes.extend_from_slice(&slot.salt);
            bytes.extend_from_slice(&slot.sealed);
        }
        Ok(bytes)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The bytes before the body of this vault.
    pub fn head(&self) -> Vec<u8> {
        Self::head_bytes(self.user_id, self.version, &self.slots).expect("parsing read at most 255 slots")
    }

    /// Whose it is.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Counts what was stored, so that an older copy is noticed.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The slots, at least one.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The sealed body: a small message.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

fn parse_slot(reader: &mut Reader<'_>) -> Result<Slot, ParseError> {
    let kind = match reader.u8("slot kind")? {
        1 => SlotKind::Passphrase,
        2 => SlotKind::Recovery,
        _ => return Err(ParseError::UnknownCode { field: "slot kind" }),
    };
    let slot = Slot { kind, salt: reader.array("salt")?, sealed: reader.array("slot")? };
    check_small(&slot.sealed, "slot")?;
    Ok(slot)
}
