//! `wax login`: a code by mail, a session, and the offer to make keys.

use super::{address, stamp};
use crate::app::{App, Session};
use crate::args::Login;
use crate::ask::{self, SecretText};
use crate::console::safe;
use crate::fault::{Class, Fault};
use client::{Address, HalfSignIn, KeysState, SignIn, SignedIn};
use serde::Serialize;
use std::io::{IsTerminal, Read};
use std::path::Path;

/// How often a wrong code may be typed; the server allows as many.
const TRIES: u32 = 3;
/// Longest certificate file that is read, bytes.
const CA_MAX: u64 = 1 << 20;

/// `{"address", "user_id", "server", "session_ends", "keys"}`, or `{"address", "server", "code_sent": true}`.
#[derive(Serialize)]
struct LoginJson<'a> {
    address: &'a str,
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_ends: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<KeysJson>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    code_sent: bool,
}

/// What became of the keys at sign-in.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum KeysJson {
    /// On this machine already.
    Present,
    /// Made just now.
    Made,
    /// None yet.
    None,
    /// Made on another machine.
    Elsewhere,
}

pub(super) fn run(app: &App, args: &Login) -> Result<(), Fault> {
    let session = app.session()?;
    let address = who(&session, args.email.as_deref())?;
    choose_server(&session, args)?;
    let shown = safe(address.as_str());
    if args.code.is_none() {
        session.run(session.client.request_code(&address))?;
        app.console.note(format!("a code is on its way to {shown}; it can be used for 10 minutes"));
    }
    if args.request_code {
        app.console.note("when it has come: wax login --code CODE, with the same address");
        return app.console.result(&LoginJson {
            address: address.as_str(),
            server: session.client.server(),
            user_id: None,
            session_ends: None,
            keys: None,
            code_sent: true,
        });
    }
    let step = match &args.code {
        Some(code) => session.run(session.client.sign_in(&address, &digits(code)?))?,
        None => sign_in_asking(app, &session, &address)?,
    };
    let signed_in = match step {
        SignIn::Done(signed_in) => signed_in,
        SignIn::SecondFactor(half) => second_factor(app, &session, &half, args)?,
    };
    app.console.note(format!("signed in as {shown}"));
    if let Some(seconds) = signed_in.clock_off {
        app.console.warn(client::clock_warning(seconds));
    }
    let keys = keys(app, &session, &signed_in, args)?;
    app.console.result(&LoginJson {
        address: address.as_str(),
        server: session.client.server(),
        user_id: Some(signed_in.user_id.to_string()),
        session_ends: stamp(signed_in.session_ends),
        keys: Some(keys),
        code_sent: false,
    })
}

fn who(session: &Session, email: Option<&str>) -> Result<Address, Fault> {
    match (email, session.client.signed_in()?) {
        (Some(text), _) => address(text),
        (None, Some(before)) => Ok(before.address),
        (None, None) => Err(Fault::new(Class::Usage, "whose session is it to be")
            .hint("give your e-mail address: wax login ADDRESS")),
    }
}

/// Remembers the server if one is named. The same server again keeps the authority it came with.
fn choose_server(session: &Session, args: &Login) -> Result<(), Fault> {
    let known = session.client.server();
    let url = match (&args.server, &known) {
        (Some(url), _) => url.clone(),
        (None, Some(known)) => known.clone(),
        (None, None) => {
            return Err(Fault::new(Class::Usage, "no server is known yet")
                .hint("name it once: wax login ADDRESS --server https://HOST"));
        }
    };
    let ca = args.ca.as_deref().map(certificate).transpose()?;
    let same = known.as_deref() == Some(url.trim_end_matches('/'));
    if same && ca.is_none() {
        return Ok(());
    }
    Ok(session.client.configure_server(&url, ca.as_deref())?)
}

pub(super) fn certificate(path: &Path) -> Result<String, Fault> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(CA_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(client::Error::CertificateFile.into())
        }
        Err(error) => Err(Fault::file("read", path, &error)),
    }
}

/// The code of the mail, asked for.
fn sign_in_asking(app: &App, session: &Session, address: &Address) -> Result<SignIn, Fault> {
    asking(
        app,
        || {
            let code = ask::line("code: ")?;
            if code.trim().is_empty() {
                return Err(Fault::new(Class::SignIn, "no code was given")
                    .hint("when the mail has come: wax login --code CODE, with the same address"));
            }
            Ok(code)
        },
        |code| digits(code).and_then(|code| session.run(session.client.sign_in(address, &code))),
    )
}

/// The code of the authenticator app, from the command line or asked for.
fn second_factor(app: &App, session: &Session, half: &HalfSignIn, args: &Login) -> Result<SignedIn, Fault> {
    let show = |code: &str| session.run(session.client.show_second_factor(half, code));
    if let Some(code) = &args.second_factor {
        return show(code);
    }
    let (prompt, missing) = if half.has_app {
        ("code of your authenticator app, or a backup code: ", "no code of the authenticator app was given")
    } else {
        app.console
            .note("this account signs in with a passkey, which needs a browser; here a backup code does");
        ("backup code: ", "no backup code was given")
    };
    asking(
        app,
        || {
            let code = ask::line(prompt)?;
            if code.trim().is_empty() {
                return Err(Fault::new(Class::SignIn, missing)
                    .hint("it can be given beforehand: wax login --second-factor CODE"));
            }
            Ok(code)
        },
        show,
    )
}

/// At a terminal a mistyped code may be typed again; a program has one try.
fn asking<T>(
    app: &App,
    ask: impl Fn() -> Result<SecretText, Fault>,
    try_it: impl Fn(&str) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let at_terminal = std::io::stdin().is_terminal();
    let mut tries = 1;
    loop {
        let code = ask()?;
        match try_it(&code) {
            Err(fault)
                if at_terminal && tries < TRIES && matches!(fault.class, Class::SignIn | Class::Usage) =>
            {
                app.console.note(format!("{}; try again", fault.what));
                tries += 1;
            }
            done => return done,
        }
    }
}

/// The six digits; spaces and dashes between them are forgiven.
fn digits(text: &str) -> Result<String, Fault> {
    let code: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(code);
    }
    Err(Fault::new(Class::Usage, "a code is six digits").hint("it stands in the mail"))
}

/// After sign-in: are there keys, and if not, shall they be made?
fn keys(app: &App, session: &Session, signed_in: &SignedIn, args: &Login) -> Result<KeysJson, Fault> {
    if let KeysState::OnDisk { user_id } = session.client.keys_state()? {
        if user_id != signed_in.user_id {
            app.console.warn(
                "the keys in this home belong to another account; use another home for this one: --home DIR",
            );
        }
        return Ok(KeysJson::Present);
    }
    if session.run(session.client.whoami())?.has_bundle {
        let fault = Fault::from(client::Error::KeysElsewhere);
        app.console.warn(&fault.what);
        for hint in &fault.hints {
            app.console.note(format!("hint: {hint}"));
        }
        return Ok(KeysJson::Elsewhere);
    }
    let wanted = if args.no_keys {
        false
    } else if app.global.passphrase_fd.is_some() {
        true
    } else if std::io::stdin().is_terminal() && ask::somebody_is_there() {
        app.console.note("you have no keys yet; they are made on this device and never leave it unencrypted");
        ask::yes("make them now?", Some(true))?
    } else {
        false
    };
    if !wanted {
        app.console.note("you have no keys yet; make them with: wax keys generate");
        return Ok(KeysJson::None);
    }
    super::keys::make(app, session, &signed_in.address, None)?;
    Ok(KeysJson::Made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_copy_it() {
        for text in ["123456", " 123 456\n", "123-456"] {
            assert_eq!(digits(text).unwrap(), "123456");
        }
        for text in ["", "12345", "1234567", "12345a", "\u{661}23456"] {
            assert_eq!(digits(text).unwrap_err().class, Class::Usage, "{text:?}");
        }
    }
}
