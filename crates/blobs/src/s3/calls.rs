//! Single requests to the bucket, and what their answers mean.

use std::io;
use std::ops::Range;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use rusty_s3::S3Action;
use url::Url;

use super::Store;
use crate::{BlobError, BlobName, BlobStream, http};

/// How long a signed request of our own may be under way before it begins.
const SIGNED_FOR: Duration = Duration::from_mins(15);

/// The longest body of a refusal that is looked at.
const REFUSAL_MAX: usize = 64 << 10;

impl Store {
    pub(super) fn key(&self, name: BlobName) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn name(&self, key: &str) -> Option<BlobName> {
        key.strip_prefix(self.prefix.as_str())?.parse().ok()
    }

    pub(super) fn sign<'a>(&self, action: &impl S3Action<'a>) -> Url {
        action.sign(SIGNED_FOR)
    }

    /// Sends a request and waits for the head of a good answer; a refusal is an error.
    pub(super) async fn call(
        &self,
        request: RequestBuilder,
        within: Duration,
    ) -> Result<Response, BlobError> {
        self.accept(http::send(request, within).await?).await
    }

    /// A good answer as it is, a refusal as an error.
    pub(super) async fn accept(&self, response: Response) -> Result<Response, BlobError> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        // A refusal that cannot be read to its end is still a refusal.
        let body = http::text(response, self.silence, REFUSAL_MAX).await.unwrap_or_default();
        Err(refusal(status, code(&body)))
    }

    pub(super) async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        let key = self.key(name);
        let url = self.sign(&self.bucket.head_object(Some(&self.keys.0), &key));
        match self.call(self.client.request(Method::HEAD, url), self.silence).await {
            Ok(response) => match number(&response, CONTENT_LENGTH.as_str()) {
                Some(len) => Ok(Some(len)),
                None => Err(http::odd("an object without a length")),
            },
            Err(BlobError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The octets of a range that is not empty.
    pub(super) async fn get(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        let key = self.key(name);
        let url = self.sign(&self.bucket.get_object(Some(&self.keys.0), &key));
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let response = http::send(self.client.get(url).header(RANGE, asked), self.silence).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(match self.len(name).await? {
                    Some(len) => BlobError::OutOfRange { len },
                    None => BlobError::NotFound,
                });
            }
            StatusCode::OK => return Err(http::odd("a store that gives no ranges")),
            _ => {
                self.accept(response).await?;
                return Err(http::odd("an answer of another kind"));
            }
        }
        let (first, last, len) =
            content_range(&response).ok_or_else(|| http::odd("a range that is not described"))?;
        if range.end > len {
            return Err(BlobError::OutOfRange { len });
        }
        if (first, last) != (range.start, range.end - 1) {
            return Err(http::odd("another range than was asked for"));
        }
        Ok(http::pieces(response, self.silence, range.end - range.start))
    }
}

fn number(response: &Response, header: &str) -> Option<u64> {
    response.headers().get(header)?.to_str().ok()?.parse().ok()
}

/// The first octet, the last one and the whole length, from `bytes 0-9/100`.
fn content_range(response: &Response) -> Option<(u64, u64, u64)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, len) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, len.parse().ok()?))
}

/// The word by which a store says what is wrong; nothing else of its text is kept.
pub(super) fn code(body: &str) -> &str {
    let word =
        body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(word, _)| word);
    word.filter(|word| word.len() <= 64 && word.bytes().all(|c| c.is_ascii_alphanumeric())).unwrap_or("")
}

/// What a refusal means for whoever asked.
pub(super) fn refusal(status: StatusCode, code: &str) -> BlobError {
    let said = || format!("the object store answered {} {code}", status.as_u16());
    match (status.as_u16(), code) {
        (_, "NoSuchBucket") => http::odd(said()),
        (404, _) => BlobError::NotFound,
        (412, _) => BlobError::AlreadyExists,
        (507, _) | (_, "QuotaExceeded" | "XMinioStorageFull" | "InsufficientCapacity") => {
            BlobError::StorageFull
        }
        (501, _) | (_, "NotImplemented") => BlobError::Io(io::Error::new(io::ErrorKind::Unsupported, said())),
        (_, "RequestTimeout" | "SlowDown" | "ConditionalRequestConflict" | "OperationAborted") => {
            http::unavailable(said())
        }
        (408 | 429 | 500 | 502 | 503 | 504, _) => http::unavailable(said()),
        (401 | 403, _) => BlobError::Io(io::Error::new(io::ErrorKind::PermissionDenied, said())),
        _ => http::odd(said()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_is_taken_from_what_a_store_says() {
        assert_eq!(code("<Error><Code>NoSuchKey</Code><Message>x</Message></Error>"), "NoSuchKey");
        for odd in [
            "",
            "<Code>",
            "<Code>two words</Code>",
            "</Code><Code>",
            &format!("<Code>{}</Code>", "x".repeat(65)),
        ] {
            assert_eq!(code(odd), "", "{odd}");
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        let status = |code| StatusCode::from_u16(code).unwrap();
        assert!(matches!(refusal(status(404), "NoSuchKey"), BlobError::NotFound));
        assert!(
            matches!(refusal(status(404), "NoSuchBucket"), BlobError::Io(_)),
            "not a blob that is missing"
        );
        assert!(matches!(refusal(status(412), ""), BlobError::AlreadyExists));
        assert!(matches!(refusal(status(507), ""), BlobError::StorageFull));
        for passing in [408, 429, 500, 502, 503, 504] {
            assert!(refusal(status(passing), "").is_transient(), "{passing}");
        }
        for lasting in [301, 400, 401, 403, 405, 501] {
            assert!(!refusal(status(lasting), "").is_transient(), "{lasting}");
        }
    }
}
