//! `wax get`: fetches a file, verifies it and decrypts it.

use super::{TrustJson, file_id, output, trust_mark};
use crate::app::{App, Session};
use crate::args::Get;
use crate::console::{safe, size};
use crate::fault::{Class, Fault};
use crate::progress::Shown;
use crate::{keyfile, keyring};
use client::{FileId, Received, Trust};
use serde::Serialize;
use std::path::Path;

/// `{"id", "name", "media_type", "bytes", "path", "from", "trust"}`.
#[derive(Serialize)]
struct GetJson<'a> {
    id: String,
    name: &'a str,
    media_type: &'a str,
    bytes: u64,
    path: Option<String>,
    from: &'a str,
    trust: TrustJson,
}

pub(super) fn run(app: &App, args: &Get) -> Result<(), Fault> {
    let to_stdout = args.output.is_stdout();
    output::check(app, &args.output)?;
    let session = app.session()?;
    let got = match &args.key {
        Some(key) => with_key(app, &session, args, key),
        None => {
            let me = keyring::unlock(app, &session)?;
            let id = file_id(&session, &me, &args.id)?;
            let shown = Shown::new(&app.console, String::new());
            let receive =
                session.client.receive(&me, id, output::target(&args.output), &shown, &session.cancel);
            let got = session.run_to_its_end(receive);
            shown.end();
            got
        }
    };
    let got = got.map_err(|fault| match fault.class {
        Class::Cancelled if to_stdout => Fault::new(Class::Cancelled, "stopped; the output is not complete"),
        Class::Cancelled => {
            Fault::new(Class::Cancelled, "stopped; no file was written").hint("run the same command again")
        }
        _ => fault,
    })?;
    tell(app, &got)
}

/// With a key that stands alone; no keys of one's own are needed.
fn with_key(app: &App, session: &Session, args: &Get, key: &Path) -> Result<Received, Fault> {
    let id: FileId = args.id.trim().to_lowercase().parse().map_err(|_| {
        Fault::new(Class::Usage, "with --key the id of the file must be given whole")
            .hint("the sender has it: wax send prints it")
    })?;
    if session.client.signed_in()?.is_none() {
        return Err(client::Error::NotSignedIn.into());
    }
    let name = safe(&key.display().to_string());
    let key = keyfile::read_private(app, key, app.global.passphrase_fd)?;
    let shown = Shown::new(&app.console, String::new());
    let receive =
        session.client.receive_with_key(id, &key, output::target(&args.output), &shown, &session.cancel);
    let got = session.run_to_its_end(receive);
    shown.end();
    got.map_err(|fault| match fault.class {
        Class::NotFound => fault.hint(format!("it may not have been sent to {name}")),
        _ => fault,
    })
}

fn tell(app: &App, got: &Received) -> Result<(), Fault> {
    let console = &app.console;
    let from = safe(got.sender.address.as_str());
    let name = safe(&got.name);
    match &got.path {
        Some(path) => {
            console.note(format!(
                "received {name} ({}), verified and decrypted on this device",
                size(got.bytes)
            ));
            if !console.json {
                console.say(format!("file     {}", safe(&shown(path))))?;
                console.say(format!("from     {}", person(console, &from, got.sender.trust)))?;
            }
        }
        None => console.note(format!(
            "received {name} ({}) from {from}, verified and decrypted on this device",
            size(got.bytes)
        )),
    }
    if matches!(got.sender.trust, Trust::Pinned | Trust::FirstContact) {
        console.note(format!("hint: compare the safety number with {from}: wax contacts verify {from}"));
    }
    console.result(&GetJson {
        id: got.file_id.to_string(),
        name: &got.name,
        media_type: &got.media_type,
        bytes: got.bytes,
        path: got.path.as_deref().map(shown),
        from: got.sender.address.as_str(),
        trust: got.sender.trust.into(),
    })
}

/// A path as a person would write it.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn person(console: &crate::console::Console, shown: &str, trust: Trust) -> String {
    match trust {
        Trust::Own => format!("{shown} (you)"),
        trust => format!("{shown} ({})", trust_mark(console, trust)),
    }
}
