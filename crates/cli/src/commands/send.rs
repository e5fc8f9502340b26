//! `wax send`: seals files on this device and sends them to people.

use super::folder;
use super::links::{self, LinkJson};
use super::rsa::{KeyJson, described};
use super::{address, publish, stamp};
use crate::app::{App, Session};
use crate::args::Send;
use crate::console::{Tone, safe, size};
use crate::expiry::limits_in_words;
use crate::fault::{Class, Fault};
use crate::keyfile::{self, read_public};
use crate::keyring;
use crate::progress::Shown;
use client::{
    Address, Compress, LinkLimits, Passphrase, RsaPublicKey, SendFolder, SendMany, SendRequest, Sent,
    Unlocked,
};
use serde::Serialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a stream is called when nobody names it.
pub(super) const STREAM_NAME: &str = "standard input";

/// `{"files": […]}`; when one of several fails, those sent before stand in the error as `"sent"`.
#[derive(Serialize)]
struct SendJson {
    files: Vec<SentJson>,
}

/// One file that was sent.
#[derive(Serialize)]
struct SentJson {
    id: String,
    name: String,
    bytes: u64,
    /// Bytes after compression.
    stored_bytes: u64,
    /// Bytes of the sealed body.
    sealed_bytes: u64,
    parts: u64,
    /// Parts that an earlier try had sent.
    resumed_parts: u64,
    /// Bytes that the server received for it over all tries.
    received_bytes: u64,
    /// Parts that the server received for it over all tries.
    received_parts: u64,
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_downloads: Option<u32>,
    to: Vec<RecipientJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to_keys: Vec<KeyJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<LinkJson>,
    /// Of a folder; then the sizes above are those of the list of its files, but for `bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<folder::SentJson>,
}

/// Whom files go to.
struct Recipients {
    people: Vec<Address>,
    /// Public keys, and the files that they came from.
    keys: Vec<(PathBuf, RsaPublicKey)>,
}

impl Recipients {
    fn is_for_nobody(&self) -> bool {
        self.people.is_empty() && self.keys.is_empty()
    }
}

/// Whom it was sent to.
#[derive(Serialize)]
struct RecipientJson {
    address: String,
    verified: bool,
}

pub(super) fn run(app: &App, args: &Send) -> Result<(), Fault> {
    if args.compat {
        args.files.iter().filter(|file| !is_stdin(file)).try_for_each(|file| look_at(file))?;
        return super::compat::send(app, args);
    }
    let to = recipients(args)?;
    let as_folder = is_folder(args);
    if args.name.is_some() && args.files.len() > 1 && !as_folder {
        return Err(Fault::new(Class::Usage, "one name cannot serve several files")
            .hint("send them one by one, without --name, or as one folder: --together"));
    }
    if args.files.iter().filter(|file| is_stdin(file)).count() > 1 {
        return Err(Fault::new(Class::Usage, "standard input can be sent only once"));
    }
    if as_folder && args.files.iter().any(|file| is_stdin(file)) {
        return Err(Fault::new(Class::Usage, "standard input cannot be part of a folder")
            .hint("send it by itself, with a name: wax send - --name NAME"));
    }
    if args.files.iter().any(|file| is_stdin(file)) && std::io::stdin().is_terminal() {
        app.console.note("reading from the terminal; end with Ctrl-D");
    }
    args.files.iter().filter(|file| !is_stdin(file)).try_for_each(|file| look_at(file))?;
    if args.shape.is_asked_for() && !args.link {
        return Err(Fault::new(Class::Usage, "a password or a QR code is for a link")
            .hint("make one as well: --link"));
    }
    links::check(&args.shape)?;
    super::send_box::check(args)?;
    if let Some(to_box) = &args.to_box {
        return super::send_box::run(app, args, to_box);
    }
    Asked::of(args)?;
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    publish::ask_about(app, &session, args)?;
    let password = if args.link { links::new_password(&args.shape)? } else { None };
    let mut to = to;
    if to.is_for_nobody() {
        // One's own grant is there anyway.
        to.people.push(me.address().clone());
    }
    let several = !as_folder && args.files.len() > 1 && !args.files.iter().any(|file| is_stdin(file));
    let teller = Teller::new(app, &session, args, &to)?;
    let (mut done, outcome) = match (as_folder, several) {
        (true, _) => send_folder(&teller, &me),
        (false, true) => send_many(&teller, &me),
        (false, false) => send_each(&teller, &me),
    };
    let outcome = outcome.and_then(|()| teller.link(&me, password.as_ref(), &mut done));
    match outcome {
        Ok(()) => {
            teller.last_words(&done, several)?;
            app.console.result(&SendJson { files: done })
        }
        Err(fault) if done.is_empty() => Err(fault),
        Err(fault) if several => {
            Err(fault.fact("sent", serde_json::to_value(&done).unwrap_or_default()).hint(format!(
                "{} of {} were sent; the same command sends only the rest",
                done.len(),
                args.files.len()
            )))
        }
        Err(fault) => Err(fault
            .fact("sent", serde_json::to_value(&done).unwrap_or_default())
            .hint("the files named above were sent; send only the rest again")),
    }
}

/// The addresses and keys, each once.
fn recipients(args: &Send) -> Result<Recipients, Fault> {
    let mut to = Recipients { people: Vec::new(), keys: Vec::new() };
    for text in &args.to {
        let address = address(text)?;
        if !to.people.contains(&address) {
            to.people.push(address);
        }
    }
    for file in &args.to_key {
        let key = read_public(file)?;
        if to.keys.iter().all(|(_, known)| *known != key) {
            to.keys.push((file.clone(), key));
        }
    }
    Ok(to)
}

pub(super) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// What is plainly wrong with a source is told before anybody is asked for a passphrase.
fn look_at(file: &Path) -> Result<(), Fault> {
    let kind = std::fs::metadata(file).map_err(|e| Fault::file("read", file, &e))?.file_type();
    if kind.is_dir() {
        return std::fs::read_dir(file).map(drop).map_err(|e| Fault::file("read", file, &e));
    }
    if !kind.is_file() {
        let shown = safe(&file.display().to_string());
        return Err(Fault::new(Class::LocalFile, format!("{shown} is not a regular file"))
            .hint("to send what comes out of a pipe or device: wax send - < FILE"));
    }
    std::fs::File::open(file).map(drop).map_err(|e| Fault::file("read", file, &e))
}

/// Whether all goes as one folder: because it is one, because there are several for one link, or because a person says so.
fn is_folder(args: &Send) -> bool {
    args.together || (args.link && args.files.len() > 1) || args.files.iter().any(|file| file.is_dir())
}

/// All of it as one.
fn send_folder(teller: &Teller<'_>, me: &Unlocked) -> (Vec<SentJson>, Result<(), Fault>) {
    let Teller { app, session, args, to, asked, .. } = teller;
    if asked.preview {
        app.console.note("there are no previews inside a folder: send pictures one by one to have them");
    }
    let request = SendFolder {
        sources: args.files.clone(),
        name: args.name.clone(),
        to: to.people.clone(),
        to_keys: to.keys.iter().map(|(_, key)| key.clone()).collect(),
        expires_in: Duration::from_secs(args.expires.seconds()),
        max_downloads: teller.downloads(),
        compress: asked.compress,
        padded: !args.no_padding,
    };
    let shown = Shown::new(&app.console, String::new());
    let sent = session.run_to_its_end(session.client.send_folder(me, request, &shown, &session.cancel));
    shown.end();
    match sent.map_err(|fault| resumable(fault, false)) {
        Err(fault) => (Vec::new(), Err(fault)),
        Ok(sent) => {
            let told = teller.tell_folder(&sent);
            let about = folder::SentJson::of(&sent);
            let json = SentJson { bytes: sent.bytes, folder: Some(about), ..teller.json(sent.list) };
            (vec![json], told)
        }
    }
}

/// One after the other, each a transfer of its own.
fn send_each(teller: &Teller<'_>, me: &Unlocked) -> (Vec<SentJson>, Result<(), Fault>) {
    let mut done = Vec::new();
    let outcome = teller.args.files.iter().enumerate().try_for_each(|(n, file)| {
        let sent = send_one(teller, me, n, file)?;
        teller.tell(&sent)?;
        done.push(teller.json(sent));
        Ok(())
    });
    (done, outcome)
}

fn send_one(teller: &Teller<'_>, me: &Unlocked, n: usize, file: &PathBuf) -> Result<Sent, Fault> {
    let Teller { app, session, args, to, .. } = teller;
    let mut request = if is_stdin(file) {
        SendRequest::stream(
            Box::new(std::io::stdin()),
            args.name.as_deref().unwrap_or(STREAM_NAME),
            to.people.clone(),
        )
    } else {
        SendRequest::file(file, to.people.clone())
    };
    request.to_keys = to.keys.iter().map(|(_, key)| key.clone()).collect();
    request.expires_in = Duration::from_secs(args.expires.seconds());
    request.max_downloads = teller.downloads();
    request.compress = teller.asked.compress;
    request.padded = !args.no_padding;
    request.preview = teller.asked.preview;
    request.name.clone_from(&args.name);
    let of = args.files.len();
    let shown = Shown::new(&app.console, if of > 1 { format!("{} of {of}: ", n + 1) } else { String::new() });
    let sent = session.run_to_its_end(session.client.send(me, request, &shown, &session.cancel));
    shown.end();
    sent.map_err(|fault| resumable(fault, is_stdin(file)))
}

/// Together: small files share requests.
fn send_many(teller: &Teller<'_>, me: &Unlocked) -> (Vec<SentJson>, Result<(), Fault>) {
    let Teller { app, session, args, to, .. } = teller;
    let request = SendMany {
        files: args.files.clone(),
        to: to.people.clone(),
        to_keys: to.keys.iter().map(|(_, key)| key.clone()).collect(),
        expires_in: Duration::from_secs(args.expires.seconds()),
        max_downloads: teller.downloads(),
        compress: teller.asked.compress,
        padded: !args.no_padding,
        preview: teller.asked.preview,
    };
    let shown = Shown::of_several(&app.console, args.files.len());
    let mut sent = Vec::new();
    let mut on_sent = |nth: usize, one: Sent| sent.push((nth, one));
    let outcome =
        session.run_to_its_end(session.client.send_many(me, request, &shown, &session.cancel, &mut on_sent));
    shown.end();
    sent.sort_by_key(|(nth, _)| *nth);
    let told = sent.iter().try_for_each(|(_, one)| teller.tell_briefly(one));
    let done = sent.into_iter().map(|(_, one)| teller.json(one)).collect();
    (done, told.and(outcome.map_err(|fault| resumable(fault, false))))
}

/// What may be a setting as well as an argument.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) compress: Compress,
    pub(super) preview: bool,
}

impl Asked {
    pub(super) fn of(args: &Send) -> Result<Self, Fault> {
        let compress = setting(args.compress, args.no_compress, "WAX_COMPRESS")?;
        let preview = setting(args.preview, args.no_preview, "WAX_PREVIEW")?;
        Ok(Self { compress: if compress { Compress::Auto } else { Compress::Never }, preview })
    }
}

/// An argument, or else the environment: `on` or `off`.
fn setting(yes: bool, no: bool, variable: &str) -> Result<bool, Fault> {
    if yes || no {
        return Ok(yes);
    }
    match std::env::var(variable).as_deref() {
        Err(std::env::VarError::NotPresent) | Ok("" | "off") => Ok(false),
        Ok("on") => Ok(true),
        _ => Err(Fault::new(Class::Usage, format!("{variable} is neither on nor off"))),
    }
}

/// After Ctrl-C: what becomes of what was sent so far.
pub(super) fn resumable(fault: Fault, stream: bool) -> Fault {
    if fault.class != Class::Cancelled {
        return fault;
    }
    let stopped = Fault::new(Class::Cancelled, "stopped before the server confirmed it");
    if stream {
        stopped.hint("what comes from a pipe cannot be resumed; send it again from the start")
    } else {
        stopped.hint(
            "the same command goes on where it stopped; wax uploads shows and cancels what is unfinished, wax ls what is shared",
        )
    }
}

/// Says what was sent, and to whom.
pub(super) struct Teller<'a> {
    pub(super) app: &'a App,
    session: &'a Session,
    args: &'a Send,
    to: &'a Recipients,
    asked: Asked,
    /// Of each person, whether their keys were compared.
    verified: Vec<bool>,
}

impl<'a> Teller<'a> {
    fn new(app: &'a App, session: &'a Session, args: &'a Send, to: &'a Recipients) -> Result<Self, Fault> {
        let contacts = session.client.contacts()?;
        let me = session.client.signed_in()?;
        let is_verified = |address: &Address| {
            me.as_ref().is_some_and(|me| me.address == *address)
                || contacts.iter().any(|contact| contact.address == *address && contact.verified)
        };
        let verified = to.people.iter().map(is_verified).collect();
        Ok(Self { app, session, args, to, asked: Asked::of(args)?, verified })
    }

    /// Who was named, and whether their keys were compared.
    fn people(&self) -> impl Iterator<Item = (&Address, &bool)> {
        let named = if self.by_link_alone() { 0 } else { self.to.people.len() };
        self.to.people.iter().zip(&self.verified).take(named)
    }

    /// How often others may download the files themselves. Where they go to nobody but by a link, the link closes.
    fn downloads(&self) -> Option<u32> {
        self.args.downloads.filter(|_| !self.by_link_alone())
    }

    fn by_link_alone(&self) -> bool {
        self.args.link && self.args.to.is_empty() && self.args.to_key.is_empty()
    }

    /// A link to each of the files, if that is asked for.
    fn link(&self, me: &Unlocked, password: Option<&Passphrase>, done: &mut [SentJson]) -> Result<(), Fault> {
        if !self.args.link {
            return Ok(());
        }
        let limits = LinkLimits {
            expires_in: None,
            max_downloads: self.args.downloads.filter(|_| self.by_link_alone()),
        };
        for sent in done {
            let file = sent.id.parse().map_err(|_| Fault::new(Class::Other, "a file has no id"))?;
            let (app, session, shape) = (self.app, self.session, &self.args.shape);
            let made = links::make(app, session, me, file, password, limits, shape).map_err(|fault| {
                fault.hint(format!("the file was sent; make a link to it with: wax links create {}", sent.id))
            })?;
            sent.link = Some(made);
        }
        Ok(())
    }

    /// All about one file.
    fn tell(&self, sent: &Sent) -> Result<(), Fault> {
        let console = &self.app.console;
        console.note(format!("sent {} ({}, encrypted on this device)", safe(&sent.name), smaller(sent)));
        if console.json {
            return Ok(());
        }
        console.say(format!("id       {}", console.paint(Tone::Bold, &sent.file_id.to_string())))?;
        self.tell_terms()?;
        console.say(format!("size     {}", sizes(sent)))?;
        self.tell_how_to_fetch(&sent.file_id.to_string());
        Ok(())
    }

    /// How whoever it was sent to gets it.
    pub(super) fn tell_how_to_fetch(&self, id: &str) {
        let console = &self.app.console;
        if self.people().next().is_some() {
            console.note(format!("they fetch it with: wax get {id}"));
        }
        if !self.to.keys.is_empty() {
            console.note(format!(
                "tell the id to who has the key; they fetch it with: wax get {id} --key FILE.pem"
            ));
        }
    }

    /// One line about one of many.
    fn tell_briefly(&self, sent: &Sent) -> Result<(), Fault> {
        let console = &self.app.console;
        if console.json {
            return Ok(());
        }
        let id = console.paint(Tone::Bold, &sent.file_id.to_string());
        console.say(format!("{id}  {} ({})", safe(&sent.name), smaller(sent)))
    }

    pub(super) fn tell_terms(&self) -> Result<(), Fault> {
        let console = &self.app.console;
        for (address, verified) in self.people() {
            let mark = if *verified { "verified" } else { "not verified: trust on first use" };
            console.say(format!("to       {} ({mark})", safe(address.as_str())))?;
        }
        for (file, key) in &self.to.keys {
            console.say(format!("to       the key {} ({})", keyfile::shown(file), described(key)))?;
        }
        let (expires, downloads) = (self.args.expires.in_words(), self.args.downloads);
        console.say(format!("limits   {}", limits_in_words(&expires, downloads)))
    }

    /// What holds for all that was sent.
    fn last_words(&self, done: &[SentJson], together: bool) -> Result<(), Fault> {
        let console = &self.app.console;
        if together {
            let bytes = done.iter().map(|sent| sent.bytes).sum();
            console.note(format!("sent {} files ({}, encrypted on this device)", done.len(), size(bytes)));
            if !console.json {
                self.tell_terms()?;
            }
        }
        for (address, _) in self.to.people.iter().zip(&self.verified).filter(|(_, verified)| !**verified) {
            let shown = safe(address.as_str());
            console
                .note(format!("hint: compare the safety number with {shown}: wax contacts verify {shown}"));
        }
        Ok(())
    }

    fn json(&self, sent: Sent) -> SentJson {
        let people = self.people();
        SentJson {
            id: sent.file_id.to_string(),
            bytes: sent.bytes,
            stored_bytes: sent.stored,
            sealed_bytes: sent.body_len,
            parts: sent.parts,
            resumed_parts: sent.resumed_parts,
            received_bytes: sent.received_bytes,
            received_parts: sent.received_parts,
            expires_at: stamp(sent.expires_at),
            max_downloads: self.downloads(),
            link: None,
            folder: None,
            to_keys: self.to.keys.iter().map(|(_, key)| KeyJson::of(key)).collect(),
            to: people
                .map(|(address, verified)| RecipientJson {
                    address: address.as_str().to_owned(),
                    verified: *verified,
                })
                .collect(),
            name: sent.name,
        }
    }
}

/// `3.2 MB`, or `3.2 MB compressed to 1.1 MB`.
fn smaller(sent: &Sent) -> String {
    if sent.stored == sent.bytes {
        return size(sent.bytes);
    }
    format!("{} compressed to {}", size(sent.bytes), size(sent.stored))
}

/// `3.2 MB compressed to 1.1 MB, 1.2 MB encrypted`.
fn sizes(sent: &Sent) -> String {
    let mut words = smaller(sent);
    words.push_str(&format!(", {} encrypted", size(sent.body_len)));
    if sent.resumed_parts > 0 {
        words.push_str(&format!(" ({} of {} parts were there already)", sent.resumed_parts, sent.parts));
    }
    words
}
