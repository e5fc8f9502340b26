//! `POST /links/{link_id}/nonce`: what a proof is made over, and nothing else; no row is read or written for it.

use axum::extract::State;
use axum::response::Response;
use proto::{B64, LinkId, LinkNonce};

use crate::auth::link_nonce;
use crate::error::Answer;
use crate::http::{Fields, reply};
use crate::state::App;

pub(crate) async fn give(State(app): State<App>, Fields(link): Fields<LinkId>) -> Answer<Response> {
    let nonce = link_nonce::issue(&app.keys, link, app.now());
    Ok(reply(&LinkNonce { nonce: B64(nonce.to_vec()) }))
}
