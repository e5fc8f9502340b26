//! `GET /health`: the documented fields, for everybody.

use axum::extract::State;
use axum::response::Response;
use proto::Health;

use crate::fleeting::Fleeting;
use crate::http::reply;
use crate::state::App;
use crate::stores::StoreName;

pub(crate) async fn show(State(app): State<App>) -> Response {
    let (db, stores) = futures::join!(app.db.ping(), app.stores.health());
    let status = if db.is_ok() && stores.is_ok() { "healthy" } else { "degraded" };
    reply(&Health {
        status: status.to_owned(),
        timestamp: app.now(),
        s3_available: app.stores.is_available(StoreName::S3).await,
        email_available: app.mailer.is_available(),
        redis_available: app.fleeting.as_ref().map(Fleeting::is_up),
    })
}
