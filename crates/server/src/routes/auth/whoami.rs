//! `GET /auth/whoami`: who calls, and what they are charged for.

use axum::extract::State;
use axum::response::Response;
use proto::WhoAmI;

use crate::auth::SignedIn;
use crate::error::{Answer, Refusal};
use crate::http::reply;
use crate::state::App;

pub(crate) async fn show(State(app): State<App>, caller: SignedIn) -> Answer<Response> {
    let account = app.db.account(caller.user).await?.ok_or_else(Refusal::not_found)?;
    let usage = app.db.usage(caller.user).await?;
    let factors = app.db.factors_of(caller.user).await?;
    Ok(reply(&WhoAmI {
        user_id: account.user,
        created: account.created_at.0,
        has_bundle: app.db.newest_bundle(caller.user).await?.is_some(),
        used_bytes: usage.charged_bytes,
        quota_bytes: account.quota_bytes.unwrap_or(app.limits.quota_bytes),
        second_factor: factors.is_any(),
        authenticator_app: factors.app,
        passkeys: factors.passkeys,
        backup_codes_left: factors.backup_codes,
        second_factor_demanded: app.second_factor.is_demanded(),
        publishes: app.stores.publishes(),
        server_time: app.now(),
    }))
}
