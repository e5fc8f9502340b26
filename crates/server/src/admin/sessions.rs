//! Sessions of everybody, and the end of one.

use db::SessionId;
use envelope::Address;
use envelope::audit::Kind;
use envelope::ids::UserId;
use uuid::Uuid;

use super::{AdminError, Users, Who};

/// A session that lives. What its client calls itself is its owner's affair.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// Their address; `None` if it was sealed with another `SECRET_KEY`.
    pub address: Option<Address>,
    /// Unix seconds at which it began.
    pub created: i64,
    /// Unix seconds at which it was opened or last prolonged.
    pub last_used: i64,
    /// Unix seconds at which it ends unless it is prolonged.
    pub expires_at: i64,
    /// Whether a second factor was shown.
    pub second_factor: bool,
}

impl Users {
    /// The sessions of somebody, or of everybody, at most 1,000 of each person; the last used first.
    ///
    /// # Errors
    /// Nobody of that name, or the database.
    pub async fn sessions(&self, who: Option<&Who>) -> Result<Vec<OpenSession>, AdminError> {
        let wanted = match who {
            Some(who) => Some(self.find(who).await?),
            None => None,
        };
        let mut all = Vec::new();
        for user in self.list().await? {
            if wanted.is_some_and(|wanted| wanted != user.id) || user.sessions == 0 {
                continue;
            }
            let sessions = self.db.sessions_of(user.id, self.now()).await?;
            all.extend(sessions.into_iter().map(|session| OpenSession {
                id: Uuid::from_bytes(*session.sid.as_bytes()),
                user: user.id,
                address: user.address.clone(),
                created: session.created_at.0,
                last_used: session.last_used_at.0,
                expires_at: session.expires_at.0,
                second_factor: session.strong,
            }));
        }
        all.sort_by_key(|session| std::cmp::Reverse(session.last_used));
        Ok(all)
    }

    /// Ends one session at once on every server of this database; says whether it lived. It stands in its owner's log.
    ///
    /// # Errors
    /// The database.
    pub async fn end_session(&self, id: Uuid) -> Result<bool, AdminError> {
        let sid = SessionId::from_bytes(id.into_bytes());
        let Some(session) = self.db.session(sid, self.now()).await? else { return Ok(false) };
        let ended = self.db.end_session_of(session.user, sid).await?;
        if ended {
            self.note(session.user, Kind::SessionEndedByOperator).await?;
        }
        Ok(ended)
    }
}
