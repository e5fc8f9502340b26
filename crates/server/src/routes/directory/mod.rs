//! The directory of signed bundles.

pub(crate) mod chain;
pub(crate) mod lookup;
pub(crate) mod mine;
pub(crate) mod publish;
pub(crate) mod reset;

use std::collections::HashMap;

use db::StoredBundle;
use envelope::Bundle;
use envelope::ids::UserId;
use proto::Code;

use crate::audit;
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::limited::Limit;
use crate::state::App;

/// Counts a directory request, which could otherwise be used to collect who is there.
async fn count(app: &App, caller: &Caller) -> Answer<()> {
    let counted = Limit::hourly("lookup", app.limits.lookups).count(app, caller.user.as_bytes()).await;
    // What Redis says again was noted when the database said it.
    if matches!(&counted, Err(refusal) if refusal.code == Code::TooMany && !refusal.is_said_again) {
        audit::limit_reached(app, caller.user).await?;
    }
    counted
}

/// The octets of a stored bundle.
pub(crate) fn octets(app: &App, stored: StoredBundle) -> Answer<Vec<u8>> {
    app.keys.open_bundle(stored).ok_or_else(|| Refusal::internal(Unreadable))
}

/// A stored bundle, read again; it was judged before it was stored.
pub(crate) fn read(app: &App, stored: StoredBundle) -> Answer<Bundle> {
    Bundle::parse(octets(app, stored)?).map_err(Refusal::internal)
}

/// The newest bundle of a person, if they have published one.
pub(crate) async fn newest(app: &App, user: UserId) -> Answer<Option<Bundle>> {
    app.db.newest_bundle(user).await?.map(|stored| read(app, stored)).transpose()
}

/// The newest bundles of several people, as octets.
pub(crate) async fn newest_of(app: &App, users: &[UserId]) -> Answer<HashMap<UserId, Vec<u8>>> {
    let stored = app.db.newest_bundles(users).await?;
    stored.into_iter().map(|stored| Ok((stored.user, octets(app, stored)?))).collect()
}

/// The row was sealed with another `SECRET_KEY` than today's.
#[derive(Debug, thiserror::Error)]
#[error("a stored bundle does not open: SECRET_KEY is not the one it was sealed with")]
struct Unreadable;
