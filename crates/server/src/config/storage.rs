//! Where a server keeps its database, blobs, keys and mail.

use std::path::{Path, PathBuf};

use super::{ConfigError, S3};
use crate::stores::StoreName;

/// Where a server keeps its database, blobs, keys and mail.
#[derive(Clone, Debug, clap::Args)]
pub struct Storage {
    /// Folder for the database, the sealed parts and the server's own keys
    #[arg(long, env = "WAXD_DATA", value_name = "FOLDER", default_value = "waxd-data")]
    pub data: PathBuf,
    /// Seconds that this machine's clock may be from PostgreSQL's; a server that is further away is not ready and runs no jobs
    #[arg(long, env = "WAXD_CLOCK_TOLERANCE_SECONDS", value_name = "SECONDS", default_value_t = CLOCK_TOLERANCE)]
    pub clock_tolerance_seconds: u64,
    /// Where sealed parts are kept.
    #[command(flatten)]
    pub parts: Parts,
}

const CLOCK_TOLERANCE: u64 = 60;

/// Where sealed parts are kept.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Parts {
    /// Folder for the sealed parts alone; several, by repeating it or with commas between, keep copies [default: FOLDER/blobs,
    /// and FOLDER/blobs-1 and so on, where a cluster has made them]
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
    /// The RPC of a Kubo daemon, as a multiaddress or a URL; IPFS_API_AUTHORIZATION is shown to it (what is published on IPFS cannot be taken back)
    #[arg(long, env = "IPFS_API", value_name = "ADDRESS")]
    pub ipfs_api: Option<String>,
    /// File with the authorities that its certificate is believed by, in place of the system's
    #[arg(long, env = "IPFS_CA", value_name = "FILE")]
    pub ipfs_ca: Option<PathBuf>,
}

impl Storage {
    /// The folders of the local store, at least one.
    pub(crate) fn blob_dirs(&self) -> Vec<PathBuf> {
        match self.parts.blobs.as_slice() {
            [] => match found_folders(&self.data) {
                none if none.is_empty() => vec![self.data.join(ONLY)],
                found => found,
            },
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

/// The one folder of a server by itself, below the data; the folders of a cluster are named like it, with numbers.
const ONLY: &str = "blobs";

/// The folder of one server of a cluster, from 1, if nothing else was said.
#[must_use]
pub fn folder_of(data: &Path, server: u32) -> PathBuf {
    data.join(format!("{ONLY}-{server}"))
}

/// The folders for sealed parts that are below the data already, whoever made them: those of a cluster by their numbers, then
/// the one of a server by itself. Whoever knows only some of them would take the parts in the others for lost.
#[must_use]
pub fn found_folders(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    let number = |name: &str| -> Option<u32> {
        let digits = name.strip_prefix(ONLY)?.strip_prefix('-')?;
        // As we write it: no sign, no zeros before it.
        digits.parse().ok().filter(|n: &u32| *n > 0 && n.to_string() == digits)
    };
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut numbers: Vec<u32> = names.filter_map(|name| number(&name)).collect();
    numbers.sort_unstable();
    let of_cluster = numbers.into_iter().map(|n| folder_of(data, n));
    of_cluster.chain([data.join(ONLY)]).filter(|path| path.is_dir()).collect()
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            data: "waxd-data".into(),
            clock_tolerance_seconds: CLOCK_TOLERANCE,
            parts: Parts { own_folder: 1, ..Parts::default() },
        }
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
    fn folders_that_are_there_are_used_although_nobody_names_them() {
        let data = tempfile::tempdir().unwrap();
        let storage = Storage { data: data.path().to_owned(), ..Storage::default() };
        let names = || -> Vec<String> {
            let folders = storage.blob_dirs();
            folders.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(), ["blobs"]);
        for name in ["blobs-10", "blobs-2", "blobs-1", "blobs-01", "blobs-0", "blobs-x", "blobs-2.away"] {
            std::fs::create_dir(data.path().join(name)).unwrap();
        }
        std::fs::write(data.path().join("blobs-3"), "no folder").unwrap();
        assert_eq!(names(), ["blobs-1", "blobs-2", "blobs-10"]);
        std::fs::create_dir(data.path().join("blobs")).unwrap();
        assert_eq!(names(), ["blobs-1", "blobs-2", "blobs-10", "blobs"]);
        assert_eq!(storage.wanted_copies(), 2);
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
