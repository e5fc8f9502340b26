//! Sessions: an access token for an hour, and a refresh token that is good once.

use db::{NewSession, RotateRefresh, Rotation, SessionId};
use envelope::ids::UserId;
use proto::limits::{ACCESS_SECONDS, REFRESH_GRACE_SECONDS, REFRESH_SECONDS};
use proto::{B64, Code, SessionReply, Token};
use zeroize::Zeroizing;

use super::access::Bearer;
use crate::audit::{self, Agent, Kind};
use crate::error::{Answer, Refusal};
use crate::http::ClientName;
use crate::secrets::refresh_hash;
use crate::state::App;

/// Opens a session for a person who has proved their address, and shown a second factor if it is `strong`.
pub(crate) async fn open(app: &App, user: UserId, client: ClientName, strong: bool) -> Answer<SessionReply> {
    let sid = SessionId::from_bytes(crate::random::uuid());
    let refresh = Zeroizing::new(crate::random::bytes::<32>());
    app.db
        .open_session(NewSession {
            sid,
            user,
            refresh: refresh_hash(&refresh),
            now: app.time(),
            expires_at: app.time().plus(REFRESH_SECONDS),
            client: client.0,
            strong,
        })
        .await?;
    Ok(reply(app, Bearer { user, sid }, &refresh))
}

/// Exchanges a refresh token; one that was used before has been copied, and ends its session. Within half a minute the
/// same exchange gives the same token again, for a client that never saw the first answer.
pub(crate) async fn renew(app: &App, token: &Token) -> Answer<SessionReply> {
    let ended = || Refusal::new(Code::SignInNeeded, "The session has ended. Sign in again.");
    let old = B64::parse(token.expose_secret()).map(|bytes| Zeroizing::new(bytes.0)).map_err(|_| ended())?;
    let old: &[u8; 32] = old.as_slice().try_into().map_err(|_| ended())?;
    let fresh = app.keys.refresh_successor(old);
    let rotation = app
        .db
        .rotate_refresh(RotateRefresh {
            old: refresh_hash(old),
            new: refresh_hash(&fresh),
            now: app.time(),
            expires_at: app.time().plus(REFRESH_SECONDS),
            grace_secs: REFRESH_GRACE_SECONDS,
        })
        .await?;
    match rotation {
        Rotation::Rotated { user, sid } => Ok(reply(app, Bearer { user, sid }, &fresh)),
        Rotation::Unknown => Err(ended()),
        Rotation::Reused { user, .. } => {
            audit::note(app, user, Kind::SessionCopied, &Agent::default()).await?;
            tracing::warn!(%user, "a refresh token came a second time; its session was ended");
            Err(ended())
        }
    }
}

fn reply(app: &App, bearer: Bearer, refresh: &[u8; 32]) -> SessionReply {
    let now = app.now();
    SessionReply {
        access_token: app.access.issue(bearer, now),
        refresh_token: Token::new(B64(refresh.to_vec()).to_text()),
        user_id: bearer.user,
        expires_in: ACCESS_SECONDS,
        refresh_expires_at: now + REFRESH_SECONDS,
        server_time: now,
    }
}
