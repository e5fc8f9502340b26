//! The object store: an S3-compatible one, by the names that its other tools use.

use std::path::PathBuf;

use url::Url;

use super::ConfigError;

/// The object store. There is one where `S3_BUCKET` is set; its secret comes from `AWS_SECRET_ACCESS_KEY`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct S3 {
    /// Bucket for sealed parts
    #[arg(long, env = "S3_BUCKET", value_name = "BUCKET")]
    pub s3_bucket: Option<String>,
    /// Its region [default: us-east-1]
    #[arg(long, env = "S3_REGION", value_name = "REGION")]
    pub s3_region: Option<String>,
    /// Where the store is, if it is not Amazon's: https://HOST[:PORT]
    #[arg(long, env = "S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<Url>,
    /// File with the authorities that its certificate is believed by, in place of the system's
    #[arg(long, env = "S3_CA", value_name = "FILE")]
    pub s3_ca: Option<PathBuf>,
    /// Name the bucket in the path instead of the host's name [default: true where S3_ENDPOINT is set]
    #[arg(long, env = "S3_PATH_STYLE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub s3_path_style: Option<bool>,
    /// Before the name of every object; it belongs to one instance alone
    #[arg(long, env = "S3_PREFIX", value_name = "PREFIX")]
    pub s3_prefix: Option<String>,
    /// Who asks; the secret is AWS_SECRET_ACCESS_KEY or AWS_SECRET_ACCESS_KEY_FILE
    #[arg(long, env = "AWS_ACCESS_KEY_ID", value_name = "ID")]
    pub s3_access_key_id: Option<String>,
    /// Where clients find the bucket's objects instead of at the store, such as a CDN before it that passes the signed query on;
    /// the bucket stays closed to everybody else
    #[arg(long, env = "S3_PUBLIC_URL", value_name = "URL")]
    pub s3_public_url: Option<Url>,
    /// Whether clients may fetch from and send to the object store itself [default: true]
    #[arg(long, env = "S3_DIRECT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub s3_direct: Option<bool>,
}

impl S3 {
    pub(crate) fn is_configured(&self) -> bool {
        self.s3_bucket.is_some()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refused = |detail| Err(ConfigError::Figure(detail));
        let of_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
        if self.s3_endpoint.as_ref().is_some_and(|url| !of_http(url)) {
            return refused("S3_ENDPOINT is an address that begins with https:// or http://");
        }
        if self.s3_public_url.as_ref().is_some_and(|url| !of_http(url) || url.query().is_some()) {
            return refused(
                "S3_PUBLIC_URL is an address that begins with https:// or http://, without a query",
            );
        }
        if self.s3_bucket.as_ref().is_some_and(String::is_empty) {
            return refused("S3_BUCKET is empty");
        }
        Ok(())
    }
}
