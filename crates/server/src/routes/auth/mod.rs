//! Sign-in.

pub(crate) mod code;
pub(crate) mod logout;
pub(crate) mod passkey;
pub(crate) mod passkeys;
pub(crate) mod refresh;
pub(crate) mod second;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod totp;
pub(crate) mod whoami;

use envelope::Address;

use crate::error::{Answer, Refusal};
use crate::http::ClientIp;
use crate::limited::Limit;
use crate::state::App;

/// Counts a sign-in request of a network address.
async fn count(app: &App, kind: &'static str, client: &ClientIp) -> Answer<()> {
    Limit::hourly(kind, app.limits.sign_ins_per_ip).count(app, &client.0).await
}

pub(crate) fn address(text: &str) -> Answer<Address> {
    Address::parse(text).map_err(|_| Refusal::malformed("That is not an e-mail address."))
}
