//! `wax keys backup` and `wax keys restore`: the key file at the server.

use super::{keys_json, own_root};
use crate::app::{App, Session};
use crate::fault::{Class, Fault};
use crate::{keyring, phrase};
use client::{BackupState, KeysState, RestoreWith};
use serde::Serialize;

/// `{"backup": "none", "removed"}`.
#[derive(Serialize)]
struct RemovedJson {
    backup: &'static str,
    removed: bool,
}

pub(super) fn name(state: BackupState) -> &'static str {
    match state {
        BackupState::None => "none",
        BackupState::Current => "current",
        BackupState::Outdated => "outdated",
    }
}

pub(super) fn words(session: &Session) -> Result<&'static str, Fault> {
    Ok(match session.client.backup_state()? {
        BackupState::None => "none from this device; keep one with: wax keys backup",
        BackupState::Current => "at the server",
        BackupState::Outdated => "at the server, older than your keys; renew it with: wax keys backup",
    })
}

pub(super) fn keep(app: &App) -> Result<(), Fault> {
    let session = app.session()?;
    // Typed even if an agent holds the keys: how strong it is can be seen in no other way.
    let kept = keyring::with_own_passphrase(app, |passphrase| {
        let me = session.run(session.client.unlock(passphrase))?;
        session.run(session.client.back_up_keys(&me, passphrase))?;
        Ok(me)
    });
    let me = match kept {
        Err(fault) if fault.class == Class::Usage => {
            return Err(fault
                .hint("whoever breaks into the server could try to guess it; nothing was sent")
                .hint("choose a stronger one first: wax keys passphrase"));
        }
        done => done?,
    };
    app.console
        .note("your key file is kept at the server, sealed under your passphrase and your recovery phrase");
    app.console.note("on a new device: wax login, then wax keys restore");
    app.console.result(&keys_json(&session, me.user_id(), own_root(&session)?)?)
}

pub(super) fn remove(app: &App) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let removed = session.run(session.client.remove_backup(&me))?;
    app.console.note(if removed { "the backup was removed from the server" } else { "there was no backup" });
    app.console.result(&RemovedJson { backup: "none", removed })
}

pub(super) fn restore(app: &App, by_phrase: bool, phrase_fd: Option<u32>) -> Result<(), Fault> {
    let session = app.session()?;
    let Some(signed_in) = session.client.signed_in()? else {
        return Err(client::Error::NotSignedIn.into());
    };
    if session.client.keys_state()? != KeysState::None {
        return Err(client::Error::KeysExist.into());
    }
    let restored = if by_phrase || phrase_fd.is_some() {
        let phrase = phrase::given(app, phrase_fd)?;
        let new = keyring::new_passphrase(app, signed_in.address.as_str())?;
        session.run(session.client.restore_keys(&RestoreWith::Phrase(&phrase, &new)))
    } else {
        keyring::with_own_passphrase(app, |passphrase| {
            session.run(session.client.restore_keys(&RestoreWith::Passphrase(passphrase)))
        })
    };
    let me = match restored {
        Err(fault) if fault.class == Class::NotFound => {
            return Err(Fault::new(Class::NotFound, "no backup of your keys is at the server")
                .hint("bring the key file from the machine where you made them"));
        }
        done => done?,
    };
    if app.global.passphrase_fd.is_none() {
        keyring::remember_as_usual(app, &me);
    }
    app.console.note("your keys are on this device");
    keyring::share_contacts(app, &session, &me);
    app.console.result(&keys_json(&session, me.user_id(), me.root_id())?)
}
