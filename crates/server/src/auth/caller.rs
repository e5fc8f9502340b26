//! The extractors of routes that need a signed-in person.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use db::SessionId;
use envelope::ids::UserId;
use proto::Code;

use crate::error::{Answer, Refusal};
use crate::state::App;

/// A signed-in person. The session was alive when the request came, and satisfies the server's policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) user: UserId,
}

/// A signed-in person, whatever the policy demands: for the routes by which it can be satisfied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedIn {
    pub(crate) user: UserId,
    pub(crate) sid: SessionId,
    pub(crate) strong: bool,
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let needed =
            || Refusal::new(Code::SignInNeeded, "Sign in, then send the access token as a bearer token.");
        let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(needed)?;
        let text = header.to_str().map_err(|_| needed())?;
        let (scheme, token) = text.split_once(' ').ok_or_else(needed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(needed());
        }
        let ended = || Refusal::new(Code::SignInNeeded, "The session has ended. Renew it, or sign in again.");
        let bearer = app.access.judge(token, app.now()).map_err(|_| ended())?;
        let Some(session) = app.db.session(bearer.sid, app.time()).await? else {
            // The token is genuine and of the last hour: its bearer may know why the session is gone.
            return Err(if is_suspended(app, bearer.user).await? { Refusal::suspended() } else { ended() });
        };
        if session.user != bearer.user {
            return Err(ended());
        }
        Ok(Self { user: bearer.user, sid: bearer.sid, strong: session.strong })
    }
}

/// Whether an account is suspended.
pub(crate) async fn is_suspended(app: &App, user: UserId) -> Answer<bool> {
    Ok(app.db.account(user).await?.is_some_and(|account| account.suspended_at.is_some()))
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let caller = SignedIn::from_request_parts(parts, app).await?;
        if app.second_factor.is_demanded() && !caller.strong {
            return Err(Refusal::new(
                Code::SecondFactorNeeded,
                "This server demands a second factor. Add a passkey or an authenticator app, or sign in again with yours.",
            ));
        }
        Ok(Self { user: caller.user })
    }
}
