//! `POST /links`: a way to a file for whoever has a secret that the server is not told.

use axum::extract::State;
use axum::response::Response;
use db::{Digest, FileView, MakeLinkAnswer, NewLink, Role};
use envelope::{Bundle, Grant, Suite, Wrap};
use proto::limits::{GRANT_MAX, LINKS_PER_ACCOUNT, LINKS_PER_FILE};
use proto::{Code, MakeLink};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::routes::{directory, files};
use crate::state::App;

pub(crate) async fn make(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Json(request): Json<MakeLink>,
) -> Answer<Response> {
    super::check_limits(request.expires_in, request.max_downloads)?;
    if request.grant.0.len() > GRANT_MAX {
        return Err(Refusal::malformed("The grant is too long."));
    }
    let public_key: [u8; 32] = request
        .public_key
        .0
        .as_slice()
        .try_into()
        .map_err(|_| Refusal::malformed("The public key of a link has 32 bytes."))?;
    let grant = Grant::parse(request.grant.0.as_slice())
        .map_err(|error| Refusal::malformed(format!("The grant cannot be read: {error}.")))?;
    let view = files::view(&app, caller.user, request.file_id).await?;
    if view.role != Role::Author {
        return Err(Refusal::new(Code::Forbidden, "Only the sender can make a link to a file."));
    }
    let bundle = directory::newest(&app, caller.user).await?;
    let bundle = bundle.ok_or_else(|| rejected("Publish your bundle first."))?;
    judge(&grant, &request, &view, &bundle)?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let new = NewLink {
        link: request.link_id,
        owner: caller.user,
        file_id: request.file_id,
        public_key: Digest::from_bytes(public_key),
        grant: grant.as_bytes().to_vec(),
        expires_at: request.expires_in.map(|seconds| app.time().plus(seconds)),
        max_downloads: request.max_downloads,
        max_of_file: LINKS_PER_FILE,
        max_of_owner: LINKS_PER_ACCOUNT,
        now: app.time(),
        events: vec![scribe.file(Kind::LinkMade, caller.user, request.file_id)],
    };
    match app.db.make_link(new).await? {
        MakeLinkAnswer::Made(link) => Ok(reply(&super::info(&link))),
        MakeLinkAnswer::Conflict => {
            Err(Refusal::new(Code::Conflict, "There is another link of that id. Make it under a new one."))
        }
        MakeLinkAnswer::TooMany => Err(Refusal::new(
            Code::Forbidden,
            "There are as many links as one file (50) or one account (1,000) may have. Take some back.",
        )),
        MakeLinkAnswer::Nothing => Err(Refusal::not_found()),
    }
}

/// Whether the grant is the link's, to this content, and given by the owner.
fn judge(grant: &Grant, request: &MakeLink, view: &FileView, own: &Bundle) -> Answer<()> {
    if grant.wrap() != Wrap::Link || grant.suite() != Suite::Signed {
        return Err(rejected("The grant of a link has wrap 3 and is signed."));
    }
    if grant.recipient_id() != request.link_id.recipient_id() {
        return Err(rejected("The grant is for another link."));
    }
    if grant.file_id() != request.file_id
        || grant.content_id() != view.content_id
        || grant.min_revision() > view.revision
    {
        return Err(rejected("The grant is of other content than the file's."));
    }
    if grant.grantor_root_id() != own.root_id() || grant.verify(own.root_key()).is_err() {
        return Err(rejected("The grant is not signed by the root key of your newest bundle."));
    }
    Ok(())
}

fn rejected(detail: &'static str) -> Refusal {
    Refusal::new(Code::Rejected, detail)
}
