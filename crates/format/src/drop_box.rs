//! Drop boxes: the address that is passed on, and the words of their owner, sealed from the server.

use std::fmt;

use envelope::drop_box::{SIGNATURE_CONTEXT, WORDS_BLOCK, WORDS_BLOCKS_MAX, WORDS_CONTEXT};
use envelope::ed25519::PublicKey;
use envelope::segment::BodyShape;
use envelope::{BoxDescription, BoxId, BoxTerms, ParseError, RootId};
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};
use crate::kdf::hkdf;
use crate::link::{check_origin, secret_of, text_of};
use crate::small::{open_small, seal_small};
use crate::{Identity, OpenError, RootKeyPair, SealError, Secret, pad, random};

/// Longest title in bytes of UTF-8.
pub const TITLE_MAX: usize = 200;
/// Longest note in bytes of UTF-8.
pub const NOTE_MAX: usize = 3_000;

/// A fresh box id whose text does not begin with a dash: people type it as an argument of commands.
pub fn box_id() -> BoxId {
    loop {
        let id = BoxId::from_bytes(random::bytes());
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}

/// The longest sealed body of a padded file of `bytes` bytes; `None` if that is beyond the format.
pub fn longest_body(bytes: u64) -> Option<u64> {
    if bytes > envelope::segment::MAX_BODY_LEN {
        return None;
    }
    BodyShape::from_plain_len(pad::padme(bytes)).ok().map(BodyShape::body_len)
}

/// What opens the words of a box: it stands in the fragment of the box's address and never reaches a server.
pub struct BoxKey(Secret<32>);

impl BoxKey {
    /// Takes 32 secret bytes.
    pub fn from_secret(secret: Secret<32>) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What the owner of a box says to whoever sends into it. Debug prints no part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct BoxWords {
    title: String,
    note: String,
}

impl BoxWords {
    /// A title of 1 to [`TITLE_MAX`] bytes, and a note of at most [`NOTE_MAX`] (empty: none). Control characters, but for
    /// line breaks in a note, are refused.
    pub fn new(title: &str, note: &str) -> Result<Self, ParseError> {
        let bad = |field| Err(ParseError::OutOfRange { field });
        if !(1..=TITLE_MAX).contains(&title.len()) || title.chars().any(char::is_control) {
            return bad("title");
        }
        if note.len() > NOTE_MAX || note.chars().any(|c| c.is_control() && c != '\n') {
            return bad("note");
        }
        Ok(Self { title: title.to_owned(), note: note.to_owned() })
    }

    /// The title. Never log it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The note; empty if there is none.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The plaintext of the words: length, CBOR, zeros to a multiple of 512.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut writer = Writer::with_capacity(WORDS_BLOCK * WORDS_BLOCKS_MAX);
        writer.map(1 + usize::from(!self.note.is_empty()));
        writer.uint(1);
        writer.text(&self.title);
        if !self.note.is_empty() {
            writer.uint(2);
            writer.text(&self.note);
        }
        let cbor = Zeroizing::new(writer.finish());
        let len = (4 + cbor.len()).next_multiple_of(WORDS_BLOCK);
        if len > WORDS_BLOCK * WORDS_BLOCKS_MAX {
            return Err(SealError::TooLong);
        }
        let told = u32::try_from(cbor.len()).map_err(|_| SealError::TooLong)?;
        let mut plain = Zeroizing::new(Vec::with_capacity(len));
        plain.extend_from_slice(&told.to_be_bytes());
        plain.extend_from_slice(&cbor);
        plain.resize(len, 0);
        Ok(plain)
    }

    /// Reads what [`BoxWords::encode`] wrote, and nothing else.
    pub fn decode(plain: &[u8]) -> Result<Self, ParseError> {
        let truncated = ParseError::Truncated { field: "words" };
        let (len, rest) = plain.split_first_chunk::<4>().ok_or(truncated)?;
        let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| truncated)?;
        let (cbor, zeros) = rest.split_at_checked(len).ok_or(truncated)?;
        if plain.len() != (4 + len).next_multiple_of(WORDS_BLOCK) || zeros.iter().any(|byte| *byte != 0) {
            return Err(ParseError::TrailingBytes);
        }
        let (mut title, mut note) = (None, None);
        let mut reader = Reader::new(cbor);
        reader.map(|key, value| {
            match key {
                1 => title = Some(value.text()?),
                2 => note = Some(value.text()?),
                _ => return Err(ParseError::UnknownCode { field: "words" }),
            }
            Ok(())
        })?;
        reader.finish()?;
        if note == Some("") {
            return Err(ParseError::Spelling { field: "note" });
        }
        Self::new(title.ok_or(truncated)?, note.unwrap_or_default())
    }
}

impl fmt::Debug for BoxWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[words of a box]")
    }
}

impl Identity {
    /// The key of the words of a box that was made with the root `owner`; `None` if that is none of this person's. Made
    /// of the root, so that every device of the owner can show a box, and its address, again.
    pub fn box_key(&self, owner: RootId, id: BoxId) -> Option<BoxKey> {
        self.root_pairs().find(|pair| pair.root_id() == owner).map(|pair| box_key(pair, id))
    }
}

/// HKDF(root seed, box id, `"waxwing/v1/box"`, 32).
fn box_key(root: &RootKeyPair, id: BoxId) -> BoxKey {
    BoxKey(hkdf(root.seed().expose_secret(), id.as_bytes(), &[b"waxwing/v1/box"]))
}

/// Seals the words and signs the whole by the present root of `owner`, which `terms` must name.
///
/// # Errors
/// [`SealError::Grantor`] for terms of another root, [`SealError::TooLong`], [`SealError::Layout`].
pub fn seal_box(owner: &Identity, terms: &BoxTerms, words: &BoxWords) -> Result<BoxDescription, SealError> {
    let root = owner.root();
    if terms.owner != root.root_id() {
        return Err(SealError::Grantor);
    }
    let sealed = seal_small(&box_key(root, terms.box_id).0, &aad(terms), &words.encode()?)?;
    let mut bytes = terms.encode(&sealed)?;
    let signature = root.sign(&[SIGNATURE_CONTEXT, &bytes]);
    bytes.extend_from_slice(signature.as_bytes());
    Ok(BoxDescription::parse(bytes)?)
}

/// Checks a description by the root key that must have signed it, and opens its words if there is a key for them.
///
/// # Errors
/// [`OpenError::NotAuthentic`] for another box, another signer, or words that the key does not open.
pub fn open_box(
    description: &BoxDescription,
    id: BoxId,
    owner: &PublicKey,
    key: Option<&BoxKey>,
) -> Result<Option<BoxWords>, OpenError> {
    let terms = description.terms();
    if terms.box_id != id || description.verify(owner).is_err() {
        return Err(OpenError::NotAuthentic);
    }
    let Some(key) = key else { return Ok(None) };
    let plain = open_small(&key.0, &aad(terms), description.words()).map_err(|_| OpenError::NotAuthentic)?;
    BoxWords::decode(&plain).map(Some).map_err(|_| OpenError::NotAuthentic)
}

fn aad(terms: &BoxTerms) -> Vec<u8> {
    [WORDS_CONTEXT, &terms.to_bytes()].concat()
}

/// A drop box as it is passed on: `https://HOST[:PORT]/d/ID#1.ROOT`, or `#1k.KEY.ROOT` with the key of its words. The
/// binary fields are base64url without padding. Neither printed nor serialised but by [`BoxAddress::expose_secret`].
pub struct BoxAddress {
    origin: String,
    id: BoxId,
    key: Option<BoxKey>,
    owner: RootId,
}

impl BoxAddress {
    /// The address of a box at `origin` (`https://HOST[:PORT]`).
    pub fn new(origin: &str, id: BoxId, key: Option<BoxKey>, owner: RootId) -> Result<Self, ParseError> {
        check_origin(origin)?;
        Ok(Self { origin: origin.to_owned(), id, key, owner })
    }

    /// Reads exactly what [`BoxAddress::expose_secret`] writes; nothing else is the address of a box.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let bad = ParseError::Spelling { field: "address of a box" };
        let (place, fragment) = text.split_once('#').ok_or(bad)?;
        let (origin, id) = place.split_once("/d/").ok_or(bad)?;
        check_origin(origin)?;
        let (key, root) = match (fragment.strip_prefix("1."), fragment.strip_prefix("1k.")) {
            (Some(root), _) => (None, root),
            (None, Some(rest)) => {
                let (key, root) = rest.split_once('.').ok_or(bad)?;
                (Some(BoxKey(secret_of(key).ok_or(bad)?)), root)
            }
            (None, None) => return Err(bad),
        };
        let owner = RootId::from_bytes(*secret_of(root).ok_or(bad)?.expose_secret());
        Ok(Self { origin: origin.to_owned(), id: id.parse()?, key, owner })
    }

    /// `https://HOST[:PORT]`. Whether that is a server's address is for whoever connects to judge.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The box.
    pub fn id(&self) -> BoxId {
        self.id
    }

    /// The key of its words, if the address has it.
    pub fn key(&self) -> Option<&BoxKey> {
        self.key.as_ref()
    }

    /// The root of its owner.
    pub fn owner(&self) -> RootId {
        self.owner
    }

    /// The whole address. Every use is a place to look at in review.
    pub fn expose_secret(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(512));
        for part in [self.origin.as_str(), "/d/", &self.id.to_string(), "#1"] {
            text.push_str(part);
        }
        if let Some(key) = &self.key {
            text.push_str("k.");
            text.push_str(&text_of(key.0.expose_secret()));
        }
        text.push('.');
        text.push_str(&text_of(self.owner.as_bytes()));
        text
    }
}

impl fmt::Debug for BoxAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxAddress[redacted]")
    }
}
