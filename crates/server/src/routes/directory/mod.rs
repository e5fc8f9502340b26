//! The directory of signed bundles.

pub(crate) mod chain;
pub(crate) mod lookup;
pub(crate) mod mine;
pub(crate) mod publish;

use db::{Hit, HitAnswer, StoredBundle};
use envelope::Bundle;
use envelope::ids::UserId;

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::state::App;

/// Counts a directory request, which could otherwise be used to collect who is there.
async fn count(app: &App, caller: &Caller) -> Answer<()> {
    let hit = Hit {
        bucket: app.keys.bucket("lookup", caller.user.as_bytes()),
        window_secs: 3_600,
        max: app.limits.lookups,
        now: app.time(),
    };
    match app.db.count_hit(hit).await? {
        HitAnswer::Allowed { .. } => Ok(()),
        HitAnswer::TooMany { retry_after_secs } => Err(Refusal::too_many(retry_after_secs)),
    }
}

/// A stored bundle, read again; it was judged before it was stored.
pub(crate) fn read(stored: StoredBundle) -> Answer<Bundle> {
    Bundle::parse(stored.bundle).map_err(Refusal::internal)
}

/// The newest bundle of a person, if they have published one.
pub(crate) async fn newest(app: &App, user: UserId) -> Answer<Option<Bundle>> {
    app.db.newest_bundle(user).await?.map(read).transpose()
}
