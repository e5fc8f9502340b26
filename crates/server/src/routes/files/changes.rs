//! `GET /files/changes`: what changed in the caller's list since they last asked, page by page.

use axum::extract::State;
use axum::response::Response;
use envelope::ids::UserId;
use proto::limits::{CHANGES_SECONDS, PAGE_DEFAULT, PAGE_MAX};
use proto::{B64, FileChanges};
use serde::Deserialize;

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Params, reply};
use crate::routes::directory;
use crate::state::App;

/// Numbers of one era differ in their lower bits only. Another era is another history of this database: a backup was put
/// back, and a cursor from before says nothing any more.
const ERA_BITS: u32 = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    after: Option<String>,
    limit: Option<u32>,
}

/// Up to where a caller was told, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    seq: u64,
    told_at: i64,
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
    let now = app.time();
    let asked = query.after.as_deref().map(Cursor::read).transpose()?;
    let last = app.db.last_change().await?;
    let known = asked.filter(|cursor| cursor.holds(last, now.0));
    let restarted = asked.is_some() && known.is_none();
    let after = known.map_or(0, |cursor| cursor.seq);
    let changes = app.db.changed_files(caller.user, after, limit, now).await?;
    let more = changes.len() >= limit as usize;
    // An empty page was asked of a list that holds nothing new; where it begins, the era is noted.
    let seq = changes.last().map_or(if after == 0 && !more { last } else { after }, |change| change.seq);
    let mut people: Vec<UserId> =
        changes.iter().filter_map(|change| change.file.as_deref()).flat_map(super::shown).collect();
    people.sort_unstable();
    people.dedup();
    let bundles = directory::newest_of(&app, &people).await?;
    let (mut files, mut gone) = (Vec::new(), Vec::new());
    for change in changes {
        match change.file.and_then(|view| super::info(*view, &bundles)) {
            Some(info) => files.push(info),
            None => gone.push(change.file_id),
        }
    }
    let next = Cursor { seq, told_at: now.0 }.write();
    Ok(reply(&FileChanges { files, gone, next, more, now: now.0, restarted }))
}

impl Cursor {
    /// Whether everything since is still known: what left a list is remembered for some time only.
    fn holds(self, last: u64, now: i64) -> bool {
        self.seq <= last
            && self.seq >> ERA_BITS == last >> ERA_BITS
            && now.saturating_sub(self.told_at) < CHANGES_SECONDS
    }

    fn write(self) -> String {
        let mut bytes = self.seq.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.told_at.to_be_bytes());
        B64(bytes).to_text()
    }

    fn read(text: &str) -> Answer<Self> {
        let wrong =
            || Refusal::malformed("The cursor is not one of this server's. Start from the first page.");
        let bytes = B64::parse(text).map_err(|_| wrong())?.0;
        let (seq, told_at) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
        let told_at: [u8; 8] = told_at.try_into().map_err(|_| wrong())?;
        Ok(Self { seq: u64::from_be_bytes(*seq), told_at: i64::from_be_bytes(told_at) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        let cursor = Cursor { seq: 77, told_at: 1_700_000_000 };
        assert_eq!(Cursor::read(&cursor.write()).unwrap(), cursor);
        for text in ["", "AAAA", "not base64!", &B64(vec![0; 17]).to_text()] {
            assert!(Cursor::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_cursor_of_the_future_of_long_ago_or_of_another_history_does_not_hold() {
        let now = 1_800_000_000;
        let cursor = |seq, told_at| Cursor { seq, told_at };
        assert!(cursor(5, now).holds(5, now) && cursor(5, now - CHANGES_SECONDS + 1).holds(9, now));
        assert!(!cursor(6, now).holds(5, now), "beyond the last change");
        assert!(!cursor(5, now - CHANGES_SECONDS).holds(5, now), "too long ago");
        assert!(!cursor(5, now).holds((1 << ERA_BITS) + 9, now), "before a backup was put back");
        assert!(!cursor(u64::MAX, i64::MIN).holds(u64::MAX, now));
    }
}
