//! `wax rename`: another name for a file that one has sent.

use super::{compat, file_id, quoted};
use crate::app::App;
use crate::args::Rename;
use crate::fault::{Class, Fault};
use crate::keyring;
use serde::Serialize;

/// `{"id", "name", "before"}`.
#[derive(Serialize)]
struct RenameJson<'a> {
    id: String,
    name: &'a str,
    before: &'a str,
}

pub(super) fn run(app: &App, args: &Rename) -> Result<(), Fault> {
    if args.id.contains('/') {
        return Err(Fault::new(Class::Usage, "files inside a folder keep their names")
            .hint("the folder itself can be renamed by its id; to change what is in it, send it again"));
    }
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let id = file_id(&session, &me, &args.id)?;
    let before = session.run(session.client.rename(&me, id, &args.name));
    let before = before.map_err(|fault| compat::cannot(&session, id, fault))?;
    let console = &app.console;
    if before == args.name {
        console.note("that is its name already");
    } else {
        console.say(format!("{id}  {} is now {}", quoted(&before), quoted(&args.name)))?;
        console.note("whoever fetched it before keeps it under the old name");
    }
    console.result(&RenameJson { id: id.to_string(), name: &args.name, before: &before })
}
