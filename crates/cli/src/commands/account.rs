//! `wax account`: everything that the server knows of one, and leaving.

use super::stamp;
use crate::app::{App, Session};
use crate::args::{Account, AccountAction};
use crate::console::safe;
use crate::fault::{Class, Fault};
use crate::{ask, keyring};
use client::{ActivityFilter, FilePaging, KeysState, Unlocked};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Rows that are asked for at a time.
const PAGE: u32 = 200;

/// `{"file", "files", "events"}`.
#[derive(Serialize)]
struct ExportJson {
    file: String,
    files: usize,
    events: usize,
}

/// `{"mail"}`.
#[derive(Serialize)]
struct NotifyJson {
    mail: bool,
}

/// `{"erased"}`.
#[derive(Serialize)]
struct ErasedJson {
    erased: bool,
}

pub(super) fn run(app: &App, args: Account) -> Result<(), Fault> {
    match args.action {
        AccountAction::Export { file } => export(app, &file),
        AccountAction::Notify { wish } => notify(app, wish.as_deref()),
        AccountAction::Erase { yes } => erase(app, yes),
    }
}

fn notify(app: &App, wish: Option<&str>) -> Result<(), Fault> {
    let session = app.session()?;
    let mail = match wish {
        Some(wish) => {
            let mail = wish == "on";
            session.run(session.client.notify_by_mail(mail))?;
            mail
        }
        None => session.run(session.client.notified_by_mail())?,
    };
    app.console.say(if mail {
        "mail tells you of files that others share with you, without names, once an hour at most"
    } else {
        "no mail tells you of files that others share with you"
    })?;
    app.console.result(&NotifyJson { mail })
}

fn own_keys(app: &App, session: &Session) -> Result<Option<Unlocked>, Fault> {
    if session.client.keys_state()? == KeysState::None {
        return Ok(None);
    }
    keyring::unlock(app, session).map(Some)
}

fn export(app: &App, path: &Path) -> Result<(), Fault> {
    let session = app.session()?;
    // Before anybody types a passphrase.
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Fault::file("write", path, &error))?;
    let gathered = own_keys(app, &session).and_then(|me| gather(&session, me.as_ref()));
    let gathered = gathered.inspect_err(|_| drop(std::fs::remove_file(path)))?;
    let written = serde_json::to_writer_pretty(&mut file, &gathered)
        .map_err(std::io::Error::from)
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all());
    written.map_err(|error| Fault::file("write", path, &error))?;
    let count = |key: &str| gathered[key].as_array().map_or(0, Vec::len);
    let shown = safe(&path.display().to_string());
    let (files, events) = (count("files"), count("activity"));
    app.console.say(format!("wrote {shown}: {files} files, {events} events"))?;
    app.console.note("the files themselves are not in it: wax get --all fetches them");
    app.console.result(&ExportJson { file: path.display().to_string(), files, events })
}

/// Everything, as one JSON value: what the server holds, and what only this device can read of it.
fn gather(session: &Session, me: Option<&Unlocked>) -> Result<Value, Fault> {
    let client = &session.client;
    let who = session.run(client.whoami())?;
    let sessions = session.run(client.sessions())?;
    let sessions: Vec<Value> = sessions
        .iter()
        .map(|one| {
            json!({"id": one.id, "client": one.client, "created": stamp(one.created),
                   "last_used": stamp(one.last_used), "ends": stamp(one.expires_at),
                   "second_factor": one.second_factor})
        })
        .collect();
    let passkeys: Vec<Value> = session
        .run(client.passkeys())?
        .iter()
        .map(|one| {
            json!({"id": one.id, "name": one.name, "created": stamp(one.created),
                   "last_used": one.last_used.and_then(stamp)})
        })
        .collect();
    let contacts: Vec<Value> = client
        .contacts()?
        .iter()
        .map(|contact| {
            json!({"address": contact.address.as_str(), "user_id": contact.user_id.to_string(),
                   "root_id": contact.root_id.to_string(), "verified": contact.verified,
                   "first_seen": stamp(contact.first_seen)})
        })
        .collect();
    Ok(json!({
        "format": "waxwing-account-1",
        "server": who.server,
        "account": {"address": who.address.as_str(), "user_id": who.user_id.to_string(),
                    "created": stamp(who.created), "used_bytes": who.used_bytes, "quota_bytes": who.quota_bytes,
                    "keys_published": who.has_bundle, "second_factor": who.second_factor,
                    "backup_codes_left": who.backup_codes_left},
        "sessions": sessions,
        "passkeys": passkeys,
        "keys": match client.own_bundle() {
            Ok(bundle) => json!({"bundle": hex(&bundle)}),
            Err(_) => Value::Null,
        },
        "key_file_at_server": session.run(client.backup_at_server())?
            .map(|kept| json!({"version": kept.version, "stored": stamp(kept.stored_at)})),
        "contacts": contacts,
        "files": match me {
            Some(me) => files(session, me)?,
            None => Vec::new(),
        },
        "activity": activity(session)?,
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn files(session: &Session, me: &Unlocked) -> Result<Vec<Value>, Fault> {
    let mut all = Vec::new();
    let mut paging = FilePaging { limit: Some(PAGE), ..FilePaging::default() };
    loop {
        let page = session.run(session.client.list(me, paging.clone()))?;
        for file in &page.files {
            all.push(json!({
                "id": file.file_id.to_string(), "role": format!("{:?}", file.role).to_lowercase(),
                "name": file.name, "media_type": file.media_type, "bytes": file.bytes,
                "sealed_bytes": file.body_len, "sender": file.sender.address.as_ref().map(client::Address::as_str),
                "created": stamp(file.created), "expires": stamp(file.expires_at), "downloads": file.downloads,
            }));
        }
        all.extend(page.refused.iter().map(|id| json!({"id": id.to_string(), "does_not_verify": true})));
        paging.after = page.next;
        if paging.after.is_none() {
            return Ok(all);
        }
    }
}

fn activity(session: &Session) -> Result<Vec<Value>, Fault> {
    let mut all = Vec::new();
    let mut filter = ActivityFilter { limit: Some(PAGE), ..ActivityFilter::default() };
    loop {
        let page = session.run(session.client.activity(&filter))?;
        for event in &page.events {
            all.push(json!({
                "id": event.id.to_string(), "at": stamp(event.at), "kind": event.kind,
                "actor": event.actor.user_id.to_string(),
                "file": event.file_id.map(|id| id.to_string()),
                "other": event.other.as_ref().map(|other| other.user_id.to_string()),
                "agent": event.agent, "means": event.means,
            }));
        }
        filter.after = page.next;
        if filter.after.is_none() {
            return Ok(all);
        }
    }
}

fn erase(app: &App, yes: bool) -> Result<(), Fault> {
    let session = app.session()?;
    let Some(signed_in) = session.client.signed_in()? else {
        return Err(client::Error::NotSignedIn.into());
    };
    if !yes {
        if app.console.json || !ask::somebody_is_there() {
            return Err(Fault::new(Class::Usage, "there is nobody to ask").hint("say so beforehand: --yes"));
        }
        for fact in [
            "the server forgets your address, sessions, second factors, published keys, key file and contacts.",
            "files that you sent end for everybody; what others sent you can no longer be fetched.",
            "what was fetched before stays with whoever has it. keys on this device stay.",
            "to keep what the server knows: wax account export FILE",
        ] {
            app.console.note(fact);
        }
        let shown = safe(signed_in.address.as_str());
        if !ask::yes(&format!("erase the account of {shown} for good?"), Some(false))? {
            return Err(ask::stopped());
        }
    }
    let me = own_keys(app, &session)?;
    session.run(session.client.erase_account(me.as_ref()))?;
    app.console.say("your account is erased")?;
    app.console.result(&ErasedJson { erased: true })
}
