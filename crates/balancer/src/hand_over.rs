//! The listening address passes to a successor with its queue, so that no connection is refused in between.
//!
//! The successor opens a socket of the file system and waits there; the one that runs sends its listening socket and then ends as
//! it would at any other time. Whoever may write to that socket could give the successor a socket of their own: it must lie in a
//! folder that only this account enters.

use std::net::SocketAddr;
use std::os::fd::IntoRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use pingora::server::{Fds, ListenFds};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Why an address was not handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandOverError {
    /// Others could meddle.
    #[error("{} must lie in a folder of this account that nobody else enters (mode 0700)", path.display())]
    OpenFolder {
        /// Which socket.
        path: PathBuf,
    },
    /// Nobody at the other end within a few seconds.
    #[error("nobody was met at {} within a few seconds", path.display())]
    Nobody {
        /// Which socket.
        path: PathBuf,
    },
    /// Nothing says where.
    #[error("there is no --hand-over by which a successor could take over")]
    NotConfigured,
    /// What came is not one listening address.
    #[error("the predecessor did not hand over one listening address")]
    Odd,
}

/// An address that is listened on, as Pingora keeps it.
#[derive(Clone)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) fds: ListenFds,
}

/// Listens on an address that nobody listens on.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<Listening> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener: TcpListener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    let mut fds = Fds::new();
    fds.add(address.to_string(), listener.into_std()?.into_raw_fd());
    Ok(Listening { address, fds: Arc::new(Mutex::new(fds)) })
}

/// Waits a few seconds for a predecessor to send its listening socket.
pub(crate) async fn take(path: PathBuf) -> Result<Listening, HandOverError> {
    let taken = tokio::task::spawn_blocking(move || {
        let text = checked(&path)?;
        let mut fds = Fds::new();
        fds.get_from_sock(text).map_err(|_| HandOverError::Nobody { path: path.clone() })?;
        let (addresses, _) = fds.serialize();
        let [address] = addresses.as_slice() else { return Err(HandOverError::Odd) };
        let address = address.parse().map_err(|_| HandOverError::Odd)?;
        Ok(Listening { address, fds: Arc::new(Mutex::new(fds)) })
    });
    // Pingora gives up by panicking where the socket cannot be made.
    taken.await.unwrap_or(Err(HandOverError::Odd))
}

/// Sends the listening socket to a successor that waits, or comes within a few seconds.
pub(crate) async fn give(path: PathBuf, fds: ListenFds) -> Result<(), HandOverError> {
    let given = tokio::task::spawn_blocking(move || {
        let text = checked(&path)?;
        fds.lock().send_to_sock(text).map_err(|_| HandOverError::Nobody { path: path.clone() })?;
        Ok(())
    });
    given.await.unwrap_or(Err(HandOverError::Odd))
}

/// The path as Pingora wants it, if nobody else reaches it.
fn checked(path: &Path) -> Result<&str, HandOverError> {
    let open = || HandOverError::OpenFolder { path: path.to_owned() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let meta = std::fs::metadata(folder).map_err(|_| open())?;
    let own = std::fs::metadata("/proc/self").map_or(meta.uid(), |process| process.uid());
    if meta.uid() != own || meta.permissions().mode() & 0o077 != 0 {
        return Err(open());
    }
    path.to_str().ok_or_else(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_others_reach_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(checked(&path), Err(HandOverError::OpenFolder { .. })));
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(checked(&path).is_ok());
    }
}
