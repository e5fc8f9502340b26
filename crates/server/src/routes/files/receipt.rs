//! `POST /files/{file_id}/receipt`: a recipient's signature that they opened the file.

use axum::extract::State;
use axum::http::StatusCode;
use db::{NewReceipt, ReceiptAnswer, Role, StoredReceipt};
use envelope::action;
use envelope::ed25519::Signature;
use proto::{B64, Code, FileId, PostReceipt, Receipt};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json};
use crate::routes::directory;
use crate::state::App;

pub(crate) async fn keep(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
    Json(request): Json<PostReceipt>,
) -> Answer<StatusCode> {
    let view = super::view(&app, caller.user, file_id).await?;
    if view.role == Role::Author {
        return Err(Refusal::new(Code::Forbidden, "A receipt is given by those who were sent the file."));
    }
    let signature: [u8; 64] = (request.signature.0.try_into())
        .map_err(|_| Refusal::malformed("A signature has 64 bytes, as base64url."))?;
    let rejected =
        || Refusal::new(Code::Rejected, "The receipt is not signed by the root of your newest bundle.");
    let bundle = directory::newest(&app, caller.user).await?.ok_or_else(rejected)?;
    let signed = action::receipt_bytes(file_id, view.content_id, request.opened);
    action::verify_action(bundle.root_key(), action::RECEIPT, &signed, &Signature::from_bytes(signature))
        .map_err(|_| rejected())?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let new = NewReceipt {
        receipt: StoredReceipt { user: caller.user, opened: request.opened, signature },
        file_id,
        event: scribe.file(Kind::FileOpened, view.author, file_id),
    };
    match app.db.keep_receipt(new).await? {
        ReceiptAnswer::Kept | ReceiptAnswer::AlreadyThere => Ok(StatusCode::NO_CONTENT),
        ReceiptAnswer::Nothing => Err(Refusal::not_found()),
    }
}

/// The receipts of a file, for its author.
pub(super) async fn of(app: &App, file_id: FileId) -> Answer<Vec<Receipt>> {
    let receipts = app.db.receipts_of(file_id).await?;
    let show = |receipt: StoredReceipt| Receipt {
        user: receipt.user,
        opened: receipt.opened,
        signature: B64(receipt.signature.to_vec()),
    };
    Ok(receipts.into_iter().map(show).collect())
}
