//! `wax share`: a file for more people, by its sender or passed on by who was given it.

use super::{address, compat, file_id};
use crate::app::App;
use crate::args::Share;
use crate::console::safe;
use crate::expiry::count;
use crate::fault::Fault;
use crate::keyfile::read_public;
use crate::keyring;
use crate::progress::Shown;
use client::{Address, RsaPublicKey, ShareWith};
use serde::Serialize;

/// `{"id", "passed_on", "added": […], "already": […], "added_keys", "already_keys", "missing": […]}`.
#[derive(Serialize)]
struct ShareJson {
    id: String,
    /// Whether you were given the file yourself.
    passed_on: bool,
    added: Vec<String>,
    already: Vec<String>,
    added_keys: usize,
    already_keys: usize,
    /// People whom the server does not show among those with access.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

pub(super) fn run(app: &App, args: &Share) -> Result<(), Fault> {
    let to = args.to.iter().map(|text| address(text)).collect::<Result<Vec<Address>, _>>()?;
    let to_keys =
        args.to_key.iter().map(|file| read_public(file)).collect::<Result<Vec<RsaPublicKey>, _>>()?;
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let id = file_id(&session, &me, &args.id)?;
    let console = &app.console;
    let shown = Shown::new(console, String::new());
    let shared = session.run(session.client.share(&me, id, ShareWith { to, to_keys }, &shown));
    shown.end();
    let shared = shared.map_err(|fault| compat::cannot(&session, id, fault))?;
    let verb = if shared.passed_on { "passed on to" } else { "shared with" };
    for address in &shared.added {
        console.say(format!("{id}  {verb} {}", safe(address.as_str())))?;
    }
    if shared.added_keys > 0 {
        console.say(format!("{id}  shared with {}", count(shared.added_keys as u64, "key")))?;
    }
    for address in &shared.already {
        console.say(format!("{id}  {} has access already", safe(address.as_str())))?;
    }
    if shared.already_keys > 0 {
        console.say(format!("{id}  {} had access already", count(shared.already_keys as u64, "key")))?;
    }
    if !shared.missing.is_empty() {
        let names: Vec<String> = shared.missing.iter().map(|address| safe(address.as_str())).collect();
        console.warn(format!(
            "the server took the file for {} and does not show that they have access: ask them whether they see it",
            names.join(", ")
        ));
    }
    if shared.passed_on && !shared.added.is_empty() {
        console.note("they are told that it is by its sender and passed on by you; the sender sees it, and can take it back");
    }
    if !shared.passed_on && !shared.added.is_empty() {
        console.note(format!("they fetch it with: wax get {id}"));
    }
    let texts = |all: &[Address]| all.iter().map(|address| address.as_str().to_owned()).collect();
    console.result(&ShareJson {
        id: id.to_string(),
        passed_on: shared.passed_on,
        added: texts(&shared.added),
        already: texts(&shared.already),
        added_keys: shared.added_keys,
        already_keys: shared.already_keys,
        missing: texts(&shared.missing),
    })
}
