//! `wax watch`: what happens in one's account, as it happens.

use crate::app::{App, Session};
use crate::args::Watching;
use crate::console::safe;
use crate::fault::Fault;
use crate::keyring;
use client::{EventKind, FilePaging, Happened, Happening, Quiet, Unlocked};
use serde::Serialize;

/// The newest files, among which a name is looked for.
const NEWEST: u32 = 200;

/// One line for each: `{"kind", "file", "name", "what"}`.
#[derive(Serialize)]
struct HappenedJson<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Only from a verified manifest, and only where the keys are unlocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The kind of an event of activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
}

pub(super) fn run(app: &App, args: &Watching) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock_unasked(app, &session)?;
    let mut watched = session.client.watch();
    let mut shown = 0;
    while args.limit.is_none_or(|limit| shown < limit) {
        let happened = session.run(watched.next(&Quiet))?;
        if happened.kind == Happening::Begun {
            app.console.note("watching what happens in your account; Ctrl-C ends it");
            continue;
        }
        let name = name(&session, me.as_ref(), &happened);
        app.console.say(sentence(&happened, name.as_deref()))?;
        app.console.result(&HappenedJson {
            kind: happened.kind.word(),
            file: happened.file_id.map(|id| id.to_string()),
            name,
            what: match &happened.kind {
                Happening::Activity(what) => Some(what),
                _ => None,
            },
        })?;
        shown += 1;
    }
    Ok(())
}

/// The name of a file that came or changed. Without it the line says the id: a list that cannot be had is no reason to
/// stop watching.
fn name(session: &Session, me: Option<&Unlocked>, happened: &Happened) -> Option<String> {
    let (me, id) = (me?, happened.file_id?);
    if !matches!(happened.kind, Happening::FileArrived | Happening::FileChanged) {
        return None;
    }
    let newest = FilePaging { limit: Some(NEWEST), ..FilePaging::default() };
    let list = session.run(session.client.list(me, newest)).ok()?;
    list.files.into_iter().find(|file| file.file_id == id).map(|file| file.name)
}

fn sentence(happened: &Happened, name: Option<&str>) -> String {
    let file = match (name, happened.file_id) {
        (Some(name), Some(id)) => format!("{id}  {}", safe(name)),
        (_, Some(id)) => id.to_string(),
        (_, None) => String::new(),
    };
    match &happened.kind {
        Happening::FileArrived => format!("came      {file}"),
        Happening::FileChanged => format!("changed   {file}"),
        Happening::FileGone => format!("gone      {file}"),
        Happening::Activity(what) => format!("{}  {file}", activity(what)).trim_end().to_owned(),
        Happening::Missed => "much happened meanwhile: see wax ls and wax activity".to_owned(),
        _ => "something that this version does not know happened: see wax ls".to_owned(),
    }
}

/// The kind of an event, as `wax activity --kind` takes it.
fn activity(what: &str) -> String {
    match what.parse::<EventKind>() {
        Ok(kind) => format!("activity  {}", kind.as_str()),
        Err(_) => format!("activity  {}", safe(what)),
    }
}
