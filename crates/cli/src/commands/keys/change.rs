//! `wax keys phrase`, `passphrase`, `recover`, `accept-older`: what opens the keys.

use super::{keys_json, own_root};
use crate::app::{App, Session};
use crate::ask;
use crate::fault::{Class, Fault};
use crate::{keyring, phrase};
use client::KeysState;
use std::path::Path;

pub(super) fn phrase(app: &App, out: Option<&Path>) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock_offline(app, &session)?;
    let had_one = session.client.has_recovery_phrase()?;
    let Some(phrase) = phrase::make(app, out)? else {
        return Err(Fault::new(Class::Usage, "there is nobody to show the recovery phrase to")
            .hint("run it at a terminal, or have it written to a new file: --phrase-out FILE"));
    };
    session.client.set_recovery_phrase(&me, &phrase)?;
    app.console.note(if had_one {
        "the recovery phrase was replaced; the one before opens your keys no longer, only old copies of the key file"
    } else {
        "the recovery phrase was made; use it with: wax keys recover"
    });
    told(app, &session)
}

pub(super) fn passphrase(app: &App, new_fd: Option<u32>) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock_offline(app, &session)?;
    if app.global.passphrase_fd.is_some() && new_fd.is_none() {
        return Err(Fault::new(Class::Usage, "the new passphrase is missing")
            .hint("give it by another open file descriptor: --new-passphrase-fd N"));
    }
    let new = keyring::chosen_passphrase(app, new_fd, me.address().as_str())?;
    session.client.change_passphrase(&me, &new)?;
    app.console.note("the passphrase was changed; old copies of the key file open with the old one still");
    told(app, &session)
}

pub(super) fn recover(app: &App, phrase_fd: Option<u32>) -> Result<(), Fault> {
    let session = app.session()?;
    if session.client.keys_state()? == KeysState::None {
        return Err(client::Error::NoKeys.into());
    }
    if !session.client.has_recovery_phrase()? {
        return Err(client::Error::NoPhrase.into());
    }
    let phrase = phrase::given(app, phrase_fd)?;
    let address = session.client.signed_in()?.map(|signed_in| signed_in.address);
    let new = keyring::new_passphrase(app, address.as_ref().map_or("", client::Address::as_str))?;
    session.client.recover(&phrase, &new)?;
    app.console.note(
        "your keys are back; the new passphrase opens them from now on, and the recovery phrase stays good",
    );
    told(app, &session)
}

pub(super) fn accept_older(app: &App, yes: bool) -> Result<(), Fault> {
    let session = app.session()?;
    if !yes {
        if app.console.json || !ask::somebody_is_there() {
            return Err(Fault::new(Class::Usage, "there is nobody to ask").hint("say so beforehand: --yes"));
        }
        app.console.note("if somebody else put this key file here, they may know its passphrase.");
        app.console.note("if the newer one still exists, put that one back instead.");
        if !ask::yes("go on with the older key file?", Some(false))? {
            return Err(ask::stopped());
        }
    }
    session.client.accept_older_keys()?;
    app.console.note("the key file that is here counts from now on");
    told(app, &session)
}

fn told(app: &App, session: &Session) -> Result<(), Fault> {
    let KeysState::OnDisk { user_id } = session.client.keys_state()? else {
        return Err(client::Error::NoKeys.into());
    };
    app.console.result(&keys_json(session, user_id, own_root(session)?)?)
}
