//! `wax info`: everything about one file, and who may open it.

use super::ls::{FileJson, SHORT_ID, ends, name_of};
use super::rsa::short;
use super::{cids, compat, file_id, from_whom, moment, trust_mark};
use crate::app::{App, Session};
use crate::args::Info;
use crate::console::{Console, safe, size};
use crate::expiry::{count, span_in_words};
use crate::fault::{Class, Fault};
use crate::keyring;
use client::{Address, FileSummary, Picture, Receipt, ReceiptState, Role, Trust, UserId};
use std::io::Write;
use std::path::Path;

pub(super) fn run(app: &App, args: &Info) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let id = file_id(&session, &me, &args.id)?;
    let console = &app.console;
    let file = match session.run(session.client.info(&me, id)) {
        // A file of the older kind is asked for only where no sealed one is.
        Err(fault) if fault.class == Class::NotFound => {
            return match session.run(session.client.v0_info(id)) {
                Ok(_) if args.preview_out.is_some() => no_preview("the file has no preview"),
                Ok(told) => compat::info(console, &told),
                Err(other) if other.class == Class::NotFound => Err(fault),
                Err(other) => Err(other),
            };
        }
        file => file?,
    };
    warn_of_forged(console, &file.receipts);
    let picture = file.preview.as_ref().map(Picture::of);
    if let Some(path) = &args.preview_out {
        write_preview(path, picture.as_ref())?;
    }
    let published = cids::of(console, &session, args, &file)?;
    if args.cids && !console.json {
        return cids::all(console, &file, &published);
    }
    if console.json {
        let mut shown = FileJson::of(&file);
        shown.ipfs = cids::IpfsJson::of(&published);
        if file.role == Role::Author {
            let links = session.run(session.client.links())?;
            shown.links = links.iter().filter(|link| link.file_id == id).map(super::links::listed).collect();
        }
        return console.result(&shown);
    }
    let from = from_whom(&file.sender);
    console.say(format!("id       {}", file.file_id))?;
    console.say(format!("name     {}", safe(&file.name)))?;
    if !file.media_type.is_empty() && !file.is_folder {
        console.say(format!("type     {}", safe(&file.media_type)))?;
    }
    if file.is_folder {
        let id = &file.file_id.to_string()[..SHORT_ID];
        console.say(format!("folder   what is in it: wax get {id} --list"))?;
    } else {
        let mut sizes = format!("{}, {} encrypted", size(file.bytes), size(file.body_len));
        if file.compressed {
            sizes.push_str(", compressed");
        }
        if !file.padded {
            sizes.push_str(", exact size not hidden");
        }
        console.say(format!("size     {sizes}"))?;
    }
    match &picture {
        None => {}
        Some(None) => {
            console
                .say("preview  cannot be shown: what the sender sealed as one is no small JPEG picture")?;
        }
        Some(Some(Picture { width, height, .. })) => {
            let shown = match &args.preview_out {
                Some(path) => format!(", written to {}", safe(&path.display().to_string())),
                None => "; --preview-out FILE writes it".to_owned(),
            };
            console.say(format!("preview  {width} x {height} pixels{shown}"))?;
        }
    }
    if let Ok(time) = jiff::Timestamp::from_millisecond(file.modified_ms) {
        console.say(format!("changed  {}", moment(time.as_second())))?;
    }
    let from = match file.sender.trust {
        Trust::Own => format!("{from} (you)"),
        trust => format!("{from} ({})", trust_mark(console, trust)),
    };
    let retired = if file.sender.retired_root { ", with a key that was replaced since" } else { "" };
    console.say(format!("from     {from}{retired}"))?;
    if let Some(id) = file.box_id {
        let title = super::drop_boxes::title_of(&session, &me, id)?;
        console.say(match title {
            Some(title) => format!("box      {id} ({})", safe(&title)),
            None => format!("box      {id}"),
        })?;
    }
    if let Some(passer) = &file.passed_by {
        let mark = trust_mark(console, passer.trust);
        console.say(format!("         passed on by {} ({mark})", from_whom(passer)))?;
    }
    if file.role == Role::Author {
        holders(app, &session, &file)?;
    }
    cids::tell(console, &file, &published)?;
    console.say(format!("sent     {}", moment(file.created)))?;
    console.say(format!("ends     {} ({})", moment(file.expires_at), ends(&file, span_in_words)))?;
    console.say(format!("fetched  {} by others", count(file.downloads.into(), "time")))?;
    for recipient in file.recipients.iter().filter(|recipient| recipient.downloads > 0) {
        let last = recipient.fetched_at.map(|at| format!(", last at {}", moment(at))).unwrap_or_default();
        let times = count(recipient.downloads.into(), "time");
        console.say(format!(
            "         by {} {times}{last}",
            who(recipient.address.as_ref(), recipient.user_id)
        ))?;
    }
    for receipt in &file.receipts {
        let (who, when) = (opener(receipt), moment(receipt.opened));
        match receipt.state {
            ReceiptState::Verified => {
                console.say(format!("opened   by {who} at {when}, receipt verified"))?;
            }
            ReceiptState::Unknown => console.say(format!(
                "opened   by {who} at {when}, says the server: their keys are not known on this device"
            ))?,
            ReceiptState::Forged => {}
        }
    }
    Ok(())
}

/// The picture as this program drew it anew: of the bytes that a sender sealed none is written.
fn write_preview(path: &Path, picture: Option<&Option<Picture>>) -> Result<(), Fault> {
    let picture = match picture {
        None => return no_preview("the file has no preview"),
        Some(None) => {
            return no_preview("what the sender sealed as a preview is no picture that is safe to show");
        }
        Some(Some(picture)) => picture,
    };
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| Fault::file("create", path, &error))?;
    file.write_all(&picture.png).map_err(|error| Fault::file("write", path, &error))
}

fn no_preview(why: &str) -> Result<(), Fault> {
    Err(Fault::new(Class::NotFound, why).hint("nothing was written"))
}

/// Everybody and everything that opens one's own file.
fn holders(app: &App, session: &Session, file: &FileSummary) -> Result<(), Fault> {
    let console = &app.console;
    let contacts = session.client.contacts()?;
    for recipient in &file.recipients {
        let passed = match &recipient.given_by {
            Some(by) => format!(", passed on by {}", who(by.address.as_ref(), by.user_id)),
            None => String::new(),
        };
        let since = moment(recipient.since);
        console.say(format!("to       {}{passed}, since {since}", name_of(recipient, &contacts)))?;
    }
    for key in &file.keys {
        console.say(format!("to       the key {}", short(*key)))?;
    }
    let links = session.run(session.client.links())?;
    for link in links.iter().filter(|link| link.file_id == file.file_id) {
        console.say(format!("link     {}  {}", link.link_id, super::links::ends(link)))?;
    }
    if !file.recipients.is_empty() || !file.keys.is_empty() {
        let id = &file.file_id.to_string()[..SHORT_ID];
        console.note(format!(
            "take access back with: wax unshare {id} ADDRESS, or all of it with: wax stop {id}"
        ));
    }
    Ok(())
}

fn who(address: Option<&Address>, user: UserId) -> String {
    match address {
        Some(address) => safe(address.as_str()),
        None => format!("account {user}"),
    }
}

fn opener(receipt: &Receipt) -> String {
    who(receipt.address.as_ref(), receipt.user_id)
}

/// What is worth nothing is not shown as a receipt, but that the server shows it is worth a word.
fn warn_of_forged(console: &Console, receipts: &[Receipt]) {
    for receipt in receipts.iter().filter(|receipt| receipt.state == ReceiptState::Forged) {
        console.warn(format!(
            "the server shows a receipt of {} that they did not sign: it is ignored, and the file itself is not affected",
            opener(receipt)
        ));
    }
}
