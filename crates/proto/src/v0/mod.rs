//! The documented API (v0): JSON with the whole ciphertext in it as base64. Fields and codes are fixed.
//!
//! Unlike the native API, unknown fields of requests are skipped, and binary fields are padded base64 of the standard
//! alphabet.

pub mod base64;
mod reader;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{FileId, UnixSeconds, UserId};
pub use reader::{DEPTH_MAX, JsonFault, REST_MAX, Reader, Streamed};

/// The long field of an upload and of a file.
pub const CIPHERTEXT: &str = "ciphertext";
/// Octets of a file's ciphertext at most: 500 MiB and the tag.
pub const FILE_MAX: u64 = (500 << 20) + 16;
/// Bytes of a request's body at most, unless the operator says otherwise: such a file as base64, and its other fields.
pub const BODY_MAX: u64 = base64::encoded_len(FILE_MAX) + REST_MAX as u64;
/// Hours that a file lives unless said otherwise.
pub const EXPIRES_HOURS: u64 = 168;
/// Addresses in `allowed_users` at most.
pub const ALLOWED_MAX: usize = 500;
/// Characters of a file's name at most.
pub const NAME_MAX: usize = 1_024;
/// Seconds that a refresh token lives; it is not exchanged for another.
pub const REFRESH_SECONDS: i64 = 7 * 86_400;

/// `POST /auth/request_otp`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OtpRequest {
    /// The address that the code goes to.
    pub email: String,
}

/// `POST /auth/login`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoginRequest {
    /// The address.
    pub email: String,
    /// Its code, six digits.
    pub otp: String,
}

/// Reply of a login.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoginReply {
    /// Access token, one hour.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: crate::Token,
    /// Refresh token, seven days.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub refresh_token: crate::Token,
    /// Whose session it is.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Uuid))]
    pub user_id: UserId,
    /// Seconds that the access token lives.
    pub expires_in: i64,
}

/// `POST /auth/refresh`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefreshRequest {
    /// The refresh token.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub refresh_token: crate::Token,
}

/// Its reply.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefreshReply {
    /// A new access token.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: crate::Token,
    /// Seconds that it lives.
    pub expires_in: i64,
}

/// What says only that it was done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Done {
    /// `ok`.
    pub status: String,
    /// A sentence, where the document has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// `POST /upload`, but for the ciphertext, which passes through a [`Reader`].
#[derive(Clone, Debug, Deserialize)]
pub struct UploadFields {
    /// What the file is called; the server reads it.
    pub filename: String,
    /// Base64.
    pub nonce: String,
    /// Has passed through.
    pub ciphertext: Streamed,
    /// Base64.
    pub wrapped_key: String,
    /// JSON as a text.
    pub metadata: String,
    /// [`EXPIRES_HOURS`] unless said.
    #[serde(default)]
    pub expires_hours: Option<u64>,
    /// Addresses of those who may fetch it besides the owner.
    #[serde(default)]
    pub allowed_users: Option<Vec<String>>,
}

/// `POST /upload` as a whole, for the description of the API alone: the server never holds one.
#[cfg(feature = "openapi")]
#[derive(Debug, utoipa::ToSchema)]
pub struct UploadBody {
    /// What the file is called; the server reads it.
    pub filename: String,
    /// Base64.
    pub nonce: String,
    /// Base64; a file of at most 500 MiB.
    pub ciphertext: String,
    /// Base64.
    pub wrapped_key: String,
    /// JSON as a text.
    pub metadata: String,
    /// 168 unless said.
    #[schema(minimum = 1, maximum = 8784)]
    pub expires_hours: Option<u64>,
    /// Addresses of those who may fetch it besides the owner.
    #[schema(max_items = 500)]
    pub allowed_users: Option<Vec<String>>,
}

/// `GET /files/{file_id}` as a whole, for the description of the API alone.
#[cfg(feature = "openapi")]
#[derive(Debug, utoipa::ToSchema)]
pub struct WholeFile {
    /// The file's id.
    #[schema(format = Uuid)]
    pub file_id: String,
    /// What it is called.
    pub filename: String,
    /// Base64.
    pub nonce: String,
    /// Base64.
    pub ciphertext: String,
    /// Base64.
    pub wrapped_key: String,
    /// JSON as a text.
    pub metadata: String,
}

/// `POST /upload/presigned`: where to put a file in the object store, by one `PUT` of its octets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Presigned {
    /// An address that is good for this object and for a while.
    pub upload_url: String,
    /// The object, for `POST /upload/s3`.
    pub s3_key: String,
    /// The bucket that it is in.
    pub bucket: String,
}

/// `POST /upload/s3`: the file is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct S3Fields {
    /// As `POST /upload/presigned` gave it to this caller.
    pub s3_key: String,
    /// As it gave it.
    pub bucket: String,
    /// Base64.
    pub wrapped_key: String,
    /// JSON as a text.
    pub metadata: String,
    /// Base64, where the metadata does not tell it.
    #[serde(default)]
    pub nonce: Option<String>,
    /// What the file is called; `file` unless said.
    #[serde(default)]
    pub filename: Option<String>,
    /// [`EXPIRES_HOURS`] unless said.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 8784))]
    pub expires_hours: Option<u64>,
    /// Addresses of those who may fetch it besides the owner.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 500))]
    pub allowed_users: Option<Vec<String>>,
}

impl From<S3Fields> for UploadFields {
    fn from(fields: S3Fields) -> Self {
        Self {
            filename: fields.filename.unwrap_or_else(|| "file".to_owned()),
            nonce: fields.nonce.unwrap_or_default(),
            ciphertext: Streamed,
            wrapped_key: fields.wrapped_key,
            metadata: fields.metadata,
            expires_hours: fields.expires_hours,
            allowed_users: fields.allowed_users,
        }
    }
}

/// Reply of an upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Uploaded {
    /// The file's id.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Uuid))]
    pub file_id: FileId,
    /// When it ends.
    pub expires_at: UnixSeconds,
}

/// `GET /files/{file_id}`, but for the ciphertext.
#[derive(Clone, Debug, Deserialize)]
pub struct FileFields {
    /// The file's id.
    pub file_id: FileId,
    /// What it is called.
    pub filename: String,
    /// Base64.
    pub nonce: String,
    /// Has passed through.
    pub ciphertext: Streamed,
    /// Base64.
    pub wrapped_key: String,
    /// JSON as a text.
    pub metadata: String,
}

/// `GET /files/{file_id}/metadata`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileMetadata {
    /// What the list says of it too.
    #[serde(flatten)]
    pub file: FileRow,
    /// Whether it is the caller's own.
    pub owner: bool,
}

/// One file of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileRow {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Uuid))]
    pub file_id: FileId,
    /// What it is called.
    pub filename: String,
    /// When it came.
    pub uploaded_at: UnixSeconds,
    /// When it ends.
    pub expires_at: UnixSeconds,
    /// Octets of its ciphertext.
    pub size: u64,
    /// How often it was fetched.
    pub downloads: u64,
}

/// `GET /files`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileList {
    /// The caller's own uploads, newest first, at most 1,000.
    pub files: Vec<FileRow>,
    /// Where the next page begins (`?after=`), if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The native list of files of this kind: the caller's own, and those that others let them fetch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NativeList {
    /// Newest first, at most 1,000.
    pub files: Vec<FileMetadata>,
}

/// `GET /stats`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatsReply {
    /// The caller's files.
    pub total_files: u64,
    /// Octets of their ciphertexts.
    pub total_size: u64,
    /// Events of the audit log that the caller is shown.
    pub activity_count: u64,
}

/// Begins an object whose last field is the ciphertext: what is said before its octets. [`TAIL`] is said after them.
///
/// # Errors
/// None that a map of texts can give.
pub fn head(fields: &BTreeMap<&str, serde_json::Value>) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(fields)?;
    text.pop();
    if !fields.is_empty() {
        text.push(b',');
    }
    text.extend_from_slice(b"\"ciphertext\":\"");
    Ok(text)
}

/// What is said after the octets.
pub const TAIL: &[u8] = b"\"}";
