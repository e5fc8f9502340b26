//! Deterministic CBOR, and ways to write it wrongly.

/// Major types that occur.
pub(crate) const UINT: u8 = 0;
pub(crate) const NEGATIVE: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;

/// A head in its shortest form.
pub(crate) fn head(major: u8, value: u64) -> Vec<u8> {
    let major = major << 5;
    let bytes = value.to_be_bytes();
    match value {
        0..24 => vec![major | bytes[7]],
        24..0x100 => vec![major | 24, bytes[7]],
        0x100..0x1_0000 => [&[major | 25], &bytes[6..]].concat(),
        0x1_0000..0x1_0000_0000 => [&[major | 26], &bytes[4..]].concat(),
        _ => [&[major | 27], bytes.as_slice()].concat(),
    }
}

pub(crate) fn uint(value: u64) -> Vec<u8> {
    head(UINT, value)
}

pub(crate) fn int(value: i64) -> Vec<u8> {
    match u64::try_from(value) {
        Ok(value) => head(UINT, value),
        Err(_) => head(NEGATIVE, (-1 - value).cast_unsigned()),
    }
}

pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    [head(BYTES, value.len() as u64).as_slice(), value].concat()
}

pub(crate) fn text(value: &[u8]) -> Vec<u8> {
    [head(TEXT, value.len() as u64).as_slice(), value].concat()
}

pub(crate) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(ARRAY, items.len() as u64), items.concat()].concat()
}

/// A map of entries that are written as they come.
pub(crate) fn map(entries: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let entries_written = entries.iter().flat_map(|(key, value)| [uint(*key), value.clone()].concat());
    [head(MAP, entries.len() as u64), entries_written.collect()].concat()
}
