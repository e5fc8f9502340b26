//! Clients that are too old for this server hear so, before anything else of theirs is looked at.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use proto::Code;

use crate::config::ClientVersion;
use crate::error::Refusal;
use crate::state::App;

/// Answers 426 to a `wax` older than the operator wants. Whoever does not say a version, such as a browser, a check of
/// health or a client of the documented API, is not asked for one.
pub(crate) async fn refuse_old(State(app): State<App>, request: Request, next: Next) -> Response {
    let told = request.headers().get(proto::headers::CLIENT).and_then(|value| value.to_str().ok());
    let version = told.and_then(ClientVersion::told_by);
    match (app.min_client, version) {
        (Some(wanted), Some(version)) if version < wanted => Refusal::new(
            Code::UpgradeNeeded,
            format!("This server speaks with wax {wanted} and newer; this is {version}. Nothing was lost."),
        )
        .into_response(),
        _ => next.run(request).await,
    }
}
