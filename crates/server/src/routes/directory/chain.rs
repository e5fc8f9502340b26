//! `GET /directory/{user_id}/chain`: bundles of one account in order, for a reader who is behind.

use axum::extract::State;
use axum::response::Response;
use envelope::bundle::MAX_CHAIN;
use envelope::ids::UserId;
use proto::{B64, Chain};
use serde::Deserialize;

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Params, reply};
use crate::state::App;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    #[serde(default = "first")]
    from: u32,
}

fn first() -> u32 {
    1
}

pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Fields(user_id): Fields<UserId>,
    Params(query): Params<Query>,
) -> Answer<Response> {
    super::count(&app, &caller).await?;
    let limit = u32::try_from(MAX_CHAIN).unwrap_or(u32::MAX);
    let chain = app.db.bundle_chain(user_id, query.from, limit).await?;
    if chain.is_empty() {
        return Err(Refusal::not_found());
    }
    let bundles =
        chain.into_iter().map(|stored| super::octets(&app, stored).map(B64)).collect::<Answer<_>>()?;
    Ok(reply(&Chain { user_id, bundles }))
}
