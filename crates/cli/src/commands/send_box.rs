//! `wax send --to-box`: files for somebody who asked for them, without an account or in one's own name.

use super::drop_boxes::takes;
use super::send::{Asked, STREAM_NAME, is_stdin, resumable};
use super::{moment, stamp, trust_mark};
use crate::app::{App, Session};
use crate::args::Send;
use crate::console::{safe, size};
use crate::fault::{Class, Fault};
use crate::keyring;
use crate::progress::Shown;
use client::{BoxAddress, BoxVisit, SendRequest, Sent, Trust, Unlocked};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// `{"files": […], "to", "title", "signed"}`; when one of several fails, those sent before stand in the error as `"sent"`.
#[derive(Serialize)]
struct BoxSendJson<'a> {
    files: Vec<SentJson>,
    to: &'a str,
    title: Option<&'a str>,
    /// Whether the owner sees who sent it.
    signed: bool,
}

/// One file that was sent.
#[derive(Serialize)]
struct SentJson {
    id: String,
    name: String,
    bytes: u64,
    sealed_bytes: u64,
    parts: u64,
    /// Parts that an earlier try had sent.
    resumed_parts: u64,
    received_parts: u64,
    expires_at: Option<String>,
}

pub(super) fn run(app: &App, args: &Send, to_box: &str) -> Result<(), Fault> {
    single_files(args)?;
    let address = BoxAddress::parse(to_box.trim()).map_err(|_| client::Error::BadBox)?;
    let ca = args.ca.as_deref().map(super::login::certificate).transpose()?;
    let session = app.session()?;
    let visit = session.run(session.client.visit_box(&address, ca.as_deref()))?;
    super::publish::agreed(app, args, visit.publishes())?;
    let me = match !args.anonymous && session.client.signs_for(&visit)? {
        true => Some(keyring::unlock(app, &session)?),
        false => None,
    };
    tell_box(app, &visit, me.as_ref())?;
    let mut done: Vec<SentJson> = Vec::new();
    for (n, file) in args.files.iter().enumerate() {
        match send_one(app, &session, args, &visit, me.as_ref(), n, file) {
            Ok(sent) => {
                tell(app, &sent)?;
                done.push(json(&sent));
            }
            Err(fault) if done.is_empty() => return Err(fault),
            Err(fault) => {
                return Err(fault
                    .fact("sent", serde_json::to_value(&done).unwrap_or_default())
                    .hint("the files named above were sent; send only the rest again"));
            }
        }
    }
    app.console.result(&BoxSendJson {
        files: done,
        to: visit.owner().as_str(),
        title: visit.title(),
        signed: me.is_some(),
    })
}

/// A box takes files one by one; the way to send a folder is named as it can be typed.
fn single_files(args: &Send) -> Result<(), Fault> {
    if !args.together && !args.files.iter().any(|file| file.is_dir()) {
        return Ok(());
    }
    let (what, tar, name) = match args.files.as_slice() {
        [one] => {
            let name = one.file_name().map(|name| name.to_string_lossy().into_owned());
            let from = one.parent().filter(|parent| !parent.as_os_str().is_empty());
            let tar = match (&name, from) {
                (Some(name), Some(from)) => {
                    format!("tar c -C {} {}", shell_word(&from.to_string_lossy()), shell_word(name))
                }
                _ => format!("tar c {}", shell_word(&one.to_string_lossy())),
            };
            ("a drop box takes single files, and this is a folder", tar, name)
        }
        several => {
            let files: Vec<String> = several.iter().map(|file| shell_word(&file.to_string_lossy())).collect();
            ("a drop box takes single files, and no folders", format!("tar c {}", files.join(" ")), None)
        }
    };
    let name = shell_word(&format!("{}.tar", name.as_deref().unwrap_or("files")));
    Err(Fault::new(Class::Usage, what)
        .hint("nothing was sent; pack it, and it goes as one file, encrypted on the way:")
        .hint(safe(&format!("{tar} | wax send - --name {name} --to-box 'ADDRESS'"))))
}

/// A word as a shell takes it back, and not as an option.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    let text = if text.starts_with('-') { format!("./{text}") } else { text.to_owned() };
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Whose box it is and what they say, before anything is sent.
fn tell_box(app: &App, visit: &BoxVisit, me: Option<&Unlocked>) -> Result<(), Fault> {
    let console = &app.console;
    if console.json {
        return Ok(());
    }
    match visit.title() {
        Some(title) => console.note(format!("drop box: {}", safe(title))),
        None => console.note("drop box: this address has no key for its title"),
    }
    for line in visit.note().lines() {
        console.note(format!("          {}", safe(line)));
    }
    console.note(format!(
        "takes {}, until {}",
        takes(visit.max_files(), visit.max_size()),
        moment(visit.ends())
    ));
    let owner = safe(visit.owner().as_str());
    let mark = match visit.trust() {
        Trust::Own => "you".to_owned(),
        Trust::FirstContact => "named by the address".to_owned(),
        trust => trust_mark(console, trust),
    };
    console.say(format!("to       {owner} ({mark})"))?;
    match me {
        Some(me) => console.say(format!("from     {} (signed)", safe(me.address().as_str()))),
        None => console.say("from     nobody: not signed, so the owner cannot verify who sent it"),
    }
}

fn send_one(
    app: &App,
    session: &Session,
    args: &Send,
    visit: &BoxVisit,
    me: Option<&Unlocked>,
    n: usize,
    file: &Path,
) -> Result<Sent, Fault> {
    let mut request = if is_stdin(file) {
        let name = args.name.as_deref().unwrap_or(STREAM_NAME);
        SendRequest::stream(Box::new(std::io::stdin()), name, Vec::new())
    } else {
        SendRequest::file(file, Vec::new())
    };
    request.expires_in = Duration::from_secs(args.expires.seconds());
    let asked = Asked::of(args)?;
    request.compress = asked.compress;
    request.preview = asked.preview;
    request.padded = !args.no_padding;
    request.name.clone_from(&args.name);
    let of = args.files.len();
    let shown = Shown::new(&app.console, if of > 1 { format!("{} of {of}: ", n + 1) } else { String::new() });
    let (client, cancel) = (&session.client, &session.cancel);
    let sent = session.run_to_its_end(client.send_into(visit, me, request, &shown, cancel));
    shown.end();
    sent.map_err(|fault| resumable(fault, is_stdin(file)))
}

fn tell(app: &App, sent: &Sent) -> Result<(), Fault> {
    let console = &app.console;
    let resumed = match sent.resumed_parts {
        0 => String::new(),
        there => format!("; {there} of {} parts were there already", sent.parts),
    };
    console.note(format!(
        "sent {} ({}, encrypted on this device{resumed})",
        safe(&sent.name),
        size(sent.bytes)
    ));
    if console.json {
        return Ok(());
    }
    console.say(format!("id       {}", sent.file_id))
}

fn json(sent: &Sent) -> SentJson {
    SentJson {
        id: sent.file_id.to_string(),
        name: sent.name.clone(),
        bytes: sent.bytes,
        sealed_bytes: sent.body_len,
        parts: sent.parts,
        resumed_parts: sent.resumed_parts,
        received_parts: sent.received_parts,
        expires_at: stamp(sent.expires_at),
    }
}

/// What does not go together with a box.
pub(super) fn check(args: &Send) -> Result<(), Fault> {
    if args.to_box.is_none() && (args.anonymous || args.ca.is_some()) {
        return Err(Fault::new(Class::Usage, "--anonymous and --ca are for drop boxes")
            .hint("name one as well: --to-box 'ADDRESS'"));
    }
    Ok(())
}
