//! Where opened bytes go: a temporary file that gets its name at the very end, or a writer.

use super::{OnConflict, Target};
use crate::home::sync_folder;
use crate::{Error, Result};
use format::Metadata;
use format::names::safe_file_name;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// A target that was looked at and can take the file.
pub(crate) enum Sink {
    File(FileSink),
    Writer(Box<dyn Write + Send>),
}

/// Where content goes that comes in parts.
pub(super) enum Out {
    Landing(Box<dyn Landing>),
    Writer(Box<dyn Write + Send>),
}

/// A file that is not there until it is whole.
pub(super) trait Landing: Send {
    /// One more handle of what is written.
    fn handle(&self) -> Result<File>;

    /// Where the file will be, for errors about writing it.
    fn path(&self) -> PathBuf;

    /// Makes the content durable and gives it its name.
    fn finish(self: Box<Self>, modified_ms: i64) -> Result<PathBuf>;
}

impl Landing for FileSink {
    fn handle(&self) -> Result<File> {
        Self::handle(self)
    }

    fn path(&self) -> PathBuf {
        Self::path(self)
    }

    fn finish(self: Box<Self>, modified_ms: i64) -> Result<PathBuf> {
        Self::finish(*self, modified_ms)
    }
}

impl From<Sink> for Out {
    fn from(sink: Sink) -> Self {
        match sink {
            Sink::File(file) => Self::Landing(Box::new(file)),
            Sink::Writer(writer) => Self::Writer(writer),
        }
    }
}

impl Out {
    /// The file for writes at any place, and the name for errors about it; `None` for a writer.
    pub(super) fn random_access(&self) -> Result<Option<(File, PathBuf)>> {
        match self {
            Self::Writer(_) => Ok(None),
            Self::Landing(file) => Ok(Some((file.handle()?, file.path()))),
        }
    }
}

/// A temporary file beside its later place; gone when dropped, and by the next process when this one was killed.
pub(crate) struct FileSink {
    temp: NamedTempFile,
    folder: PathBuf,
    name: OsString,
    on_conflict: OnConflict,
}

impl Sink {
    /// Refuses what cannot work before anything is fetched, and makes the temporary file.
    pub(crate) fn prepare(target: Target, metadata: &Metadata) -> Result<Self> {
        Self::at(target, safe_file_name(metadata.name.as_str()), metadata.original_size)
    }

    /// The same for something that has no name of its own, and whose length is not known.
    pub(crate) fn nameless(target: Target) -> Result<Self> {
        match target {
            Target::Directory { path, .. } => Err(Error::TargetIsDirectory(path)),
            target => Self::at(target, String::new(), 0),
        }
    }

    /// The same for a name that no signature covers.
    pub(crate) fn at(target: Target, name_in_folder: String, needed: u64) -> Result<Self> {
        let (folder, name, on_conflict) = match target {
            Target::Writer(writer) => return Ok(Self::Writer(writer)),
            Target::List | Target::Some { .. } => return Err(Error::NotAFolder),
            Target::File { path, overwrite } => {
                if path.is_dir() {
                    return Err(Error::TargetIsDirectory(path));
                }
                let name = path.file_name().ok_or_else(|| Error::TargetIsDirectory(path.clone()))?.to_owned();
                let folder = match path.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
                    _ => PathBuf::from("."),
                };
                (folder, name, if overwrite { OnConflict::Replace } else { OnConflict::Refuse })
            }
            Target::Directory { path, on_conflict } => (path, OsString::from(name_in_folder), on_conflict),
        };
        let path = folder.join(&name);
        match (fs::symlink_metadata(&path), on_conflict) {
            (Ok(_), OnConflict::Refuse) => return Err(Error::TargetExists(path)),
            // A rename would put the file in the place of the folder, device or pipe itself.
            (Ok(meta), OnConflict::Replace) if !meta.is_file() && !meta.is_symlink() => {
                return Err(if meta.is_dir() {
                    Error::TargetIsDirectory(path)
                } else {
                    Error::NotAFile(path)
                });
            }
            _ => {}
        }
        remove_abandoned(&folder, &temp_prefix(&name));
        let temp =
            locked_temp(&folder, &temp_prefix(&name)).map_err(Error::io("create a file in", &folder))?;
        check_room(&folder, needed)?;
        Ok(Self::File(FileSink { temp, folder, name, on_conflict }))
    }
}

impl FileSink {
    /// One more handle of the temporary file.
    pub(crate) fn handle(&self) -> Result<File> {
        self.temp.as_file().try_clone().map_err(Error::io("write", &self.folder))
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the file will be, for errors about writing it.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Makes the content durable, gives it its name, makes the name durable.
    pub(crate) fn finish(self, modified_ms: i64) -> Result<PathBuf> {
        let path = self.path();
        let file = self.temp.as_file();
        // A file system that keeps no such time still holds the file.
        drop(file.set_modified(time_of(modified_ms)));
        file.sync_all().map_err(Error::io("write", &path))?;
        let path = match self.on_conflict {
            OnConflict::Replace => {
                self.temp.persist(&path).map_err(|error| Error::io("write", &path)(error.error))?;
                path
            }
            OnConflict::Refuse => {
                self.temp.persist_noclobber(&path).map_err(|error| taken(&path, error.error))?;
                path
            }
            OnConflict::KeepBoth => keep_both(self.temp, &self.folder, &self.name)?,
        };
        sync_folder(&self.folder)?;
        Ok(path)
    }
}

/// Whether the folder holds a file of this name, size and time.
pub(super) fn is_there(folder: &Path, metadata: &Metadata, on_conflict: OnConflict) -> bool {
    there_as(folder, metadata.name.as_str(), on_conflict).any(|path| {
        is_of_time(&path, metadata.modified_ms)
            && fs::symlink_metadata(path).is_ok_and(|there| there.len() == metadata.original_size)
    })
}

/// What there is in the folder under a name; where both of two are kept, also under the numbers that it gets then.
pub(crate) fn there_as(folder: &Path, name: &str, on_conflict: OnConflict) -> impl Iterator<Item = PathBuf> {
    let name = safe_file_name(name);
    let most = if on_conflict == OnConflict::KeepBoth { MOST_NUMBERS } else { 1 };
    let paths = (0..most).map(move |n| folder.join(numbered(name.as_ref(), n)));
    // Numbers are given without a gap, so the first that is free is the end.
    paths.take_while(|path| fs::symlink_metadata(path).is_ok())
}

/// Whether there is a regular file of that time.
pub(crate) fn is_of_time(path: &Path, modified_ms: i64) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|there| there.is_file() && there.modified().is_ok_and(|time| time == time_of(modified_ms)))
}

fn taken(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Error::TargetExists(path.to_path_buf()),
        _ => Error::io("write", path)(error),
    }
}

/// How many files of one name a folder keeps.
const MOST_NUMBERS: u32 = 10_000;

/// `name`, else `name (1)`, `name (2)` … before the extension.
fn keep_both(mut temp: NamedTempFile, folder: &Path, name: &OsStr) -> Result<PathBuf> {
    for n in 0..MOST_NUMBERS {
        let path = folder.join(numbered(name, n));
        match temp.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => temp = error.file,
            Err(error) => return Err(Error::io("write", &path)(error.error)),
        }
    }
    Err(Error::TargetExists(folder.join(name)))
}

fn numbered(name: &OsStr, n: u32) -> OsString {
    if n == 0 {
        return name.to_owned();
    }
    let path = Path::new(name);
    let mut out = path.file_stem().unwrap_or(name).to_owned();
    out.push(format!(" ({n})"));
    if let Some(extension) = path.extension() {
        out.push(".");
        out.push(extension);
    }
    out
}

/// `.NAME.wax-part-`, short enough that random letters still fit behind it.
fn temp_prefix(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    let mut end = name.len().min(160);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!(".{}.wax-part-", &name[..end])
}

/// Random characters behind the prefix.
const RANDOM: usize = 8;

/// A temporary file that is locked for as long as it is written, which tells it from one that was abandoned.
fn locked_temp(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).rand_bytes(RANDOM).permissions(fs::Permissions::from_mode(0o600));
    loop {
        let temp = builder.tempfile_in(folder)?;
        // Where files cannot be locked nobody takes one for abandoned either.
        drop(temp.as_file().lock());
        // Another process may have taken it for abandoned before the lock.
        if temp.as_file().metadata()?.nlink() > 0 {
            return Ok(temp);
        }
    }
}

/// Removes what earlier processes for the same name left when they were killed. What cannot be removed is no reason
/// not to go on: it only takes room.
fn remove_abandoned(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(io::Result::ok) {
        let is_ours =
            entry.file_name().to_str().and_then(|name| name.strip_prefix(prefix)).is_some_and(|rest| {
                rest.len() == RANDOM && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if is_ours
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            drop(fs::remove_file(entry.path()));
        }
    }
}

pub(super) fn check_room(folder: &Path, needed: u64) -> Result<()> {
    // A file system that cannot say how much is free says so when it is full.
    let Ok(stat) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let available = stat.f_bavail.saturating_mul(stat.f_frsize);
    if needed > available {
        return Err(Error::NoRoom { path: folder.to_path_buf(), needed, available });
    }
    Ok(())
}

pub(super) fn time_of(ms: i64) -> SystemTime {
    let distance = Duration::from_millis(ms.unsigned_abs());
    let time = if ms < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::FileName;
    use format::metadata::{Compression, Padding};

    fn metadata(name: &str, size: u64) -> Metadata {
        Metadata {
            name: FileName::parse(name).unwrap(),
            media_type: String::new(),
            original_size: size,
            stored_size: size,
            compression: Compression::None,
            padding: Padding::None,
            modified_ms: 1_000_000_000_000,
            box_id: None,
            preview: None,
        }
    }

    fn file(target: Target, name: &str) -> Result<FileSink> {
        match Sink::prepare(target, &metadata(name, 3))? {
            Sink::File(sink) => Ok(sink),
            Sink::Writer(_) => panic!("a file was asked for"),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_file_appears_whole_with_its_time_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let sink = file(Target::directory(folder.path()), "a.txt").unwrap();
        sink.handle().unwrap().write_all(b"abc").unwrap();
        assert!(!folder.path().join("a.txt").exists());
        let path = sink.finish(1_000_000_000_000).unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        assert_eq!(meta.modified().unwrap(), time_of(1_000_000_000_000));
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn nothing_stays_of_a_dropped_one() {
        let folder = tempfile::tempdir().unwrap();
        drop(file(Target::directory(folder.path()), "a.txt").unwrap());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_a_killed_process_left_goes_with_the_next_and_what_another_is_writing_stays() {
        let folder = tempfile::tempdir().unwrap();
        let left = [".a.txt.wax-part-abcd1234", ".a.txt.wax-part-short", ".b.txt.wax-part-abcd1234"];
        for name in left {
            fs::write(folder.path().join(name), b"left").unwrap();
        }
        let other = file(Target::file(folder.path().join("a.txt")), "a.txt").unwrap();
        let sink = file(Target::file(folder.path().join("a.txt")), "a.txt").unwrap();
        assert_eq!(names(folder.path()).len(), 4);
        assert!(!folder.path().join(left[0]).exists());
        drop(other);
        sink.finish(0).unwrap();
        assert_eq!(names(folder.path()), [left[1], left[2], "a.txt"]);
    }

    #[test]
    fn a_taken_name_is_refused_even_if_it_is_taken_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let sink = file(Target::file(&path), "other").unwrap();
        fs::write(&path, b"theirs").unwrap();
        assert!(matches!(sink.finish(0), Err(Error::TargetExists(_))));
        assert!(matches!(file(Target::file(&path), "other"), Err(Error::TargetExists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn both_are_kept_on_request() {
        let folder = tempfile::tempdir().unwrap();
        for expected in ["a.tar.gz", "a.tar (1).gz", "a.tar (2).gz"] {
            let target = Target::Directory { path: folder.path().into(), on_conflict: OnConflict::KeepBoth };
            let path = file(target, "a.tar.gz").unwrap().finish(0).unwrap();
            assert_eq!(path.file_name().unwrap(), expected);
        }
    }

    #[test]
    fn a_sealed_name_cannot_leave_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("in");
        fs::create_dir(&inner).unwrap();
        for name in ["..\u{202e}txt", "...", "a:b", "-rf"] {
            let target = Target::Directory { path: inner.clone(), on_conflict: OnConflict::KeepBoth };
            let path = file(target, name).unwrap().finish(0).unwrap();
            assert_eq!(path.parent().unwrap(), inner, "{name:?}");
        }
        assert_eq!(names(folder.path()), ["in"]);
    }

    #[test]
    fn folders_and_devices_are_no_targets() {
        let folder = tempfile::tempdir().unwrap();
        let here = Target::File { path: folder.path().into(), overwrite: true };
        assert!(matches!(file(here, "a"), Err(Error::TargetIsDirectory(_))));
        let null = Target::File { path: "/dev/null".into(), overwrite: true };
        assert!(matches!(file(null, "a"), Err(Error::NotAFile(_))));
        let missing = Target::file(folder.path().join("no/such"));
        assert!(matches!(file(missing, "a"), Err(Error::Io { .. })));
    }

    #[test]
    fn a_file_that_cannot_fit_is_refused_before_anything_is_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let size = 1 << 44;
        let Err(error) = Sink::prepare(Target::directory(folder.path()), &metadata("a", size)) else {
            panic!("16 TiB fit here")
        };
        assert!(matches!(error, Error::NoRoom { .. }), "{error}");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn the_longest_names_leave_room_for_the_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let name = "ä".repeat(127);
        file(Target::directory(folder.path()), &name).unwrap().finish(0).unwrap();
    }
}
