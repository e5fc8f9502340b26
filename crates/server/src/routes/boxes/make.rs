//! `POST /boxes`: a place that people without an account may send into, as its owner has signed it.

use axum::extract::State;
use axum::response::Response;
use db::{MakeBoxAnswer, NewBox, UnixTime};
use envelope::BoxDescription;
use proto::limits::{BOX_DESCRIPTION_MAX, BOX_MAX_SECONDS, BOXES_PER_ACCOUNT};
use proto::{Code, MakeBox};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::routes::directory;
use crate::state::App;

pub(crate) async fn make(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Json(request): Json<MakeBox>,
) -> Answer<Response> {
    if request.description.0.len() > BOX_DESCRIPTION_MAX {
        return Err(Refusal::malformed("The description is too long."));
    }
    let description = BoxDescription::parse(request.description.0)
        .map_err(|error| Refusal::malformed(format!("The description cannot be read: {error}.")))?;
    let bundle = directory::newest(&app, caller.user).await?;
    let bundle = bundle.ok_or_else(|| rejected("Publish your bundle first."))?;
    if description.verify(bundle.root_key()).is_err() {
        return Err(rejected("The description is not signed by the root key of your newest bundle."));
    }
    let terms = *description.terms();
    let ends = i64::try_from(terms.ends).unwrap_or(i64::MAX);
    if !(1..=BOX_MAX_SECONDS).contains(&ends.saturating_sub(app.now())) {
        return Err(Refusal::malformed("A drop box ends in the future, at most 366 days from now."));
    }
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let made = db::NewEvent { owner: Some(caller.user), ..scribe.account(Kind::BoxMade) };
    let new = NewBox {
        id: terms.box_id,
        owner: caller.user,
        description: description.as_bytes().to_vec(),
        expires_at: UnixTime(ends),
        max_files: Some(terms.max_files).filter(|most| *most > 0),
        max_body: Some(terms.max_body).filter(|most| *most > 0),
        max_of_owner: BOXES_PER_ACCOUNT,
        now: app.time(),
        events: vec![made],
    };
    match app.db.make_box(new).await? {
        MakeBoxAnswer::Made(made) => Ok(reply(&super::info(made))),
        MakeBoxAnswer::Conflict => Err(Refusal::new(
            Code::Conflict,
            "There is another drop box of that id. Make it under a new one.",
        )),
        MakeBoxAnswer::TooMany => Err(Refusal::new(
            Code::Forbidden,
            "You have as many drop boxes as allowed (100). Close some of them.",
        )),
    }
}

fn rejected(detail: &'static str) -> Refusal {
    Refusal::new(Code::Rejected, detail)
}
