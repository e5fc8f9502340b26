//! Restore of a backup onto an empty folder: everything is proved while it is copied, and the database comes last.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use blobs::LocalBlobs;
use db::{Administration as _, Sqlite};

use super::backup::{BLOBS, SECRET_FOLDERS, copy_private, sync};
use super::copying::{Copier, Side};
use super::manifest::{Held, Manifest};
use super::{AdminError, Damaged, at, blocking, closing};
use crate::config::Config;
use crate::private_file;
use crate::secrets;
use crate::stored::Recordings;
use crate::stores::Stores;

/// The database until everything else is there: a folder without `waxwing.db` is no server's.
const UNFINISHED: &str = "restoring.db";

/// A backup that is to become a data folder.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The folder of the backup.
    pub from: PathBuf,
    /// A folder that holds `secret_key` (and `jwt_secret`), for a backup without secrets.
    pub secrets: Option<PathBuf>,
    /// Whether to go on without pieces that are damaged or missing.
    pub accept_damage: bool,
}

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Unix seconds of the moment whose state it is.
    pub made_at: i64,
    /// Files and open uploads.
    pub files: u64,
    /// Blobs.
    pub blobs: u64,
    /// Octets of them.
    pub bytes: u64,
    /// Pieces that are damaged or missing.
    pub damaged: u64,
    /// Sessions that were open then, and are ended.
    pub sessions: u64,
}

impl Restore {
    /// Restores into the folders of `config`, which are missing or empty. Gives what is damaged or missing to `each`.
    ///
    /// # Errors
    /// Whatever is not as it was backed up, and folders that cannot be used; then they are empty as before.
    pub async fn run(
        &self,
        config: &Config,
        each: impl FnMut(&Damaged) + Send,
    ) -> Result<RestoreReport, AdminError> {
        if config.secrets.database_url().is_some() {
            return Err(AdminError::RestoredAsSqlite);
        }
        let manifest = Manifest::read(&self.from)
            .map_err(|source| AdminError::Manifest { path: self.from.clone(), source })?;
        let (data, blobs) = (config.storage.data.clone(), config.storage.blob_dirs());
        for folder in blobs.iter().chain([&data]) {
            must_be_empty(folder)?;
        }
        let run = self.from.join(&manifest.run);
        let secret_key = self.secrets_folder(config, &manifest, &run)?;
        let log_key = secrets::log_key(&config.secrets, &secret_key).map_err(AdminError::Secrets)?;
        if !manifest.is_of(&log_key) {
            return Err(AdminError::OtherSecrets);
        }
        let restored = self.restore(config, &manifest, &run, each).await;
        if restored.is_err() {
            blocking(move || {
                clear(&data, &blobs);
                Ok(())
            })
            .await?;
        }
        restored
    }

    /// Where `secret_key` is, unless the environment gives it.
    fn secrets_folder(
        &self,
        config: &Config,
        manifest: &Manifest,
        run: &Path,
    ) -> Result<PathBuf, AdminError> {
        if let Some(folder) = &self.secrets {
            return Ok(folder.clone());
        }
        let held = manifest.secrets.iter().any(|held| held.file == "secrets/secret_key");
        if !held && config.secrets.secret_key.is_none() {
            return Err(AdminError::SecretsNeeded);
        }
        Ok(run.join("secrets"))
    }

    async fn restore(
        &self,
        config: &Config,
        manifest: &Manifest,
        run: &Path,
        each: impl FnMut(&Damaged) + Send,
    ) -> Result<RestoreReport, AdminError> {
        let data = config.storage.data.clone();
        let unfinished = data.join(UNFINISHED);
        let (said, run, given) = (manifest.clone(), run.to_owned(), self.secrets.clone());
        let (folder, target) = (data.clone(), unfinished.clone());
        blocking(move || {
            private_file::make_dir(&folder).map_err(at(&folder))?;
            for name in SECRET_FOLDERS {
                let held = said.secrets.iter().filter(|held| held.file.starts_with(&format!("{name}/")));
                for held in held {
                    make_folder(&folder.join(name))?;
                    proved(&run, held, &folder.join(&held.file))?;
                }
            }
            if let Some(given) = &given {
                take_given(given, &folder.join("secrets"))?;
            }
            proved(&run, &said.database, &target)
        })
        .await?;
        let db = Sqlite::open(&unfinished).await?;
        let filled = self.fill(&db, config, manifest.made_at, each).await;
        let report = closing(&db, filled).await?;
        blocking(move || {
            let file = std::fs::File::open(&unfinished).map_err(at(&unfinished))?;
            file.sync_all().map_err(at(&unfinished))?;
            std::fs::rename(&unfinished, data.join("waxwing.db")).map_err(at(&data))?;
            for name in SECRET_FOLDERS.map(|name| data.join(name)) {
                if name.is_dir() {
                    sync(&name)?;
                }
            }
            sync(&data)
        })
        .await?;
        Ok(report)
    }

    /// Brings the blobs that the database names, and ends what must not come back.
    async fn fill(
        &self,
        db: &Sqlite,
        config: &Config,
        made_at: i64,
        mut each: impl FnMut(&Damaged) + Send,
    ) -> Result<RestoreReport, AdminError> {
        let from = LocalBlobs::open_to_read(self.from.join(BLOBS));
        let to = Stores::open(config, Vec::new()).await?;
        let mut report = RestoreReport { made_at, ..RestoreReport::default() };
        let mut copier = Copier::new(Side::Folder(&from), Side::Server(&to), false);
        let mut files = Recordings::of(db);
        while let Some(file) = files.next().await? {
            report.files += 1;
            for recorded in &file.blobs {
                report.blobs += 1;
                report.bytes += recorded.len;
                if let Some(damage) = copier.take(recorded).await? {
                    report.damaged += 1;
                    each(&Damaged { file_id: file.file_id, piece: recorded.piece, damage });
                }
            }
        }
        copier.flush().await?;
        if report.damaged > 0 && !self.accept_damage {
            return Err(AdminError::Damage(report.damaged));
        }
        report.sessions = db.begin_again().await?;
        Ok(report)
    }
}

fn must_be_empty(folder: &Path) -> Result<(), AdminError> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(AdminError::NotEmpty(folder.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(folder)(error)),
    }
}

/// Copies a file of the run and compares it with what the manifest says.
fn proved(run: &Path, held: &Held, to: &Path) -> Result<(), AdminError> {
    let from = run.join(&held.file);
    if copy_private(&from, to)? == (held.len, held.sha256) { Ok(()) } else { Err(AdminError::Altered(from)) }
}

/// The secrets that the operator kept elsewhere.
fn take_given(given: &Path, to: &Path) -> Result<(), AdminError> {
    make_folder(to)?;
    for name in ["secret_key", "jwt_secret"] {
        let (from, to) = (given.join(name), to.join(name));
        if from.is_file() && !to.exists() {
            copy_private(&from, &to)?;
        }
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), AdminError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))
}

/// Takes back what an unfinished restore has made in folders that were empty before.
fn clear(data: &Path, blobs: &[PathBuf]) {
    for folder in blobs.iter().cloned().chain([data.join("secrets"), data.join("tls")]) {
        // What cannot be removed is seen by the next try, which wants an empty folder.
        let _ = std::fs::remove_dir_all(folder);
    }
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(data.join(format!("{UNFINISHED}{suffix}")));
    }
}
