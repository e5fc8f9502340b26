//! `wax 2fa`: the authenticator app, passkeys and backup codes.

use crate::app::{App, Session};
use crate::args::{TwoFactor, TwoFactorAction};
use crate::ask;
use crate::fault::{Class, Fault};
use crate::{keyring, qr};
use client::{Offered, Token, Unlocked};
use serde::Serialize;
use std::io::IsTerminal;

/// How often a mistyped code may be typed again.
const TRIES: u32 = 3;

/// `{"enabled", "authenticator_app", "passkeys", "backup_codes_left", "demanded"}`.
#[derive(Serialize)]
struct StatusJson {
    enabled: bool,
    authenticator_app: bool,
    /// How many.
    passkeys: u32,
    backup_codes_left: u32,
    /// Whether the server demands it of everybody.
    demanded: bool,
}

/// `{"secret", "uri"}`: what the app needs, where nobody is there to type its code.
#[derive(Serialize)]
struct OfferJson<'a> {
    secret: &'a str,
    uri: &'a str,
}

/// `{"enabled": true, "backup_codes": […]}`.
#[derive(Serialize)]
struct CodesJson<'a> {
    enabled: bool,
    backup_codes: Vec<&'a str>,
}

pub(super) fn run(app: &App, args: TwoFactor) -> Result<(), Fault> {
    let session = app.session()?;
    match args.action.unwrap_or(TwoFactorAction::Status) {
        TwoFactorAction::Status => status(app, &session),
        TwoFactorAction::Enable { code: Some(code) } => confirm(app, &session, &code),
        TwoFactorAction::Enable { code: None } => enable(app, &session),
        TwoFactorAction::Disable { yes } => disable(app, &session, yes),
        TwoFactorAction::Passkeys { action } => super::passkeys::run(app, &session, action),
        TwoFactorAction::BackupCodes => {
            let me = keys(app, &session)?;
            show(app, &session.run(session.client.new_backup_codes(me.as_ref()))?)
        }
    }
}

fn status(app: &App, session: &Session) -> Result<(), Fault> {
    let me = session.run(session.client.whoami())?;
    let words = match (me.second_factor, me.second_factor_demanded) {
        (true, _) => format!(
            "on: {}; {} backup codes left",
            in_words(me.authenticator_app, me.passkeys),
            me.backup_codes_left
        ),
        (false, false) => "off; turn it on with: wax 2fa enable".to_owned(),
        (false, true) => "off, and this server demands it; turn it on with: wax 2fa enable".to_owned(),
    };
    app.console.say(words)?;
    app.console.result(&StatusJson {
        enabled: me.second_factor,
        authenticator_app: me.authenticator_app,
        passkeys: me.passkeys,
        backup_codes_left: me.backup_codes_left,
        demanded: me.second_factor_demanded,
    })
}

/// Which second factors there are.
pub(super) fn in_words(app: bool, passkeys: u32) -> String {
    match (app, passkeys) {
        (true, 0) => "authenticator app".to_owned(),
        (true, 1) => "authenticator app and a passkey".to_owned(),
        (true, n) => format!("authenticator app and {n} passkeys"),
        (false, 1) => "a passkey".to_owned(),
        (false, n) => format!("{n} passkeys"),
    }
}

/// The keys that prove the change, if any were published.
pub(super) fn keys(app: &App, session: &Session) -> Result<Option<Unlocked>, Fault> {
    let published = session.run(session.client.whoami())?.has_bundle;
    if published { keyring::unlock(app, session).map(Some) } else { Ok(None) }
}

fn enable(app: &App, session: &Session) -> Result<(), Fault> {
    let me = keys(app, session)?;
    let offered = session.run(session.client.offer_second_factor(me.as_ref()))?;
    if app.console.json || !std::io::stdin().is_terminal() || !ask::somebody_is_there() {
        app.console.say(offered.uri.expose_secret())?;
        app.console.note("when the app has it: wax 2fa enable --code CODE");
        return app
            .console
            .result(&OfferJson { secret: offered.secret.expose_secret(), uri: offered.uri.expose_secret() });
    }
    confirm_aside(app, session, &offered)
}

/// The secret is shown on the terminal's second screen, which leaves nothing in its history.
fn confirm_aside(app: &App, session: &Session, offered: &Offered) -> Result<(), Fault> {
    let mut aside = ask::Aside::open()?;
    aside.say("Scan this code with your authenticator app, or type the secret into it.")?;
    for line in qr::lines(offered.uri.expose_secret(), app.console.has_colour()) {
        aside.say(&line)?;
    }
    aside.say(&format!("secret: {}", grouped(offered.secret.expose_secret())))?;
    let mut tries = 1;
    let codes = loop {
        let code = aside.line("code that the app shows now: ")?;
        match session.run(session.client.confirm_second_factor(&code)) {
            Err(fault) if tries < TRIES && fault.class == Class::SignIn => {
                aside.say(&format!("{}; try again", fault.what))?;
                tries += 1;
            }
            done => break done?,
        }
    };
    drop(aside);
    show(app, &codes)
}

fn confirm(app: &App, session: &Session, code: &str) -> Result<(), Fault> {
    show(app, &session.run(session.client.confirm_second_factor(code))?)
}

fn show(app: &App, codes: &[Token]) -> Result<(), Fault> {
    app.console.note("signing in now needs your authenticator app");
    app.console.note(
        "keep these backup codes where the app is not; each is good once, and they are shown this once:",
    );
    for code in codes {
        app.console.say(code.expose_secret())?;
    }
    app.console
        .result(&CodesJson { enabled: true, backup_codes: codes.iter().map(Token::expose_secret).collect() })
}

fn disable(app: &App, session: &Session, yes: bool) -> Result<(), Fault> {
    let passkeys = session.run(session.client.whoami())?.passkeys;
    let question = if passkeys == 0 {
        "sign in by e-mail alone from now on?"
    } else {
        "remove the authenticator app? your passkeys stay, and they need a browser"
    };
    if !agreed(app, yes, question)? {
        return status(app, session);
    }
    let me = keys(app, session)?;
    session.run(session.client.remove_second_factor(me.as_ref()))?;
    app.console.note(if passkeys == 0 {
        "the authenticator app and its backup codes are removed"
    } else {
        "the authenticator app is removed; passkeys and backup codes stay"
    });
    status(app, session)
}

/// Whether it was said beforehand or is said now.
pub(super) fn agreed(app: &App, yes: bool, question: &str) -> Result<bool, Fault> {
    if yes {
        return Ok(true);
    }
    if app.console.json || !ask::somebody_is_there() {
        return Err(Fault::new(Class::Usage, "there is nobody to ask").hint("say so beforehand: --yes"));
    }
    let agreed = ask::yes(question, Some(false))?;
    if !agreed {
        app.console.note("nothing was changed");
    }
    Ok(agreed)
}

/// A secret in groups of four, as it is typed.
fn grouped(secret: &str) -> String {
    let chars: Vec<char> = secret.chars().collect();
    chars.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_told_as_people_say_them() {
        assert_eq!(in_words(true, 0), "authenticator app");
        assert_eq!(in_words(true, 2), "authenticator app and 2 passkeys");
        assert_eq!(in_words(false, 1), "a passkey");
    }

    #[test]
    fn a_secret_is_typed_in_groups_of_four() {
        assert_eq!(grouped("ABCDEFGHIJ"), "ABCD EFGH IJ");
    }
}
