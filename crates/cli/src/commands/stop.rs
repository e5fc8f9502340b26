//! `wax stop`: nobody but the sender has access to a file any more, and all its links end.

use super::{compat, file_id, quoted};
use crate::app::App;
use crate::args::Stop;
use crate::ask;
use crate::expiry::count;
use crate::fault::{Class, Fault};
use crate::keyring;
use client::Role;
use serde::Serialize;

/// `{"id", "stopped": true, "people", "keys", "links"}`.
#[derive(Serialize)]
struct StopJson {
    id: String,
    stopped: bool,
    people: u32,
    keys: u32,
    links: u32,
}

pub(super) fn run(app: &App, args: &Stop) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let id = file_id(&session, &me, &args.id)?;
    let file = session.run(session.client.info(&me, id));
    let file = file.map_err(|fault| compat::cannot(&session, id, fault))?;
    if file.role != Role::Author {
        return Err(client::Error::NotTheSender.into());
    }
    if !args.yes && (app.console.json || !ask::somebody_is_there()) {
        return Err(Fault::new(Class::Usage, "there is nobody to ask").hint("say so beforehand: --yes"));
    }
    let question = format!("stop sharing {} with everybody, and end its links?", quoted(&file.name));
    if !args.yes && !ask::yes(&question, Some(false))? {
        return Err(Fault::new(Class::Cancelled, "nothing was changed"));
    }
    let stopped = session.run(session.client.stop_sharing(id))?;
    let console = &app.console;
    let ended: Vec<String> = [(stopped.people, "person"), (stopped.keys, "key"), (stopped.links, "link")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| match (n, what) {
            (n, "person") if n > 1 => format!("{n} people"),
            (n, what) => count(n.into(), what),
        })
        .collect();
    let ended = if ended.is_empty() {
        "nobody had access".to_owned()
    } else {
        format!("ended for {}", ended.join(", "))
    };
    console.say(format!("{id}  no longer shared: {ended}"))?;
    console.note("it stays for you; what others fetched before stays with them");
    console.result(&StopJson {
        id: id.to_string(),
        stopped: true,
        people: stopped.people,
        keys: stopped.keys,
        links: stopped.links,
    })
}
