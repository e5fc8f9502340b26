//! `GET /health`: the documented fields, for everybody.

use axum::extract::State;
use axum::response::Response;
use proto::Health;

use crate::fleeting::Fleeting;
use crate::http::reply;
use crate::state::App;

pub(crate) async fn show(State(app): State<App>) -> Response {
    let (db, blobs) = futures::join!(app.db.ping(), app.blobs.health());
    let status = if db.is_ok() && blobs.is_ok() { "healthy" } else { "degraded" };
    reply(&Health {
        status: status.to_owned(),
        timestamp: app.now(),
        s3_available: false,
        email_available: app.mailer.is_available(),
        redis_available: app.fleeting.as_ref().map(Fleeting::is_up),
    })
}
