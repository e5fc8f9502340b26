//! `PUT /pins`, `GET /pins`: the record of pins that a person's devices share, sealed on them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use db::{NewPins, StorePinsAnswer};
use envelope::pins::PinsLayout;
use proto::{B64, Code, PinsReply, PutPins};

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::limited::Limit;
use crate::routes::directory;
use crate::state::App;

/// How often a person's devices may write: each first contact is one.
const PER_DAY: Limit = Limit::daily("pins", 2_000);

pub(crate) async fn put(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<PutPins>,
) -> Answer<StatusCode> {
    let record = request.record.0;
    let layout =
        PinsLayout::parse(&record).map_err(|_| Refusal::malformed("That is not a record of pins."))?;
    if layout.user_id() != caller.user {
        return Err(Refusal::new(Code::Rejected, "That record is somebody else's."));
    }
    let needed = |detail: &'static str| Refusal::new(Code::ProofNeeded, detail);
    let bundle =
        directory::newest(&app, caller.user).await?.ok_or_else(|| needed("Publish your bundle first."))?;
    layout.verify(bundle.root_key()).map_err(|_| needed("The record is not signed by your root key."))?;
    PER_DAY.count(&app, caller.user.as_bytes()).await?;
    let new = NewPins {
        user: caller.user,
        previous: request.previous,
        version: layout.version(),
        record,
        now: app.time(),
    };
    match app.db.store_pins(new).await? {
        StorePinsAnswer::Stored => Ok(StatusCode::NO_CONTENT),
        StorePinsAnswer::Conflict => {
            Err(Refusal::new(Code::Conflict, "Another device wrote meanwhile. Read the record again."))
        }
    }
}

pub(crate) async fn get(State(app): State<App>, caller: Caller) -> Answer<Response> {
    let stored = app.db.pins(caller.user).await?.ok_or_else(Refusal::not_found)?;
    Ok(reply(&PinsReply { record: B64(stored.record) }))
}
