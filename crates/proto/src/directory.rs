//! The directory: signed bundles for addresses. What it says is checked by the client, never believed.

use crate::{B64, UnixSeconds, UserId};
use serde::{Deserialize, Serialize};

/// `PUT /directory/me`: publishes the caller's next bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishBundle {
    /// A whole bundle (`WXWGID01…`): sequence 1 for the first, else the newest one's successor.
    pub bundle: B64,
}

/// `GET /directory/me`: the caller's newest bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MyBundle {
    /// The whole bundle.
    pub bundle: B64,
    /// Somebody has asked for other keys in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<PendingReset>,
}

/// A wish for new keys without the signature of the old ones. `POST /directory/reset` takes a [`PublishBundle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingReset {
    /// The hash of the bundle that is to be published, as the next bundle names it.
    pub bundle_hash: B64,
    /// Unix seconds at which it was asked for.
    pub begun: UnixSeconds,
    /// Unix seconds from which it may be published.
    pub due: UnixSeconds,
}

/// `POST /directory/reset/stop`: the keys stay.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopReset {
    /// Which wish.
    pub bundle_hash: B64,
    /// Signature by the root key over `waxwing/v1/action/keep-keys`.
    pub proof: B64,
}

/// What became of a published bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Published {
    /// The newest sequence number in the directory.
    pub seq: u32,
}

/// `POST /directory/lookup`: who stands behind these addresses (at most [`crate::limits::LOOKUP_MAX`]).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// Addresses as the person typed them, normalised.
    pub addresses: Vec<String>,
}

/// One address that has a bundle.
#[derive(Clone, Serialize, Deserialize)]
pub struct Person {
    /// The address that was asked for.
    pub address: String,
    /// The newest bundle.
    pub bundle: B64,
    /// Unix seconds from which other keys may take its place, which nobody signed over: somebody has asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_due: Option<UnixSeconds>,
}

/// Those that were found, in any order; an address without an account or bundle is absent.
#[derive(Clone, Serialize, Deserialize)]
pub struct LookupReply {
    /// Found people.
    pub people: Vec<Person>,
}

/// `GET /directory/{user_id}/chain?from=SEQ`: bundles from that sequence on, oldest first, at most 64.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chain {
    /// Whose.
    pub user_id: UserId,
    /// Whole bundles.
    pub bundles: Vec<B64>,
}
