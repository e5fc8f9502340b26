//! The data folder and the server's secrets: whether they are there, and who else can read them.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;

use super::{Chart, size};
use crate::config::Config;
use crate::logging::chain;
use crate::secrets::Keys;

/// Below this the next parts will hardly fit.
const ROOM_RED: u64 = 256 << 20;
const ROOM_YELLOW: u64 = 5 << 30;

pub(super) fn folder(config: &Config, chart: &mut Chart<'_>) {
    let data = &config.storage.data;
    let found = match std::fs::metadata(data) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => {
            let seen = format!("{} is no folder", data.display());
            return chart.red("there", seen, "name a folder with --data or WAXD_DATA");
        }
        Err(error) => {
            let seen = format!("{}: {error}", data.display());
            return chart.red("there", seen, "start `waxd serve` once with the same --data, which makes it");
        }
    };
    chart.green("there", data.display().to_string());
    private(data, &found, "700", chart);
    room("room", data, chart);
}

/// Whether others can read or enter it, and whether it is ours.
fn private(path: &Path, found: &std::fs::Metadata, mode: &str, chart: &mut Chart<'_>) {
    let open = found.mode() & 0o077;
    if open != 0 {
        let seen = format!("{} can be read by others (mode {:o})", path.display(), found.mode() & 0o777);
        chart.red("private", seen, format!("chmod {mode} {}", path.display()));
    } else if found.uid() != rustix::process::geteuid().as_raw() {
        let seen = format!("{} belongs to another user (uid {})", path.display(), found.uid());
        chart.yellow("private", seen, "run the doctor as the server's own user");
    } else {
        chart.green("private", format!("mode {:o}", found.mode() & 0o777));
    }
}

/// Free space of the file system that holds a folder.
pub(super) fn room(check: &'static str, path: &Path, chart: &mut Chart<'_>) {
    match rustix::fs::statvfs(path) {
        Ok(room) => {
            let free = room.f_bavail.saturating_mul(room.f_frsize);
            let all = room.f_blocks.saturating_mul(room.f_frsize);
            let seen = format!("{} of {} free", size(free), size(all));
            let fix = "make room, or move the folder to a larger disk";
            match free {
                0..ROOM_RED => chart.red(check, seen, fix),
                ROOM_RED..ROOM_YELLOW => chart.yellow(check, seen, fix),
                _ => chart.green(check, seen),
            }
        }
        Err(errno) => chart.red(check, std::io::Error::from(errno).to_string(), "see to the file system"),
    }
}

/// The keys, if the secrets are there; each is made by the server, and never by the doctor.
pub(super) fn secrets(
    config: &Config,
    environment: impl Fn(&str) -> Option<OsString>,
    chart: &mut Chart<'_>,
) -> Option<Keys> {
    let dir = config.storage.data.join("secrets");
    let given = [
        ("secret_key", "SECRET_KEY", config.secrets.secret_key.is_some()),
        ("jwt_secret", "JWT_SECRET", config.secrets.jwt_secret.is_some()),
    ];
    let mut all_there = true;
    for (check, name, is_given) in given {
        let named = environment(&format!("{name}_FILE")).map(std::path::PathBuf::from);
        if is_given && named.is_none() {
            chart.green(check, format!("from the environment ({name})"));
            continue;
        }
        all_there &= file(check, &named.unwrap_or_else(|| dir.join(check)), chart);
    }
    if !all_there {
        return None;
    }
    match Keys::open(&config.secrets, &dir) {
        Ok(keys) => Some(keys),
        Err(error) => {
            chart.red(
                "usable",
                chain(&error),
                "restore the secrets from a backup; without them nobody signs in",
            );
            None
        }
    }
}

fn file(check: &'static str, path: &Path, chart: &mut Chart<'_>) -> bool {
    let fix =
        "start `waxd serve` once, which makes it; on a server that was in use, restore it from a backup";
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            chart.red(check, format!("{}: {error}", path.display()), fix);
            return false;
        }
    };
    let is_long = found.len() >= 32;
    if !is_long {
        let seen = format!("{} has {} bytes; a secret has at least 32", path.display(), found.len());
        chart.red(check, seen, fix);
    } else if found.mode() & 0o077 != 0 {
        exposed(check, path, "others", found.mode(), is_mounted_read_only(path), chart);
    } else {
        chart.green(check, format!("mode {:o}, {} bytes", found.mode() & 0o777, found.len()));
    }
    is_long
}

/// A file with a secret that more can read than should. What another mounts to be read alone, as the secrets of Docker and
/// Kubernetes, only whoever mounts it can mend, and in a container of its own there may be nobody else.
pub(super) fn exposed(
    check: &'static str,
    path: &Path,
    to: &str,
    mode: u32,
    is_mounted_read_only: bool,
    chart: &mut Chart<'_>,
) {
    const MOUNTED: &str = "no harm in a container where nothing else runs; elsewhere have whoever mounts it give it to the \
                           server's user alone: Docker `uid` and `mode: 0400` of the secret, Kubernetes `defaultMode: 0400`, \
                           or chown and chmod where the file comes from";
    let seen = format!("{} can be read by {to} (mode {:o})", path.display(), mode & 0o777);
    if is_mounted_read_only {
        chart.yellow(check, format!("{seen}, by a read-only mount"), MOUNTED);
    } else {
        chart.red(check, seen, format!("chmod 600 {}", path.display()));
    }
}

pub(super) fn is_mounted_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::{Finding, Verdict};

    fn judged(mode: u32, is_mounted_read_only: bool) -> Finding {
        let mut show = |_: &Finding| {};
        let mut chart = Chart::new(Duration::from_secs(30), &mut show);
        let path = Path::new("/run/secrets/secret_key");
        exposed("secret_key", path, "others", mode, is_mounted_read_only, &mut chart);
        chart.findings.remove(0)
    }

    #[test]
    fn a_secret_on_a_read_only_mount_is_yellow_and_nobody_is_told_to_change_its_mode_there() {
        let mounted = judged(0o100_444, true);
        assert_eq!(mounted.verdict, Verdict::Yellow);
        assert!(mounted.seen.contains("mode 444") && mounted.seen.contains("read-only"), "{}", mounted.seen);
        assert!(!mounted.fix.unwrap().contains("chmod 600"));
        let own = judged(0o100_444, false);
        assert_eq!(own.verdict, Verdict::Red);
        assert_eq!(own.fix.as_deref(), Some("chmod 600 /run/secrets/secret_key"));
    }

    #[test]
    fn a_folder_that_can_be_written_to_is_no_read_only_mount() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_mounted_read_only(folder.path()));
        assert!(!is_mounted_read_only(&folder.path().join("missing")));
    }
}
