//! `GET /activity`, `GET /activity/heads`, receipts, the sealer, and the check of the whole log.

mod check;
mod heads;
mod list;
mod receipt;

use proto::{ActivityPage, paths};

use crate::stage::{Person, Stage};

pub(crate) async fn activity(stage: &Stage, person: &Person, query: &str) -> ActivityPage {
    person.get(stage, &format!("{}{query}", paths::ACTIVITY)).await.json()
}

/// The kinds of a person's events, oldest first.
pub(crate) async fn kinds(stage: &Stage, person: &Person, query: &str) -> Vec<String> {
    let page = activity(stage, person, query).await;
    page.events.into_iter().rev().map(|event| event.kind).collect()
}
