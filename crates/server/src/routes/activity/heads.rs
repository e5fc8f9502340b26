//! `GET /activity/heads`: what each batch added to the chain, so that a client can prove that what it saw is still there.

use axum::extract::State;
use axum::response::Response;
use proto::Heads;
use proto::limits::HEADS_MAX;
use serde::Deserialize;

use crate::auth::Caller;
use crate::error::Answer;
use crate::http::{Params, reply};
use crate::state::App;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    #[serde(default)]
    from: u64,
}

pub(crate) async fn show(
    State(app): State<App>,
    _caller: Caller,
    Params(query): Params<Query>,
) -> Answer<Response> {
    let batches = app.db.batches_from(query.from, HEADS_MAX).await?;
    Ok(reply(&Heads { links: batches.into_iter().map(|batch| batch.link).collect() }))
}
