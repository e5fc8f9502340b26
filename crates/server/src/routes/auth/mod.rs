//! Sign-in.

pub(crate) mod code;
pub(crate) mod logout;
pub(crate) mod refresh;
pub(crate) mod second;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod totp;
pub(crate) mod whoami;

use db::{Hit, HitAnswer};
use envelope::Address;

use crate::error::{Answer, Refusal};
use crate::http::ClientIp;
use crate::state::App;

const HOUR: u32 = 3_600;

/// Counts a sign-in request of a network address.
async fn count(app: &App, kind: &str, client: &ClientIp) -> Answer<()> {
    let hit = Hit {
        bucket: app.keys.bucket(kind, &client.0),
        window_secs: HOUR,
        max: app.limits.sign_ins_per_ip,
        now: app.time(),
    };
    match app.db.count_hit(hit).await? {
        HitAnswer::Allowed { .. } => Ok(()),
        HitAnswer::TooMany { retry_after_secs } => Err(Refusal::too_many(retry_after_secs)),
    }
}

fn address(text: &str) -> Answer<Address> {
    Address::parse(text).map_err(|_| Refusal::malformed("That is not an e-mail address."))
}
