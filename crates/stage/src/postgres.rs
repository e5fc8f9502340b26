//! PostgreSQL as a database server of its own: a cluster in a folder, on a socket and a port for one story.

use crate::{Doing, StageError, certificate};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Who may do everything in it, without a password: only this machine can connect.
const USER: &str = "waxwing";
/// How long it may take to start or to stop, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The variable that names a cluster which runs already: URLs up to the name of a database.
const RUNNING: &str = "WAXWING_TEST_POSTGRES";

/// A running PostgreSQL; it ends with this, its folder too. Everything is durable in it as in earnest.
pub struct Postgres {
    child: Option<Child>,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    /// Whether connections may be, and over the network must be, over TLS.
    tls: bool,
}

impl Postgres {
    /// Makes a cluster on the disk and starts it; whoever asks has seen what is [missing](missing).
    ///
    /// # Errors
    /// When it does not start; its words are part of the error.
    pub fn start() -> Result<Self, StageError> {
        Self::start_below(&std::env::temp_dir())
    }

    /// The same in memory, where the system has a place for that: for many short stories, none of which cuts the power.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_in_memory() -> Result<Self, StageError> {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::start_below(memory) } else { Self::start() }
    }

    fn start_below(root: &Path) -> Result<Self, StageError> {
        // Below the system's folder itself: the user it runs as could not pass through that of a test.
        let folder = root.join(format!("wax-pg-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder).doing("making a folder for PostgreSQL")?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).doing("making it private")?;
        if let Some((user, group)) = other_user()? {
            chown(&folder, Some(user), Some(group)).doing("giving PostgreSQL its folder")?;
        }
        let mut cluster =
            Self { child: None, folder, port: free_port()?, databases: AtomicU32::new(0), tls: false };
        let made = cluster
            .command("initdb")?
            // What makes it is thrown away with it; what is written later is not spared the disk.
            .args(["-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(cluster.data())
            .output()
            .doing("running initdb")?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(StageError::Unexpected(format!("initdb made no cluster: {said}")));
        }
        cluster.go()?;
        Ok(cluster)
    }

    /// From the next start on takes nobody from the network without TLS, and shows a certificate for the name `localhost`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn use_tls(&mut self) -> Result<(), StageError> {
        certificate::write(&self.folder, "localhost")?;
        let key = self.folder.join("key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).doing("making a key private")?;
        if let Some((user, group)) = other_user()? {
            chown(&key, Some(user), Some(group)).doing("giving PostgreSQL its key")?;
        }
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        fs::write(self.data().join("pg_hba.conf"), rules).doing("writing who may come")?;
        self.tls = true;
        Ok(())
    }

    /// The authority of [`Postgres::use_tls`].
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// Starts it again where it was stopped, on the same port.
    ///
    /// # Errors
    /// When it does not start; its words are part of the error.
    pub fn go(&mut self) -> Result<(), StageError> {
        let log = fs::File::create(self.log()).doing("making a log for PostgreSQL")?;
        let child = self
            .command("postgres")?
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "max_connections=300", "-c", "shared_buffers=32MB"])
            .args(self.tls_settings())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .doing("starting PostgreSQL")?;
        self.child = Some(child);
        self.wait_until_it_answers()
    }

    fn wait_until_it_answers(&mut self) -> Result<(), StageError> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let ended = self.child.as_mut().map(Child::try_wait);
            if matches!(ended, Some(Ok(Some(_)))) {
                break;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                && self.sql("postgres", "SELECT 1").is_ok()
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let words = fs::read_to_string(self.log()).unwrap_or_default();
        Err(StageError::Unexpected(format!("PostgreSQL did not start: {words}")))
    }

    /// Ends it as a crash would: connections are cut off, and nothing is written any more (SIGQUIT, "immediate").
    ///
    /// # Errors
    /// When it does not end.
    pub fn crash(&mut self) -> Result<(), StageError> {
        self.end(Signal::QUIT)
    }

    fn end(&mut self, signal: Signal) -> Result<(), StageError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| StageError::Unexpected("that is no process".into()))?;
        kill_process(pid, signal).map_err(std::io::Error::from).doing("stopping PostgreSQL")?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if child.try_wait().doing("waiting for PostgreSQL")?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(StageError::Unexpected("PostgreSQL did not stop".into()))
    }

    /// A new, empty database; gives its URL.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database(&self) -> Result<String, StageError> {
        let name = format!("story_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(format!("{}/{name}", self.server()))
    }

    /// Its URL up to the name of a database.
    #[must_use]
    pub fn server(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}", self.port)
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process that all others of it are children of.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Runs statements in one of its databases and gives what they answer, a line for each row.
    ///
    /// # Errors
    /// What the server says against them.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String, StageError> {
        sql(&format!("{}/{database}", self.server()), statements)
    }

    fn tls_settings(&self) -> Vec<String> {
        if !self.tls {
            return Vec::new();
        }
        let file = |name: &str| self.folder.join(name).display().to_string();
        let settings = [
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", file("cert.pem")),
            format!("ssl_key_file={}", file("key.pem")),
        ];
        settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("words")
    }

    /// One of its programs, as the user it runs as.
    fn command(&self, program: &str) -> Result<Command, StageError> {
        let folder =
            programs().ok_or_else(|| StageError::Unexpected("PostgreSQL is not installed".into()))?;
        let mut command = Command::new(folder.join(program));
        if let Some((user, group)) = other_user()? {
            command.uid(user).gid(group);
        }
        command.current_dir("/").env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Nothing of it is needed any more.
        drop(self.end(Signal::QUIT));
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Databases for the tests of a process: in a cluster that runs already, if the environment names one, else in one of its own.
pub enum Databases {
    /// Named by `WAXWING_TEST_POSTGRES`, and started by `with-postgres`.
    Running(String),
    /// Our own.
    Own(Postgres),
}

impl Databases {
    /// Finds the cluster or starts one.
    ///
    /// # Errors
    /// When none can be started.
    pub fn open() -> Result<Self, StageError> {
        match named() {
            Some(server) => Ok(Self::Running(server)),
            None => Postgres::start_in_memory().map(Self::Own),
        }
    }

    /// The cluster that the environment names, if it names one.
    #[must_use]
    pub fn named() -> Option<Self> {
        named().map(Self::Running)
    }

    /// A new, empty database; gives its URL.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database(&self) -> Result<String, StageError> {
        self.make("")
    }

    /// A new database that is like another one of these, which nobody has open; gives its URL.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn copy_of(&self, url: &str) -> Result<String, StageError> {
        let name = url.rsplit('/').next().unwrap_or(url);
        self.make(&format!("TEMPLATE {name}"))
    }

    fn make(&self, how: &str) -> Result<String, StageError> {
        let server = match self {
            Self::Own(cluster) => cluster.server(),
            Self::Running(server) => server.clone(),
        };
        let name = format!("story_{}", uuid::Uuid::new_v4().simple());
        sql(&format!("{server}/postgres"), &format!("CREATE DATABASE {name} {how}"))?;
        Ok(format!("{server}/{name}"))
    }
}

/// The cluster that the environment names.
#[must_use]
pub fn named() -> Option<String> {
    std::env::var(RUNNING).ok().filter(|server| !server.is_empty())
}

/// Runs a command with the environment naming a cluster.
#[must_use]
pub fn naming(cluster: &Postgres, command: &str) -> Command {
    let mut command = Command::new(command);
    command.env(RUNNING, cluster.server());
    command
}

/// Why PostgreSQL cannot be played here, if it cannot.
#[must_use]
pub fn missing() -> Option<&'static str> {
    if programs().is_none() {
        return Some("PostgreSQL is not installed");
    }
    other_user().is_err().then_some("PostgreSQL does not run as root, and this system has no user postgres")
}

/// Runs statements in the database of a URL and gives what they answer, a line for each row.
///
/// # Errors
/// What the server says against them.
pub fn sql(url: &str, statements: &str) -> Result<String, StageError> {
    let said = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statements])
        .output()
        .doing("running psql")?;
    if !said.status.success() {
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        return Err(StageError::Unexpected(format!("psql: {words}")));
    }
    Ok(String::from_utf8_lossy(&said.stdout).trim_end().to_owned())
}

/// Whether octets rest in clear in any row of the database of a URL.
///
/// # Errors
/// What `pg_dump` says.
pub fn holds(url: &str, needle: &[u8]) -> Result<bool, StageError> {
    let said = Command::new("pg_dump").args(["--data-only", "-d", url]).output().doing("running pg_dump")?;
    if !said.status.success() {
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        return Err(StageError::Unexpected(format!("pg_dump: {words}")));
    }
    // Octets are dumped as hexadecimal digits.
    let digits: String = needle.iter().map(|octet| format!("{octet:02x}")).collect();
    let is_in = |needle: &[u8]| said.stdout.windows(needle.len()).any(|found| found == needle);
    Ok(is_in(needle) || is_in(digits.as_bytes()))
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let version = |folder: &PathBuf| {
        folder.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok())
    };
    folders.filter(|folder| folder.join("initdb").exists()).max_by_key(version)
}

/// Whom it runs as, where this is root, as whom it refuses to.
fn other_user() -> Result<Option<(u32, u32)>, StageError> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    let said = Command::new("getent").args(["passwd", "postgres"]).output().doing("running getent")?;
    let line = String::from_utf8_lossy(&said.stdout).into_owned();
    let number = |n| line.trim().split(':').nth(n).and_then(|text| text.parse().ok());
    let found = number(2).zip(number(3));
    found.map(Some).ok_or_else(|| StageError::Unexpected("this system has no user postgres".into()))
}

fn free_port() -> Result<u16, StageError> {
    let listener = TcpListener::bind("127.0.0.1:0").doing("finding a port")?;
    Ok(listener.local_addr().doing("finding a port")?.port())
}
