//! What the S3 server of tests (`s3-store`) and those who use it must agree on.

/// The bucket.
pub const BUCKET: &str = "sealed";
/// Who asks.
pub const ID: &str = "GK0123456789";
/// By which secret.
pub const SECRET: &str = "a secret that nobody else has";
