//! Where the database file lies: on a local disk, and for nobody else to read.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::DbError;

/// Makes sure that the file is there, private, and on a local disk. Blocks; the database is this process's turn
/// to migrate until the answer is dropped.
pub(super) fn prepare(path: &Path) -> Result<File, DbError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    refuse_network(folder)?;
    make_private(path).map_err(|error| DbError::Open(Box::new(error)))?;
    let turn = File::open(folder).map_err(|error| DbError::Open(Box::new(error)))?;
    turn.lock().map_err(|error| DbError::Open(Box::new(error)))?;
    Ok(turn)
}

fn make_private(path: &Path) -> io::Result<()> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    // The log and the shared memory beside it take their mode from the file.
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn refuse_network(folder: &Path) -> Result<(), DbError> {
    let found =
        rustix::fs::statfs(folder).map_err(|errno| DbError::Open(Box::new(io::Error::from(errno))))?;
    #[expect(clippy::cast_possible_truncation, reason = "the kernel's magic numbers have 32 bits")]
    match network_file_system(found.f_type as u32) {
        Some(name) => Err(DbError::NetworkFileSystem(name)),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_folder: &Path) -> Result<(), DbError> {
    Ok(())
}

/// The name of a file system whose locks or shared memory do not hold, by its magic number (`statfs(2)`).
#[cfg(target_os = "linux")]
fn network_file_system(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x0000_6969 => "NFS",
        0xFF53_4D42 => "CIFS",
        0xFE53_4D42 => "SMB2",
        0x0000_517B => "SMB",
        0x6573_5546 => "FUSE",
        0x0102_1997 => "9P",
        0x00C3_6400 => "Ceph",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x0BD0_0BD0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636F => "OCFS2",
        0x7375_7245 => "Coda",
        0x0000_564C => "NCP",
        0x4750_4653 => "GPFS",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_and_local_ones_are_not_refused() {
        for (magic, name) in
            [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB2"), (0x6573_5546, "FUSE")]
        {
            assert_eq!(network_file_system(magic), Some(name));
        }
        // ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS
        for magic in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1, 0xF2F5_2010] {
            assert_eq!(network_file_system(magic), None);
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(refuse_network(folder.path()).is_ok());
    }
}
