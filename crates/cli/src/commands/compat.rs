//! Files of the documented API (v0): sent only with `--compat`, and never shown without what they lack.

use super::{address, moment, stamp};
use crate::app::{App, Session};
use crate::args::Send;
use crate::console::{Console, Tone, safe, size};
use crate::expiry::{count, span_in_words};
use crate::fault::{Class, Fault};
use crate::keyfile::read_public;
use crate::progress::Shown;
use client::{Address, FileId, ReceivedV0, SendV0, SentV0, V0Summary};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// What is said of every such file.
const UNVERIFIED: &str =
    "sender not verified: this file is not signed, and the server knows its name and its size";

/// The same of one that one sent.
const OWN: &str = "this file is not signed, and the server knows its name, its size and who may fetch it";

/// `{"files": [{"id", "name", "bytes", "format": "v0", "signed": false, "expires_at", "to"}]}`.
#[derive(Serialize)]
struct SentJson<'a> {
    files: Vec<OneSentJson<'a>>,
}

#[derive(Serialize)]
struct OneSentJson<'a> {
    id: String,
    name: &'a str,
    bytes: u64,
    format: &'static str,
    signed: bool,
    expires_at: Option<String>,
    to: Vec<&'a str>,
}

/// A file that was received: `{"id", "name", "bytes", "path", "format": "v0", "signed": false}`.
#[derive(Serialize)]
pub(super) struct ReceivedJson<'a> {
    id: String,
    name: &'a str,
    bytes: u64,
    path: Option<String>,
    format: &'static str,
    signed: bool,
}

/// A file of the list.
#[derive(Serialize)]
pub(super) struct ListedJson<'a> {
    id: String,
    role: &'static str,
    name: &'a str,
    sealed_bytes: u64,
    created: Option<String>,
    expires_at: Option<String>,
    downloads: u64,
    format: &'static str,
    signed: bool,
}

/// `wax send --compat`: one file, to one key.
pub(super) fn send(app: &App, args: &Send) -> Result<(), Fault> {
    let ([file], true) = (args.files.as_slice(), args.to_key.len() <= 1) else {
        return Err(Fault::new(Class::Usage, "--compat sends one file, to one key")
            .hint("send them one by one, or without --compat"));
    };
    if file == Path::new("-") {
        return Err(Fault::new(Class::Usage, "--compat sends a file, not standard input"));
    }
    let to = args.to.iter().map(|text| address(text)).collect::<Result<Vec<Address>, Fault>>()?;
    if args.to_key.is_empty() && to.len() != 1 {
        return Err(Fault::new(Class::Usage, "--compat seals to one key")
            .hint("give it as a file with --to-key FILE.pem; --to ADDRESS says who may fetch it"));
    }
    let to_key = args.to_key.first().map(|path| read_public(path)).transpose()?;
    let session = app.session()?;
    super::publish::ask_about(app, &session, args)?;
    let request = SendV0 {
        path: file.clone(),
        name: args.name.clone(),
        to: to.clone(),
        to_key,
        expires_in: Duration::from_secs(args.expires.seconds()),
    };
    let shown = Shown::new(&app.console, String::new());
    let sent = session.run_to_its_end(session.client.send_v0(request, &shown, &session.cancel));
    shown.end();
    let sent = sent.map_err(|fault| match fault.class {
        Class::Cancelled => Fault::new(Class::Cancelled, "stopped; nothing was sent"),
        _ => fault,
    })?;
    tell_sent(&app.console, &sent, &to)?;
    app.console.result(&SentJson {
        files: vec![OneSentJson {
            id: sent.file_id.to_string(),
            name: &sent.name,
            bytes: sent.bytes,
            format: "v0",
            signed: false,
            expires_at: stamp(sent.expires_at),
            to: to.iter().map(Address::as_str).collect(),
        }],
    })
}

fn tell_sent(console: &Console, sent: &SentV0, to: &[Address]) -> Result<(), Fault> {
    console.note(format!("sent {} ({}, encrypted on this device)", safe(&sent.name), size(sent.bytes)));
    console.warn(OWN);
    if console.json {
        return Ok(());
    }
    console.say(format!("id       {}", console.paint(Tone::Bold, &sent.file_id.to_string())))?;
    for address in to {
        console.say(format!("to       {}", safe(address.as_str())))?;
    }
    console.say(format!("ends     {}", moment(sent.expires_at)))?;
    if to.is_empty() {
        console.note("only you may fetch it: name others with --to ADDRESS");
    }
    Ok(())
}

/// What such a file lacks.
pub(super) fn warn(console: &Console) {
    console.warn(UNVERIFIED);
}

/// A line of `wax get --all`.
pub(super) fn tell_briefly(console: &Console, got: &ReceivedV0) -> Result<(), Fault> {
    let path = got.path.as_deref().map(super::get::shown).unwrap_or_default();
    let mark = console.paint(Tone::Warning, "sender not verified");
    console.say(format!("{}  {} from somebody ({mark})", safe(&path), size(got.bytes)))
}

/// Says what was received, and what it lacks.
pub(super) fn tell_received(console: &Console, got: &ReceivedV0) -> Result<(), Fault> {
    console.note(format!("received {} ({}), decrypted on this device", safe(&got.name), size(got.bytes)));
    warn(console);
    if let (Some(path), false) = (&got.path, console.json) {
        console.say(format!("file     {}", safe(&super::get::shown(path))))?;
        console.say("from     not verified")?;
    }
    Ok(())
}

/// `wax info` of such a file: what the server says, for nobody else says anything.
pub(super) fn info(console: &Console, file: &V0Summary) -> Result<(), Fault> {
    if console.json {
        return console.result(&listed_json(file));
    }
    console.say(format!("id       {}", file.file_id))?;
    console.say(format!("name     {}", safe(&file.name)))?;
    console.say(format!("size     {} encrypted", size(file.size)))?;
    console.say(format!("from     {}", if file.own { "you (not signed)" } else { "not verified" }))?;
    console.say(format!("sent     {}", moment(file.uploaded_at)))?;
    console.say(format!("ends     {} ({})", moment(file.expires_at), ends(file, span_in_words)))?;
    console.say(format!("fetched  {}", count(file.downloads, "time")))?;
    console.warn(if file.own { OWN } else { UNVERIFIED });
    Ok(())
}

/// `in 6 days`.
pub(super) fn ends(file: &V0Summary, words: fn(u64) -> String) -> String {
    match super::seconds_until(file.expires_at) {
        Some(left) => format!("in {}", words(left)),
        None => "ended".to_owned(),
    }
}

/// Why something cannot be done with a file that only this server's documented API knows; `fault` for every other one.
pub(super) fn cannot(session: &Session, id: FileId, fault: Fault) -> Fault {
    let is_one = fault.class == Class::NotFound && session.run(session.client.v0_info(id)).is_ok();
    if !is_one {
        return fault;
    }
    Fault::new(Class::Usage, "that is a file of the older kind (v0), which can only be fetched and removed")
        .hint("for links, more people and other names send it again, without --compat")
}

/// What was received, for programs.
pub(super) fn received_json(got: &ReceivedV0) -> ReceivedJson<'_> {
    ReceivedJson {
        id: got.file_id.to_string(),
        name: &got.name,
        bytes: got.bytes,
        path: got.path.as_deref().map(super::get::shown),
        format: "v0",
        signed: false,
    }
}

/// A row of the list, for programs.
pub(super) fn listed_json(file: &V0Summary) -> ListedJson<'_> {
    ListedJson {
        id: file.file_id.to_string(),
        role: if file.own { "author" } else { "recipient" },
        name: &file.name,
        sealed_bytes: file.size,
        created: stamp(file.uploaded_at),
        expires_at: stamp(file.expires_at),
        downloads: file.downloads,
        format: "v0",
        signed: false,
    }
}

/// A row of the list.
pub(super) fn row(file: &V0Summary, id: String, ends: String) -> Vec<String> {
    vec![
        id,
        if file.own { "sent" } else { "received" }.to_owned(),
        safe(&file.name),
        size(file.size),
        "not signed (v0)".to_owned(),
        moment(file.uploaded_at),
        ends,
    ]
}
