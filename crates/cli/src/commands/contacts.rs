//! `wax contacts`: the people whose keys this device knows, and how they are verified.

use super::{address, moment, stamp};
use crate::app::{App, Session};
use crate::args::{Contacts, ContactsAction};
use crate::ask;
use crate::commands::keys::fingerprint;
use crate::console::{Tone, safe};
use crate::fault::{Class, Fault};
use crate::keyring;
use client::{Address, Contact, SafetyNumber, Share};
use serde::Serialize;
use std::io::Read;
use std::path::Path;

/// Longest bundle that is read, bytes: more than the format allows.
const BUNDLE_MAX: u64 = 64 << 10;
/// Digits of a safety number.
const NUMBER_DIGITS: usize = 60;

/// One person: `{"address", "user_id", "root_id", "fingerprint", "verified", "first_seen", "safety_number",
/// "safety_words", "safety_qr"}`.
#[derive(Serialize)]
struct ContactJson<'a> {
    address: &'a str,
    user_id: String,
    root_id: String,
    fingerprint: String,
    verified: bool,
    first_seen: Option<String>,
    /// Absent while there are no own keys to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_number: Option<String>,
    /// The same as words.
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_words: Option<String>,
    /// The same as the text of a QR code.
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_qr: Option<String>,
}

/// `{"contacts": […]}`.
#[derive(Serialize)]
struct ContactsJson<'a> {
    contacts: Vec<ContactJson<'a>>,
}

/// `{"address", "forgotten"}`.
#[derive(Serialize)]
struct ForgetJson<'a> {
    address: &'a str,
    forgotten: bool,
}

pub(super) fn run(app: &App, args: Contacts) -> Result<(), Fault> {
    let session = app.session()?;
    match args.action.unwrap_or(ContactsAction::Ls) {
        ContactsAction::Ls => list(app, &session),
        ContactsAction::Add { address: link, bundle: None } if link.contains("://") => {
            let contact = session.run(session.client.accept_invitation(&link))?;
            added(app, &session, &contact)
        }
        ContactsAction::Invite { qr } => invite(app, &session, qr),
        ContactsAction::Sync { anew } => sync(app, &session, anew),
        ContactsAction::Add { address: text, bundle } => {
            add(app, &session, &address(&text)?, bundle.as_deref())
        }
        ContactsAction::Verify { address: text, number, words, qr } => {
            verify(app, &session, &address(&text)?, number.as_deref(), Shape { words, qr })
        }
        ContactsAction::Accept { address: text, number } => accept(app, &session, &address(&text)?, &number),
        ContactsAction::Forget { address: text, yes } => forget(app, &session, &address(&text)?, yes),
    }
}

fn json<'a>(session: &Session, contact: &'a Contact) -> ContactJson<'a> {
    let number = session.client.safety_number(&contact.address).ok();
    ContactJson {
        address: contact.address.as_str(),
        user_id: contact.user_id.to_string(),
        root_id: contact.root_id.to_string(),
        fingerprint: fingerprint(contact.root_id),
        verified: contact.verified,
        first_seen: stamp(contact.first_seen),
        safety_number: number.map(|number| number.to_string()),
        safety_words: number.map(|number| number.words().join(" ")),
        safety_qr: number.map(|number| number.qr_text()),
    }
}

fn list(app: &App, session: &Session) -> Result<(), Fault> {
    let contacts = session.client.contacts()?;
    if contacts.is_empty() {
        app.console.note("no contacts yet; the first file to or from somebody brings them here, or: wax contacts add ADDRESS");
    } else if !app.console.json {
        let rows: Vec<Vec<String>> = contacts
            .iter()
            .map(|contact| {
                vec![
                    safe(contact.address.as_str()),
                    if contact.verified { "verified" } else { "not verified" }.to_owned(),
                    fingerprint(contact.root_id),
                    moment(contact.first_seen),
                ]
            })
            .collect();
        app.console.table(&["ADDRESS", "KEYS", "FINGERPRINT", "KNOWN SINCE"], &rows)?;
    }
    app.console
        .result(&ContactsJson { contacts: contacts.iter().map(|contact| json(session, contact)).collect() })
}

fn add(app: &App, session: &Session, address: &Address, bundle: Option<&Path>) -> Result<(), Fault> {
    let contact = match bundle {
        Some(path) => session.client.contacts_import(&read_bundle(path)?, address)?.contact,
        None => look_up(session, address)?,
    };
    added(app, session, &contact)
}

fn added(app: &App, session: &Session, contact: &Contact) -> Result<(), Fault> {
    let shown = safe(contact.address.as_str());
    let news = if contact.first_contact { "added" } else { "already known" };
    app.console
        .say(format!("{shown}: {news}, {}", if contact.verified { "verified" } else { "not verified" }))?;
    app.console.say(format!("fingerprint  {}", fingerprint(contact.root_id)))?;
    if !contact.verified {
        app.console.note(format!(
            "these keys are trusted on first use; compare with the person: wax contacts verify {shown}"
        ));
    }
    app.console.result(&json(session, contact))
}

/// `{"invitation"}`.
#[derive(Serialize)]
struct InviteJson {
    invitation: String,
}

fn invite(app: &App, session: &Session, qr: bool) -> Result<(), Fault> {
    let invitation = session.client.invitation()?;
    app.console.say(&invitation)?;
    if qr && !app.console.json {
        for line in crate::qr::lines(&invitation, app.console.has_colour()) {
            app.console.say(line)?;
        }
    }
    app.console.note("it holds no secret. give it by a way that the server does not carry; the other person runs: wax contacts add LINK");
    app.console.result(&InviteJson { invitation })
}

/// `{"changed_here", "told", "disputed", "too_many"}`.
#[derive(Serialize)]
struct SyncJson<'a> {
    changed_here: bool,
    told: bool,
    disputed: Vec<&'a str>,
    too_many: bool,
}

fn sync(app: &App, session: &Session, anew: bool) -> Result<(), Fault> {
    let me = keyring::unlock(app, session)?;
    let how = if anew { Share::Anew } else { Share::Now };
    let shared = session.run(session.client.share_contacts(&me, how))?;
    app.console.say(match (shared.changed_here, shared.told) {
        (true, _) => "contacts of your other devices were taken over",
        (false, true) => "your other devices are told",
        (false, false) => "all of your devices know the same contacts",
    })?;
    keyring::warn_of_contacts(app, &shared);
    app.console.result(&SyncJson {
        changed_here: shared.changed_here,
        told: shared.told,
        disputed: shared.disputed.iter().map(Address::as_str).collect(),
        too_many: shared.too_many,
    })
}

fn read_bundle(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(BUNDLE_MAX).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(BUNDLE_MAX).read_to_end(&mut bytes))
    };
    read.map_err(|e| Fault::file("read", path, &e))?;
    Ok(bytes)
}

fn look_up(session: &Session, address: &Address) -> Result<Contact, Fault> {
    let found = session.run(session.client.lookup(std::slice::from_ref(address)))?;
    found.into_iter().next().ok_or_else(|| client::Error::UnknownRecipients(vec![address.clone()]).into())
}

/// The contact as known here, or looked up for the first time.
fn known_or_new(session: &Session, address: &Address) -> Result<Contact, Fault> {
    match session.client.contacts()?.into_iter().find(|contact| contact.address == *address) {
        Some(contact) => Ok(contact),
        None => look_up(session, address),
    }
}

/// How a safety number is shown besides its digits.
#[derive(Clone, Copy)]
struct Shape {
    words: bool,
    qr: bool,
}

fn verify(
    app: &App,
    session: &Session,
    address: &Address,
    theirs: Option<&str>,
    shape: Shape,
) -> Result<(), Fault> {
    // What is no number is told before anybody is looked up.
    let theirs = theirs.map(|text| digits(scanned(text).unwrap_or(text))).transpose()?;
    let before = known_or_new(session, address)?;
    let number = session.client.safety_number(address)?;
    let shown = safe(address.as_str());
    let same = match theirs {
        Some(theirs) => theirs == digits_of(&number),
        None if app.console.json => return app.console.result(&json(session, &before)),
        None => {
            app.console.say(format!("safety number of you and {shown}:"))?;
            app.console.say("")?;
            let mut groups = vec![rows(&number)];
            if shape.words {
                groups.push(number.words().chunks(6).map(|row| row.join(" ")).collect());
            }
            for rows in groups {
                for row in rows {
                    app.console.say(format!("    {}", app.console.paint(Tone::Bold, &row)))?;
                }
                app.console.say("")?;
            }
            if shape.qr {
                for line in crate::qr::lines(&number.qr_text(), app.console.has_colour()) {
                    app.console.say(line)?;
                }
                app.console.say("")?;
            }
            if before.verified {
                app.console.note("you compared it before");
            }
            if !ask::somebody_is_there() {
                app.console
                    .note("compare it with the person, then: wax contacts verify ADDRESS --number DIGITS");
                return Ok(());
            }
            app.console.note(format!("{shown} sees it with: wax contacts verify, and your address"));
            ask::yes("does the same stand on the other device?", None)?
        }
    };
    if !same {
        return Err(Fault::new(
            Class::Identity,
            format!("the safety number of {shown} does not match; they are not verified"),
        )
        .fact("safety_number", number.to_string())
        .hint("send nothing until this is clear: somebody may be between you and them")
        .hint("compare once more over another channel, such as a call"));
    }
    let contact = session.client.verify_contact(address)?;
    app.console.say(format!("{shown}: {}", app.console.paint(Tone::Good, "verified")))?;
    app.console.result(&json(session, &contact))
}

fn accept(app: &App, session: &Session, address: &Address, number: &str) -> Result<(), Fault> {
    let contact = session.run(session.client.accept_new_identity(address, &digits(number)?))?;
    let state = if contact.verified { "verified" } else { "not verified" };
    app.console.say(format!("{}: keys accepted, {state}", safe(address.as_str())))?;
    app.console.say(format!("fingerprint  {}", fingerprint(contact.root_id)))?;
    app.console.result(&json(session, &contact))
}

fn forget(app: &App, session: &Session, address: &Address, yes: bool) -> Result<(), Fault> {
    let shown = safe(address.as_str());
    let known = session.client.contacts()?.into_iter().any(|contact| contact.address == *address);
    if !known {
        return Err(client::Error::UnknownContact(address.clone()).into());
    }
    if !yes {
        if app.console.json || !ask::somebody_is_there() {
            return Err(Fault::new(Class::Usage, "there is nobody to ask").hint("say so beforehand: --yes"));
        }
        app.console
            .note(format!("without the keys known so far, changed keys of {shown} would not be noticed"));
        if !ask::yes(&format!("forget {shown}?"), Some(false))? {
            return Err(ask::stopped());
        }
    }
    let forgotten = session.client.forget_contact(address)?;
    app.console.say(format!("{shown}: forgotten"))?;
    app.console.result(&ForgetJson { address: address.as_str(), forgotten })
}

/// Sixty digits as a person copies them: groups and lines do not matter.
fn digits(text: &str) -> Result<String, Fault> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if digits.len() == NUMBER_DIGITS && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(digits);
    }
    Err(not_a_number())
}

fn not_a_number() -> Fault {
    Fault::new(Class::Usage, format!("a safety number is {NUMBER_DIGITS} digits"))
        .hint("it stands on the other device: wax contacts verify ADDRESS")
}

/// The digits in the text of a QR code, if it is one of a safety number.
fn scanned(text: &str) -> Option<&str> {
    text.trim().strip_prefix(SafetyNumber::QR_PREFIX)
}

fn digits_of(number: &SafetyNumber) -> String {
    number.to_string().chars().filter(char::is_ascii_digit).collect()
}

/// Three rows of four groups: easier to read aloud than one long line.
fn rows(number: &SafetyNumber) -> Vec<String> {
    let text = number.to_string();
    let groups: Vec<&str> = text.split_whitespace().collect();
    groups.chunks(4).map(|row| row.join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safety_number_is_read_as_people_copy_it() {
        let groups = ["01234"; 12].join(" ");
        assert_eq!(digits(&groups).unwrap(), "01234".repeat(12));
        assert_eq!(digits(&groups.replace(' ', "-\n")).unwrap(), "01234".repeat(12));
        for text in ["", "12345", &groups[1..], &format!("{groups} 1"), &groups.replace('4', "x")] {
            assert_eq!(digits(text).unwrap_err().class, Class::Usage, "{text:?}");
        }
    }
}
