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
    if request.bundle.0.len() > BUNDLE_MAX {
        return Err(Refusal::new(Code::TooLarge, "The bundle is longer than 16 KiB."));
    }
    let bundle = Bundle::parse(request.bundle.0)
        .map_err(|error| Refusal::malformed(format!("The bundle cannot be read: {error}.")))?;
    let account = app.db.account(caller.user).await?.ok_or_else(Refusal::not_found)?;
    if bundle.user_id() != caller.user || app.keys.lookup(bundle.address()) != account.lookup {
        return Err(rejected("The bundle names another account or another address than yours."));
    }
    match super::newest(&app, caller.user).await? {
        Some(newest) if newest.as_bytes() == bundle.as_bytes() => {}
        Some(newest) => bundle.follows(&newest).map_err(|error| broken(error, newest.seq()))?,
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
            bundle: app.keys.seal_bundle(caller.user, bundle.seq(), bundle.as_bytes()),
            now: app.time(),
            events: vec![scribe.account(kind)],
        })
        .await?;
    match answer {
        PublishAnswer::Published | PublishAnswer::Same => Ok(reply(&Published { seq: bundle.seq() })),
        PublishAnswer::Conflict { .. } => {
            Err(conflict("Another bundle was published meanwhile. Fetch it first."))
        }
    }
}

fn broken(error: ChainError, newest: u32) -> Refusal {
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
