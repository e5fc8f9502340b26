//! nginx with a certificate of its own over TLS: the peer that seals nothing, or a proxy before the server.

use crate::certificate;
use crate::{Doing, StageError};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What it is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes and gives files of its own.
    Files,
    /// Stands before the server at this port of 127.0.0.1, as a hosting company's proxy does.
    Proxy {
        /// Where the server is; TLS is spoken there as well.
        upstream: u16,
        /// The longest body in MiB; 0 is none.
        body_mib: u32,
    },
    /// The same, by word of somebody who looks after it.
    Before {
        /// Where the server is; TLS is spoken there as well.
        upstream: u16,
        /// The longest body in MiB; 0 is none.
        body_mib: u32,
        /// For what name its certificate is.
        name: &'static str,
        /// Directives beside `proxy_pass`; `$connection_upgrade` is made as usual.
        lines: &'static str,
    },
}

/// A running nginx; it ends with this.
pub struct Nginx {
    child: Child,
    /// Where it answers.
    pub url: String,
    /// Where uploads land and downloads come from, if files are its role.
    pub folder: PathBuf,
    /// What clients trust it by.
    pub ca: PathBuf,
}

impl Nginx {
    /// The largest peak of resident memory among its workers, bytes, where the kernel tells it.
    #[must_use]
    pub fn peak(&self) -> Option<u64> {
        self.workers().into_iter().filter_map(crate::peak_of).max()
    }

    /// The processes that do its work.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        let pid = self.child.id();
        let workers = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        workers.split_whitespace().filter_map(|worker| worker.parse().ok()).collect()
    }

    /// Starts nginx below a folder; whoever asks has seen that it [is installed](is_installed).
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(root: &Path, role: Role) -> Result<Self, StageError> {
        let folder = root.join("nginx");
        for part in ["files", "temp"] {
            std::fs::create_dir_all(folder.join(part)).doing("making folders for nginx")?;
        }
        let name = if let Role::Before { name, .. } = role { name } else { "localhost" };
        certificate::write(&folder, name)?;
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).doing("finding a port")?.port();
        let config = folder.join("nginx.conf");
        std::fs::write(&config, configuration(&folder, port, role)).doing("writing nginx.conf")?;
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
        Ok(peer)
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

/// Whether nginx is here.
#[must_use]
pub fn is_installed() -> bool {
    Command::new("nginx").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Two workers as on the machine's two cores, large bodies straight to disk or to the server.
fn configuration(folder: &Path, port: u16, role: Role) -> String {
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    let protocols = if matches!(role, Role::Before { .. }) { "ssl http2" } else { "ssl" };
    let (limit, behind, location) = match role {
        Role::Files => (0, String::new(), "dav_methods PUT DELETE;".to_owned()),
        Role::Proxy { upstream, body_mib } => (
            body_mib,
            format!("upstream behind {{ server 127.0.0.1:{upstream}; keepalive 32; }}"),
            String::from(
                "proxy_pass https://behind; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_buffering off; proxy_set_header Connection \"\"; proxy_set_header Host $http_host;
      proxy_ssl_session_reuse on;",
            ),
        ),
        Role::Before { upstream, body_mib, lines, .. } => {
            let location = format!("proxy_pass https://127.0.0.1:{upstream};\n      {lines}");
            (body_mib, String::new(), location)
        }
    };
    format!(
        "{user} worker_processes 2; error_log {folder}/error.log; pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; client_max_body_size {limit}m; client_body_buffer_size 1m;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  {behind}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port} {protocols}; server_name localhost;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;
    root {folder}/files;
    location / {{ {location} }}
  }}
}}
",
        folder = folder.display(),
    )
}
