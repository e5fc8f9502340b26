//! Activity: what one did, what happened to one's account, and what others did to one's files.

use crate::files::with_query;
use crate::pins::Pins;
use crate::{Address, Client, Error, EventId, EventKind, FileId, LogHead, Result, UserId};
use proto::{ActivityPage, paths};
use reqwest::Method;

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    /// `next` of the page before.
    pub after: Option<String>,
    /// Rows, at most 200; absent: 50.
    pub limit: Option<u32>,
    /// Only of this kind.
    pub kind: Option<EventKind>,
    /// Only about this file.
    pub file: Option<FileId>,
    /// Only what happened then or later, unix seconds.
    pub since: Option<i64>,
}

/// One page of activity, newest first. What it says is the server's word; that nothing which was sealed before was cut
/// or rewritten has been checked.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The events.
    pub events: Vec<ActivityEvent>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Where the log stands; absent while nothing was sealed.
    pub head: Option<LogHead>,
    /// Whether this machine had never seen this server's log before: then nothing could be compared.
    pub first_look: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityEvent {
    /// Id.
    pub id: EventId,
    /// Unix seconds by the server's clock.
    pub at: i64,
    /// An [`EventKind`] as text; a newer server may say more than is known here.
    pub kind: String,
    /// Who did it, or to whose account it happened.
    pub actor: Party,
    /// The file.
    pub file_id: Option<FileId>,
    /// Somebody else whom it is about.
    pub other: Option<Party>,
    /// What one's client called itself; of one's own events only.
    pub agent: Option<String>,
    /// By what one signed in.
    pub means: Option<String>,
    /// Whether it is sealed into the chain already.
    pub sealed: bool,
}

/// Somebody in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Account.
    pub user_id: UserId,
    /// Address, if a contact or oneself.
    pub address: Option<Address>,
    /// Whether it is oneself.
    pub is_me: bool,
}

impl Client {
    /// One page of activity. The log's newest head is compared with the one that was seen here before, and remembered.
    ///
    /// # Errors
    /// [`Error::Log`] if the log was cut, rewritten, or is signed by another key: then nothing is shown.
    pub async fn activity(&self, filter: &ActivityFilter) -> Result<Activity> {
        let inner = &self.inner;
        let session = inner.stored_session()?.ok_or(Error::NotSignedIn)?;
        let before = inner.remembered_log()?;
        let path = with_query(paths::ACTIVITY, &query(filter));
        let page: ActivityPage = inner.call(|server| server.request(Method::GET, &path)).await?;
        inner.judge_log(before.as_ref(), &page.log).await?;
        let pins = Pins::load(&inner.home)?;
        let party = |user_id: UserId| {
            let is_me = user_id == session.user_id;
            let address = if is_me { Some(&session.address) } else { pins.address_of(user_id) };
            Party { user_id, address: address.cloned(), is_me }
        };
        let events = page.events.into_iter().map(|event| ActivityEvent {
            id: event.id,
            at: event.at,
            kind: event.kind,
            actor: party(event.actor),
            file_id: event.file_id,
            other: event.other.map(party),
            agent: event.agent,
            means: event.means,
            sealed: event.batch.is_some(),
        });
        Ok(Activity {
            events: events.collect(),
            next: page.next,
            head: page.log.newest.map(|newest| newest.head),
            first_look: before.is_none(),
        })
    }

    /// After [`Error::Log`], when the operator has explained it: forgets what was seen of this server's log, so that the
    /// next look is a first one.
    pub async fn accept_log(&self) -> Result<()> {
        self.inner.forget_log().await
    }
}

fn query(filter: &ActivityFilter) -> Vec<(&'static str, String)> {
    let mut query = Vec::new();
    query.extend(filter.after.clone().map(|after| ("after", after)));
    query.extend(filter.limit.map(|limit| ("limit", limit.to_string())));
    query.extend(filter.kind.map(|kind| ("kind", kind.as_str().to_owned())));
    query.extend(filter.file.map(|file| ("file", file.to_string())));
    query.extend(filter.since.map(|since| ("since", since.to_string())));
    query
}
