//! The few calls by which blobs reach the disk; a seam, so that their order can be recorded and made to fail.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;
use rustix::fs::Advice;

/// Everything that changes the disk. All methods block.
pub(super) trait Disk: Send + Sync + 'static {
    /// A new file, mode 0600; an error if the path is taken.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// A second handle of a file being written, whose writes go to the device without a copy. What is written
    /// through it begins and ends at multiples of [`crate::DIRECT_ALIGN`], in memory and in the file.
    fn direct(&self, path: &Path) -> io::Result<File>;
    /// Writes all pieces one behind the other from `offset` on.
    fn write(&self, file: &File, offset: u64, pieces: &[Bytes]) -> io::Result<()>;
    /// Asks for octets to be on their way to the device, so that a later sync has less to wait for.
    fn start_writeback(&self, file: &File, offset: u64, len: u64);
    /// Returns when the content of the file is durable.
    fn sync_file(&self, file: &File) -> io::Result<()>;
    /// A folder, mode 0700; nothing if it is there.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// Renames; an error if `to` is taken, in one step.
    fn publish(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Returns when the names in the folder are durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The disk itself.
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn direct(&self, path: &Path) -> io::Result<File> {
        use rustix::fs::OFlags;
        let flags = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
        OpenOptions::new().write(true).custom_flags(flags).open(path)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn direct(&self, _path: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write(&self, file: &File, mut offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = &mut slices[..];
        // Drops empty slices in front, so that a write of nothing is never mistaken for an end.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let written = match rustix::io::pwritev(file, left, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            offset += written as u64;
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }

    fn start_writeback(&self, file: &File, offset: u64, len: u64) {
        // On Linux this starts writing dirty pages without waiting; pages under way stay in the cache. It is
        // advice: a file system that does not follow it makes the sync longer and nothing wrong.
        if let Some(len) = NonZeroU64::new(len) {
            let _ = rustix::fs::fadvise(file, offset, Some(len), Advice::DontNeed);
        }
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            use rustix::io::Errno;
            match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
                other => return Ok(other?),
            }
        }
        // Where a rename cannot refuse to replace, a second name can.
        std::fs::hard_link(from, to)?;
        std::fs::remove_file(from)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}
