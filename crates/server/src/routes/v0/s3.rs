//! `POST /upload/presigned`, `/upload/s3`: for servers that keep files in an object store, which this one does not.

use axum::extract::State;
use proto::Code;

use crate::auth::v0::V0Caller;
use crate::error::{Answer, Refusal};
use crate::state::App;

pub(crate) async fn presigned(State(_): State<App>, _: V0Caller) -> Answer<()> {
    Err(without_s3())
}

pub(crate) async fn uploaded(State(_): State<App>, _: V0Caller) -> Answer<()> {
    Err(without_s3())
}

fn without_s3() -> Refusal {
    Refusal::new(
        Code::NotOffered,
        "This server keeps no files in S3, so there is nothing to upload to directly. Use POST /upload.",
    )
}
