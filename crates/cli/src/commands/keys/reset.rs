//! `wax keys reset`: new keys when the old ones are lost, after three days in which they can object.

use super::{fingerprint, keys_json};
use crate::app::App;
use crate::commands::{moment, stamp};
use crate::fault::{Class, Fault};
use crate::{ask, keyring, phrase};
use serde::Serialize;
use std::path::Path;

/// `{"due"}`.
#[derive(Serialize)]
struct BegunJson {
    /// From when on the new keys count.
    due: Option<String>,
}

/// `{"stopped"}`.
#[derive(Serialize)]
struct StoppedJson {
    stopped: bool,
}

pub(super) fn reset(app: &App, phrase_out: Option<&Path>, yes: bool) -> Result<(), Fault> {
    let session = app.session()?;
    let Some(signed_in) = session.client.signed_in()? else {
        return Err(client::Error::NotSignedIn.into());
    };
    if session.client.reset_is_pending()? {
        return finish(app);
    }
    if !yes {
        if app.console.json || !ask::somebody_is_there() {
            return Err(Fault::new(Class::Usage, "there is nobody to ask").hint("say so beforehand: --yes"));
        }
        for fact in [
            "this is for keys that are lost, with passphrase and recovery phrase. nothing that was sealed to them will open.",
            "with a backup and its passphrase or phrase, wax keys restore brings them back instead.",
            "the new keys count after three days. people who know you are told that your keys changed, and must compare",
            "the safety number with you before they can send you anything.",
        ] {
            app.console.note(fact);
        }
        if !ask::yes("ask for new keys?", Some(false))? {
            return Err(ask::stopped());
        }
    }
    let passphrase = keyring::new_passphrase(app, signed_in.address.as_str())?;
    let phrase = phrase::make(app, phrase_out)?;
    let due = session.run(session.client.begin_reset(&passphrase, phrase.as_ref()))?;
    app.console.say(format!("new keys are made, and count from {} on", moment(due)))?;
    app.console.note("then run the same command again on this device. a letter went to your mailbox");
    app.console.result(&BegunJson { due: stamp(due) })
}

fn finish(app: &App) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::with_own_passphrase(app, |passphrase| {
        session.run(session.client.finish_reset(passphrase))
    })
    .map_err(|fault| match fault.class {
        Class::Refused => fault
            .hint("if the wish was stopped by whoever has your keys, this never succeeds: wax keys reset --stop forgets it here"),
        _ => fault,
    })?;
    if app.global.passphrase_fd.is_none() {
        keyring::remember_as_usual(app, &me);
    }
    app.console.note("your new keys are published; what was sealed to the lost ones stays closed");
    app.console.say(format!("fingerprint  {}", fingerprint(me.root_id())))?;
    app.console.result(&keys_json(&session, me.user_id(), me.root_id())?)
}

pub(super) fn stop(app: &App) -> Result<(), Fault> {
    let session = app.session()?;
    let waited = session.client.reset_is_pending()?;
    let has_keys = session.client.keys_state()? != client::KeysState::None;
    let mut stopped = waited;
    if has_keys && !waited {
        let me = keyring::unlock(app, &session)?;
        stopped = session.run(session.client.stop_reset(&me))?;
    }
    session.client.forget_reset()?;
    app.console.say(match (waited, stopped) {
        (true, _) => "the new keys that waited on this device are forgotten",
        (false, true) => "your keys stay",
        (false, false) => "nobody has asked for other keys",
    })?;
    if stopped && !waited {
        app.console.warn("somebody can read your mailbox, unless that was you: change its password, and look at: wax sessions");
    }
    app.console.result(&StoppedJson { stopped })
}
