//! `wax keys`: one's own keys, made, shown, and their public half handed out.

mod backup;
mod change;
mod reset;
mod rotate;

use super::rsa;
use crate::app::{App, Session};
use crate::args::{Keys, KeysAction};
use crate::console::{Tone, safe};
use crate::fault::{Class, Fault};
use crate::keyring;
use client::{Address, KeysState, RootId};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `{"address", "user_id", "fingerprint", "root_id", "recovery_phrase", "backup"}`.
#[derive(Serialize)]
struct KeysJson {
    address: Option<String>,
    user_id: String,
    fingerprint: String,
    root_id: String,
    /// Whether one was made.
    recovery_phrase: bool,
    /// `none`, `current` or `outdated`.
    backup: &'static str,
}

const COMPARE: &str = "to compare keys with somebody: wax contacts verify ADDRESS";

/// `{"file", "bytes"}`.
#[derive(Serialize)]
struct ExportJson {
    file: String,
    bytes: usize,
}

pub(super) fn run(app: &App, args: Keys) -> Result<(), Fault> {
    match args.action.unwrap_or(KeysAction::Show) {
        KeysAction::Show => show(app),
        KeysAction::Generate { rsa: Some(bits), out, force, .. } => rsa::generate(app, bits, out, force),
        KeysAction::List => rsa::list(app),
        KeysAction::Import { file, key_passphrase_fd } => rsa::import(app, &file, key_passphrase_fd),
        KeysAction::Generate { rsa: None, phrase_out, .. } => generate(app, phrase_out.as_deref()),
        KeysAction::Phrase { phrase_out } => change::phrase(app, phrase_out.as_deref()),
        KeysAction::Passphrase { new_passphrase_fd } => change::passphrase(app, new_passphrase_fd),
        KeysAction::Recover { phrase_fd } => change::recover(app, phrase_fd),
        KeysAction::Backup { remove: false } => backup::keep(app),
        KeysAction::Backup { remove: true } => backup::remove(app),
        KeysAction::Restore { recover, phrase_fd } => backup::restore(app, recover, phrase_fd),
        KeysAction::Rotate { encryption_only: true, yes, .. } => rotate::encryption(app, yes),
        KeysAction::Rotate { new_passphrase_fd, phrase_out, yes, .. } => {
            rotate::whole(app, new_passphrase_fd, phrase_out.as_deref(), yes)
        }
        KeysAction::Reset { stop: true, .. } => reset::stop(app),
        KeysAction::Reset { stop: false, phrase_out, yes } => reset::reset(app, phrase_out.as_deref(), yes),
        KeysAction::Rewrap => rotate::rewrap(app),
        KeysAction::AcceptOlder { yes } => change::accept_older(app, yes),
        KeysAction::Export { file, force } => export(app, file.as_deref(), force),
    }
}

/// Six groups of five digits out of a root id: what a person compares at a glance. The safety number of two
/// people, which verification uses, is longer.
pub(super) fn fingerprint(root: RootId) -> String {
    let groups = root.as_bytes().chunks_exact(5).map(|group| {
        let number = group.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{:05}", number % 100_000)
    });
    groups.collect::<Vec<_>>().join(" ")
}

fn show(app: &App) -> Result<(), Fault> {
    let session = app.session()?;
    let KeysState::OnDisk { user_id } = session.client.keys_state()? else {
        return Err(client::Error::NoKeys.into());
    };
    let root = own_root(&session)?;
    let signed_in = session.client.signed_in()?;
    tell(app, signed_in.as_ref().map(|signed_in| &signed_in.address), root)?;
    let has_phrase = session.client.has_recovery_phrase()?;
    app.console.say(format!("recovery     {}", if has_phrase { "by phrase" } else { "none" }))?;
    if !has_phrase {
        app.console.note(
            "without a recovery phrase a forgotten passphrase loses everything; make one: wax keys phrase",
        );
    }
    app.console.say(format!("backup       {}", backup::words(&session)?))?;
    app.console.note(COMPARE);
    app.console.result(&keys_json(&session, user_id, root)?)
}

fn tell(app: &App, address: Option<&Address>, root: RootId) -> Result<(), Fault> {
    if let Some(address) = address {
        app.console.say(safe(address.as_str()))?;
    }
    app.console.say(format!("fingerprint  {}", app.console.paint(Tone::Bold, &fingerprint(root))))?;
    if app.global.verbose > 0 {
        app.console.say(format!("root id      {root}"))?;
    }
    Ok(())
}

fn generate(app: &App, phrase_out: Option<&Path>) -> Result<(), Fault> {
    let session = app.session()?;
    let Some(signed_in) = session.client.signed_in()? else {
        return Err(client::Error::NotSignedIn.into());
    };
    if session.client.keys_state()? != KeysState::None {
        return Err(client::Error::KeysExist.into());
    }
    // Ask before the passphrase is made up: an account whose keys are elsewhere gets no second ones.
    if session.run(session.client.whoami())?.has_bundle {
        return Err(client::Error::KeysElsewhere.into());
    }
    let root = make(app, &session, &signed_in.address, phrase_out)?;
    app.console.result(&keys_json(&session, signed_in.user_id, root)?)
}

fn keys_json(session: &Session, user_id: client::UserId, root: RootId) -> Result<KeysJson, Fault> {
    Ok(KeysJson {
        address: session.client.signed_in()?.map(|signed_in| signed_in.address.as_str().to_owned()),
        user_id: user_id.to_string(),
        fingerprint: fingerprint(root),
        root_id: root.to_string(),
        recovery_phrase: session.client.has_recovery_phrase()?,
        backup: backup::name(session.client.backup_state()?),
    })
}

/// Asks for a new passphrase and makes the keys.
pub(super) fn make(
    app: &App,
    session: &Session,
    address: &Address,
    phrase_out: Option<&Path>,
) -> Result<RootId, Fault> {
    let passphrase = keyring::new_passphrase(app, address.as_str())?;
    let phrase = crate::phrase::make(app, phrase_out)?;
    let me = session.run(session.client.create_keys(&passphrase, phrase.as_ref()))?;
    if app.global.passphrase_fd.is_none() {
        keyring::remember_as_usual(app, &me);
    }
    app.console.note(if phrase.is_some() {
        "keys made; if you forget the passphrase, the recovery phrase is the only way back: wax keys recover"
    } else {
        "keys made, without a recovery phrase: if you forget the passphrase, nobody can open what was sent to you. make one with: wax keys phrase"
    });
    tell(app, None, me.root_id())?;
    app.console.note(COMPARE);
    Ok(me.root_id())
}

fn export(app: &App, file: Option<&Path>, force: bool) -> Result<(), Fault> {
    let session = app.session()?;
    let bundle = session.client.own_bundle()?;
    match file.filter(|path| *path != Path::new("-")) {
        None => {
            if std::io::stdout().is_terminal() && !force {
                return Err(Fault::new(
                    Class::Usage,
                    "the public keys are bytes that a terminal cannot show",
                )
                .hint("name a file: wax keys export FILE"));
            }
            if app.console.json {
                return Err(Fault::new(Class::Usage, "with --json the keys need a file of their own")
                    .hint("name it: wax keys export FILE --json"));
            }
            let mut out = std::io::stdout().lock();
            out.write_all(&bundle)
                .and_then(|()| out.flush())
                .map_err(|e| Fault::from(client::Error::Output(e)))
        }
        Some(path) => {
            let mut options = std::fs::File::options();
            options.write(true).mode(0o644);
            if force {
                options.create(true).truncate(true)
            } else {
                options.create_new(true)
            };
            let written = options.open(path).and_then(|mut file| {
                file.write_all(&bundle)?;
                file.sync_all()
            });
            match written {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                    return Err(Fault::file("write", path, &e)
                        .hint("choose another name, or replace it with --force"));
                }
                Err(e) => return Err(Fault::file("write", path, &e)),
            }
            let shown = safe(&path.display().to_string());
            app.console.note(format!("wrote your public keys to {shown}"));
            let address = session.client.signed_in()?.map(|signed_in| safe(signed_in.address.as_str()));
            let address = address.unwrap_or_else(|| "YOUR-ADDRESS".to_owned());
            app.console
                .note(format!("hand it over; they take it with: wax contacts add {address} --bundle FILE"));
            app.console.result(&ExportJson { file: path.display().to_string(), bytes: bundle.len() })
        }
    }
}

/// The root of the keys on this machine, out of their public half.
fn own_root(session: &Session) -> Result<RootId, Fault> {
    let bundle = session.client.own_bundle()?;
    let parsed = envelope::Bundle::parse(bundle);
    parsed
        .map(|bundle| bundle.root_id())
        .map_err(|_| Fault::new(Class::LocalFile, "the public keys on this machine are damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_six_groups_of_five_digits() {
        let mut bytes = [0u8; 32];
        bytes[4] = 7;
        bytes[5..10].copy_from_slice(&[0xff; 5]);
        let shown = fingerprint(RootId::from_bytes(bytes));
        // 2^40 - 1 = 1099511627775
        assert_eq!(shown, "00007 27775 00000 00000 00000 00000");
    }
}
