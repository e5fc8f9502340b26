//! The documented API beside the same two calls by Flask and gunicorn: one curl, the same body, the same certificate.

use crate::rows::{Group, Row, count, warm};
use crate::text;
use stage::{Doing, Server, ServerOptions, StageError};
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Octets of the file that goes around.
const FILE: u64 = 64 << 20;
/// A hundred runs in an hour are within these.
const MANY: &str = "100000";
/// Octets at a time: a multiple of three.
const PIECE: usize = 3 << 16;
const FLASK: &str = include_str!("../peers/flask_v0.py");

/// Upload and download of 64 MiB.
pub(crate) fn groups(root: &Path, waxd: &Path, runs: u32) -> Result<Vec<Group>, StageError> {
    let body = root.join("v0-body.json");
    write_body(&body)?;
    let more: Vec<&str> = [
        "--v0-uploads-per-hour",
        "--v0-calls-per-hour",
        "--v0-calls-per-day",
        "--v0-otp-per-ip",
        "--v0-logins-per-ip",
    ]
    .into_iter()
    .flat_map(|flag| [flag, MANY])
    .collect();
    let (data, logs) = (root.join("v0-server"), root.join("v0-logs"));
    let server =
        Server::start(&ServerOptions { waxd, data: &data, logs: &logs, port: 0, quiet: true, more: &more })?;
    let token = sign_in(&server)?;
    let waxing = Peer { url: server.url.clone(), ca: server.ca.clone(), token: Some(token) };
    let gunicorn = Gunicorn::start(root)?;
    let flask = gunicorn.as_ref().map(|peer| Peer { url: peer.url(), ca: peer.ca.clone(), token: None });
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    let target = root.join("v0-got.json");
    for run in 0..=runs {
        warm(4 * FILE);
        waxing.round(run, &body, &target, &mut ours)?;
        if let Some(flask) = &flask {
            warm(4 * FILE);
            flask.round(run, &body, &target, &mut theirs)?;
        }
    }
    let peak = gunicorn.as_ref().and_then(Gunicorn::peak);
    let group = |task: &'static str, ours, theirs| {
        let peer = Row::of("Flask with gunicorn, fsync", flask.is_some().then_some(theirs), peak);
        Group::of(task, FILE, vec![Row::of("waxd", Some(ours), server.peak()), peer])
    };
    Ok(vec![
        group("upload by the documented API (v0), as JSON", ours.up, theirs.up),
        group("download by the documented API (v0), as JSON", ours.down, theirs.down),
    ])
}

#[derive(Default)]
struct Times {
    up: Vec<Duration>,
    down: Vec<Duration>,
}

/// One of the two servers.
struct Peer {
    url: String,
    ca: PathBuf,
    token: Option<String>,
}

impl Peer {
    fn round(&self, run: u32, body: &Path, target: &Path, times: &mut Times) -> Result<(), StageError> {
        let began = Instant::now();
        let told =
            self.curl(&["--data-binary", &format!("@{}", text(body)), &format!("{}/upload", self.url)])?;
        count(run, &mut times.up, began.elapsed());
        let id = field(&told, "file_id")?;
        let began = Instant::now();
        self.curl(&["-o", &text(target), &format!("{}/files/{id}", self.url)])?;
        count(run, &mut times.down, began.elapsed());
        let len = std::fs::metadata(target).doing("looking at what came")?.len();
        if len < FILE / 3 * 4 {
            return Err(StageError::Broken("less came than went".into()));
        }
        Ok(())
    }

    fn curl(&self, more: &[&str]) -> Result<String, StageError> {
        let mut command = Command::new("curl");
        // No pause for the server's word that it wants the body.
        command.args(["-sS", "--fail", "-H", "Content-Type: application/json", "-H", "Expect:", "--cacert"]);
        command.arg(&self.ca);
        if let Some(token) = &self.token {
            command.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let done = command.args(more).output().doing("running curl")?;
        if !done.status.success() {
            return Err(StageError::Broken(format!("curl: {}", String::from_utf8_lossy(&done.stderr))));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

fn sign_in(server: &Server) -> Result<String, StageError> {
    let nobody = Peer { url: server.url.clone(), ca: server.ca.clone(), token: None };
    let email = "bench@lindenhof-law.example";
    let ask = format!(r#"{{"email": "{email}"}}"#);
    nobody.curl(&["-d", &ask, &format!("{}/auth/request_otp", server.url)])?;
    let show = format!(r#"{{"email": "{email}", "otp": "{}"}}"#, server.code_for(email)?);
    field(&nobody.curl(&["-d", &show, &format!("{}/auth/login", server.url)])?, "token")
}

/// A text of a small object.
fn field(json: &str, name: &str) -> Result<String, StageError> {
    let value: serde_json::Value =
        serde_json::from_str(json).map_err(|_| StageError::Broken("no JSON came".into()))?;
    let text = value[name].as_str().ok_or_else(|| StageError::Broken(format!("no {name} came")))?;
    Ok(text.to_owned())
}

/// Noise as the ciphertext of an upload; whoever seals does so before.
fn write_body(path: &Path) -> Result<(), StageError> {
    let doing = "writing the body of an upload";
    let mut noise = File::open("/dev/urandom").doing(doing)?;
    let mut body = BufWriter::new(File::create(path).doing(doing)?);
    let head = br#"{"filename": "parcel.bin", "nonce": "AAAAAAAAAAAAAAAA", "wrapped_key": "QUJD", "metadata": "{}", "ciphertext": ""#;
    body.write_all(head).doing(doing)?;
    let mut piece = vec![0; PIECE];
    let mut left = FILE;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        noise.read_exact(&mut piece[..most]).doing(doing)?;
        body.write_all(proto::v0::base64::encode_whole(&piece[..most]).as_bytes()).doing(doing)?;
        left -= most as u64;
    }
    body.write_all(br#""}"#).doing(doing)?;
    body.flush().doing(doing)
}

/// Flask behind gunicorn with two workers; it ends with this.
struct Gunicorn {
    child: Child,
    port: u16,
    ca: PathBuf,
}

impl Gunicorn {
    /// Starts it, if the environment that `make setup-bench` makes is there.
    fn start(root: &Path) -> Result<Option<Self>, StageError> {
        let Some(program) = program() else { return Ok(None) };
        let folder = root.join("flask");
        std::fs::create_dir_all(&folder).doing("making a folder for Flask")?;
        std::fs::write(folder.join("flask_v0.py"), FLASK).doing("writing the Flask application")?;
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).doing("finding a port")?.port();
        let (ca, key) = (folder.join("ca.pem"), folder.join("key.pem"));
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.map_err(|_| StageError::Broken("no certificate could be made".into()))?;
        std::fs::write(&ca, made.cert.pem()).doing("writing a certificate")?;
        std::fs::write(&key, made.signing_key.serialize_pem()).doing("writing a key")?;
        let child = Command::new(program)
            .args(["--workers", "2", "--bind", &format!("127.0.0.1:{port}"), "--timeout", "120"])
            .arg("--certfile")
            .arg(&ca)
            .arg("--keyfile")
            .arg(&key)
            .args(["--chdir", &text(&folder), "flask_v0:app"])
            .env("BENCH_FOLDER", &folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .doing("starting gunicorn")?;
        let peer = Self { child, port, ca };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > Duration::from_secs(20) {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(peer))
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The peak of the worker that held most.
    fn peak(&self) -> Option<u64> {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().filter_map(|child| stage::peak_of(child.parse().ok()?)).max()
    }
}

impl Drop for Gunicorn {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn program() -> Option<PathBuf> {
    let tools = std::env::var_os("WAXWING_TOOLS").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        Some(cache.join("waxwing/tools"))
    })?;
    Some(tools.join("flask/bin/gunicorn")).filter(|program| program.is_file())
}
