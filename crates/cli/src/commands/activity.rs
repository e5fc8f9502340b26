//! `wax activity`: what happened to one's account and one's files.

use super::{file_id, moment, patiently, stamp};
use crate::app::{App, Session};
use crate::args;
use crate::console::safe;
use crate::fault::Fault;
use crate::keyring;
use crate::progress::Told;
use client::{
    ActivityEvent, ActivityFilter, EventId, EventKind, FileId, FilePaging, Happening, LogHead, Party,
    Unlocked,
};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// Rows of one request at most.
const PAGE_MAX: u32 = 200;
/// Rows that are asked for when something happened: more than happens in a moment.
const FOLLOWED: u32 = 200;
/// Characters of an id that stand for a file whose name is not known here.
const SHORT_ID: usize = 8;

/// `{"events": […], "more": bool, "head": "SEQ:HASH", "first_look": bool}`.
#[derive(Serialize)]
struct ActivityJson<'a> {
    events: Vec<EventJson<'a>>,
    more: bool,
    /// Where the server's log stands: good for `waxd admin audit verify --head`.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<LogHead>,
    /// Whether this device saw the server's log for the first time: then nothing could be compared.
    first_look: bool,
}

/// One event.
#[derive(Serialize)]
pub(super) struct EventJson<'a> {
    id: String,
    time: Option<String>,
    kind: &'a str,
    actor: PartyJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Only from a verified manifest, and only where the keys are unlocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<PartyJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<&'a str>,
    /// Whether it is part of the signed chain already.
    sealed: bool,
}

/// Somebody.
#[derive(Serialize)]
struct PartyJson<'a> {
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    me: bool,
}

impl<'a> PartyJson<'a> {
    fn of(party: &'a Party) -> Self {
        let address = party.address.as_ref().map(client::Address::as_str);
        Self { user_id: party.user_id.to_string(), address, me: party.is_me }
    }
}

/// What a person is shown.
struct Shown {
    events: Vec<ActivityEvent>,
    more: bool,
    head: Option<LogHead>,
    first_look: bool,
}

pub(super) fn run(app: &App, args: &args::Activity) -> Result<(), Fault> {
    let session = app.session()?;
    if args.accept_log {
        session.run(session.client.accept_log())?;
    }
    let filter = filter(app, &session, args)?;
    if args.follow {
        return follow(app, &session, &filter, args.limit);
    }
    let shown = fetch(&session, filter, args.limit)?;
    let names = names(app, &session, &shown.events)?;
    let console = &app.console;
    for event in &shown.events {
        console.say(format!("{}  {}", moment(event.at), sentence(event, &names)))?;
    }
    if shown.events.is_empty() {
        console.note("nothing happened yet, or nothing that you asked for");
    }
    if shown.more {
        console.note("there is more: -n N shows more of it");
    }
    if shown.first_look {
        console.note(
            "first look at this server's log: from now on this device notices if it is cut or rewritten",
        );
    }
    console.result(&ActivityJson {
        events: shown.events.iter().map(|event| json(event, &names)).collect(),
        more: shown.more,
        head: shown.head,
        first_look: shown.first_look,
    })
}

/// Shows the newest events, the oldest of them first, and then each as it happens: a line of its own for each.
fn follow(app: &App, session: &Session, filter: &ActivityFilter, limit: u32) -> Result<(), Fault> {
    let console = &app.console;
    // Once: what comes through a descriptor cannot be read a second time.
    let me = keyring::unlock_unasked(app, session)?;
    let mut watched = session.client.watch();
    let mut shown: HashSet<EventId> = HashSet::new();
    let (mut limit, mut has_asked, told) = (limit, false, Told(console));
    loop {
        let ask = || fetch(session, filter.clone(), limit);
        let page = if has_asked { patiently(app, session, ask)? } else { ask()? };
        has_asked = true;
        // Newest first: behind one that was shown stands nothing new.
        let known = |event: &&ActivityEvent| !shown.contains(&event.id);
        let mut new: Vec<ActivityEvent> = page.events.iter().take_while(known).cloned().collect();
        new.reverse();
        shown = page.events.iter().map(|event| event.id).collect();
        let names = match &me {
            Some(me) if new.iter().any(|event| event.file_id.is_some()) => {
                patiently(app, session, || newest_names(session, me))?
            }
            _ => HashMap::new(),
        };
        for event in &new {
            console.say(format!("{}  {}", moment(event.at), sentence(event, &names)))?;
            console.result(&json(event, &names))?;
        }
        limit = FOLLOWED;
        session.run(async {
            loop {
                let kind = watched.next(&told).await?.kind;
                if matches!(kind, Happening::Activity(_) | Happening::Missed | Happening::Begun) {
                    return Ok(());
                }
            }
        })?;
    }
}

fn filter(app: &App, session: &Session, args: &args::Activity) -> Result<ActivityFilter, Fault> {
    let file = match &args.file {
        None => None,
        Some(text) => match text.trim().to_lowercase().parse() {
            Ok(whole) => Some(whole),
            // The beginning of an id is looked up in the list, which only the keys open.
            Err(_) => Some(file_id(session, &keyring::unlock(app, session)?, text)?),
        },
    };
    Ok(ActivityFilter {
        after: None,
        limit: None,
        // The parser of the command line let only kinds through.
        kind: args.kind.as_deref().and_then(|kind| kind.parse().ok()),
        file,
        since: args.since.map(|since| since.0),
    })
}

/// Page by page until there are enough.
fn fetch(session: &Session, mut filter: ActivityFilter, limit: u32) -> Result<Shown, Fault> {
    let limit = limit as usize;
    let mut shown = Shown { events: Vec::new(), more: false, head: None, first_look: false };
    loop {
        let left = u32::try_from(limit - shown.events.len()).unwrap_or(u32::MAX);
        filter.limit = Some(left.min(PAGE_MAX));
        let page = session.run(session.client.activity(&filter))?;
        shown.events.extend(page.events);
        shown.first_look |= page.first_look;
        shown.head = page.head;
        shown.more = page.next.is_some();
        filter.after = page.next;
        if filter.after.is_none() || shown.events.len() >= limit {
            shown.events.truncate(limit);
            return Ok(shown);
        }
    }
}

/// The names of the newest files, out of their verified manifests: where the keys are unlocked anyway, and somebody
/// needs them.
fn names(app: &App, session: &Session, events: &[ActivityEvent]) -> Result<HashMap<FileId, String>, Fault> {
    if events.iter().all(|event| event.file_id.is_none()) {
        return Ok(HashMap::new());
    }
    match keyring::unlock_unasked(app, session)? {
        Some(me) => newest_names(session, &me),
        None => Ok(HashMap::new()),
    }
}

fn newest_names(session: &Session, me: &Unlocked) -> Result<HashMap<FileId, String>, Fault> {
    let newest = FilePaging { limit: Some(PAGE_MAX), ..FilePaging::default() };
    let list = session.run(session.client.list(me, newest))?;
    Ok(list.files.into_iter().map(|file| (file.file_id, file.name)).collect())
}

/// Who did what, in the words of a log book.
pub(super) fn sentence(event: &ActivityEvent, names: &HashMap<FileId, String>) -> String {
    let who = person(&event.actor);
    let file = event.file_id.map_or_else(|| "a file".to_owned(), |id| file_in_words(id, names));
    let other = event.other.as_ref().map_or_else(|| "a key".to_owned(), person);
    let with = match (&event.means, &event.agent) {
        (Some(means), Some(agent)) => format!(" by {} with {}", safe(means), safe(agent)),
        (Some(means), None) => format!(" by {}", safe(means)),
        _ => String::new(),
    };
    let Ok(kind) = event.kind.parse::<EventKind>() else {
        return format!("{who}: {} {file}", safe(&event.kind));
    };
    match kind {
        EventKind::AccountMade => format!("{who} made the account"),
        EventKind::SignedIn => format!("{who} signed in{with}"),
        EventKind::CodeRejected => "a wrong or old code was tried for your account".to_owned(),
        EventKind::SessionEnded => format!("{who} signed out"),
        EventKind::SessionCopied => {
            "a copy of a session's token turned up, and that session was ended".to_owned()
        }
        EventKind::KeysPublished => format!("{who} published the first keys"),
        EventKind::KeysChanged => format!("{who} published new keys"),
        EventKind::SecondFactorAdded => format!("{who} added an authenticator app"),
        EventKind::SecondFactorRemoved => format!("{who} removed the authenticator app"),
        EventKind::PasskeyAdded => format!("{who} added a passkey"),
        EventKind::PasskeyRemoved => format!("{who} removed a passkey"),
        EventKind::FactorRejected => {
            "a wrong second factor was tried: by somebody who can read your mail, or with a passkey of yours"
                .to_owned()
        }
        EventKind::SecondFactorReset => "the operator removed your second factors".to_owned(),
        EventKind::SignedOut => "the operator ended all your sessions".to_owned(),
        EventKind::SessionEndedByOperator => "the operator ended one of your sessions".to_owned(),
        EventKind::AccountSuspended => "the operator suspended your account".to_owned(),
        EventKind::AccountReinstated => "the operator ended the suspension of your account".to_owned(),
        EventKind::QuotaChanged => "the operator changed your quota".to_owned(),
        EventKind::BackupCodesMade => format!("{who} made new backup codes"),
        EventKind::KeysResetBegun => format!("{who} asked for new keys without the present ones"),
        EventKind::KeysResetStopped => format!("{who} said that the present keys stay"),
        EventKind::AccountErased => format!("{who} erased the account"),
        EventKind::KeyFileKept => format!("{who} kept a backup of the keys at the server"),
        EventKind::KeyFileFetched => format!("{who} fetched the backup of the keys"),
        EventKind::KeyFileRemoved => format!("{who} removed the backup of the keys"),
        EventKind::FileSent => format!("{who} sent {file}"),
        EventKind::FileShared => format!("{who} shared {file} with {other}"),
        EventKind::FilePassedOn => format!("{who} passed {file} on to {other}"),
        EventKind::SharingStopped => format!("{who} stopped sharing {file} with everybody"),
        EventKind::FileRenamed => format!("{who} renamed {file}"),
        EventKind::FileChanged => format!("{who} changed the limits of {file}"),
        EventKind::AccessRevoked => format!("{who} stopped sharing {file} with {other}"),
        EventKind::FileLeft => format!("{who} gave up access to {file}"),
        EventKind::GrantReplaced => format!("{who} wrapped {file} to new keys"),
        EventKind::FileFetched => format!("{who} fetched {file}"),
        EventKind::FileOpened => format!("{who} opened {file} and signed a receipt"),
        EventKind::FileDeleted => format!("{who} deleted {file}"),
        EventKind::FileExpired => format!("{file} expired"),
        EventKind::LinkMade => format!("{who} made a link to {file}"),
        EventKind::LinkChanged => format!("{who} changed a link to {file}"),
        EventKind::LinkRevoked => format!("{who} took a link to {file} back"),
        EventKind::LinkOpened => format!("somebody fetched {file} by a link"),
        EventKind::BoxMade => format!("{who} made a drop box"),
        EventKind::BoxClosed => format!("{who} closed a drop box"),
        EventKind::BoxArrival => format!("{file} came into a drop box of yours"),
        EventKind::LimitReached => format!("{who} reached a limit of the server"),
        _ => format!("{who}: {} {file}", safe(&event.kind)),
    }
}

fn person(party: &Party) -> String {
    match &party.address {
        _ if party.is_me => "you".to_owned(),
        Some(address) => safe(address.as_str()),
        None => format!("account {}", party.user_id),
    }
}

pub(super) fn file_in_words(id: FileId, names: &HashMap<FileId, String>) -> String {
    match names.get(&id) {
        Some(name) => safe(name),
        None => format!("file {}", &id.to_string()[..SHORT_ID]),
    }
}

pub(super) fn json<'a>(event: &'a ActivityEvent, names: &'a HashMap<FileId, String>) -> EventJson<'a> {
    EventJson {
        id: event.id.to_string(),
        time: stamp(event.at),
        kind: &event.kind,
        actor: PartyJson::of(&event.actor),
        file: event.file_id.map(|id| id.to_string()),
        name: event.file_id.and_then(|id| names.get(&id)).map(String::as_str),
        other: event.other.as_ref().map(PartyJson::of),
        agent: event.agent.as_deref(),
        means: event.means.as_deref(),
        sealed: event.sealed,
    }
}
