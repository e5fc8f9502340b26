//! Where a bucket is and how it is reached.

use std::fmt;
use std::time::Duration;

use rusty_s3::{Bucket, BucketError, Credentials, UrlStyle};
use url::Url;

use crate::http::BadAuthority;

/// How the name of the bucket gets into the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum S3Style {
    /// `https://endpoint/bucket/key`: most stores of one's own.
    #[default]
    Path,
    /// `https://bucket.endpoint/key`: the large providers.
    VirtualHost,
}

/// Where a bucket is and how it is reached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct S3Options {
    /// `https://s3.example` or `http://127.0.0.1:3900`; a path is kept.
    pub endpoint: String,
    /// As the store calls its place; many stores of one's own want `us-east-1` or a word of theirs.
    pub region: String,
    /// The bucket, which must be there.
    pub bucket: String,
    /// What every key begins with; a `/` is added at its end. Empty for none.
    pub prefix: String,
    /// How the bucket is named.
    pub style: S3Style,
    /// Authorities for TLS in place of the system's.
    pub ca_pem: Option<String>,
    /// The base of addresses for downloads in place of the bucket's own: `https://cdn.example/`. What stands there has to
    /// fetch `key` with the query that it was asked with from the bucket under the bucket's own host name.
    pub cdn: Option<String>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the head of an answer, or for the next octets of one.
    pub silence: Duration,
    /// Longest time for one chunk to be taken over.
    pub chunk_time: Duration,
    /// Keys asked for at once when listing, 1 to 1,000.
    pub list_page: u16,
}

impl S3Options {
    /// A bucket in path style, without prefix or CDN, with the usual time-outs (5, 30 and 120 seconds).
    pub fn new(endpoint: impl Into<String>, region: impl Into<String>, bucket: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            region: region.into(),
            bucket: bucket.into(),
            prefix: String::new(),
            style: S3Style::Path,
            ca_pem: None,
            cdn: None,
            connect_timeout: Duration::from_secs(5),
            silence: Duration::from_secs(30),
            chunk_time: Duration::from_secs(120),
            list_page: 1000,
        }
    }

    pub(super) fn bucket(&self) -> Result<Bucket, BadS3> {
        let endpoint: Url = self.endpoint.parse().map_err(|_| BadS3::Endpoint)?;
        if !endpoint.username().is_empty() || endpoint.password().is_some() || endpoint.query().is_some() {
            return Err(BadS3::Endpoint);
        }
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        };
        if !is_name(&self.bucket) || self.bucket.starts_with('.') || !is_name(&self.region) {
            return Err(BadS3::Bucket);
        }
        let style = match self.style {
            S3Style::Path => UrlStyle::Path,
            S3Style::VirtualHost => UrlStyle::VirtualHost,
        };
        Bucket::new(endpoint, style, self.bucket.clone(), self.region.clone()).map_err(|error| match error {
            BucketError::ParseError(_) => BadS3::Bucket,
            BucketError::UnsupportedScheme | BucketError::MissingHost => BadS3::Endpoint,
        })
    }

    /// The prefix with its `/`. Segments that an address would swallow are none.
    pub(super) fn prefix(&self) -> Result<String, BadS3> {
        let trimmed = self.prefix.trim_end_matches('/');
        if trimmed.is_empty() && self.prefix.is_empty() {
            return Ok(String::new());
        }
        let is_segment = |text: &str| {
            !matches!(text, "" | "." | "..")
                && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        };
        if trimmed.split('/').all(is_segment) { Ok(format!("{trimmed}/")) } else { Err(BadS3::Prefix) }
    }

    pub(super) fn cdn(&self) -> Result<Option<Url>, BadS3> {
        let Some(text) = &self.cdn else { return Ok(None) };
        let url: Url = text.parse().map_err(|_| BadS3::Cdn)?;
        let is_base = matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if is_base { Ok(Some(url)) } else { Err(BadS3::Cdn) }
    }
}

/// The key that signs requests. It neither prints nor serialises.
#[derive(Clone)]
pub struct S3Keys(pub(super) Credentials);

impl S3Keys {
    /// A key pair as the store gave it, with a session token if there is one.
    pub fn new(id: impl Into<String>, secret: impl Into<String>, token: Option<String>) -> Self {
        Self(match token {
            Some(token) => Credentials::new_with_token(id, secret, token),
            None => Credentials::new(id, secret),
        })
    }
}

impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Keys(…)")
    }
}

/// Options that make no bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadS3 {
    /// Not an address with `http` or `https` and a host alone.
    #[error("the endpoint of the object store is not an http(s) address without name, password or query")]
    Endpoint,
    /// A bucket or region that cannot be one, or not as a part of the host name.
    #[error("the bucket or the region of the object store cannot be called that")]
    Bucket,
    /// A prefix with an empty segment, dots alone, or other signs than letters, digits, `-`, `_` and `.`.
    #[error("the prefix in the bucket is not made of names with / between them")]
    Prefix,
    /// Not an address without query.
    #[error("the CDN's base is not an http(s) address without name, password or query")]
    Cdn,
    /// The authority's certificates.
    #[error(transparent)]
    Authority(#[from] BadAuthority),
}
