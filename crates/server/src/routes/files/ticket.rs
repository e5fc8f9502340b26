//! `POST /files/{file_id}/ticket`: leave to fetch content; the first of a download id counts a download.

use axum::extract::State;
use axum::response::Response;
use db::{DownloadId, NewEvent, TakeTicket, TicketAnswer};
use proto::limits::DOWNLOAD_SECONDS;
use proto::{Code, FileId, TicketRequest, UserId};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::auth::ticket::Ticket;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json, reply};
use crate::state::App;

pub(crate) async fn take(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
    Json(request): Json<TicketRequest>,
) -> Answer<Response> {
    // A download id is spelled as every other id of 16 octets.
    let download: UserId =
        request.download_id.parse().map_err(|_| Refusal::malformed("A download id is a UUID."))?;
    let download_id = DownloadId::from_bytes(*download.as_bytes());
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let fetched = NewEvent { file_id: Some(file_id), ..scribe.account(Kind::FileFetched) };
    // Read before leave is given: whatever ends in between ends this ticket as well.
    let round = app.db.file_layout(file_id).await?.map_or(0, |layout| layout.ticket_round);
    let answer = app
        .db
        .take_ticket(TakeTicket {
            user: caller.user,
            file_id,
            recipient: request.recipient,
            download_id,
            now: app.time(),
            window_secs: u32::try_from(DOWNLOAD_SECONDS).unwrap_or(u32::MAX),
            events: vec![fetched],
        })
        .await?;
    match answer {
        TicketAnswer::First | TicketAnswer::Renewed => {}
        TicketAnswer::LimitReached => {
            return Err(Refusal::new(
                Code::DownloadsUsed,
                "All allowed downloads are used. Ask the sender to send it again.",
            ));
        }
        TicketAnswer::Expired => return Err(super::expired()),
        TicketAnswer::Nothing => return Err(Refusal::not_found()),
    }
    let ticket = Ticket::new(caller.user, file_id, download_id, round, app.now());
    Ok(reply(&proto::Ticket { ticket: ticket.seal(&app.keys), expires_at: ticket.expires_at }))
}
