//! Addresses by which a client reaches the bucket itself, for a while.

use std::fmt;
use std::time::Duration;

use rusty_s3::S3Action as _;

use super::S3;
use crate::BlobName;

/// No signature lasts longer, whatever is asked for: the limit of the signing scheme.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// An address that is a key as long as it lasts. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct PresignedUrl {
    url: String,
    headers: Vec<(&'static str, String)>,
}

impl PresignedUrl {
    /// The address, to be given to whoever may use it and to nothing else: no log, no error.
    pub fn expose_url(&self) -> &str {
        &self.url
    }

    /// Headers that must be sent exactly as they stand here, in lower case. A client's HTTP library sends
    /// `content-length` by itself.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresignedUrl(…)")
    }
}

/// What a presigned upload may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutTerms {
    /// Only a body of so many octets. Without it any length is taken, up to what the store takes at once.
    pub len: Option<u64>,
    /// Only while nothing is there: the client must send `if-none-match: *`. A store that does not know this header refuses or
    /// ignores it, so what was uploaded is to be read back before it is believed, and again if it matters.
    pub once: bool,
    /// How long the address can be used.
    pub lasts: Duration,
}

/// Addresses by which a client reaches the store itself, for a while. Made without asking the store: nothing says that it is
/// reachable from where the client is.
pub trait Presign: Send + Sync {
    /// To download the blob or ranges of it, by the CDN if there is one.
    fn presign_get(&self, name: BlobName, lasts: Duration) -> PresignedUrl;

    /// To upload a blob in one piece.
    fn presign_put(&self, name: BlobName, terms: PutTerms) -> PresignedUrl;
}

impl Presign for S3 {
    fn presign_get(&self, name: BlobName, lasts: Duration) -> PresignedUrl {
        let store = &self.store;
        let key = store.key(name);
        let signed = store.bucket.get_object(Some(&store.keys.0), &key).sign(bounded(lasts));
        let url = match &store.cdn {
            Some(base) => {
                let mut url = base.clone();
                url.set_path(&format!("{}/{key}", base.path().trim_end_matches('/')));
                url.set_query(signed.query());
                url
            }
            None => signed,
        };
        PresignedUrl { url: url.into(), headers: Vec::new() }
    }

    fn presign_put(&self, name: BlobName, terms: PutTerms) -> PresignedUrl {
        let store = &self.store;
        let key = store.key(name);
        let mut action = store.bucket.put_object(Some(&store.keys.0), &key);
        let mut headers = Vec::new();
        if let Some(len) = terms.len {
            headers.push(("content-length", len.to_string()));
        }
        if terms.once {
            headers.push(("if-none-match", "*".to_owned()));
        }
        for (header, value) in &headers {
            action.headers_mut().insert(*header, value.clone());
        }
        PresignedUrl { url: action.sign(bounded(terms.lasts)).into(), headers }
    }
}

fn bounded(lasts: Duration) -> Duration {
    lasts.clamp(Duration::from_secs(1), LONGEST)
}
