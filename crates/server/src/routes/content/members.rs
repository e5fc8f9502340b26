//! `POST /content/{file_id}/members`: the signed parts of a folder's members, for whoever shows a ticket of the folder.

use axum::extract::State;
use axum::response::Response;
use proto::limits::MEMBERS_AT_ONCE;
use proto::{B64, FileId, MemberInfo, MemberList, MembersRequest};

use super::{Shown, laid_out};
use crate::auth::ticket::Ticket;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json, reply};
use crate::state::App;

pub(crate) async fn show(
    State(app): State<App>,
    Fields(file_id): Fields<FileId>,
    shown: Shown,
    Json(request): Json<MembersRequest>,
) -> Answer<Response> {
    let ticket = Ticket::open(&shown.0, &app.keys, app.now())?;
    if ticket.file_id != file_id {
        return Err(Ticket::refused());
    }
    laid_out(&app, &ticket, file_id).await?;
    if !(1..=MEMBERS_AT_ONCE).contains(&request.ids.len()) {
        return Err(Refusal::malformed("Ask for 1 to 100 members at once."));
    }
    let members = app.db.members_among(file_id, &request.ids, app.time()).await?;
    let members = members
        .into_iter()
        .map(|member| MemberInfo {
            file_id: member.file_id,
            manifest: B64(member.manifest),
            part_len: member.part_len,
        })
        .collect();
    Ok(reply(&MemberList { members }))
}
