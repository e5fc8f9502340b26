//! Opening the stores that the configuration names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blobs::{
    BadIpfs, BadMirror, BadS3, BlobError, Blobs, Ipfs, IpfsAuthorization, IpfsOptions, LocalBlobs, Mirror,
    Retry, RetryPolicy, S3, S3Keys, S3Options, S3Style,
};

use super::away::Away;
use super::{Copies, Folder, Shelf, StoreError, StoreName, Stores};
use crate::config::{Config, ConfigError};

/// Why the stores cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoresError {
    /// What is configured makes no store.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder.
    #[error("{} cannot be used as a storage folder: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: BlobError,
    },
    /// A file of authorities for the certificate of a store.
    #[error("the authorities in {} cannot be read: {source}", path.display())]
    Authorities {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Folders that cannot hold copies of each other's blobs.
    #[error("the storage folders cannot hold copies: {0}")]
    Mirror(#[from] BadMirror),
    /// The object store.
    #[error("S3: {0}")]
    S3(#[from] BadS3),
    /// The node of IPFS.
    #[error("IPFS: {0}")]
    Ipfs(#[from] BadIpfs),
    /// New blobs would go nowhere.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Stores {
    /// Opens every configured store; missing folders are made. `more` stands beside or in the place of those.
    pub(crate) async fn open(
        config: &Config,
        more: Vec<(StoreName, Arc<dyn Blobs>)>,
    ) -> Result<Self, OpenStoresError> {
        config.storage.check()?;
        let given = |name| more.iter().any(|(given, _)| *given == name);
        let mut shelves = Vec::new();
        if !given(StoreName::Local) {
            shelves.push(local(config).await?);
        }
        if !given(StoreName::S3)
            && let Some(bucket) = &config.storage.parts.s3.s3_bucket
        {
            shelves.push(object_store(config, bucket)?);
        }
        if !given(StoreName::Ipfs)
            && let Some(api) = &config.storage.parts.ipfs_api
        {
            shelves.push(ipfs(config, api)?);
        }
        shelves.extend(more.into_iter().map(|(name, blobs)| Shelf::new(name, blobs)));
        Ok(Self::new(shelves, config.storage.parts.store)?)
    }
}

/// One folder, or a mirror of several. A mirror is opened as long as a blob can have all its copies.
async fn local(config: &Config) -> Result<Shelf, OpenStoresError> {
    let (paths, wanted) = (config.storage.blob_dirs(), config.storage.wanted_copies());
    if let [only] = paths.as_slice() {
        return Ok(Shelf::new(StoreName::Local, Arc::new(open(only).await?)));
    }
    let (mut folders, mut failed) = (Vec::new(), Vec::new());
    for path in paths {
        let blobs: Arc<dyn Blobs> = match open(&path).await {
            Ok(blobs) => Arc::new(blobs),
            Err(error) => {
                tracing::error!(%error, "a storage folder is away; its copies are read from the others");
                failed.push(error);
                Arc::new(Away)
            }
        };
        folders.push(Folder { path, blobs });
    }
    if folders.len() - failed.len() < wanted
        && let Some(error) = failed.pop()
    {
        return Err(error);
    }
    let label = |folder: &Folder| folder.path.display().to_string();
    let own = config.storage.parts.own_folder.saturating_sub(1).min(folders.len() - 1);
    let stores = folders.iter().map(|folder| (label(folder), folder.blobs.clone())).collect();
    let mirror = Mirror::new(stores, wanted)?.preferring(&label(&folders[own]))?;
    let copies = Some(Copies { folders, wanted });
    Ok(Shelf { copies, ..Shelf::new(StoreName::Local, Arc::new(mirror)) })
}

fn ipfs(config: &Config, api: &str) -> Result<Shelf, OpenStoresError> {
    let mut options = IpfsOptions::new(api);
    options.ca_pem = authorities(config.storage.parts.ipfs_ca.as_deref())?;
    if let Some(secret) = &config.secrets.ipfs_api_authorization {
        let shown = IpfsAuthorization::new(secret.expose_secret_text());
        options.authorization =
            Some(shown.ok_or(ConfigError::Figure(
                "IPFS_API_AUTHORIZATION is one line that can stand in a header",
            ))?);
    }
    let node = Ipfs::new(&options)?;
    let blobs = Arc::new(Retry::new(node.clone(), RetryPolicy::default()));
    Ok(Shelf { node: Some(node), ..Shelf::new(StoreName::Ipfs, blobs) })
}

/// What stands in a file of authorities, if one is named.
fn authorities(file: Option<&Path>) -> Result<Option<String>, OpenStoresError> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|source| OpenStoresError::Authorities { path: path.to_owned(), source })
    };
    file.map(read).transpose()
}

fn object_store(config: &Config, bucket: &str) -> Result<Shelf, OpenStoresError> {
    let s3 = &config.storage.parts.s3;
    let (Some(id), Some(secret)) = (&s3.s3_access_key_id, &config.secrets.aws_secret_access_key) else {
        return Err(ConfigError::Figure(
            "S3_BUCKET needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_SECRET_ACCESS_KEY_FILE)",
        )
        .into());
    };
    let region = s3.s3_region.as_deref().unwrap_or("us-east-1");
    let endpoint = match &s3.s3_endpoint {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("https://s3.{region}.amazonaws.com"),
    };
    let mut options = S3Options::new(endpoint, region, bucket);
    options.ca_pem = authorities(s3.s3_ca.as_deref())?;
    options.prefix = s3.s3_prefix.clone().unwrap_or_default();
    options.cdn = s3.s3_public_url.as_ref().map(|url| url.as_str().to_owned());
    // Stores of one's own rarely have a name for each bucket.
    if !s3.s3_path_style.unwrap_or(s3.s3_endpoint.is_some()) {
        options.style = S3Style::VirtualHost;
    }
    let store = S3::new(&options, S3Keys::new(id, secret.expose_secret_text(), None))?;
    let blobs = Arc::new(Retry::new(store.clone(), RetryPolicy::default()));
    let direct = s3.s3_direct.unwrap_or(true).then_some(store);
    Ok(Shelf { direct, ..Shelf::new(StoreName::S3, blobs) })
}

async fn open(path: &PathBuf) -> Result<LocalBlobs, OpenStoresError> {
    LocalBlobs::open(path).await.map_err(|source| OpenStoresError::Folder { path: path.clone(), source })
}
