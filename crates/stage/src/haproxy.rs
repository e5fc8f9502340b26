//! HAProxy that speaks TLS to clients and TLS to a server: the peer of the balancer.

use crate::memory::peak_of;
use crate::{Doing, StageError, certificate};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running HAProxy; it ends with this.
pub struct Haproxy {
    child: Child,
    /// Where it answers.
    pub url: String,
    /// What clients trust it by.
    pub ca: PathBuf,
}

impl Haproxy {
    /// Whether HAProxy is here.
    #[must_use]
    pub fn is_installed() -> bool {
        Command::new("haproxy").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    }

    /// Starts HAProxy below a folder, before the server at this port of 127.0.0.1, which it trusts by `upstream_ca`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(root: &Path, upstream: u16, upstream_ca: &Path) -> Result<Self, StageError> {
        let folder = root.join("haproxy");
        std::fs::create_dir_all(&folder).doing("making a folder for haproxy")?;
        certificate::write(&folder, "localhost")?;
        // HAProxy wants certificate and key in one file.
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).doing("reading a certificate");
        let both = read("cert.pem")? + &read("key.pem")?;
        std::fs::write(folder.join("both.pem"), both).doing("writing a certificate")?;
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).doing("finding a port")?.port();
        let config = folder.join("haproxy.cfg");
        std::fs::write(&config, configuration(&folder, port, upstream, upstream_ca))
            .doing("writing haproxy.cfg")?;
        let child = Command::new("haproxy")
            .arg("-db")
            .arg("-f")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .doing("starting haproxy")?;
        let peer = Self { child, url: format!("https://localhost:{port}"), ca: folder.join("cert.pem") };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err(StageError::Unexpected("haproxy did not start".into()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(peer)
    }

    /// Peak of resident memory so far, bytes, where the kernel tells it.
    #[must_use]
    pub fn peak(&self) -> Option<u64> {
        peak_of(self.child.id())
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let asked = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        if asked == Some(Ok(())) {
            drop(self.child.wait());
        }
    }
}

/// Two threads as on the machine's two cores, servers verified, connections kept.
fn configuration(folder: &Path, port: u16, upstream: u16, upstream_ca: &Path) -> String {
    format!(
        "global
  nbthread 2
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 330s
  option http-keep-alive
frontend in
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem alpn h2,http/1.1
  default_backend out
backend out
  http-reuse always
  server one 127.0.0.1:{upstream} ssl verify required ca-file {ca} verifyhost localhost sni str(localhost) alpn http/1.1
",
        folder = folder.display(),
        ca = upstream_ca.display(),
    )
}
