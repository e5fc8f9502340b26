//! `wax links`, and links wherever else they are made or opened.

use super::{compat, file_id, folder, from_whom, moment, output, quoted, seconds_until, stamp, trust_mark};
use crate::app::{App, Session};
use crate::args::{Get, LinkShape, Links, LinksAction};
use crate::ask::{self, SecretText};
use crate::console::{Tone, safe, size};
use crate::expiry::{count, largest_unit_in_words};
use crate::fault::{Class, Fault};
use crate::progress::Shown;
use crate::{keyring, qr};
use client::{
    FileId, FileSummary, Link, LinkAddress, LinkId, LinkLimits, ListQuery, Passphrase, Quiet, Received, Role,
    Trust, Unlocked,
};
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// Fewest characters of a link's id that may stand for the whole.
const PREFIX_MIN: usize = 8;
/// Characters of a file's id in the table.
const SHORT_FILE: usize = 8;

/// `{"links": […]}`.
#[derive(Serialize)]
struct LinksJson {
    links: Vec<LinkJson>,
}

/// One link. `link` stands only where it was just made: it is kept nowhere.
#[derive(Serialize)]
pub(super) struct LinkJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    id: String,
    file: String,
    /// Told by `wax links` alone, where the keys are unlocked; a folder's ends with `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    created: Option<String>,
    /// When the link ends, or the file if that is earlier.
    expires_at: Option<String>,
    downloads: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_downloads: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<bool>,
}

/// `{"removed": [ids]}`.
#[derive(Serialize)]
struct RemovedJson {
    removed: Vec<String>,
}

pub(super) fn run(app: &App, args: Links) -> Result<(), Fault> {
    let session = app.session()?;
    match args.action.unwrap_or(LinksAction::Ls) {
        LinksAction::Ls => list(app, &session),
        LinksAction::Create { id, expires, downloads, shape } => {
            check(&shape)?;
            let me = keyring::unlock(app, &session)?;
            let limits = LinkLimits {
                expires_in: expires.map(|expires| Duration::from_secs(expires.seconds())),
                max_downloads: downloads,
            };
            let file = file_id(&session, &me, &id)?;
            let password = new_password(&shape)?;
            let made = make(app, &session, &me, file, password.as_ref(), limits, &shape);
            let made = made.map_err(|fault| compat::cannot(&session, file, fault))?;
            app.console.result(&made)
        }
        LinksAction::Change { id, expires, no_expiry, downloads, no_limit } => {
            let link = the_link(&session, &id)?;
            let now = jiff::Timestamp::now().as_second();
            let expires =
                expires.map(|span| now.saturating_add(i64::try_from(span.seconds()).unwrap_or(i64::MAX)));
            let expires_at = if no_expiry { None } else { expires.or(link.expires_at) };
            let max_downloads = if no_limit { None } else { downloads.or(link.max_downloads) };
            let changed = session.run(session.client.change_link(link.link_id, expires_at, max_downloads))?;
            app.console.say(format!("{}  {}", changed.link_id, ends(&changed)))?;
            app.console.result(&json(&changed, None, None))
        }
        LinksAction::Rm { ids } => {
            let links: Vec<Link> = ids.iter().map(|id| the_link(&session, id)).collect::<Result<_, _>>()?;
            let mut removed: Vec<String> = Vec::new();
            for link in links {
                let id = link.link_id.to_string();
                if removed.contains(&id) {
                    continue;
                }
                session.run(session.client.revoke_link(link.link_id))?;
                app.console.say(format!("{id}  taken back"))?;
                removed.push(id);
            }
            app.console.result(&RemovedJson { removed })
        }
    }
}

fn list(app: &App, session: &Session) -> Result<(), Fault> {
    let links = session.run(session.client.links())?;
    let names = if links.is_empty() { HashMap::new() } else { names(app, session)? };
    if links.is_empty() {
        app.console.note("no links; make one with: wax links create ID, or wax send FILE --link");
    } else if !app.console.json {
        let rows: Vec<Vec<String>> = links
            .iter()
            .map(|link| {
                vec![
                    link.link_id.to_string(),
                    link.file_id.to_string()[..SHORT_FILE].to_owned(),
                    names.get(&link.file_id).map_or_else(|| "-".to_owned(), |name| safe(name)),
                    moment(link.created),
                    ends(link),
                ]
            })
            .collect();
        app.console.table(&["LINK", "FILE", "NAME", "MADE", "ENDS"], &rows)?;
        if names.is_empty() {
            app.console.note("your keys are locked, so files have no names here: wax unlock");
        }
        app.console.note("the links themselves are kept nowhere; take one back with: wax links rm LINK");
    }
    let named = |link: &Link| LinkJson { name: names.get(&link.file_id).cloned(), ..json(link, None, None) };
    app.console.result(&LinksJson { links: links.iter().map(named).collect() })
}

/// Names of one's files where the keys are unlocked anyway, those of folders with a `/` behind them.
fn names(app: &App, session: &Session) -> Result<HashMap<FileId, String>, Fault> {
    let Some(me) = keyring::unlock_unasked(app, session)? else { return Ok(HashMap::new()) };
    let query = ListQuery { role: Some(Role::Author), ..ListQuery::default() };
    let listing = session.run(session.client.browse(&me, &query, &Quiet))?;
    let shown = |file: FileSummary| {
        let name = if file.is_folder { format!("{}/", file.name) } else { file.name };
        (file.file_id, name)
    };
    Ok(listing.files.into_iter().map(shown).collect())
}

/// A link as a list shows it.
pub(super) fn listed(link: &Link) -> LinkJson {
    json(link, None, None)
}

/// What is plainly wrong is told before anything is sent or asked.
pub(super) fn check(shape: &LinkShape) -> Result<(), Fault> {
    [&shape.qr_png, &shape.qr_svg]
        .into_iter()
        .flatten()
        .try_for_each(|path| crate::keyfile::must_be_free(path))
}

/// The password of a link that is to be made, if it is to have one.
pub(super) fn new_password(shape: &LinkShape) -> Result<Option<Passphrase>, Fault> {
    if let Some(descriptor) = shape.password_fd {
        return parsed(ask::passphrase_from(descriptor)?).map(Some);
    }
    if !shape.password {
        return Ok(None);
    }
    let typed = ask::passphrase("password of the link: ")?;
    let again = ask::passphrase("once more: ")?;
    if *typed != *again {
        return Err(Fault::new(Class::Usage, "the two were not the same").hint("run the command again"));
    }
    parsed(typed).map(Some)
}

fn parsed(mut text: SecretText) -> Result<Passphrase, Fault> {
    Passphrase::parse(std::mem::take(&mut *text)).map_err(|_| {
        Fault::new(Class::Usage, "an empty password protects nothing").hint("give one, or none at all")
    })
}

/// Makes a link and shows it, once and for all.
pub(super) fn make(
    app: &App,
    session: &Session,
    me: &Unlocked,
    file: FileId,
    password: Option<&Passphrase>,
    limits: LinkLimits,
    shape: &LinkShape,
) -> Result<LinkJson, Fault> {
    let console = &app.console;
    let (address, link) = session.run(session.client.make_link(me, file, password, limits))?;
    let text = address.expose_secret();
    if !console.json {
        console.say(format!("link     {}", console.paint(Tone::Bold, &text)))?;
        if shape.qr {
            for line in qr::lines(&text, console.has_colour()) {
                console.say(line)?;
            }
        }
    }
    if let Some(path) = &shape.qr_png {
        write(path, &qr::png(&text))?;
    }
    if let Some(path) = &shape.qr_svg {
        write(path, qr::svg(&text).as_bytes())?;
    }
    console.note("whoever has the link opens the file; it is shown this once, and kept nowhere");
    if password.is_some() {
        console.note("tell the password by another way than the link; nobody can find it out for you");
    }
    console.note(format!("take it back with: wax links rm {}", link.link_id));
    Ok(json(&link, Some(text.to_string()), Some(password.is_some())))
}

/// A new file for its owner alone: the code is the link.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|error| Fault::file("write", path, &error))
}

/// A link of one's own by its id or the beginning of one.
fn the_link(session: &Session, text: &str) -> Result<Link, Fault> {
    let text = text.trim();
    let links = session.run(session.client.links())?;
    let whole = text.parse::<LinkId>().ok();
    if whole.is_none() && text.len() < PREFIX_MIN {
        return Err(Fault::new(Class::Usage, format!("{} is not the id of a link", quoted(text))).hint(
            format!("give it whole, or at least its first {PREFIX_MIN} characters: wax links shows them"),
        ));
    }
    let found: Vec<&Link> = links.iter().filter(|link| link.link_id.to_string().starts_with(text)).collect();
    match found.as_slice() {
        [link] => Ok((*link).clone()),
        [] => Err(Fault::new(Class::NotFound, "none of your links has that id")
            .hint("wax links shows them; one that was taken back or has ended is no longer there")),
        several => Err(Fault::new(Class::Usage, format!("{} links begin like that", several.len()))
            .hint("give more of the id")),
    }
}

fn json(link: &Link, address: Option<String>, password: Option<bool>) -> LinkJson {
    let ends = link.expires_at.map_or(link.file_expires_at, |at| at.min(link.file_expires_at));
    LinkJson {
        link: address,
        id: link.link_id.to_string(),
        file: link.file_id.to_string(),
        name: None,
        created: stamp(link.created),
        expires_at: stamp(ends),
        downloads: link.downloads,
        max_downloads: link.max_downloads,
        password,
    }
}

/// `in 6 days, 2 of 3 downloads used`.
pub(super) fn ends(link: &Link) -> String {
    let at = link.expires_at.map_or(link.file_expires_at, |at| at.min(link.file_expires_at));
    let when = match seconds_until(at) {
        Some(left) => format!("in {}", largest_unit_in_words(left)),
        None => "ended".to_owned(),
    };
    match link.max_downloads {
        Some(of) => format!("{when}, {} of {} used", link.downloads, count(of.into(), "download")),
        None => format!("{when}, used {}", count(link.downloads.into(), "time")),
    }
}

/// Whether an argument of `wax get` is a link and not an id.
pub(super) fn is_link(text: &str) -> bool {
    text.trim_start().starts_with("https://")
}

/// `wax get LINK…`: without an account.
pub(super) fn get(app: &App, session: &Session, args: &Get) -> Result<Vec<Received>, Fault> {
    let links = args
        .ids
        .iter()
        .map(|text| LinkAddress::parse(text.trim()).map_err(|_| client::Error::BadLink))
        .collect::<Result<Vec<_>, _>>()?;
    let ca = args.ca.as_deref().map(super::login::certificate).transpose()?;
    let mut got: Vec<Received> = Vec::new();
    for link in &links {
        let password = password_of(args, link)?;
        let target = folder::target(args).unwrap_or_else(|| output::target(&args.output));
        let shown = Shown::new(&app.console, String::new());
        let client = &session.client;
        let received = session.run_to_its_end(client.receive_link(
            link,
            password.as_ref(),
            ca.as_deref(),
            target,
            &shown,
            &session.cancel,
        ));
        shown.end();
        let received = received?;
        tell(app, &received)?;
        got.push(received);
    }
    Ok(got)
}

fn password_of(args: &Get, link: &LinkAddress) -> Result<Option<Passphrase>, Fault> {
    match (link.has_password(), args.password_fd) {
        (false, _) => Ok(None),
        (true, Some(descriptor)) => parsed(ask::passphrase_from(descriptor)?).map(Some),
        (true, None) if ask::somebody_is_there() => {
            parsed(ask::passphrase("password of the link: ")?).map(Some)
        }
        (true, None) => {
            Err(Fault::from(client::Error::LinkPasswordNeeded).hint("give it by `--password-fd N`"))
        }
    }
}

fn tell(app: &App, got: &Received) -> Result<(), Fault> {
    let console = &app.console;
    let from = from_whom(&got.sender);
    match &got.folder {
        Some(about) => folder::tell(app, got, about)?,
        None => console.note(format!(
            "received {} ({}), verified and decrypted on this device",
            safe(&got.name),
            size(got.bytes)
        )),
    }
    let who = match got.sender.trust {
        Trust::Own => format!("{from} (you)"),
        Trust::FirstContact => format!("{from} (named by the link)"),
        trust => format!("{from} ({})", trust_mark(console, trust)),
    };
    match &got.path {
        Some(path) if !console.json => {
            let path = path.strip_prefix(".").unwrap_or(path).display().to_string();
            let kind = if got.folder.is_some() { "folder  " } else { "file    " };
            console.say(format!("{kind} {}", safe(&path)))?;
            console.say(format!("from     {who}"))
        }
        _ => {
            console.note(format!("from {who}"));
            Ok(())
        }
    }
}
