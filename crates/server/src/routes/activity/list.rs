//! `GET /activity`: the caller's events, newest first, page by page, and where the log stands.

use axum::extract::State;
use axum::response::Response;
use db::{AskActivity, StoredEvent, UnixTime};
use proto::limits::{PAGE_DEFAULT, PAGE_MAX};
use proto::{ActivityEvent, ActivityPage, B64, FileId, Head, Kind, LogState, SignedHead};
use serde::Deserialize;

use crate::audit::PersonalKey;
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Params, reply};
use crate::state::App;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    after: Option<String>,
    limit: Option<u32>,
    kind: Option<String>,
    file: Option<FileId>,
    since: Option<i64>,
}

pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<Query>,
) -> Answer<Response> {
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Refusal::malformed("A page has 1 to 200 rows."));
    }
    let kind = query.kind.as_deref().map(str::parse::<Kind>).transpose();
    let kind = kind.map_err(|_| Refusal::malformed("There is no such kind of event."))?;
    // Asked for before the events: a head that a client has seen never misses an event that it was shown as sealed.
    let log = log(&app).await?;
    let ask = AskActivity {
        user: caller.user,
        before: query.after.as_deref().map(read_cursor).transpose()?,
        kind,
        file_id: query.file,
        since: query.since.map(UnixTime),
        limit,
    };
    let events = app.db.activity_of(ask).await?;
    let is_full = events.len() >= limit as usize;
    let next = events.last().filter(|_| is_full).map(|last| write_cursor(last.n));
    let key = PersonalKey::existing(&app, caller.user).await?;
    let events = events.into_iter().map(|event| show(event, &caller, key.as_ref())).collect();
    Ok(reply(&ActivityPage { events, next, log }))
}

/// Personal fields are for the one who acted, and for nobody else.
fn show(event: StoredEvent, caller: &Caller, key: Option<&PersonalKey>) -> ActivityEvent {
    let own_key = key.filter(|_| event.actor == caller.user);
    let personal = own_key.map(|key| key.read(&event)).unwrap_or_default();
    ActivityEvent {
        id: event.id,
        at: event.at.0,
        kind: event.kind,
        actor: event.actor,
        file_id: event.file_id,
        other: event.other,
        agent: personal.agent,
        means: personal.means,
        batch: event.batch,
    }
}

async fn log(app: &App) -> Answer<LogState> {
    let newest = app.db.newest_batch().await?.map(|newest| SignedHead {
        head: Head {
            seq: newest.link.seq,
            hash: envelope::merkle::Node::from_bytes(*newest.head.as_bytes()),
        },
        signature: B64(newest.signature.to_vec()),
    });
    Ok(LogState { key: B64(app.keys.log_key().as_bytes().to_vec()), newest })
}

fn write_cursor(n: u64) -> String {
    B64(n.to_be_bytes().to_vec()).to_text()
}

fn read_cursor(text: &str) -> Answer<u64> {
    let wrong = || Refusal::malformed("The cursor is not one of this server's. Start from the first page.");
    let bytes: [u8; 8] = B64::parse(text).ok().and_then(|bytes| bytes.0.try_into().ok()).ok_or_else(wrong)?;
    Ok(u64::from_be_bytes(bytes))
}
