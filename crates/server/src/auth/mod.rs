//! Who calls: codes, second factors, passkeys, access tokens, refresh tokens, tickets.

pub(crate) mod access;
pub(crate) mod caller;
pub(crate) mod ceremony;
pub(crate) mod code;
pub(crate) mod direct;
pub(crate) mod factor;
pub(crate) mod link_nonce;
pub(crate) mod passkey;
pub(crate) mod proof;
pub(crate) mod session;
pub(crate) mod ticket;
pub(crate) mod v0;

pub(crate) use access::AccessTokens;
pub(crate) use caller::{Caller, SignedIn, Watcher, is_suspended};
pub(crate) use passkey::RelyingParty;
