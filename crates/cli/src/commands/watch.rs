//! `wax watch`: what happens in one's account, as it happens.

use super::activity::{self, EventJson, file_in_words};
use super::{from_whom, moment, patiently, trust_mark};
use crate::app::{App, Session};
use crate::args::Watching;
use crate::console::Console;
use crate::fault::Fault;
use crate::keyring;
use crate::progress::Told;
use client::{
    ActivityEvent, ActivityFilter, EventId, FileId, FileSummary, Happened, Happening, ListQuery, Quiet,
    Sender, Trust, Unlocked,
};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// Events of activity that are asked for when one happened: more than happen in a moment.
const NEWEST: u32 = 50;
/// Characters of an id that a command takes for the whole.
const SHORT_ID: usize = 8;

/// One line for each: `{"kind", "file", "name", "from", "what", "event"}`.
#[derive(Serialize)]
struct HappenedJson<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Only from a verified manifest, and only where the keys are unlocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// Who signed a file that came; absent where nobody did, or where the keys are locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    /// The kind of an event of activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    /// As `wax activity` tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<EventJson<'a>>,
}

pub(super) fn run(app: &App, args: &Watching) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock_unasked(app, &session)?;
    if me.is_none() {
        app.console.note("your keys are locked, so files have no names here: wax unlock");
    }
    let mut sight = Sight {
        app,
        session: &session,
        me,
        names: HashMap::new(),
        limits: HashMap::new(),
        told: HashSet::new(),
    };
    let mut watched = session.client.watch();
    let mut shown = 0;
    while args.limit.is_none_or(|limit| shown < limit) {
        let happened = session.run(watched.next(&Told(&app.console)))?;
        match &happened.kind {
            Happening::Begun => {
                sight.begin()?;
                app.console.note("watching what happens in your account; Ctrl-C ends it");
            }
            Happening::Activity(what) => {
                let left = args.limit.map_or(u32::MAX, |limit| limit - shown);
                shown += sight.activity(&happened, what, left)?;
            }
            _ => shown += u32::from(sight.file(&happened)?),
        }
    }
    Ok(())
}

/// What was seen so far.
struct Sight<'a> {
    app: &'a App,
    session: &'a Session,
    me: Option<Unlocked>,
    /// Names out of verified manifests.
    names: HashMap<FileId, String>,
    /// When files end and how often they may be downloaded, as it was seen last.
    limits: HashMap<FileId, (i64, Option<u32>)>,
    /// Events of activity that were told, or were there before.
    told: HashSet<EventId>,
}

impl Sight<'_> {
    /// What happened before is not told.
    fn begin(&mut self) -> Result<(), Fault> {
        self.told.extend(self.newest()?.iter().map(|event| event.id));
        let Some(me) = self.me.as_ref() else { return Ok(()) };
        let all = ListQuery::default();
        let listing = patiently(self.app, self.session, || {
            self.session.run(self.session.client.browse(me, &all, &Quiet))
        })?;
        for file in listing.files {
            self.note(&file);
        }
        Ok(())
    }

    /// Remembers a file as it is, and whether that is news to whoever watches: that it was fetched once more is not.
    fn note(&mut self, file: &FileSummary) -> bool {
        let limits = (file.expires_at, file.max_downloads);
        let named = self.names.insert(file.file_id, file.name.clone());
        let limited = self.limits.insert(file.file_id, limits);
        named.as_ref() != Some(&file.name) || limited != Some(limits)
    }

    fn newest(&self) -> Result<Vec<ActivityEvent>, Fault> {
        let filter = ActivityFilter { limit: Some(NEWEST), ..ActivityFilter::default() };
        patiently(self.app, self.session, || self.session.run(self.session.client.activity(&filter)))
            .map(|page| page.events)
    }

    /// A file as its verified manifest shows it. That it cannot be had is no reason to stop watching.
    fn look(&self, id: FileId) -> Option<FileSummary> {
        let me = self.me.as_ref()?;
        self.session.run(self.session.client.info(me, id)).ok()
    }

    /// Tells what is new in the log, at most so many lines; they may be more than this one event, or none if an earlier one
    /// brought it along.
    fn activity(&mut self, happened: &Happened, what: &str, most: u32) -> Result<u32, Fault> {
        let console = &self.app.console;
        let mut new = self.newest()?;
        new.retain(|event| self.told.insert(event.id));
        if new.is_empty() {
            return Ok(0);
        }
        // The newest stand first.
        new.reverse();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        new.truncate(most);
        for event in &new {
            let unknown = event.file_id.filter(|id| !self.names.contains_key(id));
            if let Some(file) = unknown.and_then(|id| self.look(id)) {
                self.note(&file);
            }
            console.say(format!("{}  {}", moment(event.at), activity::sentence(event, &self.names)))?;
            let told = activity::json(event, &self.names);
            let file = event.file_id.or(happened.file_id);
            console.result(&HappenedJson {
                kind: happened.kind.word(),
                file: file.map(|id| id.to_string()),
                name: file.and_then(|id| self.names.get(&id)).map(String::as_str),
                from: None,
                what: Some(if new.len() == 1 { what } else { &event.kind }),
                event: Some(told),
            })?;
        }
        Ok(u32::try_from(new.len()).unwrap_or(u32::MAX))
    }

    /// Tells what became of the list, if that is worth a line.
    fn file(&mut self, happened: &Happened) -> Result<bool, Fault> {
        let console = &self.app.console;
        let is_there = matches!(happened.kind, Happening::FileArrived | Happening::FileChanged);
        let file = happened.file_id.filter(|_| is_there).and_then(|id| self.look(id));
        let is_news = file.as_ref().is_none_or(|file| self.note(file));
        if !is_news && happened.kind == Happening::FileChanged && !console.json {
            return Ok(false);
        }
        let now = moment(jiff::Timestamp::now().as_second());
        console.say(format!("{now}  {}", self.words(happened, file.as_ref())))?;
        console.result(&HappenedJson {
            kind: happened.kind.word(),
            file: happened.file_id.map(|id| id.to_string()),
            name: happened.file_id.and_then(|id| self.names.get(&id)).map(String::as_str),
            from: file.as_ref().and_then(|file| file.sender.address.as_ref()).map(client::Address::as_str),
            what: None,
            event: None,
        })?;
        Ok(true)
    }

    fn words(&self, happened: &Happened, file: Option<&FileSummary>) -> String {
        let console = &self.app.console;
        let Some(id) = happened.file_id else {
            return match happened.kind {
                Happening::Missed => "much happened meanwhile: see wax ls and wax activity".to_owned(),
                _ => "something that this version does not know happened: see wax ls".to_owned(),
            };
        };
        let (name, short) = (file_in_words(id, &self.names), &id.to_string()[..SHORT_ID]);
        match &happened.kind {
            Happening::FileArrived => match file {
                Some(file) if file.sender.trust == Trust::Own => {
                    format!("{name} is in your list: wax info {short}")
                }
                Some(file) => format!("{name} came from {}: wax get {short}", whence(console, file)),
                None => format!("{name} came: wax get {short}"),
            },
            Happening::FileChanged => format!("{name} changed: wax info {short}"),
            Happening::FileGone => format!("{name} is no longer in your list"),
            _ => "something that this version does not know happened: see wax ls".to_owned(),
        }
    }
}

/// `alice@mail.example (not verified), by drop box`, and who passed it on.
fn whence(console: &Console, file: &FileSummary) -> String {
    let marked = |sender: &Sender| match trust_mark(console, sender.trust) {
        mark if mark.is_empty() => from_whom(sender),
        mark => format!("{} ({mark})", from_whom(sender)),
    };
    let passed = match &file.passed_by {
        Some(passer) => format!(", passed on by {}", marked(passer)),
        None => String::new(),
    };
    let by = if file.box_id.is_some() { ", by drop box" } else { "" };
    format!("{}{by}{passed}", marked(&file.sender))
}
