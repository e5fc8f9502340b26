//! `wax unshare`: takes one person's or one key's access to a file back.

use super::rsa::{KeyJson, described};
use super::{address, file_id};
use crate::app::App;
use crate::args::Unshare;
use crate::console::safe;
use crate::fault::{Class, Fault};
use crate::keyfile::read_public;
use crate::keyring;
use client::RsaPublicKey;
use serde::Serialize;

/// `{"id", "address", "unshared": true}`.
#[derive(Serialize)]
struct UnshareJson<'a> {
    id: String,
    address: &'a str,
    unshared: bool,
}

/// `{"id", "bits", "recipient_id", "unshared": true}`.
#[derive(Serialize)]
struct UnshareKeyJson {
    id: String,
    #[serde(flatten)]
    key: KeyJson,
    unshared: bool,
}

pub(super) fn run(app: &App, args: &Unshare) -> Result<(), Fault> {
    match (&args.key, &args.address) {
        (Some(file), _) => from_key(app, &args.id, &read_public(file)?),
        (None, Some(text)) => from_person(app, &args.id, text),
        (None, None) => Err(Fault::new(Class::Usage, "whose access shall end?")
            .hint("name an address, or a public key with --key")),
    }
}

fn from_key(app: &App, id: &str, key: &RsaPublicKey) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let id = file_id(&session, &me, id)?;
    session.run(session.client.revoke_key(&me, id, key))?;
    app.console.say(format!("{id}  no longer shared with the key ({})", described(key)))?;
    app.console.note("what was fetched before stays with whoever has it");
    app.console.result(&UnshareKeyJson { id: id.to_string(), key: KeyJson::of(key), unshared: true })
}

fn from_person(app: &App, id: &str, text: &str) -> Result<(), Fault> {
    let address = address(text)?;
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let id = file_id(&session, &me, id)?;
    let user = session.run(session.client.revoke(&me, id, &address))?;
    app.console.say(format!("{id}  no longer shared with {}", safe(address.as_str())))?;
    app.console.note("what they fetched before stays with them");
    for holder in session.run(session.client.passed_on_by(id, user))? {
        let who = match &holder.address {
            Some(address) => safe(address.as_str()),
            None => format!("account {}", holder.user_id),
        };
        app.console.note(format!(
            "they passed it on to {who}, who keeps access: wax stop {id} ends it for everybody"
        ));
    }
    app.console.result(&UnshareJson { id: id.to_string(), address: address.as_str(), unshared: true })
}
