//! What a file is called and how its stored bytes become the file: sealed inside the manifest.

use std::fmt;

use envelope::manifest::{METADATA_BLOCK, METADATA_BLOCKS_MAX};
use envelope::segment::{BodyShape, MAX_BODY_LEN};
use envelope::{MAX_INTEGER, ParseError, Suite};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};
use crate::{SealError, pad};

/// Longest file name in bytes of UTF-8.
pub const NAME_MAX: usize = 255;
/// Longest preview in bytes.
pub const PREVIEW_MAX: usize = 32 * 1024;

/// A file name: 1 to 255 bytes of UTF-8, no `/`, `\` or NUL, not `.` or `..`. Debug prints no part of it.
///
/// It is what the author wrote; before creating a file of that name see [`crate::names::safe_file_name`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Takes a name of a local file: composes it (NFC), then checks it.
    pub fn parse(name: &str) -> Result<Self, ParseError> {
        Self::from_sealed(&name.nfc().collect::<String>())
    }

    /// Takes a name as it is sealed, composed or not.
    pub(crate) fn from_sealed(name: &str) -> Result<Self, ParseError> {
        let legal = (1..=NAME_MAX).contains(&name.len())
            && !name.contains(['/', '\\', '\0'])
            && name != "."
            && name != "..";
        if legal { Ok(Self(name.to_owned())) } else { Err(ParseError::Spelling { field: "file name" }) }
    }

    /// The name as text. Never log it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[file name]")
    }
}

/// How the stored bytes were made from the original ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// They are the original bytes (0).
    None = 0,
    /// They are one gzip member (1).
    Gzip = 1,
}

/// How the stored bytes were lengthened before sealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Not at all (0): the length of the body tells the stored size exactly.
    None = 0,
    /// Zeros up to the Padmé length (1).
    Padme = 1,
}

/// A small picture or text that stands for the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Preview {
    /// Media type of the preview.
    pub media_type: String,
    /// At most 32 KiB. Untrusted content: show it in a sandbox only.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[preview]")
    }
}

/// The sealed description of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The file's name.
    pub name: FileName,
    /// Media type as the author named it; empty if unknown.
    pub media_type: String,
    /// Size of the file in bytes, at most 2^44.
    pub original_size: u64,
    /// Bytes that were sealed, before padding, at most 2^44.
    pub stored_size: u64,
    /// How the stored bytes were made.
    pub compression: Compression,
    /// How they were lengthened.
    pub padding: Padding,
    /// Modification time in milliseconds since the Unix epoch, between −2^53 and 2^53.
    pub modified_ms: i64,
    /// The drop box it came through; only in anonymous files.
    pub box_id: Option<[u8; 16]>,
    /// A preview.
    pub preview: Option<Preview>,
}

impl Metadata {
    /// Plaintext length of the body that this metadata describes, padding included; `None` if the
    /// sizes are beyond the format.
    pub fn plain_len(&self) -> Option<u64> {
        match self.padding {
            _ if self.stored_size > MAX_BODY_LEN => None,
            Padding::None => Some(self.stored_size),
            Padding::Padme => Some(pad::padme(self.stored_size)),
        }
    }

    /// Whether the fields agree with each other, with the suite, and with the body.
    fn is_consistent(&self, suite: Suite, body: BodyShape) -> bool {
        self.original_size <= MAX_BODY_LEN
            && (self.compression == Compression::Gzip || self.original_size == self.stored_size)
            && self.modified_ms.unsigned_abs() <= MAX_INTEGER
            && (self.box_id.is_none() || suite == Suite::Anonymous)
            && self.preview.as_ref().is_none_or(|preview| preview.bytes.len() <= PREVIEW_MAX)
            && self.plain_len() == Some(body.plain_len())
    }

    /// The plaintext of the sealed metadata: length, CBOR, zeros to a multiple of 512.
    pub(crate) fn encode(&self, suite: Suite, body: BodyShape) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if !self.is_consistent(suite, body) {
            return Err(SealError::Metadata);
        }
        let cbor = self.to_cbor();
        let cbor_len = u32::try_from(cbor.len()).map_err(|_| SealError::TooLong)?;
        let len = (4 + cbor.len()).next_multiple_of(METADATA_BLOCK);
        if len > METADATA_BLOCK * METADATA_BLOCKS_MAX {
            return Err(SealError::TooLong);
        }
        let mut plain = Zeroizing::new(Vec::with_capacity(len));
        plain.extend_from_slice(&cbor_len.to_be_bytes());
        plain.extend_from_slice(&cbor);
        plain.resize(len, 0);
        Ok(plain)
    }

    /// Reads what [`Metadata::encode`] wrote, and nothing else.
    pub(crate) fn decode(plain: &[u8], suite: Suite, body: BodyShape) -> Result<Self, ParseError> {
        let truncated = ParseError::Truncated { field: "metadata" };
        let (cbor_len, rest) = plain.split_first_chunk::<4>().ok_or(truncated)?;
        let cbor_len = usize::try_from(u32::from_be_bytes(*cbor_len)).map_err(|_| truncated)?;
        let (cbor, zeros) = rest.split_at_checked(cbor_len).ok_or(truncated)?;
        if plain.len() != (4 + cbor_len).next_multiple_of(METADATA_BLOCK) || zeros.iter().any(|b| *b != 0) {
            return Err(ParseError::TrailingBytes);
        }
        let metadata = Self::from_cbor(cbor)?;
        if metadata.is_consistent(suite, body) {
            Ok(metadata)
        } else {
            Err(ParseError::Contradiction { field: "metadata" })
        }
    }

    fn to_cbor(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::default();
        writer.map(7 + usize::from(self.box_id.is_some()) + usize::from(self.preview.is_some()));
        writer.uint(1);
        writer.text(&self.name.0);
        writer.uint(2);
        writer.text(&self.media_type);
        writer.uint(3);
        writer.uint(self.original_size);
        writer.uint(4);
        writer.uint(self.stored_size);
        writer.uint(5);
        writer.uint(self.compression as u64);
        writer.uint(6);
        writer.uint(self.padding as u64);
        writer.uint(7);
        writer.int(self.modified_ms);
        if let Some(box_id) = &self.box_id {
            writer.uint(8);
            writer.bytes(box_id);
        }
        if let Some(preview) = &self.preview {
            writer.uint(9);
            writer.map(2);
            writer.uint(1);
            writer.text(&preview.media_type);
            writer.uint(2);
            writer.bytes(&preview.bytes);
        }
        Zeroizing::new(writer.finish())
    }

    fn from_cbor(cbor: &[u8]) -> Result<Self, ParseError> {
        let missing = ParseError::Truncated { field: "metadata key" };
        let (mut name, mut media_type, mut original_size, mut stored_size) = (None, None, None, None);
        let (mut compression, mut padding, mut modified_ms) = (None, None, None);
        let (mut box_id, mut preview) = (None, None);
        let mut reader = Reader::new(cbor);
        reader.map(|key, value| {
            match key {
                1 => name = Some(FileName::from_sealed(value.text()?)?),
                2 => media_type = Some(value.text()?.to_owned()),
                3 => original_size = Some(value.uint()?),
                4 => stored_size = Some(value.uint()?),
                5 => {
                    compression = Some(match value.uint()? {
                        0 => Compression::None,
                        1 => Compression::Gzip,
                        _ => return Err(ParseError::UnknownCode { field: "compression" }),
                    });
                }
                6 => {
                    padding = Some(match value.uint()? {
                        0 => Padding::None,
                        1 => Padding::Padme,
                        _ => return Err(ParseError::UnknownCode { field: "padding" }),
                    });
                }
                7 => modified_ms = Some(value.int()?),
                8 => {
                    let id = value.bytes()?.try_into();
                    box_id = Some(id.map_err(|_| ParseError::OutOfRange { field: "box id" })?);
                }
                9 => preview = Some(preview_from_cbor(value)?),
                _ => return Err(ParseError::UnknownCode { field: "metadata key" }),
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(Self {
            name: name.ok_or(missing)?,
            media_type: media_type.ok_or(missing)?,
            original_size: original_size.ok_or(missing)?,
            stored_size: stored_size.ok_or(missing)?,
            compression: compression.ok_or(missing)?,
            padding: padding.ok_or(missing)?,
            modified_ms: modified_ms.ok_or(missing)?,
            box_id,
            preview,
        })
    }
}

fn preview_from_cbor(reader: &mut Reader<'_>) -> Result<Preview, ParseError> {
    let missing = ParseError::Truncated { field: "preview key" };
    let (mut media_type, mut bytes) = (None, None);
    reader.map(|key, value| {
        match key {
            1 => media_type = Some(value.text()?.to_owned()),
            2 => bytes = Some(value.bytes()?.to_vec()),
            _ => return Err(ParseError::UnknownCode { field: "preview key" }),
        }
        Ok(())
    })?;
    Ok(Preview { media_type: media_type.ok_or(missing)?, bytes: bytes.ok_or(missing)? })
}

#[cfg(test)]
mod tests;
