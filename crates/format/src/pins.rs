//! The record of pins: what a person's devices tell each other about contacts and files, sealed and signed.

use std::collections::BTreeMap;

use envelope::pins::{PinsLayout, SIGNATURE_CONTEXT};
use envelope::small::SMALL_PLAIN_MAX;
use envelope::{Address, FileId, ParseError, RootId, UserId};
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};
use crate::identity::{Identity, RootKeyPair};
use crate::kdf::hkdf;
use crate::small::{open_small, seal_small};
use crate::{OpenError, SealError, Secret};

/// Most roots of before that an entry names.
pub const MAX_PREVIOUS: usize = 16;

/// What one device knows, and tells the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PinRecord {
    /// Whose keys are pinned.
    pub contacts: BTreeMap<Address, PinnedContact>,
    /// Contacts that were forgotten on purpose, and when, in unix seconds.
    pub forgotten: BTreeMap<Address, i64>,
    /// The highest revision of files that have had more than one.
    pub revisions: BTreeMap<FileId, FileRevision>,
}

/// One pinned contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedContact {
    /// Account at the server.
    pub user_id: UserId,
    /// Pinned root.
    pub root_id: RootId,
    /// Highest number of a bundle that was seen.
    pub seq: u32,
    /// [`envelope::Bundle::hash`] of that bundle.
    pub bundle_hash: [u8; 32],
    /// Whether a human compared the safety number.
    pub verified: bool,
    /// Unix seconds of the first contact.
    pub first_seen: i64,
    /// Roots that were pinned before, newest first, at most [`MAX_PREVIOUS`]; `true` if it signed the next one over.
    pub previous: Vec<(RootId, bool)>,
}

/// The state of a file below which no device goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRevision {
    /// Its number.
    pub revision: u64,
    /// The digest of its manifest.
    pub digest: [u8; 32],
}

impl PinRecord {
    /// The canonical plaintext, for comparing two records.
    ///
    /// # Errors
    /// [`SealError::TooLong`] if it does not fit into a record: more than about 1,800 contacts.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut writer = Writer::default();
        writer.map(3);
        writer.uint(1);
        writer.array(self.contacts.len());
        for (address, contact) in &self.contacts {
            write_contact(&mut writer, address, contact);
        }
        writer.uint(2);
        writer.array(self.forgotten.len());
        for (address, at) in &self.forgotten {
            writer.map(2);
            writer.uint(1);
            writer.text(address.as_str());
            writer.uint(2);
            writer.int(*at);
        }
        writer.uint(3);
        writer.array(self.revisions.len());
        for (file_id, seen) in &self.revisions {
            writer.map(3);
            writer.uint(1);
            writer.bytes(file_id.as_bytes());
            writer.uint(2);
            writer.uint(seen.revision);
            writer.uint(3);
            writer.bytes(&seen.digest);
        }
        let plain = Zeroizing::new(writer.finish());
        if plain.len() > SMALL_PLAIN_MAX {
            return Err(SealError::TooLong);
        }
        // A time or a number that no reader takes is found here and not on the other device.
        Self::decode(&plain)?;
        Ok(plain)
    }

    /// Reads what [`PinRecord::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// Whatever is not exactly that.
    pub fn decode(plain: &[u8]) -> Result<Self, ParseError> {
        let (mut contacts, mut forgotten, mut revisions) = (None, None, None);
        let mut reader = Reader::new(plain);
        reader.map(|key, value| {
            match key {
                1 => contacts = Some(ascending(value, read_contact)?),
                2 => forgotten = Some(ascending(value, read_forgotten)?),
                3 => revisions = Some(ascending(value, read_revision)?),
                _ => return Err(UNKNOWN),
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(Self {
            contacts: contacts.ok_or(MISSING)?,
            forgotten: forgotten.ok_or(MISSING)?,
            revisions: revisions.ok_or(MISSING)?,
        })
    }
}

/// Seals and signs `record` by the present root of `identity`.
///
/// # Errors
/// [`SealError::TooLong`], and [`SealError::Layout`] for a version of 0 or above 2^53 − 1.
pub fn seal_pins(
    identity: &Identity,
    user_id: UserId,
    version: u64,
    record: &PinRecord,
) -> Result<Vec<u8>, SealError> {
    let head = PinsLayout::head(user_id, version);
    let body = seal_small(&pins_key(identity.root(), user_id), &aad(&head), &record.encode()?)?;
    let signature = identity.root().sign(&[SIGNATURE_CONTEXT, &head, &body]);
    let bytes = [&head[..], &body, signature.as_bytes()].concat();
    PinsLayout::parse(&bytes)?;
    Ok(bytes)
}

/// Opens a record by the present root of `identity`. One by a retired root is refused: whoever had that root stolen
/// rotated it away.
///
/// # Errors
/// [`OpenError::Malformed`], [`OpenError::NotAuthentic`].
pub fn open_pins(identity: &Identity, user_id: UserId, bytes: &[u8]) -> Result<(u64, PinRecord), OpenError> {
    let layout = PinsLayout::parse(bytes)?;
    if layout.user_id() != user_id || layout.verify(identity.root().public()).is_err() {
        return Err(OpenError::NotAuthentic);
    }
    let head = PinsLayout::head(user_id, layout.version());
    let plain = open_small(&pins_key(identity.root(), user_id), &aad(&head), layout.body())?;
    let record = PinRecord::decode(&plain).map_err(|_| OpenError::NotAuthentic)?;
    Ok((layout.version(), record))
}

const UNKNOWN: ParseError = ParseError::UnknownCode { field: "record of pins" };
const MISSING: ParseError = ParseError::Truncated { field: "record of pins" };
const RANGE: ParseError = ParseError::OutOfRange { field: "record of pins" };

fn pins_key(root: &RootKeyPair, user_id: UserId) -> Secret<32> {
    hkdf(root.seed().expose_secret(), user_id.as_bytes(), &[b"waxwing/v1/pins"])
}

fn aad(head: &[u8]) -> Vec<u8> {
    [b"waxwing/v1/pins\0", head].concat()
}

fn write_contact(writer: &mut Writer, address: &Address, contact: &PinnedContact) {
    writer.map(8);
    writer.uint(1);
    writer.text(address.as_str());
    writer.uint(2);
    writer.bytes(contact.user_id.as_bytes());
    writer.uint(3);
    writer.bytes(contact.root_id.as_bytes());
    writer.uint(4);
    writer.uint(u64::from(contact.seq));
    writer.uint(5);
    writer.bytes(&contact.bundle_hash);
    writer.uint(6);
    writer.uint(u64::from(contact.verified));
    writer.uint(7);
    writer.int(contact.first_seen);
    writer.uint(8);
    writer.array(contact.previous.len());
    for (root, linked) in &contact.previous {
        writer.map(2);
        writer.uint(1);
        writer.bytes(root.as_bytes());
        writer.uint(2);
        writer.uint(u64::from(*linked));
    }
}

/// An array whose items have ascending keys, none twice.
fn ascending<'a, K: Ord, V>(
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<(K, V), ParseError>,
) -> Result<BTreeMap<K, V>, ParseError> {
    let mut items = BTreeMap::new();
    for _ in 0..reader.array()? {
        let (key, value) = read(reader)?;
        if items.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(ParseError::Spelling { field: "record of pins" });
        }
        items.insert(key, value);
    }
    Ok(items)
}

fn read_contact(reader: &mut Reader<'_>) -> Result<(Address, PinnedContact), ParseError> {
    let (mut address, mut user_id, mut root_id, mut seq, mut hash) = (None, None, None, None, None);
    let (mut verified, mut first_seen, mut previous) = (None, None, None);
    reader.map(|key, value| {
        match key {
            1 => address = Some(Address::parse_canonical(value.text()?)?),
            2 => user_id = Some(UserId::from_bytes(octets(value)?)),
            3 => root_id = Some(RootId::from_bytes(octets(value)?)),
            4 => seq = Some(u32::try_from(value.uint()?).ok().filter(|seq| *seq > 0).ok_or(RANGE)?),
            5 => hash = Some(octets(value)?),
            6 => verified = Some(flag(value)?),
            7 => first_seen = Some(value.int()?),
            8 => previous = Some(read_previous(value)?),
            _ => return Err(UNKNOWN),
        }
        Ok(())
    })?;
    let contact = PinnedContact {
        user_id: user_id.ok_or(MISSING)?,
        root_id: root_id.ok_or(MISSING)?,
        seq: seq.ok_or(MISSING)?,
        bundle_hash: hash.ok_or(MISSING)?,
        verified: verified.ok_or(MISSING)?,
        first_seen: first_seen.ok_or(MISSING)?,
        previous: previous.ok_or(MISSING)?,
    };
    Ok((address.ok_or(MISSING)?, contact))
}

fn read_previous(reader: &mut Reader<'_>) -> Result<Vec<(RootId, bool)>, ParseError> {
    let len = reader.array()?;
    if len > MAX_PREVIOUS {
        return Err(RANGE);
    }
    (0..len)
        .map(|_| {
            let (mut root, mut linked) = (None, None);
            reader.map(|key, value| {
                match key {
                    1 => root = Some(RootId::from_bytes(octets(value)?)),
                    2 => linked = Some(flag(value)?),
                    _ => return Err(UNKNOWN),
                }
                Ok(())
            })?;
            Ok((root.ok_or(MISSING)?, linked.ok_or(MISSING)?))
        })
        .collect()
}

fn read_forgotten(reader: &mut Reader<'_>) -> Result<(Address, i64), ParseError> {
    let (mut address, mut at) = (None, None);
    reader.map(|key, value| {
        match key {
            1 => address = Some(Address::parse_canonical(value.text()?)?),
            2 => at = Some(value.int()?),
            _ => return Err(UNKNOWN),
        }
        Ok(())
    })?;
    Ok((address.ok_or(MISSING)?, at.ok_or(MISSING)?))
}

fn read_revision(reader: &mut Reader<'_>) -> Result<(FileId, FileRevision), ParseError> {
    let (mut file_id, mut revision, mut digest) = (None, None, None);
    reader.map(|key, value| {
        match key {
            1 => file_id = Some(FileId::from_bytes(octets(value)?)),
            2 => revision = Some(value.uint()?),
            3 => digest = Some(octets(value)?),
            _ => return Err(UNKNOWN),
        }
        Ok(())
    })?;
    let seen = FileRevision { revision: revision.ok_or(MISSING)?, digest: digest.ok_or(MISSING)? };
    Ok((file_id.ok_or(MISSING)?, seen))
}

fn octets<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], ParseError> {
    reader.bytes()?.try_into().map_err(|_| RANGE)
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, ParseError> {
    match reader.uint()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(RANGE),
    }
}
