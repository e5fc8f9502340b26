//! `POST /auth/request_otp`, `/auth/login`, `/auth/refresh`, `/auth/logout`.

use axum::extract::State;
use axum::response::Response;
use proto::Code;
use proto::v0::{Done, LoginRequest, OtpRequest, RefreshRequest};

use crate::audit::{self, Agent, Kind};
use crate::auth::v0::{Member, count_stranger};
use crate::auth::{code, v0};
use crate::error::{Answer, Refusal};
use crate::http::{ClientIp, Json, reply};
use crate::limited::Limit;
use crate::routes::auth::{address, session};
use crate::state::App;

pub(crate) async fn request_otp(
    State(app): State<App>,
    client: ClientIp,
    Json(request): Json<OtpRequest>,
) -> Answer<Response> {
    Limit::hourly("v0-otp", app.v0.v0_otp_per_ip).count(&app, &client.0).await?;
    code::send(&app, address(&request.email)?).await?;
    Ok(reply(&Done { status: "ok".to_owned(), message: Some("OTP sent to email".to_owned()) }))
}

pub(crate) async fn login(
    State(app): State<App>,
    client: ClientIp,
    agent: Agent,
    Json(request): Json<LoginRequest>,
) -> Answer<Response> {
    Limit::hourly("v0-login", app.v0.v0_logins_per_ip).count(&app, &client.0).await?;
    let enrolled = session::enrol(&app, &request.email, &request.otp, &agent).await?;
    let user = enrolled.account.user;
    // Told only after the right code, as natively.
    if app.second_factor.is_demanded() || app.db.factors_of(user).await?.is_any() {
        return Err(Refusal::new(
            Code::SecondFactorRequired,
            "A second factor is required, which this API cannot ask for. Sign in with wax.",
        ));
    }
    let opened = v0::open(&app, user, &agent).await?;
    audit::signed_in(&app, user, enrolled.is_new, "code, v0", &agent).await?;
    Ok(reply(&opened))
}

pub(crate) async fn refresh(
    State(app): State<App>,
    client: ClientIp,
    Json(request): Json<RefreshRequest>,
) -> Answer<Response> {
    count_stranger(&app, &client).await?;
    Ok(reply(&v0::renew(&app, &request.refresh_token).await?))
}

/// Not counted: nobody is kept from ending their session.
pub(crate) async fn logout(State(app): State<App>, caller: Member, agent: Agent) -> Answer<Response> {
    app.db.end_session(caller.sid).await?;
    audit::note(&app, caller.user, Kind::SessionEnded, &agent).await?;
    Ok(reply(&Done { status: "ok".to_owned(), message: None }))
}
