//! `POST /auth/session`: trades a code for a session, or for the way to the second factor; the first right code makes the
//! account.

use axum::extract::State;
use axum::response::Response;
use db::{Enrolled, NewAccount};
use envelope::ids::UserId;
use proto::{Code, SessionRequest, SignIn};

use crate::audit::{self, Agent};
use crate::auth::{code as auth_code, factor, session};
use crate::error::{Answer, Refusal};
use crate::http::{ClientIp, Json, Keeper, reply};
use crate::state::App;

pub(crate) async fn open(
    State(app): State<App>,
    client: ClientIp,
    agent: Agent,
    keeper: Keeper,
    Json(request): Json<SessionRequest>,
) -> Answer<Response> {
    super::count(&app, "ip-session", &client).await?;
    let enrolled = enrol(&app, &request.email, &request.code, &agent).await?;
    let user = enrolled.account.user;
    let factors = app.db.factors_of(user).await?;
    if factors.is_any() {
        return Ok(reply(&SignIn::Half { second_factor: factor::ask(&app, user, factors).await? }));
    }
    let opened = session::open(&app, user, agent.clone(), false, keeper).await?;
    audit::signed_in(&app, user, enrolled.is_new, "code", &agent).await?;
    Ok(opened.into_reply(&app))
}

/// Trades a right code for the account of its address, made now if sign-up is open to it.
pub(crate) async fn enrol(app: &App, email: &str, code: &str, agent: &Agent) -> Answer<Enrolled> {
    let address = super::address(email)?;
    let redeemed = auth_code::redeem(app, &address, code).await;
    redeemed.inspect_err(|refusal| audit::code_rejected(app, &address, agent, refusal))?;
    let lookup = app.keys.lookup(&address);
    // Only after the right code, so that nobody else learns whether there is an account.
    let new = NewAccount {
        lookup,
        sealed_address: app.keys.seal_address(&address),
        user: UserId::from_bytes(crate::random::uuid()),
        now: app.time(),
    };
    let enrolled = if app.signup.admits(address.as_str()) {
        app.db.find_or_create_account(new).await?
    } else {
        app.db.find_or_create_invited(new).await?.ok_or_else(|| {
            Refusal::new(
                Code::SignupClosed,
                "This server makes no account for this address. Ask its operator.",
            )
        })?
    };
    if enrolled.account.suspended_at.is_some() {
        return Err(Refusal::suspended());
    }
    if enrolled.is_new {
        tracing::info!(user = %enrolled.account.user, "an account was made");
    }
    Ok(enrolled)
}
