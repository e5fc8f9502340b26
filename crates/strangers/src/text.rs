//! Text that a stranger chose: addresses, names of files, ids.

use std::fmt::Display;
use std::str::FromStr;

use envelope::merkle::Node;
use envelope::{Address, BoxId, ContentId, FileId, LinkId, RecipientId, RootId, UserId};
use format::names::safe_file_name;
use format::safety::safety_number as number;
use format::{BoxAddress, FileName, LinkAddress};
use proto::Cid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::input::Input;

/// An address: its normal form is its own normal form, within its bounds, with one `@`.
pub fn address(data: &[u8]) {
    let Ok(typed) = std::str::from_utf8(data) else { return };
    let parsed = Address::parse(typed);
    if let Ok(exact) = Address::parse_canonical(typed) {
        assert_eq!(exact.as_str(), typed);
    }
    let Ok(address) = parsed else { return };
    let text = address.as_str();
    assert!(text.len() <= 254 && text.matches('@').count() == 1);
    assert!(!text.chars().any(|c| c.is_control() || c.is_whitespace()));
    assert_eq!(Address::parse_canonical(text).as_ref(), Ok(&address));
    assert_eq!(Address::parse(text).as_ref(), Ok(&address));
    let json = serde_json::to_string(&address).expect("an address is text");
    assert_eq!(serde_json::from_str::<Address>(&json).expect("what was written reads"), address);
}

/// A name made safe: never a separator, never empty, never too long, nothing that hides what it is.
pub fn file_name(data: &[u8]) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    if let Ok(parsed) = FileName::parse(name) {
        let text = parsed.as_str();
        assert!((1..=255).contains(&text.len()) && !text.contains(['/', '\\', '\0']));
        assert_eq!(FileName::parse(text).as_ref(), Ok(&parsed));
    }
    let safe = safe_file_name(name);
    assert!((1..=255).contains(&safe.len()));
    assert!(safe.chars().all(|c| !c.is_control() && !r#"/\:*?"<>|"#.contains(c) && !hides(c)), "{safe:?}");
    assert!(!safe.starts_with(char::is_whitespace) && !safe.ends_with(char::is_whitespace), "{safe:?}");
    assert!(!safe.ends_with('.') && !safe.starts_with('-'), "{safe:?}");
    let stem = safe.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = ["COM", "LPT"].iter().any(|device| {
        stem.strip_prefix(device)
            .is_some_and(|rest| rest.chars().count() == 1 && "0123456789¹²³".contains(rest))
    });
    let named = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str());
    assert!(!numbered && !named, "{safe:?} names a device");
    assert_eq!(safe_file_name(&safe), safe, "a safe name stays as it is");
}

/// Turns the direction of text, or is not seen at all.
fn hides(c: char) -> bool {
    let code = u32::from(c);
    [0xad, 0x34f, 0x61c, 0x180e, 0x200b, 0x200e, 0x202e, 0x2066, 0x2069, 0x2028, 0x2029, 0xfeff]
        .contains(&code)
        || (0xe0000..=0xe007f).contains(&code)
}

/// Ids of every kind have one spelling each.
pub fn ids(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    one_spelling::<FileId>(text, 36);
    one_spelling::<UserId>(text, 36);
    one_spelling::<RootId>(text, 64);
    one_spelling::<ContentId>(text, 64);
    one_spelling::<RecipientId>(text, 64);
    one_spelling::<Node>(text, 64);
}

fn one_spelling<T>(text: &str, len: usize)
where
    T: FromStr + Display + PartialEq + Serialize + DeserializeOwned,
{
    let json = serde_json::to_string(text).expect("text is JSON");
    let read = serde_json::from_str::<T>(&json);
    let Ok(id) = text.parse::<T>() else {
        assert!(read.is_err());
        return;
    };
    assert_eq!(id.to_string(), text);
    assert_eq!(text.len(), len);
    assert!(text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')));
    assert!(read.expect("it parses as text") == id);
    assert_eq!(serde_json::to_string(&id).expect("an id is text"), json);
}

/// A CID has one spelling: letters and digits of base32, within its bounds.
pub fn cid(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(cid) = Cid::parse(text) else { return };
    assert_eq!(cid.to_string(), text);
    assert!(text.starts_with('b') && (40..=128).contains(&text.len()));
    assert!(text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')));
    assert!(Cid::parse(&text.to_uppercase()).is_err() && Cid::parse(&format!("{text}a")).is_err());
}

/// A link has one spelling, and so has its id; nothing of it prints by chance.
pub fn link(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(id) = text.parse::<LinkId>() {
        assert_eq!(id.to_string(), text);
    }
    let Ok(link) = LinkAddress::parse(text) else { return };
    assert_eq!(*link.expose_secret(), text);
    assert!(link.origin().starts_with("https://") && text.matches('#').count() == 1);
    assert_eq!(format!("{link:?}"), "LinkAddress[redacted]");
}

/// The address of a drop box has one spelling, and so has its id; nothing of it prints by chance.
pub fn box_address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(id) = text.parse::<BoxId>() {
        assert_eq!(id.to_string(), text);
    }
    let Ok(address) = BoxAddress::parse(text) else { return };
    assert_eq!(*address.expose_secret(), text);
    assert!(address.origin().starts_with("https://") && text.matches('#').count() == 1);
    assert_eq!(address.key().is_some(), text.contains("#1k."));
    assert!(LinkAddress::parse(text).is_err(), "a box is no link");
    assert_eq!(format!("{address:?}"), "BoxAddress[redacted]");
}

/// The safety number of any two roots is the same from both sides, and is twelve groups of five digits.
pub fn safety_number(data: &[u8]) {
    let mut input = Input::new(data);
    let (one, other) = (RootId::from_bytes(input.array()), RootId::from_bytes(input.array()));
    let text = number(&one, &other).to_string();
    assert_eq!(text, number(&other, &one).to_string());
    let groups: Vec<&str> = text.split(' ').collect();
    assert_eq!(groups.len(), 12);
    assert!(groups.iter().all(|group| group.len() == 5 && group.bytes().all(|c| c.is_ascii_digit())));
}

/// Text that somebody's code showed: it is this number's, another number's, or no number's.
pub fn scanned_number(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let ours = number(&RootId::from_bytes([1; 32]), &RootId::from_bytes([2; 32]));
    let shown = text.trim_matches([' ', '\t', '\n', '\r', '\x0c']);
    let is_number = shown.len() == 77
        && shown.starts_with("WAXWING-SAFETY-1:")
        && shown.bytes().skip(17).all(|byte| byte.is_ascii_digit());
    let expected = is_number.then_some(shown == ours.qr_text());
    assert_eq!(ours.same_as_scanned(text).ok(), expected);
}
