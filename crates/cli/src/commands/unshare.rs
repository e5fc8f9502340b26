//! `wax unshare`: takes one person's access to a file back.

use super::{address, file_id};
use crate::app::App;
use crate::args::Unshare;
use crate::console::safe;
use crate::fault::Fault;
use crate::keyring;
use serde::Serialize;

/// `{"id", "address", "unshared": true}`.
#[derive(Serialize)]
struct UnshareJson<'a> {
    id: String,
    address: &'a str,
    unshared: bool,
}

pub(super) fn run(app: &App, args: &Unshare) -> Result<(), Fault> {
    let address = address(&args.address)?;
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let id = file_id(&session, &me, &args.id)?;
    session.run(session.client.revoke(&me, id, &address))?;
    app.console.say(format!("{id}  no longer shared with {}", safe(address.as_str())))?;
    app.console.note("what they fetched before stays with them");
    app.console.result(&UnshareJson { id: id.to_string(), address: address.as_str(), unshared: true })
}
