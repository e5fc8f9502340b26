//! `wax keys rotate`: new keys in the place of the present ones, and old files wrapped to them.

use super::fingerprint;
use crate::app::{App, Session};
use crate::ask;
use crate::fault::{Class, Fault};
use crate::progress::Shown;
use crate::{keyring, phrase};
use client::{Rewrapped, Unlocked};
use serde::Serialize;
use std::path::Path;

/// `{"fingerprint", "root_id", "recovery_phrase", "rewrapped", "refused"}`.
#[derive(Serialize)]
struct RotateJson {
    fingerprint: String,
    root_id: String,
    recovery_phrase: bool,
    /// Files wrapped to the present keys by this run.
    rewrapped: u64,
    /// Ids of files that do not verify.
    refused: Vec<String>,
}

pub(super) fn whole(
    app: &App,
    new_fd: Option<u32>,
    phrase_out: Option<&Path>,
    yes: bool,
) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    if !yes {
        agreed(
            app,
            &[
                "the present keys sign the new ones and are kept to open old files.",
                "people who know you follow by themselves; your safety numbers change.",
                "what was copied stays copied: an old key file, with what opened it, still reads",
                "what was sent to the old keys.",
            ],
            "replace your keys?",
        )?;
    }
    let new = keyring::chosen_passphrase(app, new_fd.or(app.global.passphrase_fd), me.address().as_str())?;
    let phrase = phrase::make(app, phrase_out)?;
    let had_one = session.client.has_recovery_phrase()?;
    let me = session.run(session.client.rotate(&me, &new, phrase.as_ref()))?;
    if app.global.passphrase_fd.is_none() {
        keyring::remember_as_usual(app, &me);
    }
    app.console.note("your keys were replaced, and the new ones are published");
    if had_one && phrase.is_none() {
        app.console.warn(
            "the recovery phrase of the old keys does not open the new ones; make one: wax keys phrase",
        );
    }
    finish(app, &session, &me)
}

pub(super) fn encryption(app: &App, yes: bool) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    if !yes {
        agreed(
            app,
            &[
                "the key that files are encrypted to is replaced.",
                "passphrase, recovery phrase and safety numbers stay.",
            ],
            "replace your encryption key?",
        )?;
    }
    let me = session.run(session.client.rotate_encryption(&me))?;
    app.console.note("your encryption key was replaced, and the new one is published");
    finish(app, &session, &me)
}

/// `wax keys rewrap`: what a rotation that was stopped has left.
pub(super) fn rewrap(app: &App) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    finish(app, &session, &me)
}

fn agreed(app: &App, facts: &[&str], question: &str) -> Result<(), Fault> {
    if app.console.json || !ask::somebody_is_there() {
        return Err(Fault::new(Class::Usage, "there is nobody to ask").hint("say so beforehand: --yes"));
    }
    facts.iter().for_each(|fact| app.console.note(fact));
    if ask::yes(question, Some(false))? { Ok(()) } else { Err(ask::stopped()) }
}

fn finish(app: &App, session: &Session, me: &Unlocked) -> Result<(), Fault> {
    let shown = Shown::new(&app.console, String::new());
    let done = session.run_to_its_end(session.client.rewrap(me, &shown, &session.cancel));
    shown.end();
    let done = done.map_err(|fault| {
        fault.hint("your new keys are in use; files that are not wrapped to them yet open with the old ones, which are kept. to go on: wax keys rewrap")
    })?;
    tell(app, &done);
    app.console.say(format!("fingerprint  {}", fingerprint(me.root_id())))?;
    app.console.result(&RotateJson {
        fingerprint: fingerprint(me.root_id()),
        root_id: me.root_id().to_string(),
        recovery_phrase: session.client.has_recovery_phrase()?,
        rewrapped: done.done,
        refused: done.refused.iter().map(ToString::to_string).collect(),
    })
}

fn tell(app: &App, done: &Rewrapped) {
    let files = |n: u64| if n == 1 { "1 file".to_owned() } else { format!("{n} files") };
    app.console.note(match (done.done, done.already) {
        (0, 0) => "there are no files to wrap to the present keys".to_owned(),
        (0, _) => "all files are wrapped to the present keys".to_owned(),
        (n, 0) => format!("{} wrapped to the present keys", files(n)),
        (n, m) => format!("{} wrapped to the present keys, {} were before", files(n), files(m)),
    });
    if !done.refused.is_empty() {
        let n = u64::try_from(done.refused.len()).unwrap_or(u64::MAX);
        app.console.warn(format!("{} did not verify and were left as they are", files(n)));
    }
}
