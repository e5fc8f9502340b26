//! Sessions: an access token for an hour, and a refresh token that is good once. A program gets both in the reply; a
//! browser gets an access token for a quarter of an hour, and the other in a cookie.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use db::{NewSession, RotateRefresh, Rotation, SessionId};
use envelope::ids::UserId;
use proto::limits::{ACCESS_SECONDS, BROWSER_ACCESS_SECONDS, REFRESH_GRACE_SECONDS, REFRESH_SECONDS};
use proto::{B64, BrowserSession, Code, SessionReply, Token};
use zeroize::Zeroizing;

use super::access::Bearer;
use crate::audit::{self, Agent, Kind};
use crate::error::{Answer, Refusal};
use crate::http::{ClientName, Keeper, Presented, forgotten, kept_in_cookie, reply};
use crate::secrets::refresh_hash;
use crate::state::App;

/// A session that was opened or renewed, with its tokens.
pub(crate) struct Opened {
    bearer: Bearer,
    refresh: Zeroizing<[u8; 32]>,
    keeper: Keeper,
}

/// Opens a session for a person who has proved who they are, and shown a second factor if it is `strong`.
pub(crate) async fn open(
    app: &App,
    user: UserId,
    client: ClientName,
    strong: bool,
    keeper: Keeper,
) -> Answer<Opened> {
    let sid = SessionId::from_bytes(crate::random::uuid());
    let refresh = Zeroizing::new(crate::random::bytes::<32>());
    app.db
        .open_session(NewSession {
            sid,
            user,
            refresh: refresh_hash(keeper, &refresh),
            now: app.time(),
            expires_at: app.time().plus(REFRESH_SECONDS),
            client: client.0,
            strong,
        })
        .await?;
    Ok(Opened { bearer: Bearer { user, sid }, refresh, keeper })
}

/// Exchanges a refresh token; one that was used before has been copied, and ends its session. Within half a minute the
/// same exchange gives the same token again, for a client that never saw the first answer, and for a second tab.
pub(crate) async fn renew(app: &App, presented: &Presented) -> Answer<Opened> {
    let ended = || Refusal::new(Code::SignInNeeded, "The session has ended. Sign in again.");
    let keeper = presented.keeper;
    let old = presented.token.as_ref().and_then(read).ok_or_else(ended)?;
    let fresh = app.keys.refresh_successor(&old);
    let rotation = app
        .db
        .rotate_refresh(RotateRefresh {
            old: refresh_hash(keeper, &old),
            new: refresh_hash(keeper, &fresh),
            now: app.time(),
            expires_at: app.time().plus(REFRESH_SECONDS),
            grace_secs: REFRESH_GRACE_SECONDS,
        })
        .await?;
    match rotation {
        Rotation::Rotated { user, sid } => {
            Ok(Opened { bearer: Bearer { user, sid }, refresh: fresh, keeper })
        }
        Rotation::Unknown => Err(ended()),
        Rotation::Reused { user, .. } => {
            audit::note(app, user, Kind::SessionCopied, &Agent::default()).await?;
            tracing::warn!(%user, "a refresh token came a second time; its session was ended");
            Err(ended())
        }
    }
}

/// Ends a browser's session by its cookie, whether or not the page still has an access token, and has the browser forget
/// the cookie. The answer is the same for a session that had ended before.
pub(crate) async fn end_in_browser(app: &App, presented: &Presented, agent: &Agent) -> Answer<Response> {
    if let Some(token) = presented.token.as_ref().and_then(read) {
        let hash = refresh_hash(presented.keeper, &token);
        if let Some((user, _)) = app.db.end_session_of_token(hash, app.time()).await? {
            audit::note(app, user, Kind::SessionEnded, agent).await?;
        }
    }
    Ok(forgotten(StatusCode::NO_CONTENT.into_response()))
}

impl Opened {
    /// What the client is told, each kind of token where it belongs.
    pub(crate) fn into_reply(self, app: &App) -> Response {
        let now = app.now();
        let refresh_token = Token::new(B64(self.refresh.to_vec()).to_text());
        let (user_id, refresh_expires_at, server_time) = (self.bearer.user, now + REFRESH_SECONDS, now);
        match self.keeper {
            Keeper::Program => reply(&SessionReply {
                access_token: app.access.issue(self.bearer, now, ACCESS_SECONDS),
                refresh_token,
                user_id,
                expires_in: ACCESS_SECONDS,
                refresh_expires_at,
                server_time,
            }),
            Keeper::Browser => {
                let told = reply(&BrowserSession {
                    access_token: app.access.issue(self.bearer, now, BROWSER_ACCESS_SECONDS),
                    user_id,
                    expires_in: BROWSER_ACCESS_SECONDS,
                    refresh_expires_at,
                    server_time,
                });
                kept_in_cookie(told, &refresh_token)
            }
        }
    }
}

fn read(token: &Token) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(B64::parse(token.expose_secret()).ok()?.0);
    bytes.as_slice().try_into().map(Zeroizing::new).ok()
}
