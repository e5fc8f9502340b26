//! Files of the documented API (v0): sent only when that is asked for, fetched with what is lacking said.
//!
//! They are signed by nobody, and the server is told their names, sizes and for whom they are. What opens them is an RSA key
//! that stands alone, never one of the keys that other files are sealed to.

mod all;
mod receive;
mod send;

use crate::{Client, FileId, Result};
use proto::paths;
use proto::v0::{FileMetadata, NativeList};
use reqwest::Method;

pub use all::OnReceivedV0;
pub use receive::{ReceivedV0, V0Opener};
pub use send::{SendV0, SentV0};

/// A file of the documented API, as the server tells it: nothing of this is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V0Summary {
    /// Id.
    pub file_id: FileId,
    /// Name, which the server knows too. Control and direction characters are the reader's to mind.
    pub name: String,
    /// Bytes of the ciphertext.
    pub size: u64,
    /// Unix seconds.
    pub uploaded_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// Fetches so far.
    pub downloads: u64,
    /// Whether one sent it oneself.
    pub own: bool,
}

impl From<FileMetadata> for V0Summary {
    fn from(told: FileMetadata) -> Self {
        let FileMetadata { file, owner } = told;
        Self {
            file_id: file.file_id,
            name: file.filename,
            size: file.size,
            uploaded_at: file.uploaded_at,
            expires_at: file.expires_at,
            downloads: file.downloads,
            own: owner,
        }
    }
}

impl Client {
    /// Files of the documented API that one sent, or may fetch, newest first; at most 1,000.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn v0_files(&self) -> Result<Vec<V0Summary>> {
        let list: NativeList =
            self.inner.call(|server| server.request(Method::GET, paths::V0_NATIVE_LIST)).await?;
        Ok(list.files.into_iter().map(V0Summary::from).collect())
    }

    /// What the server tells of such a file. Nothing of it is fetched, and looking counts nothing.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Expired`].
    pub async fn v0_info(&self, file_id: FileId) -> Result<V0Summary> {
        let told: FileMetadata = self
            .inner
            .call(|server| server.request(Method::GET, &paths::fill(paths::V0_METADATA, &[&file_id])))
            .await
            .map_err(none_of_these)?;
        Ok(V0Summary::from(told))
    }

    /// Ends such a file for everybody.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is none of one's own.
    pub async fn remove_v0(&self, file_id: FileId) -> Result<()> {
        let path = paths::fill(paths::V0_FILE, &[&file_id]);
        self.inner
            .authed(|server| server.request(Method::DELETE, &path))
            .await
            .map(drop)
            .map_err(none_of_these)
    }
}

/// A sealed file is none of these, whatever the server says to clients that know no others.
fn none_of_these(error: crate::Error) -> crate::Error {
    match error.code() {
        Some(proto::Code::OpenWithWax) => crate::Error::NotFound,
        _ => error,
    }
}
