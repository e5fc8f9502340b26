//! `GET /boxes/{box_id}`: what whoever has the address needs to send into the box, and nothing else of its owner.

use axum::extract::State;
use axum::response::Response;
use envelope::bundle::MAX_CHAIN;
use proto::{B64, BoxId, BoxView};

use crate::error::{Answer, Refusal};
use crate::http::{ClientIp, Fields, reply};
use crate::limited::Limit;
use crate::routes::directory;
use crate::state::App;

pub(crate) async fn show(
    State(app): State<App>,
    ip: ClientIp,
    Fields(id): Fields<BoxId>,
) -> Answer<Response> {
    count(&app, &ip).await?;
    let there = super::open(&app, id).await?;
    let newest = app.db.newest_bundle(there.owner).await?.ok_or_else(Refusal::not_found)?;
    let most = u32::try_from(MAX_CHAIN).unwrap_or(u32::MAX);
    let from = newest.seq.saturating_sub(most - 1).max(1);
    let chain = app.db.bundle_chain(there.owner, from, most).await?;
    let owner_chain =
        chain.into_iter().map(|stored| directory::octets(&app, stored).map(B64)).collect::<Answer<_>>()?;
    Ok(reply(&BoxView {
        description: B64(there.description),
        owner: there.owner,
        owner_chain,
        publishes: app.stores.publishes(),
    }))
}

/// Counts a visit, whether or not there is such a box.
pub(super) async fn count(app: &App, ip: &ClientIp) -> Answer<()> {
    Limit::hourly("boxes", app.limits.boxes_per_ip).count(app, &ip.0).await
}
