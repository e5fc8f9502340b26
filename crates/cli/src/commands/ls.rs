//! `wax ls`: the files sent and received: all, or those asked for, in the order asked for.

use super::links::LinkJson;
use super::{PasserJson, TrustJson, cids, compat, moment, seconds_until, stamp};
use crate::app::{App, Session};
use crate::args::{Ls, Order};
use crate::console::{safe, size};
use crate::expiry::{count, largest_unit_in_words};
use crate::fault::Fault;
use crate::keyring;
use crate::progress::Shown;
use client::{
    Address, Contact, FileSummary, IndexFault, ListQuery, Listing, Picture, Preview, Receipt, ReceiptState,
    Recipient, Role, Sort, Trust, V0Summary,
};
use serde::Serialize;

/// Rows shown unless a person says otherwise.
const LIMIT_DEFAULT: usize = 50;
/// Characters of an id in the table.
pub(super) const SHORT_ID: usize = 8;

/// `{"files": […], "v0": [files of the documented API], "refused": [ids that did not verify], "more": bool, "matched": N, "total": N}`.
#[derive(Serialize)]
struct ListJson<'a> {
    files: Vec<FileJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    v0: Vec<compat::ListedJson<'a>>,
    refused: Vec<String>,
    more: bool,
    /// How many there are of those asked for.
    matched: u64,
    /// How many files there are.
    total: u64,
}

/// One file, as `ls` and `info` tell it.
#[derive(Serialize)]
pub(super) struct FileJson<'a> {
    id: String,
    role: &'static str,
    name: &'a str,
    media_type: &'a str,
    /// Of a folder the sizes are those of the list of its files.
    folder: bool,
    bytes: u64,
    sealed_bytes: u64,
    compressed: bool,
    padded: bool,
    has_preview: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<PreviewJson>,
    modified: Option<String>,
    /// The sender's address, if somebody signed.
    from: Option<&'a str>,
    /// The drop box of yours that it came into.
    #[serde(skip_serializing_if = "Option::is_none")]
    drop_box: Option<String>,
    trust: TrustJson,
    /// Who passed it on to you, and how far they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed_on_by: Option<PasserJson<'a>>,
    /// Whether the file is signed with a key that its sender has replaced since.
    retired_key: bool,
    created: Option<String>,
    expires_at: Option<String>,
    downloads: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_downloads: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<RecipientJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    receipts: Vec<ReceiptJson<'a>>,
    /// Told by `wax info` alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) links: Vec<LinkJson>,
    /// Told by `wax info` alone, of what is on IPFS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ipfs: Option<cids::IpfsJson>,
}

/// The small picture that its sender sealed with a file.
#[derive(Serialize)]
struct PreviewJson {
    /// As the sender says it.
    media_type: String,
    bytes: usize,
    /// Pixels; absent for what is no picture that is safe to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
}

impl PreviewJson {
    fn of(preview: &Preview) -> Self {
        let picture = Picture::of(preview);
        Self {
            media_type: preview.media_type.clone(),
            bytes: preview.bytes.len(),
            width: picture.as_ref().map(|picture| picture.width),
            height: picture.as_ref().map(|picture| picture.height),
        }
    }
}

/// What the server shows as the receipt of a recipient, and what it is worth.
#[derive(Serialize)]
struct ReceiptJson<'a> {
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    opened: Option<String>,
    /// `verified`, `unknown` (no keys of that person here) or `forged`.
    state: &'static str,
}

/// Somebody who may open a file.
#[derive(Serialize)]
struct RecipientJson<'a> {
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    /// Who passed it on to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed_on_by: Option<PersonJson<'a>>,
    since: Option<String>,
    downloads: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_download: Option<String>,
}

/// An account, by address if it is a contact.
#[derive(Serialize)]
struct PersonJson<'a> {
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

fn receipt(receipt: &Receipt) -> ReceiptJson<'_> {
    ReceiptJson {
        user_id: receipt.user_id.to_string(),
        address: receipt.address.as_ref().map(Address::as_str),
        opened: stamp(receipt.opened),
        state: match receipt.state {
            ReceiptState::Verified => "verified",
            ReceiptState::Unknown => "unknown",
            ReceiptState::Forged => "forged",
        },
    }
}

impl<'a> FileJson<'a> {
    pub(super) fn of(file: &'a FileSummary) -> Self {
        Self {
            id: file.file_id.to_string(),
            role: match file.role {
                Role::Author => "author",
                Role::Recipient => "recipient",
            },
            name: &file.name,
            media_type: &file.media_type,
            folder: file.is_folder,
            bytes: file.bytes,
            sealed_bytes: file.body_len,
            compressed: file.compressed,
            padded: file.padded,
            has_preview: file.has_preview,
            preview: file.preview.as_ref().map(PreviewJson::of),
            modified: jiff::Timestamp::from_millisecond(file.modified_ms).ok().map(|time| time.to_string()),
            from: file.sender.address.as_ref().map(Address::as_str),
            drop_box: file.box_id.map(|id| id.to_string()),
            trust: file.sender.trust.into(),
            passed_on_by: file.passed_by.as_ref().map(PasserJson::of),
            retired_key: file.sender.retired_root,
            created: stamp(file.created),
            expires_at: stamp(file.expires_at),
            downloads: file.downloads,
            max_downloads: file.max_downloads,
            keys: file.keys.iter().map(ToString::to_string).collect(),
            receipts: file.receipts.iter().map(receipt).collect(),
            recipients: file
                .recipients
                .iter()
                .map(|recipient| RecipientJson {
                    user_id: recipient.user_id.to_string(),
                    address: recipient.address.as_ref().map(Address::as_str),
                    passed_on_by: recipient.given_by.as_ref().map(|by| {
                        let address = by.address.as_ref().map(Address::as_str);
                        PersonJson { user_id: by.user_id.to_string(), address }
                    }),
                    since: stamp(recipient.since),
                    downloads: recipient.downloads,
                    last_download: recipient.fetched_at.and_then(stamp),
                })
                .collect(),
            links: Vec::new(),
            ipfs: None,
        }
    }
}

pub(super) fn run(app: &App, args: &Ls) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let query = query(args);
    let shown = Shown::new(&app.console, String::new());
    let listing = session.run(session.client.browse(&me, &query, &shown));
    shown.end();
    let listing = listing?;
    if let Some(fault) = listing.rebuilt {
        app.console.note(match fault {
            IndexFault::TooOld => "the list was read anew: this device had not asked for a long time",
            IndexFault::OtherVersion => "the list was read anew: another version of wax had made its index",
            _ => "the list was read anew: its index on this device was damaged, or of other keys; nothing was lost",
        });
    }
    let mut v0 = v0_of(&session, args)?;
    let limit = query.limit.unwrap_or(usize::MAX);
    let more = listing.matched > listing.files.len() as u64 || v0.len() > limit;
    v0.truncate(limit);
    if !app.console.json {
        show(app, &session, args, (&listing, &v0), more)?;
    }
    app.console.result(&ListJson {
        files: listing.files.iter().map(FileJson::of).collect(),
        v0: v0.iter().map(compat::listed_json).collect(),
        refused: listing.refused.iter().map(ToString::to_string).collect(),
        more,
        matched: listing.matched,
        total: listing.total,
    })
}

fn query(args: &Ls) -> ListQuery {
    ListQuery {
        words: args.words.clone(),
        role: match (args.sent, args.received) {
            (true, _) => Some(Role::Author),
            (_, true) => Some(Role::Recipient),
            _ => None,
        },
        from: args.from.clone(),
        kind: args.kind.clone(),
        at_least: args.larger.map(|amount| amount.0),
        at_most: args.smaller.map(|amount| amount.0),
        since: args.since.map(|since| since.0),
        before: args.before.map(|before| before.0),
        ends_before: args.ending.map(|within| {
            let within = i64::try_from(within.seconds()).unwrap_or(i64::MAX);
            jiff::Timestamp::now().as_second().saturating_add(within)
        }),
        unverified: args.unverified,
        sort: match args.sort {
            Order::Date => Sort::Date,
            Order::Name => Sort::Name,
            Order::Size => Sort::Size,
            Order::Sender => Sort::Sender,
            Order::End => Sort::End,
        },
        reverse: args.reverse,
        limit: match args.limit {
            Some(limit) => Some(usize::try_from(limit).unwrap_or(usize::MAX)),
            None if args.all => None,
            None => Some(LIMIT_DEFAULT),
        },
    }
}

/// Files of the documented API, which stand in no index. Words find their names; any other filter is about what they do not have.
fn v0_of(session: &Session, args: &Ls) -> Result<Vec<V0Summary>, Fault> {
    let is_about_sealed = args.from.is_some()
        || args.kind.is_some()
        || args.larger.is_some()
        || args.smaller.is_some()
        || args.since.is_some()
        || args.before.is_some()
        || args.ending.is_some();
    if is_about_sealed {
        return Ok(Vec::new());
    }
    let words: Vec<String> = args.words.iter().map(|word| word.to_lowercase()).collect();
    let mut v0 = session.run(session.client.v0_files())?;
    v0.retain(|file| {
        let name = file.name.to_lowercase();
        (if file.own { !args.received } else { !args.sent }) && words.iter().all(|word| name.contains(word))
    });
    Ok(v0)
}

fn show(
    app: &App,
    session: &Session,
    args: &Ls,
    (listing, v0): (&Listing, &[V0Summary]),
    more: bool,
) -> Result<(), Fault> {
    let console = &app.console;
    let files = &listing.files;
    if files.is_empty() && v0.is_empty() && listing.total > 0 {
        console.note(format!("none of your {} is like that", count(listing.total, "file")));
    } else if files.is_empty() && v0.is_empty() {
        console.note(
            "no files yet; what you send and what you are sent will stand here: wax send FILE --to ADDRESS",
        );
    } else {
        let contacts = session.client.contacts()?;
        let sealed = files.iter().map(|file| row(file, &contacts, args.long));
        let rows: Vec<Vec<String>> = sealed.chain(v0.iter().map(|file| v0_row(file, args.long))).collect();
        console.table(&["ID", "", "NAME", "SIZE", "WITH", "WHEN", "ENDS"], &rows)?;
    }
    if files.iter().any(is_unverified) {
        console.note("(!) the safety number was never compared: wax contacts verify ADDRESS");
    }
    if files.iter().any(|file| file.sender.trust == Trust::Changed) {
        console.warn("(!!) the keys of the sender have changed; such a file is not opened");
    }
    if !listing.refused.is_empty() {
        console.warn(format!(
            "{} left out: what the server shows of them does not verify",
            count(listing.refused.len() as u64, "file")
        ));
    }
    if !v0.is_empty() {
        console.note("(v0) such a file is not signed, and the server knows its name and its size");
    }
    if more {
        console.note(format!(
            "{} of {}: -n N shows more of them, --all shows all",
            files.len(),
            count(listing.matched, "file")
        ));
    }
    Ok(())
}

fn v0_row(file: &V0Summary, long: bool) -> Vec<String> {
    let id = file.file_id.to_string();
    let ends = compat::ends(file, largest_unit_in_words);
    compat::row(file, if long { id } else { id[..SHORT_ID].to_owned() }, ends)
}

fn row(file: &FileSummary, contacts: &[Contact], long: bool) -> Vec<String> {
    let id = file.file_id.to_string();
    vec![
        if long { id } else { id[..SHORT_ID].to_owned() },
        match file.role {
            Role::Author => "sent",
            Role::Recipient => "received",
        }
        .to_owned(),
        if file.is_folder { format!("{}/", safe(&file.name)) } else { safe(&file.name) },
        if file.is_folder { "folder".to_owned() } else { size(file.bytes) },
        with(file, contacts),
        moment(file.created),
        ends(file, largest_unit_in_words),
    ]
}

/// Who is at the other end.
fn with(file: &FileSummary, contacts: &[Contact]) -> String {
    match file.role {
        Role::Recipient => {
            let mark = marked(file.sender.trust);
            let who = match &file.sender.address {
                Some(address) => safe(address.as_str()),
                None => "sender not verified".to_owned(),
            };
            let by = if file.box_id.is_some() { ", by drop box" } else { "" };
            let passed = match &file.passed_by {
                Some(passer) => {
                    format!(", passed on by {}{}", super::from_whom(passer), marked(passer.trust))
                }
                None => String::new(),
            };
            format!("{who}{mark}{by}{passed}")
        }
        Role::Author => match file.recipients.as_slice() {
            // The server does not always say to whom.
            [] => "-".to_owned(),
            [first] => name_of(first, contacts),
            [first, rest @ ..] => format!("{} and {} more", name_of(first, contacts), rest.len()),
        },
    }
}

/// What stands behind a name whose keys are not verified.
fn marked(trust: Trust) -> &'static str {
    match trust {
        Trust::Pinned | Trust::FirstContact => " (!)",
        Trust::Changed => " (!!)",
        Trust::Own | Trust::Verified | Trust::Anonymous => "",
    }
}

/// A recipient by address if this device knows it; what a person did not verify is marked.
pub(super) fn name_of(recipient: &Recipient, contacts: &[Contact]) -> String {
    match &recipient.address {
        Some(address) => {
            let verified = contacts.iter().any(|contact| contact.address == *address && contact.verified);
            format!("{}{}", safe(address.as_str()), if verified { "" } else { " (!)" })
        }
        None => format!("account {}", recipient.user_id),
    }
}

fn is_unverified(file: &FileSummary) -> bool {
    file.role == Role::Recipient && matches!(file.sender.trust, Trust::Pinned | Trust::FirstContact)
}

/// `in 6 days, 2 of 3 downloads used`; `words` tells how long that is.
pub(super) fn ends(file: &FileSummary, words: fn(u64) -> String) -> String {
    let when = match seconds_until(file.expires_at) {
        Some(left) => format!("in {}", words(left)),
        None => "ended".to_owned(),
    };
    match file.max_downloads {
        Some(of) => format!("{when}, {} of {} used", file.downloads, count(of.into(), "download")),
        None => when,
    }
}
