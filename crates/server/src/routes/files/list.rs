//! `GET /files`: the caller's files, newest first, page by page.

use axum::extract::State;
use axum::response::Response;
use db::{FileCursor, UnixTime};
use envelope::ids::FileId;
use proto::limits::{PAGE_DEFAULT, PAGE_MAX};
use proto::{B64, BoxId, FilePage};
use serde::Deserialize;

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Params, reply};
use crate::routes::directory;
use crate::state::App;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    after: Option<String>,
    limit: Option<u32>,
    /// Only what came into this box of the caller's.
    #[serde(rename = "box")]
    into: Option<BoxId>,
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
    let after = query.after.as_deref().map(read_cursor).transpose()?;
    let views = match query.into {
        None => app.db.list_files(caller.user, after, limit, app.time()).await?,
        Some(id) => app.db.list_box(caller.user, id, after, limit, app.time()).await?,
    };
    let is_full = views.len() >= limit as usize;
    let next = views.last().filter(|_| is_full).map(|last| write_cursor(&last.cursor()));
    let mut people: Vec<_> = views.iter().flat_map(super::shown).collect();
    people.sort_unstable();
    people.dedup();
    let bundles = directory::newest_of(&app, &people).await?;
    let files = views.into_iter().filter_map(|view| super::info(view, &bundles)).collect();
    Ok(reply(&FilePage { files, next }))
}

pub(crate) fn write_cursor(cursor: &FileCursor) -> String {
    let mut bytes = cursor.listed_at.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(cursor.file_id.as_bytes());
    B64(bytes).to_text()
}

pub(crate) fn read_cursor(text: &str) -> Answer<FileCursor> {
    let wrong = || Refusal::malformed("The cursor is not one of this server's. Start from the first page.");
    let bytes = B64::parse(text).map_err(|_| wrong())?.0;
    let (listed_at, file_id) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    let file_id: [u8; 16] = file_id.try_into().map_err(|_| wrong())?;
    Ok(FileCursor {
        listed_at: UnixTime(i64::from_be_bytes(*listed_at)),
        file_id: FileId::from_bytes(file_id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        let cursor = FileCursor { listed_at: UnixTime(1_700_000_000), file_id: FileId::from_bytes([9; 16]) };
        assert_eq!(read_cursor(&write_cursor(&cursor)).unwrap(), cursor);
        for text in ["", "AAAA", "not base64!", &B64(vec![0; 25]).to_text()] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }
}
