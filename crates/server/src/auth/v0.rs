//! Who calls the documented API (v0): its sessions, and callers within its limits.
//!
//! A session is a row as every other, so that it is listed, ended and suspended with them; its tokens are good on v0 paths
//! alone. A native session's access token is taken there too: it may do more already.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use db::{NewSession, RefreshHash, SessionId};
use envelope::ids::UserId;
use proto::limits::ACCESS_SECONDS;
use proto::v0::{LoginReply, REFRESH_SECONDS, RefreshReply};
use proto::{Code, Token};

use super::access::{Bearer, Realm};
use super::is_suspended;
use crate::error::{Answer, Refusal};
use crate::http::{ClientIp, ClientName};
use crate::limited::Limit;
use crate::secrets::sha256;
use crate::state::App;

/// What such a session is called in the list of sessions, unless the client says more.
const CLIENT: &str = "v0 API";

/// Opens a session for a person who has proved the mailbox.
pub(crate) async fn open(app: &App, user: UserId, client: &ClientName) -> Answer<LoginReply> {
    let sid = SessionId::from_bytes(crate::random::uuid());
    let now = app.now();
    let told = client.told().map_or_else(|| CLIENT.to_owned(), |told| format!("{CLIENT}, {told}"));
    app.db
        .open_session(NewSession {
            sid,
            user,
            // Its refresh token names the session itself; nothing is ever found by this.
            refresh: RefreshHash::from_bytes(sha256(&[
                b"waxwing/v0/refresh\0",
                &crate::random::bytes::<32>(),
            ])),
            now: app.time(),
            expires_at: app.time().plus(REFRESH_SECONDS),
            client: told.chars().take(proto::limits::CLIENT_MAX).collect(),
            strong: false,
        })
        .await?;
    let bearer = Bearer { user, sid };
    Ok(LoginReply {
        token: app.access.issue_for(Realm::V0Access, bearer, now, ACCESS_SECONDS),
        refresh_token: app.access.issue_for(Realm::V0Refresh, bearer, now, REFRESH_SECONDS),
        user_id: user,
        expires_in: ACCESS_SECONDS,
    })
}

/// A new access token; the refresh token stays as it is, and so does the session's end.
pub(crate) async fn renew(app: &App, token: &Token) -> Answer<RefreshReply> {
    let now = app.now();
    let bearer = app.access.judge_for(Realm::V0Refresh, token.expose_secret(), now).map_err(|_| ended())?;
    alive(app, bearer).await?;
    Ok(RefreshReply {
        token: app.access.issue_for(Realm::V0Access, bearer, now, ACCESS_SECONDS),
        expires_in: ACCESS_SECONDS,
    })
}

fn ended() -> Refusal {
    Refusal::new(Code::SignInNeeded, "The session has ended. Sign in again.")
}

/// Whether the session lives, and has shown a second factor.
async fn alive(app: &App, bearer: Bearer) -> Answer<bool> {
    let Some(session) = app.db.session(bearer.sid, app.time()).await? else {
        return Err(if is_suspended(app, bearer.user).await? { Refusal::suspended() } else { ended() });
    };
    if session.user == bearer.user { Ok(session.strong) } else { Err(ended()) }
}

/// A person who signed in, here or natively, before any limit is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) user: UserId,
    pub(crate) sid: SessionId,
    strong: bool,
}

impl FromRequestParts<App> for Member {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let text = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = text
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token)
            .ok_or_else(|| {
                Refusal::new(Code::SignInNeeded, "Sign in, then send the token as a bearer token.")
            })?;
        let now = app.now();
        let bearer = app
            .access
            .judge_for(Realm::V0Access, token, now)
            .or_else(|_| app.access.judge(token, now))
            .map_err(|_| ended())?;
        let strong = alive(app, bearer).await?;
        Ok(Self { user: bearer.user, sid: bearer.sid, strong })
    }
}

impl Member {
    /// Refuses whom the server's policy does not let in.
    fn admitted(self, app: &App) -> Answer<Self> {
        if app.second_factor.is_demanded() && !self.strong {
            return Err(Refusal::new(
                Code::SecondFactorNeeded,
                "This server demands a second factor, which this API cannot show. Use wax.",
            ));
        }
        Ok(self)
    }
}

/// Somebody who uploads: within the limit of uploads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uploader(pub(crate) Member);

impl FromRequestParts<App> for Uploader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let member = Member::from_request_parts(parts, app).await?.admitted(app)?;
        let limit = Limit::hourly("v0-uploads", app.v0.v0_uploads_per_hour);
        limit.count(app, member.user.as_bytes()).await?;
        Ok(Self(member))
    }
}

/// Somebody who calls anything else: within the limits of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct V0Caller(pub(crate) Member);

impl FromRequestParts<App> for V0Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let member = Member::from_request_parts(parts, app).await?.admitted(app)?;
        count(app, member.user.as_bytes()).await?;
        Ok(Self(member))
    }
}

/// The same of nobody who has said who they are: by the network address.
pub(crate) async fn count_stranger(app: &App, client: &ClientIp) -> Answer<()> {
    count(app, &client.0).await
}

async fn count(app: &App, subject: &[u8]) -> Answer<()> {
    Limit::hourly("v0-hour", app.v0.v0_calls_per_hour).count(app, subject).await?;
    Limit::daily("v0-day", app.v0.v0_calls_per_day).count(app, subject).await
}
