//! The extractors of routes that need a signed-in person.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use db::SessionId;
use envelope::ids::UserId;
use proto::Code;
use proto::live::PROTOCOL_TOKEN;

use crate::error::{Answer, Refusal};
use crate::http::not_from_another_site;
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
    /// The unix second from which on the token is not believed.
    pub(crate) ends: i64,
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
        let (bearer, ends) = app.access.judge_until(token, app.now()).map_err(|_| ended())?;
        let Some(session) = app.db.session(bearer.sid, app.time()).await? else {
            // The token is genuine and of the last hour: its bearer may know why the session is gone.
            return Err(if is_suspended(app, bearer.user).await? { Refusal::suspended() } else { ended() });
        };
        if session.user != bearer.user {
            return Err(ended());
        }
        Ok(Self { user: bearer.user, sid: bearer.sid, strong: session.strong, ends })
    }
}

/// Whether an account is suspended.
pub(crate) async fn is_suspended(app: &App, user: UserId) -> Answer<bool> {
    Ok(app.db.account(user).await?.is_some_and(|account| account.suspended_at.is_some()))
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let caller = SignedIn::from_request_parts(parts, app).await?.as_demanded(app)?;
        Ok(Self { user: caller.user })
    }
}

/// A [`Caller`] with the session and its end, for a connection that outlives its request. A page may ask if it is this
/// server's own; as browsers let no page set a header on a WebSocket, its token may stand among the subprotocols.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watcher(pub(crate) SignedIn);

impl FromRequestParts<App> for Watcher {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let is_page = not_from_another_site(app, &parts.headers)?;
        let is_upgrade = parts.headers.contains_key(header::UPGRADE);
        if is_page
            && is_upgrade
            && !parts.headers.contains_key(header::AUTHORIZATION)
            && let Some(mut shown) = token_among_protocols(&parts.headers)
        {
            shown.set_sensitive(true);
            parts.headers.insert(header::AUTHORIZATION, shown);
        }
        Ok(Self(SignedIn::from_request_parts(parts, app).await?.as_demanded(app)?))
    }
}

fn token_among_protocols(headers: &HeaderMap) -> Option<HeaderValue> {
    let listed = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let token = listed.split(',').find_map(|one| one.trim().strip_prefix(PROTOCOL_TOKEN))?;
    HeaderValue::from_str(&format!("Bearer {token}")).ok()
}

impl SignedIn {
    /// The same, if it satisfies the server's policy.
    fn as_demanded(self, app: &App) -> Result<Self, Refusal> {
        if app.second_factor.is_demanded() && !self.strong {
            return Err(Refusal::new(
                Code::SecondFactorNeeded,
                "This server demands a second factor. Add a passkey or an authenticator app, or sign in again with yours.",
            ));
        }
        Ok(self)
    }
}
