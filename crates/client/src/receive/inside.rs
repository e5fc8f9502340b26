//! Inside a folder that is being received: everything is reached by open folders, one name at a time, and never by way of a
//! symbolic link, so that nothing is written anywhere else, whatever others do to the folder meanwhile.

use super::OnConflict;
use super::sink::{Landing, time_of};
use crate::home::sync_folder;
use crate::{Error, Result};
use format::names::numbered;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const OWNER_ONLY: Mode = Mode::RWXU;
/// What a file is called until it is whole: this and 16 hex digits, at the top of the folder.
const TEMPORARY: &str = ".wax-part-";
const TEMPORARY_LEN: usize = TEMPORARY.len() + 16;

/// The folder that holds everything.
#[derive(Debug)]
pub(super) struct Root {
    dir: OwnedFd,
    path: PathBuf,
}

/// Which folder it is, as the file system knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum There {
    Nothing,
    /// A regular file of that size and time.
    Same,
    Other,
}

impl Root {
    /// Makes the folder; `None` if something of that name is there.
    pub(super) fn make(path: &Path) -> Result<Option<Self>> {
        match rustix::fs::mkdirat(CWD, path, OWNER_ONLY) {
            Ok(()) => Self::open(path),
            Err(Errno::EXIST) => Ok(None),
            Err(errno) => Err(failed("make", path)(errno)),
        }
    }

    /// Opens the folder if it is one, and no link to one.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        match rustix::fs::openat(CWD, path, flags(), Mode::empty()) {
            Ok(dir) => Ok(Some(Self { dir, path: path.to_path_buf() })),
            Err(Errno::LOOP | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(failed("open", path)(errno)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn identity(&self) -> Result<Identity> {
        let stat = rustix::fs::fstat(&self.dir).map_err(failed("read", &self.path))?;
        #[expect(clippy::useless_conversion, reason = "both have other widths on other systems")]
        Ok(Identity { device: u64::try_from(stat.st_dev).unwrap_or(0), inode: u64::from(stat.st_ino) })
    }

    /// Removes what a process that was killed left half written. What cannot be removed only takes room.
    pub(super) fn remove_abandoned(&self) {
        let Ok(entries) = Dir::read_from(&self.dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_ours = name.to_str().is_ok_and(|name| {
                name.len() == TEMPORARY_LEN
                    && name
                        .strip_prefix(TEMPORARY)
                        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()))
            });
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            if is_ours
                && let Ok(file) = rustix::fs::openat(&self.dir, name, flags, Mode::empty())
                && File::from(file).try_lock().is_ok()
            {
                let _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
            }
        }
    }

    /// What stands at a safe path.
    pub(super) fn look(&self, safe: &str, size: u64, modified_ms: i64) -> Result<There> {
        let (folder, name) = match self.parent(safe, false) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(There::Nothing),
            Err(errno) => return Err(self.at(safe, errno)),
        };
        let stat = match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(There::Nothing),
            Err(errno) => return Err(self.at(safe, errno)),
        };
        let same = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && u64::try_from(stat.st_size) == Ok(size)
            && modified(&stat) == Some(time_of(modified_ms));
        Ok(if same { There::Same } else { There::Other })
    }

    /// Makes a folder and those above it. One that is there already is as good.
    pub(super) fn make_folder(&self, safe: &str) -> Result<()> {
        let (folder, name) = self.parent(safe, true).map_err(|errno| self.at(safe, errno))?;
        enter(&folder, name, true).map(drop).map_err(|errno| self.at(safe, errno))
    }

    /// A place for a file: written beside all others, and put where it belongs when it is whole.
    pub(super) fn place(self: &Arc<Self>, safe: &str, on_conflict: OnConflict) -> Result<Inside> {
        let (folder, name) = self.parent(safe, true).map_err(|errno| self.at(safe, errno))?;
        let (folder, name) = (folder.try_clone().map_err(Error::io("open", &self.path))?, name.to_owned());
        loop {
            let random: [u8; 8] = format::random::bytes();
            let temporary = format!("{TEMPORARY}{:016x}", u64::from_be_bytes(random));
            let file = rustix::fs::openat(&self.dir, &temporary, NEW_FILE, Mode::RUSR | Mode::WUSR);
            let file = File::from(file.map_err(failed("create a file in", &self.path))?);
            // Where files cannot be locked nobody takes one for abandoned either.
            drop(file.lock());
            // Another process may have taken it for abandoned before the lock.
            let stat = rustix::fs::fstat(&file).map_err(failed("create a file in", &self.path))?;
            if stat.st_nlink > 0 {
                let root = Arc::clone(self);
                let path = self.path.join(safe);
                return Ok(Inside { root, temporary, file, folder, name, path, on_conflict, placed: false });
            }
        }
    }

    /// Makes all names durable.
    pub(super) fn sync(&self) -> Result<()> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&self.dir).map_err(failed("write", &self.path))?;
        sync_folder(
            self.path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        )
    }

    /// The folder that a safe path is in, and its last name. `make`: what is not there is made.
    fn parent<'p>(&self, safe: &'p str, make: bool) -> Result<(OwnedFd, &'p str), Errno> {
        let mut folder = rustix::io::fcntl_dupfd_cloexec(&self.dir, 0)?;
        let mut rest = safe;
        while let Some((name, inside)) = rest.split_once('/') {
            folder = enter(&folder, name, make)?;
            rest = inside;
        }
        Ok((folder, rest))
    }

    fn at(&self, safe: &str, errno: Errno) -> Error {
        failed("write", &self.path.join(safe))(errno)
    }
}

/// How a folder is opened: never through a link.
fn flags() -> OFlags {
    FOLDER.union(OFlags::NOFOLLOW)
}

/// A folder in a folder.
fn enter(folder: &OwnedFd, name: &str, make: bool) -> Result<OwnedFd, Errno> {
    match rustix::fs::openat(folder, name, flags(), Mode::empty()) {
        Err(Errno::NOENT) if make => {
            match rustix::fs::mkdirat(folder, name, OWNER_ONLY) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            rustix::fs::openat(folder, name, flags(), Mode::empty())
        }
        outcome => outcome,
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(Errno) -> Error {
    let failed = Error::io(doing, path);
    move |errno| failed(errno.into())
}

fn modified(stat: &Stat) -> Option<SystemTime> {
    #[expect(clippy::useless_conversion, reason = "both have other widths on other systems")]
    let (seconds, nanos) = (i64::from(stat.st_mtime), u64::try_from(stat.st_mtime_nsec).ok()?);
    let whole = std::time::Duration::from_secs(seconds.unsigned_abs());
    let whole = match seconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(whole)?,
        false => SystemTime::UNIX_EPOCH.checked_add(whole)?,
    };
    whole.checked_add(std::time::Duration::from_nanos(nanos))
}

/// A file on its way into a folder; gone when dropped before it is whole.
pub(super) struct Inside {
    root: Arc<Root>,
    temporary: String,
    file: File,
    folder: OwnedFd,
    name: String,
    /// For errors about it.
    path: PathBuf,
    on_conflict: OnConflict,
    placed: bool,
}

impl Drop for Inside {
    fn drop(&mut self) {
        if !self.placed {
            let _ = rustix::fs::unlinkat(&self.root.dir, self.temporary.as_str(), AtFlags::empty());
        }
    }
}

impl Landing for Inside {
    fn handle(&self) -> Result<File> {
        self.file.try_clone().map_err(Error::io("write", &self.path))
    }

    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn finish(mut self: Box<Self>, modified_ms: i64) -> Result<PathBuf> {
        // A file system that keeps no such time still holds the file.
        drop(self.file.set_modified(time_of(modified_ms)));
        self.file.sync_data().map_err(Error::io("write", &self.path))?;
        self.settle()?;
        self.placed = true;
        Ok(self.path.clone())
    }
}

impl Inside {
    /// Gives it its name.
    fn settle(&mut self) -> Result<()> {
        let failed = |path: &Path, errno: Errno| failed("write", path)(errno);
        match self.on_conflict {
            OnConflict::Replace => rustix::fs::renameat(
                &self.root.dir,
                self.temporary.as_str(),
                &self.folder,
                self.name.as_str(),
            )
            .map_err(|errno| failed(&self.path, errno)),
            OnConflict::Refuse => match self.put(&self.name) {
                Err(Errno::EXIST) => Err(Error::TargetExists(self.path.clone())),
                outcome => outcome.map_err(|errno| failed(&self.path, errno)),
            },
            OnConflict::KeepBoth => {
                for n in 0..10_000 {
                    let name = if n == 0 { self.name.clone() } else { numbered(&self.name, n) };
                    match self.put(&name) {
                        Err(Errno::EXIST) => {}
                        Ok(()) => {
                            self.path.set_file_name(name);
                            return Ok(());
                        }
                        Err(errno) => return Err(failed(&self.path, errno)),
                    }
                }
                Err(Error::TargetExists(self.path.clone()))
            }
        }
    }

    /// Puts it there unless something is there.
    fn put(&self, name: &str) -> Result<(), Errno> {
        let (from, temporary) = (&self.root.dir, self.temporary.as_str());
        #[cfg(target_os = "linux")]
        match rustix::fs::renameat_with(
            from,
            temporary,
            &self.folder,
            name,
            rustix::fs::RenameFlags::NOREPLACE,
        ) {
            // A file system that cannot do that in one step.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            outcome => return outcome,
        }
        rustix::fs::linkat(from, temporary, &self.folder, name, AtFlags::empty())?;
        rustix::fs::unlinkat(from, temporary, AtFlags::empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn root() -> (tempfile::TempDir, Arc<Root>) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::make(&folder.path().join("in")).unwrap().unwrap();
        (folder, Arc::new(root))
    }

    fn write(root: &Arc<Root>, safe: &str, on_conflict: OnConflict) -> Result<PathBuf> {
        let inside = root.place(safe, on_conflict)?;
        inside.handle()?.write_all(b"abc").unwrap();
        Box::new(inside).finish(1_000_000_000_000)
    }

    #[test]
    fn a_file_appears_whole_with_its_time_and_for_its_owner_alone() {
        let (_keep, root) = root();
        let inside = root.place("a/b/c.txt", OnConflict::Refuse).unwrap();
        inside.handle().unwrap().write_all(b"abc").unwrap();
        assert_eq!(root.look("a/b/c.txt", 3, 1_000_000_000_000).unwrap(), There::Nothing);
        let path = Box::new(inside).finish(1_000_000_000_000).unwrap();
        assert_eq!(root.look("a/b/c.txt", 3, 1_000_000_000_000).unwrap(), There::Same);
        assert_eq!(root.look("a/b/c.txt", 4, 1_000_000_000_000).unwrap(), There::Other);
        assert_eq!(root.look("a/b/c.txt", 3, 1_000_000_000_001).unwrap(), There::Other);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "no temporary file is left");
        write(&root, "old.txt", OnConflict::Refuse).unwrap();
        let path = Box::new(root.place("older.txt", OnConflict::Refuse).unwrap()).finish(-1_500).unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().modified().unwrap(), time_of(-1_500));
        assert_eq!(root.look("older.txt", 0, -1_500).unwrap(), There::Same);
    }

    #[test]
    fn no_link_is_followed_neither_as_a_folder_nor_as_a_file() {
        let (folder, root) = root();
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("theirs"), b"theirs").unwrap();
        symlink(&outside, root.path().join("a")).unwrap();
        symlink(outside.join("theirs"), root.path().join("f")).unwrap();
        symlink(outside.join("new"), root.path().join("g")).unwrap();
        for on_conflict in [OnConflict::Refuse, OnConflict::Replace, OnConflict::KeepBoth] {
            assert!(write(&root, "a/new", on_conflict).is_err());
        }
        assert!(root.make_folder("a").is_err() && root.make_folder("a/b").is_err());
        assert_eq!(root.look("f", 6, 0).unwrap(), There::Other);
        assert!(matches!(write(&root, "f", OnConflict::Refuse), Err(Error::TargetExists(_))));
        assert!(matches!(write(&root, "g", OnConflict::Refuse), Err(Error::TargetExists(_))));
        write(&root, "g", OnConflict::Replace).unwrap();
        assert!(
            std::fs::symlink_metadata(root.path().join("g")).unwrap().is_file(),
            "the link itself was replaced"
        );
        assert_eq!(std::fs::read(outside.join("theirs")).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
        let link = folder.path().join("link");
        symlink(root.path(), &link).unwrap();
        assert!(Root::open(&link).unwrap().is_none() && Root::make(&link).unwrap().is_none());
    }

    #[test]
    fn a_folder_that_is_exchanged_for_a_link_meanwhile_is_not_followed() {
        let (folder, root) = root();
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let inside = root.place("a/b.txt", OnConflict::Refuse).unwrap();
        std::fs::rename(root.path().join("a"), root.path().join("moved")).unwrap();
        symlink(&outside, root.path().join("a")).unwrap();
        Box::new(inside).finish(0).unwrap();
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert!(root.path().join("moved/b.txt").is_file());
    }

    #[test]
    fn taken_names_are_refused_kept_beside_or_replaced() {
        let (_keep, root) = root();
        std::fs::write(root.path().join("a.txt"), b"mine").unwrap();
        assert!(matches!(write(&root, "a.txt", OnConflict::Refuse), Err(Error::TargetExists(_))));
        let path = write(&root, "a.txt", OnConflict::KeepBoth).unwrap();
        assert_eq!(path.file_name().unwrap(), "a (1).txt");
        assert_eq!(std::fs::read(root.path().join("a.txt")).unwrap(), b"mine");
        write(&root, "a.txt", OnConflict::Replace).unwrap();
        assert_eq!(std::fs::read(root.path().join("a.txt")).unwrap(), b"abc");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_another_is_writing_stays() {
        let (_keep, root) = root();
        let left = root.path().join(".wax-part-0123456789abcdef");
        std::fs::write(&left, b"left").unwrap();
        std::fs::write(root.path().join(".wax-part-mine"), b"mine").unwrap();
        let writing = root.place("a", OnConflict::Refuse).unwrap();
        root.remove_abandoned();
        assert!(!left.exists());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
        drop(writing);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
