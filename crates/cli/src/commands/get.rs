//! `wax get`: fetches a file, verifies it and decrypts it.

use super::{PasserJson, TrustJson, address, compat, file_id, folder, from_whom, links, output, trust_mark};
use crate::app::{App, Session};
use crate::args::Get;
use crate::console::{safe, size};
use crate::expiry::count;
use crate::fault::{Class, Fault};
use crate::progress::Shown;
use crate::{keyfile, keyring};
use client::{
    ClientOptions, FileId, ReceiveAll, Received, ReceivedV0, RsaPrivateKey, Trust, Unlocked, V0Opener,
};
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
    /// The sender's address, if somebody signed.
    from: Option<&'a str>,
    trust: TrustJson,
    /// Who passed it on to you.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed_on_by: Option<PasserJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<folder::ReceivedJson>,
}

/// What was received, of either kind.
enum Got {
    Sealed(Box<Received>),
    /// Signed by nobody.
    V0(ReceivedV0),
}

/// The same for programs.
#[derive(Serialize)]
#[serde(untagged)]
enum GotJson<'a> {
    Sealed(GetJson<'a>),
    V0(compat::ReceivedJson<'a>),
}

/// `{"files": […]}` where several were asked for; with `--all` also how many were there already.
#[derive(Serialize)]
struct SeveralJson<'a> {
    files: Vec<GotJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    already_there: Option<u64>,
}

pub(super) fn run(app: &App, args: &Get) -> Result<(), Fault> {
    if let Some(head) = &args.save_head {
        return super::head::run(app, args, head);
    }
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
    told(app, &got.into_iter().map(|one| Got::Sealed(Box::new(one))).collect::<Vec<_>>())
}

fn told(app: &App, got: &[Got]) -> Result<(), Fault> {
    match got {
        [one] => app.console.result(&either(one)),
        several => app
            .console
            .result(&SeveralJson { files: several.iter().map(either).collect(), already_there: None }),
    }
}

/// One after the other; whoever has to type a passphrase types it once.
fn each(app: &App, session: &Session, args: &Get) -> Result<Vec<Got>, Fault> {
    let keys = match &args.key {
        Some(path) => Keys::Alone(alone(app, session, path)?),
        None => Keys::Own(Box::new(keyring::unlock(app, session)?)),
    };
    let mut got: Vec<Got> = Vec::new();
    for id in &args.ids {
        match one(app, session, args, &keys, id) {
            Ok(received) => {
                match &received {
                    Got::Sealed(one) => tell(app, one)?,
                    Got::V0(one) => compat::tell_received(&app.console, one)?,
                }
                got.push(received);
            }
            Err(fault) if got.is_empty() => return Err(fault),
            Err(fault) => {
                let there =
                    serde_json::to_value(got.iter().map(either).collect::<Vec<_>>()).unwrap_or_default();
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

fn one(app: &App, session: &Session, args: &Get, keys: &Keys, id: &str) -> Result<Got, Fault> {
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
    // A file of the older kind is asked for only where no sealed one is.
    let got = match got {
        Err(fault) if fault.class == Class::NotFound => {
            let opener = match keys {
                Keys::Own(me) => V0Opener::Person(me),
                Keys::Alone((key, _)) => V0Opener::Key(key),
            };
            let target = output::target(&args.output);
            match session.run_to_its_end(client.receive_v0(id, opener, target, &shown, cancel)) {
                Ok(received) => Ok(Got::V0(received)),
                Err(other) if other.class == Class::NotFound => Err(fault),
                Err(other) => Err(other),
            }
        }
        got => got.map(|one| Got::Sealed(Box::new(one))),
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
pub(super) fn stopped(fault: Fault, to_stdout: bool) -> Fault {
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
    let receive = client.receive_all(&me, &request, &shown_progress, cancel, &mut on_received);
    let outcome = session.run_to_its_end(receive);
    let mut older = Older::default();
    let outcome = outcome.and_then(|()| older.fetch(session, &me, &request, &shown_progress));
    shown_progress.end();
    let console = &app.console;
    for one in &got {
        if !console.json {
            let path = one.path.as_deref().map(shown).unwrap_or_default();
            let from = person(console, &from_whom(&one.sender), one.sender.trust);
            let passed = match &one.passed_by {
                Some(passer) => {
                    format!(", passed on by {}", person(console, &from_whom(passer), passer.trust))
                }
                None => String::new(),
            };
            console.say(format!("{}  {} from {from}{passed}", safe(&path), size(one.bytes)))?;
        }
    }
    older.got.iter().filter(|_| !console.json).try_for_each(|one| compat::tell_briefly(console, one))?;
    console.note(format!(
        "received {}, verified and decrypted on this device; {} there already",
        count(got.len() as u64, "file"),
        there + older.there
    ));
    if !older.got.is_empty() {
        console.note(format!("received {} that nobody signed", count(older.got.len() as u64, "file")));
        compat::warn(console);
    }
    if older.keyless > 0 {
        let files = count(older.keyless, "file");
        console.note(format!(
            "{files} of the older kind (v0) not fetched: you have no RSA key among your own; wax ls shows them: wax get ID --key FILE"
        ));
    }
    failed.append(&mut older.failed);
    for (id, fault) in &failed {
        console.note(format!("not received: {id}: {}", fault.what));
    }
    let sealed = got.iter().map(|one| GotJson::Sealed(json(one)));
    let files: Vec<GotJson<'_>> =
        sealed.chain(older.got.iter().map(|one| GotJson::V0(compat::received_json(one)))).collect();
    let stopped = outcome.err().map(|fault| match fault.class {
        Class::Cancelled => Fault::new(Class::Cancelled, "stopped before all was here"),
        _ => fault,
    });
    let Some(fault) = the_worst(stopped, &failed) else {
        return console.result(&SeveralJson { files, already_there: Some(there + older.there) });
    };
    let not_received: Vec<serde_json::Value> = failed
        .iter()
        .map(|(id, fault)| {
            serde_json::json!({ "id": id.to_string(), "class": fault.class.name(), "message": fault.what })
        })
        .collect();
    let received =
        serde_json::to_value(&files).map_err(|_| Fault::new(Class::Other, "a list has no JSON form"))?;
    Err(fault.fact("received", received).fact("failed", not_received))
}

/// What is told of all that went wrong: what is not authentic before anything else, for it is no accident; then what stopped all.
fn the_worst(stopped: Option<Fault>, failed: &[(FileId, Fault)]) -> Option<Fault> {
    const AGAIN: &str = "what was received is whole; the same command fetches the rest";
    let is_forged = |fault: &Fault| matches!(fault.class, Class::Identity | Class::Authentic);
    let told = |(id, fault): &(FileId, Fault)| fault.about(id);
    let forged = failed.iter().find(|(_, fault)| is_forged(fault));
    match (stopped, forged.or(failed.first())) {
        (Some(stopped), Some(one)) if !is_forged(&one.1) => Some(stopped.hint(AGAIN)),
        (Some(stopped), None) => Some(stopped.hint(AGAIN)),
        (Some(stopped), Some(one)) => Some(told(one).hint(format!("and then: {}", stopped.what)).hint(AGAIN)),
        (None, Some(one)) if failed.len() == 1 => Some(told(one).hint("every other file was received")),
        (None, Some(one)) => {
            let more = count(failed.len() as u64 - 1, "file");
            Some(told(one).hint(format!("{more} more could not be received; every other file was")))
        }
        (None, None) => None,
    }
}

/// Files of the documented API among everything that others sent.
#[derive(Default)]
struct Older {
    got: Vec<ReceivedV0>,
    failed: Vec<(FileId, Fault)>,
    there: u64,
    /// Those that a person without an RSA key cannot open.
    keyless: u64,
}

impl Older {
    fn fetch(
        &mut self,
        session: &Session,
        me: &Unlocked,
        request: &ReceiveAll,
        shown: &Shown,
    ) -> Result<(), Fault> {
        let client = &session.client;
        if request.from.is_none() && !me.has_rsa_keys() {
            let files = session.run(client.v0_files())?;
            self.keyless = files.iter().filter(|file| !file.own).count() as u64;
            return Ok(());
        }
        let mut on_received = |id: FileId, outcome: Result<Option<ReceivedV0>, client::Error>| match outcome {
            Ok(Some(one)) => self.got.push(one),
            Ok(None) => self.there += 1,
            Err(error) => self.failed.push((id, Fault::from(error))),
        };
        session.run_to_its_end(client.receive_all_v0(me, request, shown, &session.cancel, &mut on_received))
    }
}

fn tell(app: &App, got: &Received) -> Result<(), Fault> {
    let console = &app.console;
    let from = from_whom(&got.sender);
    let name = safe(&got.name);
    // Where nobody signed, only that it is whole is known.
    let how = if got.sender.trust == Trust::Anonymous { "whole" } else { "verified" };
    match (&got.path, &got.folder) {
        (None, Some(folder)) => folder::tell(app, got, folder)?,
        (Some(path), about) => {
            match about {
                Some(about) => folder::tell(app, got, about)?,
                None => console.note(format!(
                    "received {name} ({}), {how} and decrypted on this device",
                    size(got.bytes)
                )),
            }
            if !console.json {
                let kind = if about.is_some() { "folder  " } else { "file    " };
                console.say(format!("{kind} {}", safe(&shown(path))))?;
                console.say(format!("from     {}", person(console, &from, got.sender.trust)))?;
                if let Some(passer) = &got.passed_by {
                    let by = person(console, &from_whom(passer), passer.trust);
                    console.say(format!("         passed on by {by}"))?;
                }
            }
        }
        (None, None) => console.note(format!(
            "received {name} ({}) from {from}, {how} and decrypted on this device",
            size(got.bytes)
        )),
    }
    if got.sender.trust == Trust::Anonymous {
        console.note("nobody signed it: who sent it cannot be verified; open it with care");
    }
    if matches!(got.sender.trust, Trust::Pinned | Trust::FirstContact) {
        console.note(format!("hint: compare the safety number with {from}: wax contacts verify {from}"));
    }
    Ok(())
}

fn either(got: &Got) -> GotJson<'_> {
    match got {
        Got::Sealed(one) => GotJson::Sealed(json(one)),
        Got::V0(one) => GotJson::V0(compat::received_json(one)),
    }
}

fn json(got: &Received) -> GetJson<'_> {
    GetJson {
        id: got.file_id.to_string(),
        name: &got.name,
        media_type: &got.media_type,
        bytes: got.bytes,
        path: got.path.as_deref().map(shown),
        from: got.sender.address.as_ref().map(client::Address::as_str),
        trust: got.sender.trust.into(),
        passed_on_by: got.passed_by.as_ref().map(PasserJson::of),
        folder: got.folder.as_ref().map(folder::ReceivedJson::of),
    }
}

/// A path as a person would write it.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn person(console: &crate::console::Console, shown: &str, trust: Trust) -> String {
    match trust {
        Trust::Own => format!("{shown} (you)"),
        trust => format!("{shown} ({})", trust_mark(console, trust)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> FileId {
        FileId::from_bytes([n; 16])
    }

    fn fault(class: Class, what: &str) -> Fault {
        Fault::new(class, what).hint("do this")
    }

    #[test]
    fn nothing_is_told_where_nothing_failed_and_one_failure_says_that_the_rest_is_here() {
        assert!(the_worst(None, &[]).is_none());
        let one = [(id(1), fault(Class::LocalFile, "the disk is full").fact("free", 0))];
        let told = the_worst(None, &one).unwrap();
        assert_eq!(told.class, Class::LocalFile);
        assert_eq!(told.what, format!("{}: the disk is full", id(1)));
        assert_eq!(told.hints, ["do this", "every other file was received"]);
        assert_eq!(told.facts["free"], 0);
    }

    #[test]
    fn what_is_forged_is_told_before_what_failed_first_and_before_what_stopped_all() {
        let failed = [
            (id(1), fault(Class::LocalFile, "the disk is full")),
            (id(2), fault(Class::Authentic, "its signature is wrong")),
        ];
        let told = the_worst(None, &failed).unwrap();
        assert_eq!((told.class, told.what), (Class::Authentic, format!("{}: its signature is wrong", id(2))));
        assert_eq!(told.hints[1], "1 file more could not be received; every other file was");
        let stopped = fault(Class::Network, "the server cannot be reached");
        let told = the_worst(Some(stopped), &failed).unwrap();
        assert_eq!(told.class, Class::Authentic);
        assert_eq!(told.hints[1], "and then: the server cannot be reached");
        assert!(told.hints[2].contains("what was received is whole"), "{:?}", told.hints);
    }

    #[test]
    fn what_stopped_all_is_told_before_what_failed_by_accident() {
        let failed = [(id(1), fault(Class::LocalFile, "the disk is full"))];
        let told = the_worst(Some(fault(Class::Network, "away")), &failed).unwrap();
        assert_eq!((told.class, told.what.as_str()), (Class::Network, "away"));
        assert_eq!(told.hints, ["do this", "what was received is whole; the same command fetches the rest"]);
    }
}
