//! Stored bytes that should be one gzip member, against a second inflater.

use format::compress::Inflater;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::input::Input;

/// Longest original that is tried.
const LONGEST: usize = 1 << 18;

/// Original size 4, piece 1, then what is stored, just so.
pub fn inflate_stored(data: &[u8]) {
    let mut input = Input::new(data);
    let size = input.u32() as usize % (LONGEST + 1);
    let piece = usize::from(input.u8()) + 1;
    agree(input.rest(), size, piece);
}

/// Piece 1, then a deflate stream; header, checksum and size are made to fit it, and a size that
/// is one off must be refused.
pub fn inflate_member(data: &[u8]) {
    let mut input = Input::new(data);
    let piece = usize::from(input.u8()) + 1;
    let deflated = input.rest();
    let Some((plain, used)) = inflate(deflated, LONGEST) else { return };
    let mut stored = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    stored.extend_from_slice(&deflated[..used]);
    stored.extend_from_slice(&crc32(&plain).to_le_bytes());
    stored.extend_from_slice(&(plain.len() as u64).to_le_bytes()[..4]);
    let ours = run(&stored, plain.len(), piece);
    assert!(ours.as_ref() == Some(&plain), "a sound member inflates to its original");
    assert!(run(&stored, plain.len() + 1, piece).is_none());
    assert!(plain.is_empty() || run(&stored, plain.len() - 1, piece).is_none());
    stored.push(0);
    assert!(run(&stored, plain.len(), piece).is_none(), "nothing follows the member");
}

fn agree(stored: &[u8], size: usize, piece: usize) {
    let ours = run(stored, size, piece);
    assert!(ours == run(stored, size, usize::MAX), "pieces make no difference");
    assert!(ours == second_opinion(stored, size));
}

fn run(stored: &[u8], size: usize, piece: usize) -> Option<Vec<u8>> {
    let mut inflater = Inflater::new(Vec::new(), size as u64);
    for piece in stored.chunks(piece) {
        inflater.push(piece).ok()?;
    }
    inflater.finish().ok()
}

/// The text of the format, on another inflater.
fn second_opinion(stored: &[u8], size: usize) -> Option<Vec<u8>> {
    let (header, rest) = stored.split_first_chunk::<10>()?;
    if header[..8] != [0x1f, 0x8b, 8, 0, 0, 0, 0, 0] {
        return None;
    }
    let (plain, used) = inflate(rest, size)?;
    let trailer: &[u8; 8] = rest[used..].try_into().ok()?;
    let fits =
        trailer[..4] == crc32(&plain).to_le_bytes() && trailer[4..] == (size as u64).to_le_bytes()[..4];
    (plain.len() == size && fits).then_some(plain)
}

/// Inflates one raw stream to at most `limit` bytes: the original, and how many bytes it took.
fn inflate(deflated: &[u8], limit: usize) -> Option<(Vec<u8>, usize)> {
    let mut state = DecompressorOxide::new();
    // One byte more than allowed, so that a longer original is seen.
    let mut plain = vec![0; limit + 1];
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, used, made) = decompress(&mut state, deflated, &mut plain, 0, flags);
    plain.truncate(made);
    (status == TINFLStatus::Done && made <= limit).then_some((plain, used))
}

/// CRC-32 of RFC 1952 section 8, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
