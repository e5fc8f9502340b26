//! `GET /files/{file_id}/cids`: where the parts of a file are on IPFS, for whoever may see the file.

use axum::extract::State;
use axum::response::Response;
use db::Part;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::limits::CIDS_MAX;
use proto::{CidsQuery, FileId, PartCid, PartCids};

use crate::auth::Caller;
use crate::error::Answer;
use crate::http::{Fields, Params, reply};
use crate::state::App;
use crate::stores::{StoreError, StoreName};

/// Questions to the node that one request has under way.
const ASKED_AT_ONCE: usize = 8;

pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Fields(file_id): Fields<FileId>,
    Params(query): Params<CidsQuery>,
) -> Answer<Response> {
    match query.recipient {
        None => drop(super::view(&app, caller.user, file_id).await?),
        Some(key) => drop(super::view_by_key(&app, caller.user, file_id, key).await?),
    }
    if app.stores.shelf(StoreName::Ipfs).is_err() {
        return Ok(reply(&PartCids::default()));
    }
    let parts = app.db.parts_of(file_id).await?;
    let (page, next) = page(&parts, query.from);
    let asked: Vec<_> = page.into_iter().map(|part| told(&app, part)).collect();
    let parts = stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await?;
    Ok(reply(&PartCids { parts, next }))
}

/// The parts from `from` on that one reply tells, and where the next one begins.
fn page(parts: &[Part], from: u32) -> (Vec<&Part>, Option<u32>) {
    let mut rest = parts.iter().filter(|part| part.n >= from);
    let page = rest.by_ref().take(CIDS_MAX).collect();
    (page, rest.next().map(|part| part.n))
}

async fn told(app: &App, part: &Part) -> Result<PartCid, StoreError> {
    let cid = app.stores.cid(&part.blob).await?.map(|cid| cid.to_string());
    Ok(PartCid { n: part.n, length: part.len, cid })
}

#[cfg(test)]
mod tests {
    use db::{BlobRef, Digest};

    use super::*;

    fn parts(count: u32) -> Vec<Part> {
        let part = |n| Part {
            n,
            len: 1,
            node: Digest::from_bytes([0; 32]),
            blob: BlobRef::new(n.to_string()),
            is_final: n + 1 == count,
        };
        (0..count).map(part).collect()
    }

    #[test]
    fn pages_are_bounded_and_together_all_there_is() {
        for count in [0, 1, 199, 200, 201, 1_000] {
            let parts = parts(count);
            let (mut told, mut from) = (Vec::new(), Some(0));
            while let Some(first) = from {
                let (page, next) = page(&parts, first);
                assert!(page.len() <= CIDS_MAX);
                told.extend(page.into_iter().cloned());
                from = next;
            }
            assert_eq!(told, parts);
        }
        assert_eq!(page(&parts(3), u32::MAX), (Vec::new(), None));
    }
}
