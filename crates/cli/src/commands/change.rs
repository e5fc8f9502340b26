//! `wax change`: when a file ends, and how often others may download it.

use super::{compat, file_id, moment, stamp};
use crate::app::App;
use crate::args::Change;
use crate::expiry::count;
use crate::fault::{Class, Fault};
use crate::keyring;
use serde::Serialize;

/// `{"id", "expires_at", "downloads", "max_downloads"?}`.
#[derive(Serialize)]
struct ChangeJson {
    id: String,
    expires_at: Option<String>,
    downloads: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_downloads: Option<u32>,
}

pub(super) fn run(app: &App, args: &Change) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    let id = file_id(&session, &me, &args.id)?;
    let terms = session.run(session.client.file_terms(&me, id));
    let (terms, latest) = terms.map_err(|fault| compat::cannot(&session, id, fault))?;
    let now = jiff::Timestamp::now().as_second();
    let span = args.expires.map(|span| now.saturating_add(i64::try_from(span.seconds()).unwrap_or(i64::MAX)));
    let expires_at = span.or(args.expires_at.map(|ends| ends.0)).unwrap_or(terms.expires_at);
    if expires_at <= now {
        return Err(Fault::new(Class::Usage, "that time is over; nothing was changed")
            .hint("to end it now, run wax rm, or wax stop to keep it for yourself"));
    }
    if expires_at > latest {
        return Err(Fault::new(
            Class::Usage,
            "a file ends at most 366 days after it was sent; nothing was changed",
        )
        .hint(format!("the latest for this one is {}", moment(latest))));
    }
    let max_downloads = if args.no_limit { None } else { args.downloads.or(terms.max_downloads) };
    let changed = session.run(session.client.change_file(id, expires_at, max_downloads))?;
    let console = &app.console;
    let used = match changed.max_downloads {
        Some(most) => format!("{} of {} used", changed.downloads, count(most.into(), "download")),
        None => "any number of downloads".to_owned(),
    };
    console.say(format!("{id}  ends {}, {used}", moment(changed.expires_at)))?;
    if changed.max_downloads.is_some_and(|most| changed.downloads >= most) {
        console.note("all allowed downloads are used: nobody begins another");
    }
    console.result(&ChangeJson {
        id: id.to_string(),
        expires_at: stamp(changed.expires_at),
        downloads: changed.downloads,
        max_downloads: changed.max_downloads,
    })
}
