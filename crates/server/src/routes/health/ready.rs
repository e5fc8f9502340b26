//! `GET /health/ready`: whether requests can be served now, for whoever sends them here.

use axum::extract::State;
use axum::http::StatusCode;
use db::DbError;
use proto::Code;

use crate::error::{Answer, Refusal};
use crate::state::App;

pub(crate) async fn show(State(app): State<App>) -> Answer<StatusCode> {
    let unready = |detail: &'static str| Refusal::new(Code::Unavailable, detail).retry_after(5);
    if app.is_draining() {
        return Err(unready("The server is stopping."));
    }
    app.db.ping().await.map_err(|error| match error {
        DbError::ClockApart { .. } => unready("The clocks of server and database differ.").because(error),
        _ => unready("The database does not answer.").because(error),
    })?;
    app.stores.health().await.map_err(|(_, error)| unready("The storage does not answer.").because(error))?;
    Ok(StatusCode::OK)
}
