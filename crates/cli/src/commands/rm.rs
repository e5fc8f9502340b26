//! `wax rm`: deletes files for everybody, or gives up the access to one that was received.

use super::file_id;
use crate::app::{App, Session};
use crate::args::Rm;
use crate::ask;
use crate::console::safe;
use crate::fault::{Class, Fault};
use crate::keyring;
use client::{FileId, Removed, Role};
use serde::Serialize;

/// `{"removed": [{"id", "for"}]}`; when one of several fails, those removed before stand in the error.
#[derive(Serialize)]
struct RmJson {
    removed: Vec<RemovedJson>,
}

/// One file that is gone: `for` is `everyone` or `you`.
#[derive(Serialize)]
struct RemovedJson {
    id: String,
    #[serde(rename = "for")]
    whom: &'static str,
}

pub(super) fn run(app: &App, args: &Rm) -> Result<(), Fault> {
    if !args.yes && (app.console.json || !ask::somebody_is_there()) {
        return Err(Fault::new(Class::Usage, "there is nobody to ask").hint("say so beforehand: --yes"));
    }
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let mut ids = Vec::new();
    for text in &args.ids {
        let id = file_id(&session, &me, text)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let mut removed: Vec<RemovedJson> = Vec::new();
    for id in ids {
        let one = || {
            if !args.yes {
                let file = match session.run(session.client.info(&me, id)) {
                    Err(fault) if fault.class == Class::NotFound => {
                        return older(app, &session, id, false, fault);
                    }
                    file => file?,
                };
                let question = match file.role {
                    Role::Author => format!("delete {} for everybody?", safe(&file.name)),
                    Role::Recipient => format!("give up {}? you cannot fetch it again", safe(&file.name)),
                };
                if !ask::yes(&question, Some(false))? {
                    return Ok(None);
                }
            }
            match session.run(session.client.remove(&me, id)) {
                Err(fault) if fault.class == Class::NotFound => older(app, &session, id, true, fault),
                removed => removed.map(Some),
            }
        };
        match one() {
            Ok(Some(how)) => {
                let (whom, words) = match how {
                    Removed::ForEveryone => ("everyone", "deleted for everybody"),
                    Removed::OwnAccess => ("you", "removed from your list; others keep it"),
                };
                app.console.say(format!("{id}  {words}"))?;
                removed.push(RemovedJson { id: id.to_string(), whom });
            }
            Ok(None) => app.console.note(format!("{id}  kept")),
            Err(fault) if removed.is_empty() => return Err(fault),
            Err(fault) => {
                let removed = serde_json::to_value(&removed).unwrap_or_default();
                return Err(fault
                    .fact("removed", removed)
                    .hint("the files named above are gone; the rest was left"));
            }
        }
    }
    app.console.result(&RmJson { removed })
}

/// A file of the documented API, which only its sender ends; `fault` if there is none of that kind either.
fn older(
    app: &App,
    session: &Session,
    id: FileId,
    yes: bool,
    fault: Fault,
) -> Result<Option<Removed>, Fault> {
    let files = session.run(session.client.v0_files())?;
    let Some(file) = files.iter().find(|file| file.file_id == id && file.own) else { return Err(fault) };
    if !yes && !ask::yes(&format!("delete {} for everybody?", safe(&file.name)), Some(false))? {
        return Ok(None);
    }
    session.run(session.client.remove_v0(id))?;
    app.console.note("(v0) whoever fetched it before has it still");
    Ok(Some(Removed::ForEveryone))
}
