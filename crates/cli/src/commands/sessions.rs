//! `wax sessions`: where one is signed in, and how to end that.

use super::{moment, quoted, stamp};
use crate::app::{App, Session};
use crate::args::{Sessions, SessionsAction};
use crate::console::safe;
use crate::fault::{Class, Fault};
use client::OpenSession;
use serde::Serialize;

/// Fewest characters of an id that may stand for the whole.
const PREFIX_MIN: usize = 4;
/// Characters of an id that the list shows.
const SHOWN: usize = 8;

/// `{"sessions": […]}`.
#[derive(Serialize)]
struct SessionsJson {
    sessions: Vec<SessionJson>,
}

/// One session.
#[derive(Serialize)]
struct SessionJson {
    id: String,
    client: String,
    created: Option<String>,
    last_used: Option<String>,
    ends: Option<String>,
    second_factor: bool,
    current: bool,
}

/// `{"ended": n}`.
#[derive(Serialize)]
struct EndedJson {
    ended: u64,
}

pub(super) fn run(app: &App, args: Sessions) -> Result<(), Fault> {
    let session = app.session()?;
    match args.action.unwrap_or(SessionsAction::Ls) {
        SessionsAction::Ls => list(app, &session),
        SessionsAction::End { others: true, .. } => {
            let ended = session.run(session.client.end_other_sessions())?;
            app.console.note(format!("ended; other sessions that there were: {ended}"));
            app.console.result(&EndedJson { ended })
        }
        SessionsAction::End { ids, .. } => end(app, &session, &ids),
    }
}

fn list(app: &App, session: &Session) -> Result<(), Fault> {
    let sessions = session.run(session.client.sessions())?;
    if !app.console.json {
        let rows: Vec<Vec<String>> = sessions.iter().map(row).collect();
        app.console.table(&["ID", "PROGRAM", "SIGNED IN", "LAST USED", "2FA", ""], &rows)?;
    }
    let json = |one: OpenSession| SessionJson {
        id: one.id,
        client: one.client,
        created: stamp(one.created),
        last_used: stamp(one.last_used),
        ends: stamp(one.expires_at),
        second_factor: one.second_factor,
        current: one.current,
    };
    app.console.result(&SessionsJson { sessions: sessions.into_iter().map(json).collect() })
}

fn row(one: &OpenSession) -> Vec<String> {
    vec![
        safe(one.id.get(..SHOWN).unwrap_or(&one.id)),
        if one.client.is_empty() { "unknown".to_owned() } else { safe(&one.client) },
        moment(one.created),
        moment(one.last_used),
        (if one.second_factor { "yes" } else { "no" }).to_owned(),
        (if one.current { "this one" } else { "" }).to_owned(),
    ]
}

fn end(app: &App, session: &Session, ids: &[String]) -> Result<(), Fault> {
    let known = session.run(session.client.sessions())?;
    let chosen = ids.iter().map(|text| the_one(&known, text)).collect::<Result<Vec<_>, _>>()?;
    let mut ended = 0;
    for one in chosen {
        session.run(session.client.end_session(&one.id))?;
        app.console.note(format!("{}  ended", safe(&one.id)));
        ended += 1;
    }
    app.console.result(&EndedJson { ended })
}

/// The session that an id or the beginning of one names. One's own is ended by `wax logout`.
fn the_one<'a>(known: &'a [OpenSession], text: &str) -> Result<&'a OpenSession, Fault> {
    let text = text.trim().to_lowercase();
    let fits = |one: &&OpenSession| text.len() >= PREFIX_MIN && one.id.starts_with(&text);
    let found: Vec<&OpenSession> = known.iter().filter(fits).collect();
    match found.as_slice() {
        [one] if one.current => Err(Fault::new(Class::Usage, "that is the session on this device")
            .hint("end it, and forget the unlocked keys: wax logout")),
        [one] => Ok(one),
        [] => Err(Fault::new(Class::NotFound, format!("none of your sessions is {}", quoted(&text)))
            .hint(format!("wax sessions shows them; at least the first {PREFIX_MIN} characters are needed"))),
        _ => Err(Fault::new(Class::Usage, format!("several ids begin with {}", quoted(&text)))
            .hint("give more of it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: &str, current: bool) -> OpenSession {
        OpenSession {
            id: id.to_owned(),
            client: String::new(),
            created: 0,
            last_used: 0,
            expires_at: 0,
            second_factor: false,
            current,
        }
    }

    #[test]
    fn a_beginning_names_one_session_and_never_ones_own() {
        let known = [one("aaaa1111", false), one("aaaa2222", false), one("bbbb1111", true)];
        assert_eq!(the_one(&known, " AAAA1 ").unwrap().id, "aaaa1111");
        for (text, class) in [
            ("aaaa", Class::Usage),
            ("bbbb", Class::Usage),
            ("cccc", Class::NotFound),
            ("aaa", Class::NotFound),
        ] {
            assert_eq!(the_one(&known, text).unwrap_err().class, class, "{text}");
        }
    }
}
