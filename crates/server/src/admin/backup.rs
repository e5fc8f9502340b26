//! Backup while the server runs: the database at one moment first, then every blob that it names.
//!
//! ```text
//! DIR/backup.json                     which run counts; replaced in one step when a run has ended
//! DIR/run-<time>-<random>/waxwing.db  the database; secrets/ and tls/ beside it if they were asked for
//! DIR/blobs/                          as in a data folder; blobs never change, so each is copied once
//! ```
//! Deletions wait while the lease of the backup is held. A run that is cut off leaves the one before it as it was.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use blobs::{Blobs, LocalBlobs};
use db::{Database as _, FencingToken, Job, Jobs as _, Lease, Sqlite, UnixTime};
use envelope::ed25519::PublicKey;
use futures::TryStreamExt as _;

use super::copying::{Copier, Side};
use super::manifest::{self, Held, Manifest, ManifestError, Said};
use super::{AdminError, Damaged, at, blocking, open_sqlite, open_stores};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::private_file;
use crate::secrets;
use crate::stored::{Piece, Recordings};
use crate::stores::{Place, StoreName, Stores};

/// How long deletions wait after a backup was cut off.
const LEASE_SECONDS: u32 = 300;
const PROLONG_EVERY: Duration = Duration::from_secs(60);
/// What an interrupted copy left behind and nobody touched for so long is removed.
const LEFT_BEHIND: Duration = Duration::from_secs(3_600);
const BATCH: usize = 300;

/// The folder of blobs within a backup.
pub(super) const BLOBS: &str = "blobs";
/// The database within a run.
pub(super) const DATABASE: &str = "waxwing.db";
/// What `--with-secrets` adds.
pub(super) const SECRET_FOLDERS: [&str; 2] = ["secrets", "tls"];

/// A data folder that can be backed up.
pub struct Backup {
    db: Sqlite,
    stores: Stores,
    config: Config,
    log_key: PublicKey,
    clock: Arc<dyn Clock>,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// The folder to write to: new, empty, or an earlier backup of the same server.
    pub to: PathBuf,
    /// Whether the server's own secrets go with it.
    pub with_secrets: bool,
    /// Whether blobs that an earlier run copied are read again, and copied anew where they are damaged.
    pub reread: bool,
}

/// What a backup holds, and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// Files and open uploads.
    pub files: u64,
    /// Blobs.
    pub blobs: u64,
    /// Octets of them.
    pub bytes: u64,
    /// Blobs that this run copied.
    pub copied_blobs: u64,
    /// Octets of them.
    pub copied_bytes: u64,
    /// Blobs of earlier runs that nothing refers to any more, and that are gone.
    pub removed_blobs: u64,
    /// Pieces that are damaged or missing at the server, and are not in the backup.
    pub damaged: u64,
    /// Files of secrets that are in it.
    pub secret_files: u64,
    /// Whether `SECRET_KEY` comes from the environment, and is therefore not in it.
    pub secret_key_elsewhere: bool,
}

impl Backup {
    /// Opens the configured data folder, also while a server runs on it.
    ///
    /// # Errors
    /// A folder that is not a server's, or a secret that cannot be read.
    pub async fn open(config: &Config) -> Result<Self, AdminError> {
        if config.secrets.database_url().is_some() {
            return Err(AdminError::NotWithPostgres);
        }
        let db = open_sqlite(config).await?;
        let log_key = secrets::log_key(&config.secrets, &config.storage.data.join("secrets"));
        Ok(Self {
            db,
            stores: open_stores(config).await?,
            log_key: log_key.map_err(AdminError::Secrets)?,
            config: config.clone(),
            clock: Arc::new(SystemClock),
        })
    }

    /// By another clock than the system's.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Out of other stores, in the place of configured ones or beside them.
    ///
    /// # Errors
    /// A configured store that cannot be opened.
    pub async fn with_stores(self, stores: Vec<(StoreName, Arc<dyn Blobs>)>) -> Result<Self, AdminError> {
        Ok(Self { stores: Stores::open(&self.config, stores).await?, ..self })
    }

    /// One run. What is damaged or missing at the server is given to `each` and left out; an earlier sound copy of it stays.
    ///
    /// # Errors
    /// Whatever kept it from being whole; then the backup that was there before stays as it was.
    pub async fn run(
        &self,
        options: &BackupOptions,
        each: impl FnMut(&Damaged) + Send,
    ) -> Result<BackupReport, AdminError> {
        let to = options.to.clone();
        let mut own = self.config.storage.blob_dirs();
        own.push(self.config.storage.data.clone());
        let log_key = self.log_key;
        blocking(move || prepare(&to, &own, &log_key)).await?;
        let holder = uuid::Uuid::from_bytes(crate::random::uuid()).to_string();
        let token = self.lease(&holder).await?.ok_or(AdminError::BackupRuns)?;
        let run = format!("run-{}-{:08x}", self.now().0, u32::from_be_bytes(crate::random::bytes()));
        let worked = tokio::select! {
            worked = self.copy(options, &run, &holder, token, each) => worked,
            lost = self.keep_lease(&holder, token) => Err(lost),
        };
        // Where it had lapsed it is ours again under another token, which is given back as well.
        let released = match self.lease(&holder).await {
            Ok(Some(token)) => self.db.release_lease(&Lease { job: Job::Backup, token }).await,
            _ => Ok(()),
        };
        if worked.is_err() {
            // Nothing names it; if it cannot be removed, the next run will.
            let folder = options.to.join(run);
            let _ = blocking(move || std::fs::remove_dir_all(&folder).map_err(at(&folder))).await;
        }
        let report = worked?;
        released?;
        Ok(report)
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.db.close().await;
    }

    async fn copy(
        &self,
        options: &BackupOptions,
        run: &str,
        holder: &str,
        token: FencingToken,
        mut each: impl FnMut(&Damaged) + Send,
    ) -> Result<BackupReport, AdminError> {
        let made_at = self.now().0;
        let folder = options.to.join(run);
        let database = folder.join(DATABASE);
        let (made, data) = (folder.clone(), self.config.storage.data.clone());
        let with_secrets = options.with_secrets;
        let secrets = blocking(move || {
            DirBuilder::new().mode(0o700).create(&made).map_err(at(&made))?;
            if with_secrets { copy_secrets(&data, &made) } else { Ok(Vec::new()) }
        })
        .await?;
        self.db.snapshot(&database).await?;
        let snapshot = Sqlite::open_snapshot(&database).await?;
        let to = LocalBlobs::open(options.to.join(BLOBS)).await?;
        let mut report = BackupReport {
            secret_files: secrets.len() as u64,
            secret_key_elsewhere: self.config.secrets.secret_key.is_some(),
            ..BackupReport::default()
        };
        let mut copier = Copier::new(Side::Server(&self.stores), Side::Folder(&to), options.reread);
        let mut files = Recordings::of(&snapshot);
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
            if !file.fits {
                each(&Damaged {
                    file_id: file.file_id,
                    piece: Piece::Whole,
                    damage: crate::stored::Damage::Rows,
                });
                report.damaged += 1;
            }
        }
        copier.flush().await?;
        (report.copied_blobs, report.copied_bytes) = (copier.copied, copier.copied_bytes);
        // A lease that lapsed comes back with another token: then deletions may have gone on.
        if self.lease(holder).await? != Some(token) {
            return Err(AdminError::BackupLapsed);
        }
        let (base, name, log_key) = (options.to.clone(), run.to_owned(), self.log_key);
        blocking(move || {
            let (len, sha256) = manifest::digest_of(&database, None).map_err(at(&database))?;
            sync(&folder)?;
            sync(&base)?;
            let database = Held { file: DATABASE.to_owned(), len, sha256 };
            let BackupReport { files, blobs, bytes, damaged, .. } = report;
            let said = Said { made_at, log_key, run: name, database, secrets, files, blobs, bytes, damaged };
            Manifest::new(said).write(&base).map_err(at(&base))
        })
        .await?;
        report.removed_blobs = prune(&snapshot, &to).await?;
        snapshot.close().await;
        let (base, run) = (options.to.clone(), run.to_owned());
        blocking(move || remove_other_runs(&base, &run)).await?;
        Ok(report)
    }

    /// Prolongs the lease for as long as it is polled; ends when it is lost.
    async fn keep_lease(&self, holder: &str, token: FencingToken) -> AdminError {
        loop {
            tokio::time::sleep(PROLONG_EVERY).await;
            match self.lease(holder).await {
                Ok(Some(same)) if same == token => {}
                Ok(_) => return AdminError::BackupLapsed,
                // There are several tries before it lapses, and whether it did is asked at the end.
                Err(AdminError::Database(error)) if error.is_transient() => {}
                Err(error) => return error,
            }
        }
    }

    async fn lease(&self, holder: &str) -> Result<Option<FencingToken>, AdminError> {
        Ok(self.db.take_lease(Job::Backup, holder, self.now(), LEASE_SECONDS).await?)
    }

    fn now(&self) -> UnixTime {
        UnixTime(self.clock.now())
    }
}

/// Refuses folders that hold something else, and makes a missing one.
fn prepare(to: &Path, own: &[PathBuf], log_key: &PublicKey) -> Result<(), AdminError> {
    let real_to = real(to);
    let nested =
        own.iter().map(|own| real(own)).any(|own| real_to.starts_with(&own) || own.starts_with(&real_to));
    if nested {
        return Err(AdminError::Inside(to.to_owned()));
    }
    match Manifest::read(to) {
        Ok(manifest) if manifest.is_of(log_key) => return Ok(()),
        Ok(_) => return Err(AdminError::OtherServer(to.to_owned())),
        Err(ManifestError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(AdminError::Manifest { path: to.to_owned(), source }),
    }
    private_file::make_dir(to).map_err(at(to))?;
    for entry in std::fs::read_dir(to).map_err(at(to))? {
        let name = entry.map_err(at(to))?.file_name();
        // What a first run that was cut off left behind.
        let ours = name == BLOBS || name == ".backup.json.new" || is_run(&name);
        if !ours {
            return Err(AdminError::NotEmpty(to.to_owned()));
        }
    }
    Ok(())
}

/// A path as the system sees it, also where its end is not there yet.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = std::fs::canonicalize(path) {
        return real;
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path,
    }
}

/// The server's own secrets, each with its digest.
fn copy_secrets(data: &Path, run: &Path) -> Result<Vec<Held>, AdminError> {
    let mut held = Vec::new();
    for folder in SECRET_FOLDERS {
        let from = data.join(folder);
        if !from.is_dir() {
            continue;
        }
        let to = run.join(folder);
        DirBuilder::new().mode(0o700).create(&to).map_err(at(&to))?;
        for entry in std::fs::read_dir(&from).map_err(at(&from))? {
            let entry = entry.map_err(at(&from))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            if entry.file_type().map_err(at(&from))?.is_file() {
                let (len, sha256) = copy_private(&entry.path(), &to.join(name))?;
                held.push(Held { file: format!("{folder}/{name}"), len, sha256 });
            }
        }
        sync(&to)?;
    }
    Ok(held)
}

/// Copies a file into a new one with mode 0600, durably, and gives length and digest of what was copied.
pub(super) fn copy_private(from: &Path, to: &Path) -> Result<(u64, envelope::merkle::Node), AdminError> {
    let mut copy = private_file::create_new(to).map_err(at(to))?;
    let digest = manifest::digest_of(from, Some(&mut copy)).map_err(at(from))?;
    copy.sync_all().map_err(at(to))?;
    Ok(digest)
}

pub(super) fn sync(folder: &Path) -> Result<(), AdminError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

/// Removes blobs that the newest run does not name: what was deleted at the server does not live on in the backup.
async fn prune(snapshot: &Sqlite, held: &LocalBlobs) -> Result<u64, AdminError> {
    held.sweep_temporary(LEFT_BEHIND).await?;
    let mut listing = held.list().await?.try_chunks(BATCH);
    let mut removed = 0;
    while let Some(names) = listing.try_next().await.map_err(|error| error.1)? {
        // A name is used once, whatever store it is in.
        let refs_of = |blob: &blobs::ListedBlob| {
            let name = blob.name;
            StoreName::ALL.map(|store| Place { store, name }.reference())
        };
        let refs: Vec<_> = names.iter().flat_map(refs_of).collect();
        let known = snapshot.known_blobs(&refs).await?;
        for (blob, places) in names.iter().zip(refs.chunks(StoreName::ALL.len())) {
            if !places.iter().any(|place| known.contains(place)) {
                held.delete(blob.name).await?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

fn remove_other_runs(base: &Path, run: &str) -> Result<(), AdminError> {
    for entry in std::fs::read_dir(base).map_err(at(base))? {
        let entry = entry.map_err(at(base))?;
        if is_run(&entry.file_name()) && entry.file_name() != run {
            std::fs::remove_dir_all(entry.path()).map_err(at(&entry.path()))?;
        }
    }
    Ok(())
}

fn is_run(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("run-"))
}
