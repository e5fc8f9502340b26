//! Links: made, listed, changed and taken back by their owner; opened by whoever proves the secret.

pub(crate) mod change;
pub(crate) mod list;
pub(crate) mod make;
pub(crate) mod nonce;
pub(crate) mod open;
pub(crate) mod revoke;

use db::StoredLink;
use proto::LinkInfo;
use proto::limits::EXPIRY_MAX_SECONDS;

use crate::error::{Answer, Refusal};

fn info(link: &StoredLink) -> LinkInfo {
    LinkInfo {
        link_id: link.link,
        file_id: link.file_id,
        created: link.created_at.0,
        expires_at: link.expires_at.map(|at| at.0),
        file_expires_at: link.file_expires_at.0,
        downloads: link.downloads,
        max_downloads: link.max_downloads,
    }
}

/// Refuses limits that would close a link at once, or mean nothing.
fn check_limits(expires_in: Option<i64>, max_downloads: Option<u32>) -> Answer<()> {
    if expires_in.is_some_and(|seconds| !(1..=EXPIRY_MAX_SECONDS).contains(&seconds)) {
        return Err(Refusal::malformed("A link ends in the future, at most 366 days from now."));
    }
    if max_downloads == Some(0) {
        return Err(Refusal::malformed("A link allows at least one download, or any number."));
    }
    Ok(())
}
