//! Names that are safe to create on this disk, from names that an author chose.

use unicode_normalization::UnicodeNormalization;

/// Longest safe name in bytes of UTF-8.
const MAX_LEN: usize = 255;
/// What a name that nothing is left of becomes.
const FALLBACK: &str = "unnamed";
/// Names that some systems take for devices, whatever follows the first dot.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// Turns an authenticated file name into one that every common system can create, and that shows
/// what it is.
///
/// The result has 1 to 255 bytes; no separators, reserved or control characters, no characters
/// that change the direction of text or are invisible; no space at the start, no space or dot at
/// the end; it is not `.` or `..`, begins with no `-` that a tool could take for an option, and
/// is no device name. It may equal the name of another file: creating it must
/// fail if that exists.
pub fn safe_file_name(name: &str) -> String {
    let replaced: String =
        name.chars().filter(|c| !is_invisible(*c)).map(|c| if is_reserved(c) { '_' } else { c }).collect();
    let trimmed = trim(&replaced);
    // Shortened first: what is cut off may have been all that told a name from that of a device.
    let safe = shorten(if trimmed.is_empty() { FALLBACK } else { trimmed });
    if is_device(&safe) || safe.starts_with('-') { shorten(&format!("_{safe}")) } else { safe }
}

/// The `n`th name beside a safe one that is taken: `name (n).ext`, as safe.
pub fn numbered(safe: &str, n: u32) -> String {
    let dot = safe.rfind('.').filter(|at| *at > 0 && safe.len() - at <= 16).unwrap_or(safe.len());
    let (stem, extension) = safe.split_at(dot);
    let number = format!(" ({n})");
    let stem = &stem[..stem.floor_char_boundary(MAX_LEN - number.len() - extension.len())];
    safe_file_name(&format!("{stem}{number}{extension}"))
}

/// A name as it is compared with what somebody types: in NFC, without regard to the case of letters. Never for telling files apart.
pub fn comparable(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfc().collect::<String>().to_lowercase()
}

fn trim(name: &str) -> &str {
    name.trim_start_matches(char::is_whitespace).trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// Separators, what the FAT family reserves, and control characters.
fn is_reserved(c: char) -> bool {
    c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\u{fffd}')
}

/// Bidirectional marks, embeddings, overrides and isolates; zero-width and other invisible
/// format characters; line and paragraph separators; tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|rest| {
            let mut digits = rest.chars();
            matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    });
    numbered || DEVICES.contains(&stem.as_str())
}

/// Cuts a name to [`MAX_LEN`] bytes, keeping a short extension.
fn shorten(name: &str) -> String {
    if name.len() <= MAX_LEN {
        return name.to_owned();
    }
    let extension = name.rfind('.').map(|at| &name[at..]).filter(|extension| extension.len() <= 16);
    let extension = extension.unwrap_or("");
    let stem = &name[..name.floor_char_boundary(MAX_LEN - extension.len())];
    let stem = stem.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    format!("{stem}{extension}")
}
