//! The commands, a file each; what they share stands here.

mod account;
mod activity;
mod change;
mod cids;
mod compat;
mod contacts;
mod drop_boxes;
mod folder;
mod get;
mod head;
mod info;
mod keys;
mod links;
mod lock;
mod login;
mod logout;
mod ls;
mod open;
mod output;
mod paper;
mod passkeys;
mod publish;
mod rename;
mod rm;
mod rsa;
mod seal;
mod send;
mod send_box;
mod sessions;
mod share;
mod stop;
mod two_factor;
mod unshare;
mod uploads;
mod watch;
mod whoami;

use crate::app::{App, Session};
use crate::args::Command;
use crate::console::{Console, Tone, safe};
use crate::fault::{Class, Fault};
use client::{Address, FileId, Quiet, Sender, Trust, Unlocked};
use serde::Serialize;
use std::time::Duration;

/// Between two looks at a server that cannot be reached.
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);
/// Fewest characters of an id that may stand for the whole.
const PREFIX_MIN: usize = 8;
/// Files whose ids begin alike, at most, that are looked for.
const ALIKE_TOLD: usize = 10;

/// Runs what the command line says.
pub(crate) fn run(app: &App, command: Command) -> Result<(), Fault> {
    match command {
        Command::Login(args) => login::run(app, &args),
        Command::Logout => logout::run(app),
        Command::Whoami => whoami::run(app),
        Command::Sessions(args) => sessions::run(app, args),
        Command::TwoFactor(args) => two_factor::run(app, args),
        Command::Account(args) => account::run(app, args),
        Command::Keys(args) => keys::run(app, args),
        Command::Contacts(args) => contacts::run(app, args),
        Command::Send(args) => send::run(app, &args),
        Command::Links(args) => links::run(app, args),
        Command::Drop(args) => drop_boxes::run(app, args),
        Command::Get(args) => get::run(app, &args),
        Command::Seal(args) => seal::run(app, &args),
        Command::Open(args) => open::run(app, &args),
        Command::Ls(args) => ls::run(app, &args),
        Command::Info(args) => info::run(app, &args),
        Command::Rm(args) => rm::run(app, &args),
        Command::Share(args) => share::run(app, &args),
        Command::Unshare(args) => unshare::run(app, &args),
        Command::Stop(args) => stop::run(app, &args),
        Command::Rename(args) => rename::run(app, &args),
        Command::Change(args) => change::run(app, &args),
        Command::Activity(args) => activity::run(app, &args),
        Command::Watch(args) => watch::run(app, &args),
        Command::Uploads(args) => uploads::run(app, args),
        Command::Unlock(args) => lock::unlock(app, &args),
        Command::Lock => lock::lock(app),
        Command::Completions(args) => paper::completions(&args),
        Command::Man(args) => paper::man(&args),
        Command::Agent(args) => lock::agent(app, &args),
    }
}

/// An address from the command line.
fn address(text: &str) -> Result<Address, Fault> {
    Address::parse(text).map_err(|_| {
        Fault::new(Class::Usage, format!("{} is not an e-mail address", quoted(text)))
            .hint("write it as name@host")
    })
}

/// Text as it was typed, between quotes and safe to show.
fn quoted(text: &str) -> String {
    format!("'{}'", safe(text))
}

/// The file that an id or the beginning of one names; the beginning is looked up in the person's list.
fn file_id(session: &Session, me: &Unlocked, text: &str) -> Result<FileId, Fault> {
    let text = text.trim().to_lowercase();
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    check_prefix("wax ls", &text)?;
    let mut found = session.run(session.client.find(me, &text, ALIKE_TOLD, &Quiet))?;
    let v0 = session.run(session.client.v0_files())?;
    found.extend(v0.iter().map(|file| file.file_id).filter(|id| id.to_string().starts_with(&text)));
    the_one("files", &text, &found)
}

/// Refuses what cannot be the beginning of an id.
fn check_prefix(shown_by: &str, text: &str) -> Result<(), Fault> {
    let digits = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if digits && (PREFIX_MIN..36).contains(&text.len()) {
        return Ok(());
    }
    Err(Fault::new(Class::Usage, format!("{} is not the id of a file", quoted(text)))
        .hint(format!("give it whole, or at least its first {PREFIX_MIN} characters: {shown_by} shows them")))
}

fn the_one(what: &str, text: &str, found: &[FileId]) -> Result<FileId, Fault> {
    match found {
        [id] => Ok(*id),
        [] => {
            Err(Fault::new(Class::NotFound, format!("none of your {what} has an id that begins with {text}"))
                .hint(if what == "files" {
                    "wax ls shows them; one that was taken back or has ended is no longer there"
                } else {
                    "wax uploads shows them"
                }))
        }
        several => {
            let mut fault = Fault::new(Class::Usage, format!("{} ids begin with {text}", several.len()));
            for id in several.iter().take(5) {
                fault = fault.hint(id.to_string());
            }
            Err(fault)
        }
    }
}

/// How far keys are trusted, in JSON.
#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrustJson {
    /// Oneself.
    Own,
    /// The safety number was compared.
    Verified,
    /// Trusted on first use, not compared.
    Unverified,
    /// Never seen before.
    New,
    /// Not the keys known so far.
    Changed,
    /// Nobody signed it: the sender cannot be verified.
    Anonymous,
}

impl From<Trust> for TrustJson {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Own => Self::Own,
            Trust::Verified => Self::Verified,
            Trust::Pinned => Self::Unverified,
            Trust::FirstContact => Self::New,
            Trust::Changed => Self::Changed,
            Trust::Anonymous => Self::Anonymous,
        }
    }
}

/// Somebody who passed a file on, in JSON.
#[derive(Serialize)]
struct PasserJson<'a> {
    address: Option<&'a str>,
    trust: TrustJson,
}

impl<'a> PasserJson<'a> {
    fn of(passer: &'a Sender) -> Self {
        Self { address: passer.address.as_ref().map(Address::as_str), trust: passer.trust.into() }
    }
}

/// Whom a file is from, safe to show.
fn from_whom(sender: &Sender) -> String {
    match &sender.address {
        Some(address) => safe(address.as_str()),
        None => "somebody without an account".to_owned(),
    }
}

/// The word beside a person whose keys are not verified.
fn trust_mark(console: &Console, trust: Trust) -> String {
    match trust {
        Trust::Own => String::new(),
        Trust::Verified => console.paint(Tone::Good, "verified"),
        Trust::Pinned => console.paint(Tone::Warning, "not verified"),
        Trust::FirstContact => console.paint(Tone::Warning, "first contact, not verified"),
        Trust::Changed => console.paint(Tone::Bad, "keys changed"),
        Trust::Anonymous => console.paint(Tone::Warning, "sender not verified"),
    }
}

/// Asks until there is an answer: whoever watches waits for a network that went away. It is told once.
fn patiently<T>(app: &App, session: &Session, ask: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut is_away = false;
    loop {
        match ask() {
            Err(fault) if fault.class == Class::Network => {
                if !is_away {
                    app.console.note(client::Note::Away.to_string());
                }
                is_away = true;
                session.run(async {
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                    Ok(())
                })?;
            }
            outcome => return outcome,
        }
    }
}

/// A time on this machine's clock face: `2026-11-22 07:08`.
pub(crate) fn moment(unix_seconds: i64) -> String {
    match jiff::Timestamp::from_second(unix_seconds) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => "-".to_owned(),
    }
}

/// A time for programs: RFC 3339 in UTC.
fn stamp(unix_seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(unix_seconds).ok().map(|time| time.to_string())
}

/// Seconds from now until then; nothing when it is over.
fn seconds_until(unix_seconds: i64) -> Option<u64> {
    u64::try_from(unix_seconds - jiff::Timestamp::now().as_second()).ok().filter(|left| *left > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_begin_an_id_is_refused_before_anything_is_asked() {
        assert!(check_prefix("wax ls", "0123abcd").is_ok());
        assert!(check_prefix("wax ls", "0123abcd-0123").is_ok());
        for text in ["", "0123abc", "0123abcg", "../../etc", "0123abcd-0123-4123-8123-0123456789abcdef"] {
            assert!(check_prefix("wax ls", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_beginning_that_several_ids_share_names_none() {
        let ids = [FileId::from_bytes([1; 16]), FileId::from_bytes([2; 16])];
        assert_eq!(the_one("files", "01", &ids[..1]).unwrap(), ids[0]);
        assert_eq!(the_one("files", "01", &ids).unwrap_err().class, Class::Usage);
        assert_eq!(the_one("files", "01", &[]).unwrap_err().class, Class::NotFound);
    }

    #[test]
    fn times_of_any_size_are_shown() {
        assert_eq!(stamp(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(moment(i64::MAX), "-");
        assert_eq!(stamp(i64::MIN), None);
    }
}
