//! How a command comes to the unlocked keys: agent, file descriptor, or a passphrase at the terminal.

use crate::agent::{IDLE_DEFAULT, Key, Owner};
use crate::app::{App, Session};
use crate::ask::{self, SecretText};
use crate::console::safe;
use crate::fault::{Class, Fault};
use client::{ContactsShared, KeysState, Passphrase, Secret, Share, Unlocked, VaultKey};
use zeroize::Zeroizing;

/// How often a wrong passphrase may be typed before the command gives up.
const TRIES: u32 = 3;
/// Below this score of zxcvbn a new passphrase is refused.
const SCORE_MIN: u8 = 3;

/// Where a passphrase came from, and so whether the agent may remember what it opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Descriptor,
    Terminal,
}

/// Whether a command speaks with the server anyway, or must do without it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Online,
    Offline,
}

/// Opens the keys for a command: with the agent's key if it has one, else with a passphrase, which the agent then
/// spares the next command if it was typed.
pub(crate) fn unlock(app: &App, session: &Session) -> Result<Unlocked, Fault> {
    let me = unlock_in(app, session, Way::Online)?;
    share_contacts(app, session, &me);
    if let Some(due) = me.reset_due() {
        app.console.warn(format!(
            "somebody who can read your mailbox asked for new keys in the place of yours, from {} on. if it was not you: wax keys reset --stop",
            crate::commands::moment(due)
        ));
    }
    Ok(me)
}

/// Lets this device know what the person's other devices pinned, now and then. The command goes on without it: what is
/// pinned here stays.
pub(crate) fn share_contacts(app: &App, session: &Session, me: &Unlocked) {
    match session.run(session.client.share_contacts(me, Share::WhenDue)) {
        Ok(shared) => warn_of_contacts(app, &shared),
        Err(fault) if fault.class == Class::Identity || fault.class == Class::Authentic => {
            app.console.warn(format!("{}; wax contacts sync says more", fault.what));
        }
        Err(fault) => tracing::debug!(class = ?fault.class, "contacts were not shared"),
    }
}

/// What a person must know of the contacts of their devices.
pub(crate) fn warn_of_contacts(app: &App, shared: &ContactsShared) {
    for address in &shared.disputed {
        let shown = safe(address.as_str());
        app.console.warn(format!(
            "another of your devices knows other keys of {shown}: compare the safety number with them: wax contacts verify {shown}"
        ));
    }
    if shared.too_many {
        app.console.warn("there are more contacts than can be shared among your devices");
    }
}

/// The same for a command that needs neither server nor session: nothing is compared with what the server shows.
pub(crate) fn unlock_offline(app: &App, session: &Session) -> Result<Unlocked, Fault> {
    unlock_in(app, session, Way::Offline)
}

/// The keys where they can be had without asking anybody: by an open descriptor, or from the agent.
pub(crate) fn unlock_unasked(app: &App, session: &Session) -> Result<Option<Unlocked>, Fault> {
    let KeysState::OnDisk { user_id } = session.client.keys_state()? else { return Ok(None) };
    if app.global.passphrase_fd.is_some() {
        return unlock_in(app, session, Way::Online).map(Some);
    }
    unlock_by_agent(app, session, *user_id.as_bytes(), Way::Online)
}

fn unlock_in(app: &App, session: &Session, way: Way) -> Result<Unlocked, Fault> {
    let owner = owner(session, way)?;
    if app.global.passphrase_fd.is_none()
        && let Some(me) = unlock_by_agent(app, session, owner, way)?
    {
        return Ok(me);
    }
    let (me, from) = unlock_by_passphrase(app, session, way)?;
    if from == From::Terminal {
        remember(app, &me, IDLE_DEFAULT);
    }
    Ok(me)
}

/// `wax unlock`: opens the keys with a passphrase, agent or not, and has the agent remember them.
pub(crate) fn unlock_anew(app: &App, session: &Session) -> Result<Unlocked, Fault> {
    owner(session, Way::Online)?;
    Ok(unlock_by_passphrase(app, session, Way::Online)?.0)
}

/// Has the agent remember the keys that a typed passphrase just opened or made.
pub(crate) fn remember_as_usual(app: &App, me: &Unlocked) {
    remember(app, me, IDLE_DEFAULT);
}

/// Has the agent remember the vault key; a command that did its work does not fail for that.
fn remember(app: &App, me: &Unlocked, idle: u32) {
    let kept =
        app.agent().map(|agent| agent.map(|agent| agent.store(*me.user_id().as_bytes(), &key_of(me), idle)));
    if let Ok(Some(Err(error))) = kept {
        tracing::debug!(%error, "the agent does not remember the key");
        app.console.note(format!("{error}; the next command asks for the passphrase again"));
    }
}

/// The vault key on its way to the agent.
pub(crate) fn key_of(me: &Unlocked) -> Key {
    Zeroizing::new(*me.vault_key().secret().expose_secret())
}

/// Whose keys are on this machine.
fn owner(session: &Session, way: Way) -> Result<Owner, Fault> {
    match session.client.keys_state()? {
        KeysState::OnDisk { user_id } => Ok(*user_id.as_bytes()),
        KeysState::None if way == Way::Online && session.client.signed_in()?.is_none() => {
            Err(client::Error::NotSignedIn.into())
        }
        KeysState::None => Err(client::Error::NoKeys.into()),
    }
}

fn unlock_by_agent(app: &App, session: &Session, owner: Owner, way: Way) -> Result<Option<Unlocked>, Fault> {
    let Some(agent) = app.agent()? else { return Ok(None) };
    let key = match agent.recall(owner) {
        Ok(Some(key)) => key,
        Ok(None) => return Ok(None),
        Err(error) => {
            app.console.note(format!("{error}; asking for the passphrase instead"));
            return Ok(None);
        }
    };
    let key = VaultKey::from_secret(Secret::from_bytes(*key));
    let opened = match way {
        Way::Online => session.run(session.client.unlock_with_key(&key)),
        Way::Offline => session.client.unlock_offline_with_key(&key).map_err(Fault::from),
    };
    match opened {
        Ok(me) => Ok(Some(me)),
        // The key file was replaced since: the remembered key is of no use any more.
        Err(fault) if fault.class == Class::Authentic => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn unlock_by_passphrase(app: &App, session: &Session, way: Way) -> Result<(Unlocked, From), Fault> {
    let open = |passphrase: Passphrase| match way {
        Way::Online => session.run(session.client.unlock(&passphrase)),
        Way::Offline => session.client.unlock_offline(&passphrase).map_err(Fault::from),
    };
    if app.global.passphrase_fd.is_none() && !ask::somebody_is_there() {
        return Err(nobody_to_ask());
    }
    with_passphrase(app, app.global.passphrase_fd, "passphrase: ", open)
}

/// Does something that needs the passphrase itself, agent or not; a wrong one may be typed again.
pub(crate) fn with_own_passphrase<T>(
    app: &App,
    open: impl Fn(&Passphrase) -> Result<T, Fault>,
) -> Result<T, Fault> {
    if app.global.passphrase_fd.is_none() && !ask::somebody_is_there() {
        return Err(nobody_to_ask());
    }
    Ok(with_passphrase(app, app.global.passphrase_fd, "passphrase: ", |passphrase| open(&passphrase))?.0)
}

/// Opens a key file with its passphrase, from that descriptor or the terminal.
pub(crate) fn open_key_file<T>(
    app: &App,
    descriptor: Option<u32>,
    shown: &str,
    open: impl Fn(Passphrase) -> Result<T, Fault>,
) -> Result<T, Fault> {
    if descriptor.is_none() && !ask::somebody_is_there() {
        return Err(Fault::new(
            Class::Authentic,
            format!("the passphrase of {shown} is needed, and there is no terminal to ask at"),
        )
        .hint("give it by an open file descriptor; --help says which option"));
    }
    Ok(with_passphrase(app, descriptor, &format!("passphrase of {shown}: "), open)?.0)
}

fn with_passphrase<T>(
    app: &App,
    descriptor: Option<u32>,
    prompt: &str,
    open: impl Fn(Passphrase) -> Result<T, Fault>,
) -> Result<(T, From), Fault> {
    if let Some(descriptor) = descriptor {
        let opened = open(parse(ask::passphrase_from(descriptor)?)?)?;
        return Ok((opened, From::Descriptor));
    }
    let mut tries = 1;
    loop {
        match parse(ask::passphrase(prompt)?).and_then(&open) {
            Ok(opened) => return Ok((opened, From::Terminal)),
            Err(fault) if fault.class == Class::Authentic && tries < TRIES => {
                app.console.note(format!("{}; try again", fault.what));
                tries += 1;
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// A new passphrase: asked for twice at the terminal, or read once from the file descriptor; weak ones are refused.
pub(crate) fn new_passphrase(app: &App, address: &str) -> Result<Passphrase, Fault> {
    chosen_passphrase(app, app.global.passphrase_fd, address)
}

/// The same where `--passphrase-fd` gives the present one.
pub(crate) fn chosen_passphrase(
    app: &App,
    descriptor: Option<u32>,
    address: &str,
) -> Result<Passphrase, Fault> {
    if let Some(descriptor) = descriptor {
        let text = ask::passphrase_from(descriptor)?;
        return match weakness(&text, address) {
            Some(words) => Err(too_weak(&words)),
            None => parse(text),
        };
    }
    if !ask::somebody_is_there() {
        return Err(nobody_to_ask());
    }
    loop {
        let text = ask::passphrase("new passphrase: ")?;
        if text.is_empty() {
            return Err(ask::stopped());
        }
        if let Some(words) = weakness(&text, address) {
            app.console.warn(format!("that passphrase is too easy to guess: {words}"));
            continue;
        }
        if *ask::passphrase("the same again: ")? == *text {
            return parse(text);
        }
        app.console.warn("the two differ; nothing was changed");
    }
}

/// Why a passphrase is too easy to guess, in zxcvbn's own words; nothing when it is good.
fn weakness(text: &str, address: &str) -> Option<String> {
    let parts: Vec<&str> = std::iter::once(address).chain(address.split(['@', '.'])).collect();
    // Beyond this length zxcvbn's work grows and its answer does not change.
    let head: String = text.chars().take(100).collect();
    let head = Zeroizing::new(head);
    let estimate = zxcvbn::zxcvbn(&head, &parts);
    if u8::from(estimate.score()) >= SCORE_MIN {
        return None;
    }
    let mut words = Vec::new();
    if let Some(feedback) = estimate.feedback() {
        words.extend(feedback.warning().map(|warning| plain(&warning.to_string())));
        words.extend(feedback.suggestions().iter().map(|suggestion| plain(&suggestion.to_string())));
    }
    Some(if words.is_empty() { "use several unrelated words".to_owned() } else { words.join("; ") })
}

/// Sentences in the style of this program: lower case, no full stop.
fn plain(sentences: &str) -> String {
    let lower = |sentence: &str| {
        let mut chars = sentence.chars();
        chars.next().map(|first| first.to_lowercase().chain(chars).collect::<String>()).unwrap_or_default()
    };
    sentences.trim_end_matches('.').split(". ").map(lower).collect::<Vec<_>>().join("; ")
}

fn too_weak(words: &str) -> Fault {
    Fault::new(Class::Usage, "that passphrase is too easy to guess").hint(words)
}

fn parse(mut text: SecretText) -> Result<Passphrase, Fault> {
    Passphrase::parse(std::mem::take(&mut *text)).map_err(|_| {
        Fault::new(Class::Authentic, "the passphrase is empty").hint("give the one your keys were made with")
    })
}

fn nobody_to_ask() -> Fault {
    Fault::new(Class::Authentic, "the passphrase is needed, and there is no terminal to ask at")
        .hint("unlock the keys at a terminal first: wax unlock")
        .hint("or give it by an open file descriptor: --passphrase-fd N")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_passphrase_is_refused_with_the_reason_in_words() {
        let words = weakness("password1", "alice@mail.example").unwrap();
        assert!(words.contains("common password"), "{words}");
        assert!(words.chars().next().unwrap().is_lowercase());
        assert!(!words.ends_with('.'));
    }

    #[test]
    fn ones_own_address_is_no_passphrase() {
        assert!(weakness("alice.waxmaker@mail.example", "alice.waxmaker@mail.example").is_some());
    }

    #[test]
    fn several_unrelated_words_are_good_and_a_very_long_text_is_judged_in_time() {
        assert_eq!(weakness("violin kettle harbour seventeen moss", "alice@mail.example"), None);
        assert_eq!(weakness(&"violin kettle harbour ".repeat(200), "alice@mail.example"), None);
    }
}
