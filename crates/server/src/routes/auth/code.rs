//! `POST /auth/code`: sends a code; the answer is the same for everybody.

use axum::extract::State;
use axum::http::StatusCode;
use proto::CodeRequest;

use crate::auth::code;
use crate::error::Answer;
use crate::http::{ClientIp, Json};
use crate::state::App;

pub(crate) async fn send(
    State(app): State<App>,
    client: ClientIp,
    Json(request): Json<CodeRequest>,
) -> Answer<StatusCode> {
    super::count(&app, "ip-code", &client).await?;
    code::send(&app, super::address(&request.email)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
