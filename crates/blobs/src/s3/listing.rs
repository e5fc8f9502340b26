//! Page by page: what the bucket holds, and uploads that were begun and never ended.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use instant_xml::FromXml;
use jiff::Timestamp;
use rusty_s3::Method;
use rusty_s3::actions::{ListObjectsV2, ListObjectsV2Response};
use rusty_s3::signing;

use super::Store;
use crate::{BlobError, BlobList, ListedBlob, http};

/// The longest page that is read: 1,000 keys with everything that is said of each.
const PAGE_MAX: usize = 8 << 20;

/// Pages of abandoned uploads that one sweep looks at; the next sweep goes on.
const SWEEP_PAGES: usize = 100;

/// All blobs of the bucket. The first page is fetched at once, so that a store that cannot be reached is an error.
pub(super) async fn list(store: Arc<Store>) -> Result<BlobList, BlobError> {
    let first = page(&store, None).await?;
    let state = Some((store, Ok(first), Circle::default()));
    let pages = stream::unfold(state, |state| async move {
        let (store, this, mut circle) = state?;
        match this {
            Err(error) => Some((stream::iter(vec![Err(error)]), None)),
            Ok(ListObjectsV2Response { contents, next_continuation_token, .. }) => {
                let blobs =
                    contents.into_iter().filter_map(|object| listed(&store, &object)).collect::<Vec<_>>();
                let rest = match next_continuation_token {
                    None => None,
                    Some(token) if circle.is_closed_by(&token) => {
                        Some((store, Err(http::odd("a listing that goes in a circle")), circle))
                    }
                    Some(token) => {
                        let next = page(&store, Some(&token)).await;
                        Some((store, next, circle))
                    }
                };
                Some((stream::iter(blobs), rest))
            }
        }
    });
    Ok(pages.flatten().boxed())
}

/// Notices a store that leads from page to page in a circle. One token is kept and is replaced ever more rarely, so that
/// a circle of any length is found (Brent, 1980).
#[derive(Default)]
struct Circle {
    kept: String,
    pages: u64,
}

impl Circle {
    /// Whether this token was given before. Empty ones do not come here.
    fn is_closed_by(&mut self, token: &str) -> bool {
        if self.kept == token {
            return true;
        }
        self.pages += 1;
        if self.pages.is_power_of_two() {
            token.clone_into(&mut self.kept);
        }
        false
    }
}

async fn page(store: &Store, token: Option<&str>) -> Result<ListObjectsV2Response, BlobError> {
    let mut action = store.bucket.list_objects_v2(Some(&store.keys.0));
    action.with_prefix(store.prefix.as_str());
    action.with_max_keys(usize::from(store.list_page));
    if let Some(token) = token {
        action.with_continuation_token(token);
    }
    let response = store.call(store.client.get(store.sign(&action)), store.silence).await?;
    let text = http::text(response, store.silence, PAGE_MAX).await?;
    ListObjectsV2::parse_response(&text).map_err(|_| http::odd("a listing that cannot be read"))
}

fn listed(
    store: &Store,
    object: &rusty_s3::actions::list_objects_v2::ListObjectsContent,
) -> Option<Result<ListedBlob, BlobError>> {
    let Some(name) = store.name(&object.key) else {
        tracing::warn!("an object in the bucket is not a blob and is left alone");
        return None;
    };
    let modified = object.last_modified.as_ref().and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(len), Some(modified)) = (object.size, modified) else {
        return Some(Err(http::odd("a listed object without length or time")));
    };
    Some(Ok(ListedBlob { name, len, modified: modified.as_second() }))
}

const NS: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

#[derive(FromXml)]
#[xml(rename = "ListMultipartUploadsResult", ns(NS))]
struct Uploads {
    uploads: Vec<Upload>,
    #[xml(rename = "IsTruncated")]
    is_truncated: Option<bool>,
    #[xml(rename = "NextKeyMarker")]
    next_key: Option<String>,
    #[xml(rename = "NextUploadIdMarker")]
    next_upload: Option<String>,
}

#[derive(FromXml)]
#[xml(rename = "Upload", ns(NS))]
struct Upload {
    #[xml(rename = "Key")]
    key: String,
    #[xml(rename = "UploadId")]
    id: String,
    #[xml(rename = "Initiated")]
    initiated: String,
}

/// Ends uploads that were begun `older_than` ago. What counts is when an upload was begun: stores do not say when
/// its last chunk came.
pub(super) async fn sweep(store: &Store, older_than: Duration) -> Result<u64, BlobError> {
    let now = Timestamp::now().as_second();
    let oldest_kept = now.saturating_sub(i64::try_from(older_than.as_secs()).unwrap_or(i64::MAX));
    let (mut swept, mut after) = (0, None);
    for _ in 0..SWEEP_PAGES {
        let page = match uploads(store, after.as_ref()).await {
            Err(BlobError::Io(error)) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(
                    "this object store cannot list abandoned uploads: give the bucket a rule that ends them"
                );
                return Ok(swept);
            }
            other => other?,
        };
        for upload in &page.uploads {
            let begun = upload.initiated.parse::<Timestamp>().map(Timestamp::as_second);
            let is_ours = store.name(&upload.key).is_some();
            // A time that cannot be read is no age at all: such an upload is left alone.
            if is_ours && begun.is_ok_and(|begun| begun <= oldest_kept) {
                abort(store, &upload.key, &upload.id).await?;
                swept += 1;
            }
        }
        after = page.next_key.zip(page.next_upload);
        if page.is_truncated != Some(true) || after.is_none() {
            break;
        }
    }
    Ok(swept)
}

async fn uploads(store: &Store, after: Option<&(String, String)>) -> Result<Uploads, BlobError> {
    // In the order of their names, as the signature wants them.
    let mut query: Vec<(&str, &str)> = Vec::new();
    if let Some((key, _)) = after {
        query.push(("key-marker", key));
    }
    query.push(("prefix", &store.prefix));
    if let Some((_, upload)) = after {
        query.push(("upload-id-marker", upload));
    }
    query.push(("uploads", ""));
    let keys = &store.keys.0;
    let url = signing::sign(
        &Timestamp::now(),
        Method::Get,
        store.bucket.base_url().clone(),
        keys.key(),
        keys.secret(),
        keys.token(),
        store.bucket.region(),
        900,
        query.iter().copied(),
        std::iter::empty(),
    );
    let response = store.call(store.client.get(url), store.silence).await?;
    let text = http::text(response, store.silence, PAGE_MAX).await?;
    instant_xml::from_str(&text).map_err(|_| http::odd("a list of uploads that cannot be read"))
}

/// Ends an upload; success means that it is not there.
pub(super) async fn abort(store: &Store, key: &str, id: &str) -> Result<(), BlobError> {
    let url = store.sign(&store.bucket.abort_multipart_upload(Some(&store.keys.0), key, id));
    match store.call(store.client.delete(url), store.silence).await {
        Ok(_) | Err(BlobError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_uploads_is_read_with_what_is_not_known_in_it() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Bucket>b</Bucket><KeyMarker/><NextKeyMarker>k2</NextKeyMarker><NextUploadIdMarker>u2</NextUploadIdMarker>
  <MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated>
  <Upload><Key>k1</Key><UploadId>u1</UploadId><Initiator><ID>x</ID></Initiator><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>
  <Upload><Key>k2</Key><UploadId>u2</UploadId><StorageClass>STANDARD</StorageClass><Initiated>2026-01-02T03:04:06.000Z</Initiated></Upload>
</ListMultipartUploadsResult>"#;
        let read: Uploads = instant_xml::from_str(text).unwrap();
        assert_eq!(read.uploads.iter().map(|upload| upload.id.as_str()).collect::<Vec<_>>(), ["u1", "u2"]);
        assert_eq!((read.is_truncated, read.next_key.as_deref()), (Some(true), Some("k2")));
        assert_eq!(read.uploads[0].initiated.parse::<Timestamp>().unwrap().as_second(), 1_767_323_045);
    }
}
