//! The peer for many small files: an SSH server of our own on loopback, with keys that exist for this run.

use crate::text;
use stage::{Doing, StageError};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running sshd; it ends with this.
pub(crate) struct Sshd {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Sshd {
    /// Starts sshd, if it is installed together with scp.
    pub(crate) fn start(root: &Path) -> Result<Option<Self>, StageError> {
        let sshd = Path::new("/usr/sbin/sshd");
        let has =
            |tool: &str| Command::new(tool).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
        if !sshd.is_file() || !has("scp") || !has("ssh-keygen") {
            return Ok(None);
        }
        let folder = root.join("sshd");
        std::fs::create_dir_all(&folder).doing("making a folder for sshd")?;
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", &text(&folder.join(key))])
                .status()
                .doing("making an SSH key")?;
            if !made.success() {
                return Ok(None);
            }
        }
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).doing("finding a port")?.port();
        let shown = folder.display();
        let configuration = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {shown}/host\nAuthorizedKeysFile {shown}/user.pub\n\
             StrictModes no\nPidFile none\nUsePAM no\nPasswordAuthentication no\n\
             Subsystem sftp internal-sftp\n"
        );
        let config = folder.join("sshd_config");
        std::fs::write(&config, configuration).doing("writing sshd_config")?;
        // Where it puts the unprivileged half of itself; only root can make it, and only root needs it.
        drop(std::fs::create_dir_all("/run/sshd"));
        let child = Command::new(sshd)
            .args(["-D", "-e", "-f", &text(&config)])
            .stderr(Stdio::null())
            .spawn()
            .doing("starting sshd")?;
        let peer = Self { child, port, folder };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > Duration::from_secs(5) {
                // It cannot run here, for example without the account that it wants: not measured.
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(peer))
    }

    /// How long scp takes for all files of a folder.
    pub(crate) fn copy(&self, from: &Path, to: &Path) -> Result<Option<Duration>, StageError> {
        let began = Instant::now();
        let status = Command::new("scp")
            .args(["-q", "-r", "-P", &self.port.to_string(), "-i", &text(&self.folder.join("user"))])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "LogLevel=ERROR",
            ])
            .args([&text(from), &format!("127.0.0.1:{}", to.display())])
            .stderr(Stdio::null())
            .status()
            .doing("running scp")?;
        Ok(status.success().then(|| began.elapsed()))
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let asked = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        if asked == Some(Ok(())) {
            drop(self.child.wait());
        }
    }
}
