//! What is written into the log, and when.

use db::{Hit, HitAnswer, NewEvent, NewGrant, UnixTime};
use envelope::Address;
use envelope::audit::Kind;
use envelope::ids::{EventId, FileId, UserId};
use proto::Code;

use super::{Personal, PersonalKey};
use crate::error::{Answer, Refusal};
use crate::http::ClientName as Agent;
use crate::state::App;

/// Writes the events of one person's request.
pub(crate) struct Scribe {
    actor: UserId,
    key: PersonalKey,
    personal: Personal,
    at: UnixTime,
}

impl Scribe {
    pub(crate) async fn of(app: &App, actor: UserId, agent: &Agent) -> Answer<Self> {
        let personal = Personal { agent: agent.told(), means: None };
        Ok(Self { actor, key: PersonalKey::of(app, actor).await?, personal, at: app.time() })
    }

    pub(crate) fn actor(&self) -> UserId {
        self.actor
    }

    /// What concerns the account alone.
    pub(crate) fn account(&self, kind: Kind) -> NewEvent {
        let id = EventId::from_bytes(crate::random::uuid());
        NewEvent {
            id,
            at: self.at,
            kind,
            actor: self.actor,
            owner: None,
            file_id: None,
            other: None,
            sealed: self.key.seal(id, self.actor, &self.personal),
        }
    }

    /// What concerns a file.
    pub(crate) fn file(&self, kind: Kind, owner: UserId, file_id: FileId) -> NewEvent {
        NewEvent { owner: Some(owner), file_id: Some(file_id), ..self.account(kind) }
    }

    /// The actor's file appears, for everybody who is given a grant.
    pub(crate) fn sent(&self, file_id: FileId, grants: &[NewGrant]) -> Vec<NewEvent> {
        let others = grants.iter().filter_map(|grant| grant.user).filter(|user| *user != self.actor);
        let shared = others
            .map(|other| NewEvent { other: Some(other), ..self.file(Kind::FileShared, self.actor, file_id) });
        std::iter::once(self.file(Kind::FileSent, self.actor, file_id)).chain(shared).collect()
    }
}

/// Notes what happened to an account, before it is answered.
pub(crate) async fn note(app: &App, actor: UserId, kind: Kind, agent: &Agent) -> Answer<()> {
    let event = Scribe::of(app, actor, agent).await?.account(kind);
    Ok(app.db.append_events(&[event]).await?)
}

/// Notes that somebody came in, and by which means.
pub(crate) async fn signed_in(
    app: &App,
    actor: UserId,
    is_new: bool,
    means: &str,
    agent: &Agent,
) -> Answer<()> {
    let mut scribe = Scribe::of(app, actor, agent).await?;
    scribe.personal.means = Some(means.to_owned());
    let made = is_new.then(|| scribe.account(Kind::AccountMade));
    let events: Vec<NewEvent> = made.into_iter().chain([scribe.account(Kind::SignedIn)]).collect();
    Ok(app.db.append_events(&events).await?)
}

/// Rejected codes that are noted in an hour: whoever guesses at an account from many places cannot fill its log.
const REJECTED_AN_HOUR: u32 = 10;

/// Notes that a second factor was not right: whoever tried has the mailbox already.
pub(crate) async fn factor_rejected(app: &App, user: UserId, agent: &Agent) -> Answer<()> {
    at_most(app, user, Kind::FactorRejected, REJECTED_AN_HOUR, agent).await
}

/// Notes that a passkey was not accepted, in the background: whoever shows one has not said who they are.
pub(crate) fn passkey_rejected(app: &App, user: UserId, agent: &Agent) {
    let (app, agent) = (app.clone(), agent.clone());
    app.clone().tasks.spawn(async move {
        if let Err(refusal) = factor_rejected(&app, user, &agent).await {
            tracing::warn!(cause = %refusal, "a rejected passkey could not be noted");
        }
    });
}

/// Notes that a code was not right, if the address has an account.
///
/// In the background: the time that the answer takes must not tell whether there is one.
pub(crate) fn code_rejected(app: &App, address: &Address, agent: &Agent, refusal: &Refusal) {
    if refusal.code != Code::CodeRejected {
        return;
    }
    let (app, agent, lookup) = (app.clone(), agent.clone(), app.keys.lookup(address));
    app.clone().tasks.spawn(async move {
        let noted = async {
            let Some((_, user)) = app.db.users_by_lookup(&[lookup]).await?.first().copied() else {
                return Ok(());
            };
            at_most(&app, user, Kind::CodeRejected, REJECTED_AN_HOUR, &agent).await
        };
        if let Err(refusal) = noted.await {
            tracing::warn!(cause = %refusal, "a rejected code could not be noted");
        }
    });
}

/// Notes that an account ran into a limit; once an hour, not with every refusal.
pub(crate) async fn limit_reached(app: &App, user: UserId) -> Answer<()> {
    at_most(app, user, Kind::LimitReached, 1, &Agent::default()).await
}

async fn at_most(app: &App, user: UserId, kind: Kind, max: u32, agent: &Agent) -> Answer<()> {
    let hit = Hit {
        bucket: app.keys.bucket(&format!("audit-{}", kind.as_str()), user.as_bytes()),
        window_secs: 3_600,
        max,
        now: app.time(),
    };
    match app.db.count_hit(hit).await? {
        HitAnswer::Allowed { .. } => note(app, user, kind, agent).await,
        HitAnswer::TooMany { .. } => Ok(()),
    }
}
