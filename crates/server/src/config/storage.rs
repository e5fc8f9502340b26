//! Where a server keeps its database, blobs, keys and mail.

use std::path::PathBuf;

/// Where a server keeps its database, blobs, keys and mail.
#[derive(Clone, Debug, clap::Args)]
pub struct Storage {
    /// Folder for the database, the sealed parts and the server's own keys
    #[arg(long, env = "WAXD_DATA", value_name = "FOLDER", default_value = "waxd-data")]
    pub data: PathBuf,
    /// Folder for the sealed parts alone [default: FOLDER/blobs]
    #[arg(long, env = "WAXD_BLOBS", value_name = "FOLDER")]
    pub blobs: Option<PathBuf>,
}

impl Storage {
    pub(crate) fn blob_dir(&self) -> PathBuf {
        self.blobs.clone().unwrap_or_else(|| self.data.join("blobs"))
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { data: "waxd-data".into(), blobs: None }
    }
}
