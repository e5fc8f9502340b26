//! `PUT /directory/me`: publishes the caller's first bundle, or the next one of their chain.

use axum::extract::State;
use axum::response::Response;
use db::{Digest, NewBundle, PublishAnswer};
use envelope::Bundle;
use envelope::bundle::ChainError;
use proto::limits::BUNDLE_MAX;
use proto::{Code, PublishBundle, Published};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::state::App;

pub(crate) async fn publish(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Json(request): Json<PublishBundle>,
) -> Answer<Response> {
    let bundle = own(&app, &caller, request).await?;
    let mut by_reset = false;
    match super::newest(&app, caller.user).await? {
        Some(newest) if newest.as_bytes() == bundle.as_bytes() => {}
        Some(newest) => match bundle.follows(&newest) {
            Ok(()) => {}
            Err(ChainError::UnlinkedRoot) if is_due(&app, &caller, &bundle).await? => by_reset = true,
            Err(error) => return Err(broken(error, newest.seq())),
        },
        None if bundle.seq() == 1 => {
            bundle.verify().map_err(|_| rejected("The bundle is not signed by its root key."))?;
        }
        None => return Err(conflict("The first bundle has the number 1.")),
    }
    let kind = if bundle.seq() == 1 { Kind::KeysPublished } else { Kind::KeysChanged };
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let answer = app
        .db
        .publish_bundle(NewBundle {
            user: caller.user,
            seq: bundle.seq(),
            hash: Digest::from_bytes(bundle.hash()),
            root: bundle.root_id(),
            previous: (bundle.seq() > 1).then(|| Digest::from_bytes(*bundle.prev_hash())),
            by_reset,
            bundle: app.keys.seal_bundle(caller.user, bundle.seq(), bundle.as_bytes()),
            now: app.time(),
            events: vec![scribe.account(kind)],
        })
        .await?;
    match answer {
        PublishAnswer::Published | PublishAnswer::Same => Ok(reply(&Published { seq: bundle.seq() })),
        PublishAnswer::Stopped => Err(broken(ChainError::UnlinkedRoot, bundle.seq().saturating_sub(1))),
        PublishAnswer::Conflict { .. } => {
            Err(conflict("Another bundle was published meanwhile. Fetch it first."))
        }
    }
}

/// A bundle of the caller's account and address; its place in the chain is not looked at yet.
pub(super) async fn own(app: &App, caller: &Caller, request: PublishBundle) -> Answer<Bundle> {
    if request.bundle.0.len() > BUNDLE_MAX {
        return Err(Refusal::new(Code::TooLarge, "The bundle is longer than 16 KiB."));
    }
    let bundle = Bundle::parse(request.bundle.0)
        .map_err(|error| Refusal::malformed(format!("The bundle cannot be read: {error}.")))?;
    let account = app.db.account(caller.user).await?.ok_or_else(Refusal::not_found)?;
    if bundle.user_id() != caller.user || app.keys.lookup(bundle.address()) != account.lookup {
        return Err(rejected("The bundle names another account or another address than yours."));
    }
    Ok(bundle)
}

/// Whether this very bundle was asked for days ago, and nobody objected. Its own signature was checked then.
async fn is_due(app: &App, caller: &Caller, bundle: &Bundle) -> Answer<bool> {
    let Some(reset) = app.db.reset(caller.user).await? else { return Ok(false) };
    if reset.bundle != Digest::from_bytes(bundle.hash()) || bundle.verify().is_err() {
        return Ok(false);
    }
    if reset.due_at > app.time() {
        let seconds = app.time().seconds_until(reset.due_at);
        return Err(Refusal::new(
            Code::ProofNeeded,
            format!(
                "These keys were asked for without the ones before; they count in {} hours.",
                seconds.div_ceil(3_600)
            ),
        ));
    }
    Ok(true)
}

pub(super) fn broken(error: ChainError, newest: u32) -> Refusal {
    match error {
        ChainError::UnlinkedRoot => Refusal::new(
            Code::ProofNeeded,
            "A new root key needs a signature by the one before. Use the device that holds it.",
        ),
        ChainError::Signature | ChainError::DifferentUser => {
            rejected("The bundle is not signed by its root key, or not by the one before.")
        }
        _ => conflict(format!(
            "The newest bundle has the number {newest}. Fetch it, then publish its successor."
        )),
    }
}

fn conflict(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Code::Conflict, detail)
}

fn rejected(detail: &'static str) -> Refusal {
    Refusal::new(Code::Rejected, detail)
}
