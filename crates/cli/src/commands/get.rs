//! `wax get`: fetches a file, verifies it and decrypts it.

use super::{TrustJson, address, file_id, folder, links, output, trust_mark};
use crate::app::{App, Session};
use crate::args::Get;
use crate::console::{safe, size};
use crate::fault::{Class, Fault};
use crate::progress::Shown;
use crate::{keyfile, keyring};
use client::{ClientOptions, FileId, ReceiveAll, Received, RsaPrivateKey, Trust, Unlocked};
use serde::Serialize;
use std::path::{Path, PathBuf};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<folder::ReceivedJson>,
}

/// `{"files": […]}` where several were asked for; with `--all` also how many were there already.
#[derive(Serialize)]
struct SeveralJson<'a> {
    files: Vec<GetJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    already_there: Option<u64>,
}

pub(super) fn run(app: &App, args: &Get) -> Result<(), Fault> {
    output::check(app, &args.output)?;
    folder::check(args)?;
    let several = args.all || args.ids.len() > 1;
    if several && !args.output.path.as_deref().is_none_or(Path::is_dir) {
        return Err(Fault::new(Class::Usage, "several files go into a folder")
            .hint("make it first, and name it with -o FOLDER"));
    }
    let session =
        app.session_with(ClientOptions { give_receipts: !args.no_receipt, ..ClientOptions::default() })?;
    if args.all {
        return all(app, &session, args);
    }
    if args.ids.iter().any(|id| links::is_link(id)) {
        return behind_links(app, &session, args);
    }
    if args.password_fd.is_some() || args.ca.is_some() {
        return Err(Fault::new(Class::Usage, "--password-fd and --ca are for links")
            .hint("a link begins with https:// and stands between quotes"));
    }
    if args.key.is_some() {
        // Told before anybody is asked for a passphrase.
        args.ids.iter().try_for_each(|id| whole_id(id).map(drop))?;
    }
    let got = each(app, &session, args).map_err(|fault| stopped(fault, args.output.is_stdout()))?;
    told(app, &got)
}

/// Links, for which nobody needs an account.
fn behind_links(app: &App, session: &Session, args: &Get) -> Result<(), Fault> {
    if args.key.is_some() || !args.ids.iter().all(|id| links::is_link(id)) {
        return Err(Fault::new(Class::Usage, "links and ids are fetched by commands of their own")
            .hint("name links alone, without --key"));
    }
    let got = links::get(app, session, args).map_err(|fault| stopped(fault, args.output.is_stdout()))?;
    told(app, &got)
}

fn told(app: &App, got: &[Received]) -> Result<(), Fault> {
    match got {
        [one] => app.console.result(&json(one)),
        several => app
            .console
            .result(&SeveralJson { files: several.iter().map(json).collect(), already_there: None }),
    }
}

/// One after the other; whoever has to type a passphrase types it once.
fn each(app: &App, session: &Session, args: &Get) -> Result<Vec<Received>, Fault> {
    let keys = match &args.key {
        Some(path) => Keys::Alone(alone(app, session, path)?),
        None => Keys::Own(Box::new(keyring::unlock(app, session)?)),
    };
    let mut got: Vec<Received> = Vec::new();
    for id in &args.ids {
        match one(app, session, args, &keys, id) {
            Ok(received) => {
                tell(app, &received)?;
                got.push(received);
            }
            Err(fault) if got.is_empty() => return Err(fault),
            Err(fault) => {
                let there =
                    serde_json::to_value(got.iter().map(json).collect::<Vec<_>>()).unwrap_or_default();
                return Err(fault.fact("received", there).hint("the files named above were received"));
            }
        }
    }
    Ok(got)
}

/// What opens files.
enum Keys {
    Own(Box<Unlocked>),
    /// A key that stands alone; no keys of one's own are needed. And what its file is called.
    Alone((RsaPrivateKey, String)),
}

fn alone(app: &App, session: &Session, path: &Path) -> Result<(RsaPrivateKey, String), Fault> {
    if session.client.signed_in()?.is_none() {
        return Err(client::Error::NotSignedIn.into());
    }
    let key = keyfile::read_private(app, path, app.global.passphrase_fd)?;
    Ok((key, safe(&path.display().to_string())))
}

fn one(app: &App, session: &Session, args: &Get, keys: &Keys, id: &str) -> Result<Received, Fault> {
    let (client, cancel) = (&session.client, &session.cancel);
    let id = match keys {
        Keys::Own(me) => file_id(session, me, id)?,
        Keys::Alone(_) => whole_id(id)?,
    };
    let target = folder::target(args).unwrap_or_else(|| output::target(&args.output));
    let shown = Shown::new(&app.console, String::new());
    let got = match keys {
        Keys::Own(me) => session.run_to_its_end(client.receive(me, id, target, &shown, cancel)),
        Keys::Alone((key, _)) => {
            session.run_to_its_end(client.receive_with_key(id, key, target, &shown, cancel))
        }
    };
    shown.end();
    got.map_err(|fault| match keys {
        Keys::Alone((_, name)) if fault.class == Class::NotFound => {
            fault.hint(format!("it may not have been sent to {name}"))
        }
        _ => fault,
    })
}

fn whole_id(id: &str) -> Result<FileId, Fault> {
    id.trim().to_lowercase().parse().map_err(|_| {
        Fault::new(Class::Usage, "with --key the id of the file must be given whole")
            .hint("the sender has it: wax send prints it")
    })
}

/// What is said after Ctrl-C.
fn stopped(fault: Fault, to_stdout: bool) -> Fault {
    match fault.class {
        Class::Cancelled if to_stdout => Fault::new(Class::Cancelled, "stopped; the output is not complete"),
        Class::Cancelled => Fault::new(Class::Cancelled, "stopped; no file was written that is not whole")
            .hint("run the same command again; of a folder it fetches only the rest"),
        _ => fault,
    }
}

/// Everything that others sent; one that cannot be fetched does not stop the others.
fn all(app: &App, session: &Session, args: &Get) -> Result<(), Fault> {
    let from = args.from.as_deref().map(address).transpose()?;
    let me = keyring::unlock(app, session)?;
    let folder = args.output.path.clone().unwrap_or_else(|| PathBuf::from("."));
    let request = ReceiveAll { from, folder, on_conflict: output::on_conflict(&args.output) };
    let shown_progress = Shown::new(&app.console, String::new());
    let (mut got, mut failed, mut there) = (Vec::new(), Vec::new(), 0_u64);
    let mut on_received = |id: FileId, outcome: Result<Option<Received>, client::Error>| match outcome {
        Ok(Some(one)) => got.push(one),
        Ok(None) => there += 1,
        Err(error) => failed.push((id, Fault::from(error))),
    };
    let (client, cancel) = (&session.client, &session.cancel);
    let receive = client.receive_all(&me, request, &shown_progress, cancel, &mut on_received);
    let outcome = session.run_to_its_end(receive);
    shown_progress.end();
    let console = &app.console;
    for one in &got {
        if !console.json {
            let path = one.path.as_deref().map(shown).unwrap_or_default();
            let from = person(console, &safe(one.sender.address.as_str()), one.sender.trust);
            console.say(format!("{}  {} from {from}", safe(&path), size(one.bytes)))?;
        }
    }
    console.note(format!(
        "received {} files, verified and decrypted on this device; {there} were there already",
        got.len()
    ));
    outcome.map_err(|fault| match fault.class {
        Class::Cancelled => Fault::new(Class::Cancelled, "stopped before all was here")
            .hint("what was received is whole; the same command fetches the rest"),
        _ => fault.hint("what was received is whole; the same command fetches the rest"),
    })?;
    for (id, fault) in &failed {
        console.note(format!("not received: {id}: {}", fault.what));
    }
    match failed.into_iter().next() {
        None => {
            console.result(&SeveralJson { files: got.iter().map(json).collect(), already_there: Some(there) })
        }
        Some((_, first)) => Err(first.hint("every other file was received")),
    }
}

fn tell(app: &App, got: &Received) -> Result<(), Fault> {
    let console = &app.console;
    let from = safe(got.sender.address.as_str());
    let name = safe(&got.name);
    match (&got.path, &got.folder) {
        (None, Some(folder)) => folder::tell(app, got, folder)?,
        (Some(path), about) => {
            match about {
                Some(about) => folder::tell(app, got, about)?,
                None => console.note(format!(
                    "received {name} ({}), verified and decrypted on this device",
                    size(got.bytes)
                )),
            }
            if !console.json {
                let kind = if about.is_some() { "folder  " } else { "file    " };
                console.say(format!("{kind} {}", safe(&shown(path))))?;
                console.say(format!("from     {}", person(console, &from, got.sender.trust)))?;
            }
        }
        (None, None) => console.note(format!(
            "received {name} ({}) from {from}, verified and decrypted on this device",
            size(got.bytes)
        )),
    }
    if matches!(got.sender.trust, Trust::Pinned | Trust::FirstContact) {
        console.note(format!("hint: compare the safety number with {from}: wax contacts verify {from}"));
    }
    Ok(())
}

fn json(got: &Received) -> GetJson<'_> {
    GetJson {
        id: got.file_id.to_string(),
        name: &got.name,
        media_type: &got.media_type,
        bytes: got.bytes,
        path: got.path.as_deref().map(shown),
        from: got.sender.address.as_str(),
        trust: got.sender.trust.into(),
        folder: got.folder.as_ref().map(folder::ReceivedJson::of),
    }
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
