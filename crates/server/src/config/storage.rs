//! Where a server keeps its database, blobs, keys and mail.

use std::path::PathBuf;

use super::{ConfigError, S3};
use crate::stores::StoreName;

/// Where a server keeps its database, blobs, keys and mail.
#[derive(Clone, Debug, clap::Args)]
pub struct Storage {
    /// Folder for the database, the sealed parts and the server's own keys
    #[arg(long, env = "WAXD_DATA", value_name = "FOLDER", default_value = "waxd-data")]
    pub data: PathBuf,
    /// Where sealed parts are kept.
    #[command(flatten)]
    pub parts: Parts,
}

/// Where sealed parts are kept.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Parts {
    /// Folder for the sealed parts alone; several, by repeating it or with commas between, keep copies [default: FOLDER/blobs]
    #[arg(long, env = "WAXD_BLOBS", value_name = "FOLDER", value_delimiter = ',')]
    pub blobs: Vec<PathBuf>,
    /// How many of several folders hold each part [default: 2]
    #[arg(long, env = "WAXD_COPIES", value_name = "N")]
    pub copies: Option<usize>,
    /// Which of several folders is written to first, from 1
    #[arg(long, env = "WAXD_OWN_FOLDER", value_name = "N", default_value_t = 1)]
    pub own_folder: usize,
    /// Where new parts go; files stay where they are, and `waxd admin blobs move` moves them
    #[arg(long, env = "WAXD_STORE", value_enum, value_name = "STORE", default_value_t = StoreName::Local)]
    pub store: StoreName,
    /// The object store.
    #[command(flatten)]
    pub s3: S3,
    /// The RPC of a Kubo daemon, as a multiaddress or a URL (what is published on IPFS cannot be taken back)
    #[arg(long, env = "IPFS_API", value_name = "ADDRESS")]
    pub ipfs_api: Option<String>,
}

impl Storage {
    /// The folders of the local store, at least one.
    pub(crate) fn blob_dirs(&self) -> Vec<PathBuf> {
        match self.parts.blobs.as_slice() {
            [] => vec![self.data.join("blobs")],
            folders => folders.to_vec(),
        }
    }

    /// How many folders hold each part.
    pub(crate) fn wanted_copies(&self) -> usize {
        self.parts.copies.unwrap_or(2).min(self.blob_dirs().len())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let parts = &self.parts;
        let folders = self.blob_dirs();
        if (1..folders.len()).any(|n| folders[..n].contains(&folders[n])) {
            return Err(ConfigError::Figure(
                "WAXD_BLOBS names one folder twice, which would be no second copy",
            ));
        }
        if parts.copies.is_some_and(|copies| copies == 0 || copies > folders.len()) {
            return Err(ConfigError::Figure(
                "WAXD_COPIES is at least 1 and at most the number of folders in WAXD_BLOBS",
            ));
        }
        // With one folder nothing is said by it: 1 is the default.
        if !(1..=folders.len()).contains(&parts.own_folder) {
            return Err(ConfigError::Figure(
                "WAXD_OWN_FOLDER is the place of a folder in WAXD_BLOBS, from 1",
            ));
        }
        parts.s3.check()?;
        match parts.store {
            StoreName::S3 if !parts.s3.is_configured() => {
                Err(ConfigError::Figure("WAXD_STORE=s3 needs S3_BUCKET"))
            }
            StoreName::Ipfs if parts.ipfs_api.is_none() => {
                Err(ConfigError::Figure("WAXD_STORE=ipfs needs IPFS_API"))
            }
            _ => Ok(()),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { data: "waxd-data".into(), parts: Parts { own_folder: 1, ..Parts::default() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_folders(folders: &[&str]) -> Storage {
        let mut storage = Storage::default();
        storage.parts.blobs = folders.iter().map(PathBuf::from).collect();
        storage
    }

    #[test]
    fn several_folders_keep_two_copies_unless_told_otherwise() {
        let one = Storage::default();
        assert_eq!((one.blob_dirs(), one.wanted_copies()), (vec!["waxd-data/blobs".into()], 1));
        let mut three = of_folders(&["a", "b", "c"]);
        assert_eq!(three.wanted_copies(), 2);
        three.parts.copies = Some(3);
        three.parts.own_folder = 3;
        assert_eq!(three.wanted_copies(), 3);
        three.check().unwrap();
    }

    #[test]
    fn folders_and_stores_that_cannot_be_meant_are_refused() {
        of_folders(&["a", "a"]).check().unwrap_err();
        let refused = |change: fn(&mut Parts)| {
            let mut storage = of_folders(&["a", "b"]);
            change(&mut storage.parts);
            storage.check().unwrap_err();
        };
        refused(|parts| parts.copies = Some(3));
        refused(|parts| parts.copies = Some(0));
        refused(|parts| parts.own_folder = 0);
        refused(|parts| parts.own_folder = 3);
        refused(|parts| parts.store = StoreName::S3);
        refused(|parts| parts.store = StoreName::Ipfs);
    }
}
