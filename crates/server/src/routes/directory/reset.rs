//! `POST /directory/reset`, `POST /directory/reset/stop`: new keys for a person who has lost theirs.
//!
//! Whoever has the mailbox can ask for it, so it takes effect after three days, is told to the mailbox, to every session
//! and to whoever looks the person up, and can be stopped by whoever holds the keys.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use db::{Digest, NewReset};
use envelope::Bundle;
use envelope::action::{KEEP_KEYS, keep_bytes, verify_action};
use envelope::bundle::ChainError;
use proto::limits::RESET_SECONDS;
use proto::{Code, PendingReset, PublishBundle, StopReset};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::{Caller, proof};
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::limited::Limit;
use crate::logging::chain;
use crate::mail::{Notice, NoticeLetter};
use crate::state::App;

/// Wishes of one account; each one sends a letter.
const PER_DAY: Limit = Limit::daily("key-reset", 5);

pub(crate) async fn begin(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Json(request): Json<PublishBundle>,
) -> Answer<Response> {
    let bundle = read(&app, &caller, request).await?;
    PER_DAY.count(&app, caller.user.as_bytes()).await?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let reset = app
        .db
        .begin_reset(NewReset {
            user: caller.user,
            bundle: Digest::from_bytes(bundle.hash()),
            now: app.time(),
            due_at: app.time().plus(RESET_SECONDS),
            events: vec![scribe.account(Kind::KeysResetBegun)],
        })
        .await?;
    if reset.is_new {
        let letter = NoticeLetter {
            to: bundle.address().clone(),
            notice: Notice::KeysReset { due: reset.due_at.0 },
            url: None,
            written: app.now(),
        };
        let sender = app.clone();
        app.tasks.spawn(async move {
            let sent = sender.mailer.send_notice(letter).await;
            sender.metrics.letter(&sent);
            if let Err(error) = sent {
                tracing::error!(cause = %chain(&error), "the letter about new keys could not be sent");
            }
        });
    }
    Ok(reply(&PendingReset {
        bundle_hash: proto::B64(reset.bundle.as_bytes().to_vec()),
        begun: reset.begun_at.0,
        due: reset.due_at.0,
    }))
}

pub(crate) async fn stop(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Json(request): Json<StopReset>,
) -> Answer<StatusCode> {
    let hash: [u8; 32] =
        request.bundle_hash.0.try_into().map_err(|_| Refusal::malformed("A hash has 32 bytes."))?;
    let newest = super::newest(&app, caller.user).await?.ok_or_else(Refusal::not_found)?;
    let bytes = keep_bytes(&caller.user, &hash);
    verify_action(newest.root_key(), KEEP_KEYS, &bytes, &proof::signature(request.proof)?).map_err(|_| {
        Refusal::new(Code::ProofNeeded, "Only the keys that are published can say that they stay.")
    })?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let events = [scribe.account(Kind::KeysResetStopped)];
    match app.db.stop_reset(caller.user, Digest::from_bytes(hash), &events).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::not_found()),
    }
}

/// A bundle that would be the next one if the root before had signed it over.
async fn read(app: &App, caller: &Caller, request: PublishBundle) -> Answer<Bundle> {
    let bundle = super::publish::own(app, caller, request).await?;
    let newest = super::newest(app, caller.user)
        .await?
        .ok_or_else(|| Refusal::new(Code::Conflict, "No keys are published yet: publish the first ones."))?;
    match bundle.follows(&newest) {
        Err(ChainError::UnlinkedRoot) if bundle.verify().is_ok() && bundle.prev_root().is_none() => {
            Ok(bundle)
        }
        Ok(()) => Err(Refusal::new(Code::Conflict, "The keys before have signed it: publish it right away.")),
        Err(error) => Err(super::publish::broken(error, newest.seq())),
    }
}
