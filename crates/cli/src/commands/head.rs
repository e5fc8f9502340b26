//! `wax get --save-head`: what stands before the body of a container, for parts that are fetched some other way.

use super::{TrustJson, compat, file_id, from_whom, get, links, output};
use crate::app::App;
use crate::args::{Get, Output};
use crate::console::{safe, size};
use crate::expiry::count;
use crate::fault::{Class, Fault};
use crate::keyring;
use crate::progress::Shown;
use client::SavedHead;
use serde::Serialize;
use std::path::Path;

/// `{"id", "name", "head", "bytes", "body_bytes", "parts", "from", "trust"}`.
#[derive(Serialize)]
struct HeadJson<'a> {
    id: String,
    name: &'a str,
    /// Where it is.
    head: Option<String>,
    bytes: u64,
    /// Bytes that belong behind it.
    body_bytes: u64,
    parts: u32,
    from: Option<&'a str>,
    trust: TrustJson,
}

pub(super) fn run(app: &App, args: &Get, head: &Path) -> Result<(), Fault> {
    let [id] = args.ids.as_slice() else {
        return Err(Fault::new(Class::Usage, "a head is of one file").hint("save them one by one"));
    };
    if links::is_link(id) {
        return Err(Fault::new(Class::Usage, "a link has no container: it names a place on a server")
            .hint("fetch the file itself, without --save-head"));
    }
    let out = Output { path: Some(head.to_owned()), force: args.output.force, keep_both: false };
    output::check(app, &out)?;
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let id = file_id(&session, &me, id)?;
    let shown = Shown::new(&app.console, String::new());
    let (client, cancel) = (&session.client, &session.cancel);
    let saved = session.run_to_its_end(client.save_head(&me, id, output::target(&out), &shown, cancel));
    shown.end();
    match saved {
        Ok(saved) => tell(app, &saved),
        Err(fault) => Err(compat::cannot(&session, id, get::stopped(fault, out.is_stdout()))),
    }
}

fn tell(app: &App, saved: &SavedHead) -> Result<(), Fault> {
    let console = &app.console;
    let path = saved.path.as_deref().map(get::shown);
    console.note(format!("saved the head of {}, verified on this device", safe(&saved.name)));
    if let Some(path) = &path {
        console.say(format!("head     {} ({})", safe(path), size(saved.bytes)))?;
        console.say(format!("from     {}", from_whom(&saved.sender)))?;
        console.note(format!(
            "behind it belong {}, in order, {} together: cat HEAD PART… | wax open -",
            count(saved.parts.into(), "part"),
            size(saved.body_len)
        ));
    }
    console.result(&HeadJson {
        id: saved.file_id.to_string(),
        name: &saved.name,
        head: path,
        bytes: saved.bytes,
        body_bytes: saved.body_len,
        parts: saved.parts,
        from: saved.sender.address.as_ref().map(client::Address::as_str),
        trust: saved.sender.trust.into(),
    })
}
