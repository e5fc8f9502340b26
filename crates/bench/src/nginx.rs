//! The peer: nginx with a certificate of the same kind, taking and giving files over TLS, sealing nothing.

use crate::certificate;
use stage::{Doing, StageError};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running nginx; it ends with this.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) url: String,
    /// Where uploads land and downloads come from.
    pub(crate) folder: PathBuf,
    pub(crate) ca: PathBuf,
}

impl Nginx {
    /// Starts nginx, if it is installed together with curl.
    pub(crate) fn start(root: &Path) -> Result<Option<Self>, StageError> {
        if !["nginx", "curl"].iter().all(|tool| is_there(tool)) {
            return Ok(None);
        }
        let folder = root.join("nginx");
        for part in ["files", "temp"] {
            std::fs::create_dir_all(folder.join(part)).doing("making folders for nginx")?;
        }
        certificate::write(&folder)?;
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).doing("finding a port")?.port();
        let config = folder.join("nginx.conf");
        std::fs::write(&config, configuration(&folder, port)).doing("writing nginx.conf")?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&config)
            .args(["-g", "daemon off;"])
            .stderr(Stdio::null())
            .spawn()
            .doing("starting nginx")?;
        let peer = Self {
            child,
            url: format!("https://localhost:{port}"),
            folder: folder.join("files"),
            ca: folder.join("cert.pem"),
        };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err(StageError::Unexpected("nginx did not start".into()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(peer))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let asked = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        if asked == Some(Ok(())) {
            drop(self.child.wait());
        }
    }
}

fn is_there(tool: &str) -> bool {
    Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Two workers as on the machine's two cores, large bodies straight to disk.
fn configuration(folder: &Path, port: u16) -> String {
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    format!(
        "{user} worker_processes 2; error_log {folder}/error.log; pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; client_max_body_size 0; client_body_buffer_size 1m;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  server {{
    listen 127.0.0.1:{port} ssl; server_name localhost;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;
    root {folder}/files;
    location / {{ dav_methods PUT DELETE; }}
  }}
}}
",
        folder = folder.display(),
    )
}
