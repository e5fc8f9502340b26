//! What a backup says of itself: `backup.json`, the one file by which a run of it counts.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use envelope::ed25519::PublicKey;
use envelope::merkle::Node;
use serde::{Deserialize, Serialize};

/// Its name in the folder of the backup.
pub(super) const NAME: &str = "backup.json";
/// What this version writes and reads.
const FORMAT: &str = "waxwing-backup/1";
/// Longest manifest that is read.
const MAX_LEN: u64 = 1 << 20;

/// Why a manifest is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not there or cannot be read.
    #[error("backup.json cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is not what a backup says.
    #[error("backup.json is damaged or of another version")]
    Malformed,
}

/// The whole of it. `database`, `secrets` and `tls` name files below the folder `run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    /// Unix seconds.
    pub(super) made_at: i64,
    /// The key that signs the server's log: which server this is, and whether a `SECRET_KEY` is its own.
    pub(super) log_key: Node,
    /// The folder of this run.
    pub(super) run: String,
    pub(super) database: Held,
    /// Files of `secrets/` and `tls/`; none without `--with-secrets`.
    pub(super) secrets: Vec<Held>,
    /// Files and open uploads.
    pub(super) files: u64,
    pub(super) blobs: u64,
    /// Octets of the blobs.
    pub(super) bytes: u64,
    /// Pieces that were damaged or missing at the server, and are not in the backup.
    pub(super) damaged: u64,
}

/// A file of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Held {
    /// Its path below the folder of the run.
    pub(super) file: String,
    pub(super) len: u64,
    /// 64 lower-case hex digits.
    pub(super) sha256: Node,
}

/// What a run says when it has ended well.
pub(super) struct Said {
    pub(super) made_at: i64,
    pub(super) log_key: PublicKey,
    pub(super) run: String,
    pub(super) database: Held,
    pub(super) secrets: Vec<Held>,
    pub(super) files: u64,
    pub(super) blobs: u64,
    pub(super) bytes: u64,
    pub(super) damaged: u64,
}

impl Manifest {
    pub(super) fn new(said: Said) -> Self {
        let Said { made_at, log_key, run, database, secrets, files, blobs, bytes, damaged } = said;
        let log_key = spelled(&log_key);
        let format = FORMAT.to_owned();
        Self { format, made_at, log_key, run, database, secrets, files, blobs, bytes, damaged }
    }

    /// Whether it is of the server whose log is signed with this key.
    pub(super) fn is_of(&self, key: &PublicKey) -> bool {
        self.log_key == spelled(key)
    }

    /// Reads it strictly.
    pub(super) fn read(folder: &Path) -> Result<Self, ManifestError> {
        let mut text = String::new();
        let file = File::open(folder.join(NAME))?;
        if file.take(MAX_LEN).read_to_string(&mut text).is_err() {
            return Err(ManifestError::Malformed);
        }
        let manifest: Self = serde_json::from_str(&text).map_err(|_| ManifestError::Malformed)?;
        let names = manifest.secrets.iter().chain([&manifest.database]).map(|held| held.file.as_str());
        let names_are_plain =
            names.flat_map(|file| file.split('/')).chain([manifest.run.as_str()]).all(is_plain);
        if manifest.format != FORMAT || !names_are_plain {
            return Err(ManifestError::Malformed);
        }
        Ok(manifest)
    }

    /// Puts it in the place of the one before, durably: from then on this run is the backup.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        text.push('\n');
        let fresh = folder.join(".backup.json.new");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, folder.join(NAME))?;
        File::open(folder)?.sync_all()
    }
}

/// Whether it names something in the folder where it stands, and nothing elsewhere.
fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed)
}

fn spelled(key: &PublicKey) -> Node {
    Node::from_bytes(*key.as_bytes())
}

/// Length and SHA-256 of a file, read in pieces; with `to`, it is copied there as it is read.
pub(super) fn digest_of(path: &Path, mut to: Option<&mut File>) -> io::Result<(u64, Node)> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; 256 << 10];
    let mut len = 0;
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        context.update(&piece[..read]);
        if let Some(to) = &mut to {
            to.write_all(&piece[..read])?;
        }
        len += read as u64;
    }
    let digest = context.finish();
    let bytes = digest.as_ref().try_into().map_err(io::Error::other)?;
    Ok((len, Node::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let held = |file: &str| Held { file: file.to_owned(), len: 3, sha256: Node::from_bytes([7; 32]) };
        Manifest::new(Said {
            made_at: 1_800_000_000,
            log_key: PublicKey::from_bytes([5; 32]),
            run: "run-1-ab".to_owned(),
            database: held("waxwing.db"),
            secrets: vec![held("secrets/secret_key")],
            files: 1,
            blobs: 2,
            bytes: 3,
            damaged: 0,
        })
    }

    #[test]
    fn a_manifest_survives_its_file_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let first = manifest();
        first.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), first);
        let second = Manifest { made_at: 2, ..first };
        second.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), second);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_manifest_that_leads_elsewhere_or_says_more_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Manifest::read(folder.path()), Err(ManifestError::Io(_))));
        manifest().write(folder.path()).unwrap();
        let good = std::fs::read_to_string(folder.path().join(NAME)).unwrap();
        for (from, to) in [
            ("run-1-ab", ".."),
            ("run-1-ab", "a/b"),
            ("waxwing.db", "../waxwing.db"),
            ("secrets/secret_key", "/etc/secret_key"),
            ("waxwing-backup/1", "waxwing-backup/2"),
            ("\"files\"", "\"more\": 1, \"files\""),
        ] {
            std::fs::write(folder.path().join(NAME), good.replacen(from, to, 1)).unwrap();
            assert!(matches!(Manifest::read(folder.path()), Err(ManifestError::Malformed)), "{to}");
        }
    }
}
