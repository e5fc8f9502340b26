//! `wax 2fa passkeys`: those there are, their names, and how one is removed. A passkey is added in a browser.

use super::{moment, quoted, stamp, two_factor};
use crate::app::{App, Session};
use crate::args::PasskeysAction;
use crate::console::safe;
use crate::fault::{Class, Fault};
use client::OwnPasskey;
use serde::Serialize;

/// Fewest characters of an id that may stand for the whole.
const PREFIX_MIN: usize = 4;
/// Characters of an id that the list shows.
const SHOWN: usize = 8;

/// `{"passkeys": […]}`.
#[derive(Serialize)]
struct PasskeysJson {
    passkeys: Vec<PasskeyJson>,
}

/// One passkey.
#[derive(Serialize)]
struct PasskeyJson {
    id: String,
    name: String,
    created: Option<String>,
    /// When it was shown last; absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
}

pub(super) fn run(app: &App, session: &Session, action: Option<PasskeysAction>) -> Result<(), Fault> {
    match action.unwrap_or(PasskeysAction::Ls) {
        PasskeysAction::Ls => list(app, session),
        PasskeysAction::Rename { id, name } => {
            let known = session.run(session.client.passkeys())?;
            session.run(session.client.rename_passkey(&the_one(&known, &id)?.id, &name))?;
            list(app, session)
        }
        PasskeysAction::Remove { id, yes } => remove(app, session, &id, yes),
    }
}

fn list(app: &App, session: &Session) -> Result<(), Fault> {
    let passkeys = session.run(session.client.passkeys())?;
    if !app.console.json && !passkeys.is_empty() {
        let rows: Vec<Vec<String>> = passkeys.iter().map(row).collect();
        app.console.table(&["ID", "NAME", "ADDED", "LAST USED"], &rows)?;
    }
    app.console.note("a passkey is added in a browser: this program cannot make or use one");
    let json = |one: OwnPasskey| PasskeyJson {
        id: one.id,
        name: one.name,
        created: stamp(one.created),
        last_used: one.last_used.and_then(stamp),
    };
    app.console.result(&PasskeysJson { passkeys: passkeys.into_iter().map(json).collect() })
}

fn row(one: &OwnPasskey) -> Vec<String> {
    vec![
        safe(one.id.get(..SHOWN).unwrap_or(&one.id)),
        safe(&one.name),
        moment(one.created),
        one.last_used.map_or_else(|| "never".to_owned(), moment),
    ]
}

fn remove(app: &App, session: &Session, id: &str, yes: bool) -> Result<(), Fault> {
    let known = session.run(session.client.passkeys())?;
    let one = the_one(&known, id)?;
    let is_last = known.len() == 1 && !session.run(session.client.whoami())?.authenticator_app;
    let question = if is_last {
        format!("remove the passkey {} and sign in by e-mail alone from now on?", quoted(&one.name))
    } else {
        format!("remove the passkey {}?", quoted(&one.name))
    };
    if !two_factor::agreed(app, yes, &question)? {
        return list(app, session);
    }
    let me = two_factor::keys(app, session)?;
    session.run(session.client.remove_passkey(me.as_ref(), &one.id))?;
    app.console.note(format!("{}  removed", safe(&one.name)));
    if is_last {
        app.console.note("the backup codes are removed with it");
    }
    list(app, session)
}

/// The passkey that an id or the beginning of one names.
fn the_one<'a>(known: &'a [OwnPasskey], text: &str) -> Result<&'a OwnPasskey, Fault> {
    let text = text.trim().to_lowercase();
    let fits = |one: &&OwnPasskey| text.len() >= PREFIX_MIN && one.id.starts_with(&text);
    let found: Vec<&OwnPasskey> = known.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Fault::new(Class::NotFound, format!("none of your passkeys is {}", quoted(&text))).hint(
            format!("wax 2fa passkeys shows them; at least the first {PREFIX_MIN} characters are needed"),
        )),
        _ => Err(Fault::new(Class::Usage, format!("several ids begin with {}", quoted(&text)))
            .hint("give more of it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_named_by_its_beginning_if_that_is_enough() {
        let passkey = |id: &str| OwnPasskey { id: id.into(), name: "k".into(), created: 0, last_used: None };
        let known = [passkey("11112222-3333"), passkey("11113333-4444"), passkey("22223333-4444")];
        assert_eq!(the_one(&known, "2222").unwrap().id, "22223333-4444");
        assert_eq!(the_one(&known, " 11112 ").unwrap().id, "11112222-3333");
        assert_eq!(the_one(&known, "1111").unwrap_err().class, Class::Usage);
        assert_eq!(the_one(&known, "222").unwrap_err().class, Class::NotFound);
        assert_eq!(the_one(&known, "4444").unwrap_err().class, Class::NotFound);
    }
}
