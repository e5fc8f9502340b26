//! The home: one person's state on one machine, in a folder that nobody else can read.

use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

const SECRET_FILE: u32 = 0o600;
const SECRET_FOLDER: u32 = 0o700;

/// A folder (0700) with the server, the session, the sealed keys, the pins and the journals (0600).
#[derive(Clone, Debug)]
pub struct Home {
    path: Arc<Path>,
}

impl Home {
    /// Opens the folder, makes it if it is not there. Refuses what others can read, naming the `chmod` to run.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path: PathBuf = path.into();
        let home = Self { path: path.into() };
        make_folder(&home.path)?;
        make_folder(&home.journals())?;
        Ok(home)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where an agent's socket belongs.
    #[must_use]
    pub fn agent_socket(&self) -> PathBuf {
        self.path.join("agent.sock")
    }

    pub(crate) fn journals(&self) -> PathBuf {
        self.path.join("journals")
    }

    /// The bytes of a file; `None` when it does not exist.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let path = self.path.join(name);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        check_private(&file, &path)?;
        let len = file.metadata().map_err(Error::io("read", &path))?.len();
        // Sized beforehand so that no outgrown copy of a secret stays behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1));
        file.read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
        Ok(Some(bytes))
    }

    /// Replaces a file so that after a crash there is the old or the new one, whole.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut place = self.replacement(name)?;
        place.as_file_mut().write_all(bytes).map_err(Error::io("write", &place.path))?;
        place.keep()
    }

    /// A file that is to take the place of `name` once it is written. Dropped before [`Replacement::keep`], it is gone.
    pub(crate) fn replacement(&self, name: &str) -> Result<Replacement> {
        let path = self.path.join(name);
        let file = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(fs::Permissions::from_mode(SECRET_FILE))
            .tempfile_in(&self.path)
            .map_err(Error::io("write", &path))?;
        Ok(Replacement { file, path, folder: Arc::clone(&self.path) })
    }

    /// A file to read from its beginning; `None` when it does not exist.
    pub(crate) fn reader(&self, name: &str) -> Result<Option<File>> {
        let path = self.path.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        check_private(&file, &path)?;
        Ok(Some(file))
    }

    /// Removes a file; one that is not there is fine.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&self.path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("remove", path)(error)),
        }
    }

    pub(crate) fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(bytes) = self.read(name)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| Error::HomeDamaged(self.path.join(name)))
    }

    pub(crate) fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(|_| Error::Internal("a file of the home has no JSON form"))?;
        self.write(name, &Zeroizing::new(bytes))
    }

    /// The lock on the file `name`, made if there is none; `None` while another process or task holds it.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Option<HomeLock>> {
        loop {
            let (file, path) = self.lock_file(name)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
                Ok(()) => {}
            }
            let locked = file.metadata().map_err(Error::io("read", &path))?;
            // Whoever held it may have removed or replaced the file before letting go.
            if fs::metadata(&path).is_ok_and(|there| there.ino() == locked.ino()) {
                return Ok(Some(HomeLock(file)));
            }
        }
    }

    fn lock_file(&self, name: &str) -> Result<(File, PathBuf)> {
        let path = self.path.join(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(SECRET_FILE)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        Ok((file, path))
    }

    /// Waits for the lock `name` that processes of one home share; held until dropped.
    pub(crate) fn lock(&self, name: &str) -> Result<HomeLock> {
        let (file, path) = self.lock_file(name)?;
        file.lock().map_err(Error::io("lock", path))?;
        Ok(HomeLock(file))
    }
}

/// A file that is being written to take the place of another.
pub(crate) struct Replacement {
    file: tempfile::NamedTempFile,
    path: PathBuf,
    folder: Arc<Path>,
}

impl Replacement {
    pub(crate) fn as_file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Puts it in its place, so that after a crash there is the old or the new one, whole.
    pub(crate) fn keep(self) -> Result<()> {
        self.file.as_file().sync_all().map_err(Error::io("write", &self.path))?;
        self.file.persist(&self.path).map_err(|error| Error::io("write", &self.path)(error.error))?;
        sync_folder(&self.folder)
    }
}

/// A lock among processes; released when dropped.
#[derive(Debug)]
pub(crate) struct HomeLock(File);

impl Drop for HomeLock {
    fn drop(&mut self) {
        // Closing the file releases the lock as well; this only makes it prompt when a clone lives on.
        drop(self.0.unlock());
    }
}

/// Makes a folder 0700, or checks one that exists.
fn make_folder(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(meta) if !meta.is_dir() => Err(Error::io("use", path)(io::ErrorKind::NotADirectory.into())),
        Ok(meta) => check_mode(meta.permissions().mode(), path, SECRET_FOLDER),
        Err(error) if error.kind() == io::ErrorKind::NotFound => DirBuilder::new()
            .recursive(true)
            .mode(SECRET_FOLDER)
            .create(path)
            .map_err(Error::io("create", path)),
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

/// Refuses a file that others can read or write.
pub(crate) fn check_private(file: &File, path: &Path) -> Result<()> {
    let meta = file.metadata().map_err(Error::io("read", path))?;
    check_mode(meta.permissions().mode(), path, SECRET_FILE)
}

fn check_mode(mode: u32, path: &Path, wanted: u32) -> Result<()> {
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::ReadableByOthers { path: path.to_path_buf(), mode: mode & 0o777, wanted })
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path().join("home")).unwrap();
        (folder, home)
    }

    #[test]
    fn folder_and_files_are_for_the_owner_alone() {
        let (_keep, home) = scratch();
        home.write("x", b"secret").unwrap();
        for (path, mode) in
            [(home.path().to_path_buf(), 0o700), (home.journals(), 0o700), (home.path().join("x"), 0o600)]
        {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "no temporary file stays");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let (_keep, home) = scratch();
        home.write("x", b"secret").unwrap();
        fs::set_permissions(home.path().join("x"), fs::Permissions::from_mode(0o640)).unwrap();
        let error = home.read("x").unwrap_err();
        assert!(matches!(error, Error::ReadableByOthers { mode: 0o640, wanted: 0o600, .. }), "{error}");
        assert!(error.hint().unwrap().starts_with("run: chmod 600 "));
    }

    #[test]
    fn a_folder_that_others_can_read_is_refused() {
        let (_keep, home) = scratch();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = Home::open(home.path()).unwrap_err();
        assert!(error.hint().unwrap().starts_with("run: chmod 700 "), "{error}");
    }

    #[test]
    fn a_missing_file_is_none_and_a_damaged_one_is_named() {
        let (_keep, home) = scratch();
        assert!(home.read_json::<u32>("x").unwrap().is_none());
        home.write("x", b"{").unwrap();
        assert!(matches!(home.read_json::<u32>("x").unwrap_err(), Error::HomeDamaged(_)));
    }

    #[test]
    fn a_lock_keeps_a_second_holder_out_until_it_is_dropped() {
        let (_keep, home) = scratch();
        let held = home.lock("l").unwrap();
        let second = File::open(home.path().join("l")).unwrap();
        assert!(second.try_lock().is_err());
        drop(held);
        assert!(second.try_lock().is_ok());
    }
}
