//! A Redis of the story: the real one, on 127.0.0.1, with nothing kept on disk unless it is told to.

use crate::{Doing, StageError, certificate};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// A running Redis; it ends with this.
pub struct Redis {
    child: Child,
    /// Where it listens without TLS.
    pub port: u16,
    /// Where it listens with TLS.
    pub tls_port: u16,
    /// What it asks for before anything else.
    pub password: Option<String>,
    /// What clients trust its TLS by; the certificate is for `localhost`.
    pub ca: PathBuf,
}

impl Redis {
    /// Starts one below a folder; whoever asks has seen that it [is installed](redis_is_installed).
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(root: &Path) -> Result<Self, StageError> {
        Self::start_at(root, free_port()?, None)
    }

    /// The same at a given port and with a password.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_at(root: &Path, port: u16, password: Option<&str>) -> Result<Self, StageError> {
        let folder = root.join("redis");
        std::fs::create_dir_all(&folder).doing("making a folder for Redis")?;
        if !folder.join("cert.pem").exists() {
            certificate::write(&folder, "localhost")?;
        }
        let tls_port = free_port()?;
        let log = std::fs::File::create(folder.join("redis.log")).doing("making a log for Redis")?;
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--tls-port", &tls_port.to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--tls-auth-clients", "no"])
            .arg("--dir")
            .arg(&folder)
            .arg("--tls-cert-file")
            .arg(folder.join("cert.pem"))
            .arg("--tls-key-file")
            .arg(folder.join("key.pem"))
            .arg("--tls-ca-cert-file")
            .arg(folder.join("cert.pem"));
        if let Some(password) = password {
            command.args(["--requirepass", password]);
        }
        let child = command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        let child = child.spawn().doing("starting redis-server")?;
        let ca = folder.join("cert.pem");
        let redis = Self { child, port, tls_port, password: password.map(str::to_owned), ca };
        let began = Instant::now();
        while redis.command(&["PING"]).is_err() {
            if began.elapsed() > PATIENCE {
                return Err(StageError::Unexpected("redis-server did not start".into()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(redis)
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.password {
            None => format!("redis://127.0.0.1:{}", self.port),
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
        }
    }

    /// Its address with TLS.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("rediss://localhost:{}", self.tls_port)
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Says a command on a connection of its own, and gives the lines of the answer.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn command(&self, words: &[&str]) -> Result<Vec<String>, StageError> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).doing("connecting to Redis")?;
        stream.set_read_timeout(Some(PATIENCE)).doing("waiting for Redis")?;
        let mut stream = BufReader::new(stream);
        if let Some(password) = &self.password {
            say(&mut stream, &["AUTH", password])?;
            answer(&mut stream)?;
        }
        say(&mut stream, words)?;
        answer(&mut stream)
    }

    /// Ends it without any warning.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn kill(mut self) -> Result<(), StageError> {
        self.child.kill().doing("killing Redis")?;
        self.child.wait().doing("waiting for Redis").map(drop)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Whatever it holds is of no use any more, and it may be stopped.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Whether Redis is here.
#[must_use]
pub fn redis_is_installed() -> bool {
    Command::new("redis-server").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn free_port() -> Result<u16, StageError> {
    let found = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    found.doing("finding a port").map(|address| address.port())
}

fn say(stream: &mut BufReader<TcpStream>, words: &[&str]) -> Result<(), StageError> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.get_mut().write_all(text.as_bytes()).doing("saying something to Redis")
}

/// One answer, its arrays made flat.
fn answer(stream: &mut BufReader<TcpStream>) -> Result<Vec<String>, StageError> {
    let mut line = String::new();
    stream.read_line(&mut line).doing("hearing Redis")?;
    let strange = || StageError::Unexpected("Redis answered what is no answer".into());
    let (kind, rest) = line.trim_end().split_at_checked(1).ok_or_else(strange)?;
    match kind {
        "+" | ":" => Ok(vec![rest.to_owned()]),
        "$" => {
            let Ok(len) = rest.parse::<usize>() else { return Ok(Vec::new()) };
            let mut octets = vec![0; len + 2];
            stream.read_exact(&mut octets).doing("hearing Redis")?;
            octets.truncate(len);
            Ok(vec![String::from_utf8_lossy(&octets).into_owned()])
        }
        "*" => {
            let many = rest.parse::<usize>().unwrap_or(0);
            (0..many).try_fold(Vec::new(), |mut all, _| {
                all.extend(answer(stream)?);
                Ok(all)
            })
        }
        _ => Err(StageError::Unexpected(format!("Redis refused: {rest}"))),
    }
}
