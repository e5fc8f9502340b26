//! How requests are read: strict JSON, path fields, query fields, and where they come from.

mod browser;
mod client_ip;
mod client_name;
mod json;
mod linger;
mod pace;
mod range;
mod too_old;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

pub(crate) use browser::{Keeper, Presented, forgotten, kept_in_cookie, not_from_another_site};
pub(crate) use client_ip::{ClientIp, Peer, client_of};
pub(crate) use client_name::ClientName;
pub(crate) use json::{Json, reply};
pub(crate) use linger::lingering;
pub(crate) use pace::{Pace, Slow};
pub(crate) use range::{Wanted, wanted};
pub(crate) use too_old::refuse_old;

use crate::error::Refusal;

/// Fields of the path; what is not an id or a number names nothing.
pub(crate) struct Fields<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Fields<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(value) = Path::from_request_parts(parts, state).await.map_err(|_| Refusal::not_found())?;
        Ok(Self(value))
    }
}

/// Fields of the query.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(value) = Query::from_request_parts(parts, state)
            .await
            .map_err(|_| Refusal::malformed("A field of the query is wrong or missing."))?;
        Ok(Self(value))
    }
}

/// A header that may stand once, as text.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(Some).map_err(|_| Refusal::malformed("A header is not plain text."))
        }
        (Some(_), Some(_)) => Err(Refusal::malformed("A header stands twice.")),
    }
}
