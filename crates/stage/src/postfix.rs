//! Postfix as a mail relay of its own: a queue, a configuration and ports for one story, letters kept in a Maildir.

use crate::{Doing, StageError};
use crate::{certificate, server};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The one who may sign in, where signing in is asked for.
pub const USER: &str = "waxwing@relay.example";
/// The password of [`USER`].
pub const PASSWORD: &str = "a password of the story, with spaces";

const MASTER: &str = "/usr/lib/postfix/sbin/master";
const NAME: &str = "relay.example";
/// Letters for these stay here; all others are refused.
const DOMAINS: &str = "wax.example, wing.example, xn--bcher-kva.example";
/// How long a letter may take into the Maildir.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running Postfix; it ends with this. Everything that it keeps is below one folder, so that it can be started there
/// again.
pub struct Postfix {
    child: Child,
    folder: PathBuf,
    /// Submission with STARTTLS, which it insists on; anybody may submit.
    pub starttls: u16,
    /// Submission with implicit TLS; only [`USER`] may submit, if signing in was asked for.
    pub implicit: u16,
    /// Submission in clear, as only a relay on the same machine should offer it.
    pub plain: u16,
    /// What clients trust it by, under the name `localhost` and no other.
    pub ca: PathBuf,
}

/// Ports that a Postfix listens on, kept over a restart.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    starttls: u16,
    implicit: u16,
    plain: u16,
}

impl Ports {
    /// Three ports that are free.
    ///
    /// # Errors
    /// When the system has none.
    pub fn free() -> Result<Self, StageError> {
        let held: [TcpListener; 3] = [free_port()?, free_port()?, free_port()?];
        let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
        let [starttls, implicit, plain] = held.each_ref().map(port);
        Ok(Self {
            starttls: starttls.doing("finding a port")?,
            implicit: implicit.doing("finding a port")?,
            plain: plain.doing("finding a port")?,
        })
    }

    /// Where submission with STARTTLS will be.
    #[must_use]
    pub fn starttls(&self) -> u16 {
        self.starttls
    }
}

impl Postfix {
    /// Starts Postfix below a folder; whoever asks has seen what is [missing](missing).
    ///
    /// # Errors
    /// When it does not start; its log is named.
    pub fn start(root: &Path) -> Result<Self, StageError> {
        Self::start_at(root, Ports::free()?)
    }

    /// The same on ports that were found before.
    ///
    /// # Errors
    /// When it does not start; its log is named.
    pub fn start_at(root: &Path, ports: Ports) -> Result<Self, StageError> {
        let folder = root.join("postfix");
        make_folders(&folder)?;
        let conf = folder.join("conf");
        if !conf.join("cert.pem").exists() {
            certificate::write(&conf, "localhost")?;
        }
        let signs_in = set_password(&conf)?;
        fs::write(conf.join("main.cf"), main_cf(&folder)?).doing("writing main.cf")?;
        fs::write(conf.join("master.cf"), master_cf(ports, signs_in)).doing("writing master.cf")?;
        let child = Command::new(MASTER)
            .arg("-c")
            .arg(&conf)
            .arg("-d")
            .env("MAIL_CONFIG", &conf)
            // Its end is the end of its process group, which must therefore be its own.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .doing("starting postfix")?;
        let Ports { starttls, implicit, plain } = ports;
        let relay = Self { child, ca: conf.join("cert.pem"), folder, starttls, implicit, plain };
        relay.wait_until_it_greets()?;
        Ok(relay)
    }

    fn wait_until_it_greets(&self) -> Result<(), StageError> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Ok(tcp) = TcpStream::connect(("127.0.0.1", self.plain)) {
                let mut line = String::new();
                if BufReader::new(&tcp).read_line(&mut line).is_ok() && line.starts_with("220 ") {
                    let _ = (&tcp).write_all(b"QUIT\r\n");
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(StageError::Unexpected(format!(
            "postfix did not start; its words are in {}",
            self.log().display()
        )))
    }

    /// Waits for a letter to an address and reads its code.
    ///
    /// # Errors
    /// When none arrives in twenty seconds.
    pub fn code_for(&self, address: &str) -> Result<String, StageError> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(code) = server::code_in(&self.mailbox(), address) {
                return Ok(code);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(StageError::Unexpected(format!(
            "no letter arrived in the Maildir; postfix's words are in {}",
            self.log().display()
        )))
    }

    /// Every letter that arrived, as it lies in the Maildir, oldest first.
    ///
    /// # Errors
    /// When the Maildir cannot be read.
    pub fn letters(&self) -> Result<Vec<String>, StageError> {
        let Ok(entries) = fs::read_dir(self.mailbox()) else { return Ok(Vec::new()) };
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        paths.iter().map(|path| fs::read_to_string(path).doing("reading a letter")).collect()
    }

    /// What it said about its work.
    #[must_use]
    pub fn words(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("postfix.log")
    }

    fn mailbox(&self) -> PathBuf {
        self.folder.join("mail/all/new")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if pid.map(|pid| kill_process(pid, Signal::TERM)) == Some(Ok(())) {
            drop(self.child.wait());
        }
    }
}

/// Why Postfix cannot be played here, if it cannot: it is not installed, or this is not root, whom its master process needs
/// to become each of its parts.
#[must_use]
pub fn missing() -> Option<&'static str> {
    if !Path::new(MASTER).exists() {
        return Some("postfix is not installed");
    }
    (!rustix::process::getuid().is_root()).then_some("postfix starts only as root")
}

/// Why nobody can sign in at a Postfix here, if so.
#[must_use]
pub fn missing_for_sign_in() -> Option<&'static str> {
    let is_there = |mechanism: &Path| mechanism.join("libplain.so").exists();
    let plugins = fs::read_dir("/usr/lib").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let has_plain = plugins.map(|path| path.join("sasl2")).any(|path| is_there(&path));
    if !has_plain {
        return Some("libsasl2-modules is not installed");
    }
    let has_tool = Command::new("saslpasswd2").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    has_tool.is_err().then_some("sasl2-bin is not installed")
}

fn free_port() -> Result<TcpListener, StageError> {
    TcpListener::bind("127.0.0.1:0").doing("finding a port")
}

/// Folders as `postfix check` would make them, and a way to them for the users that its parts become.
fn make_folders(folder: &Path) -> Result<(), StageError> {
    let (postfix, postdrop, nobody) =
        (id("passwd", "postfix")?, id("group", "postdrop")?, id("passwd", "nobody")?);
    let make = |name: &str, mode: u32, user: Option<u32>, group: Option<u32>| {
        let path = folder.join(name);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        chown(&path, user, group)
    };
    let doing = "making folders for postfix";
    for name in ["", "conf", "conf/sasl", "queue", "queue/pid"] {
        make(name, 0o755, None, None).doing(doing)?;
    }
    let queues = [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "saved", "trace",
        "private",
    ];
    for name in queues {
        make(&format!("queue/{name}"), 0o700, Some(postfix), None).doing(doing)?;
    }
    make("queue/public", 0o710, Some(postfix), Some(postdrop)).doing(doing)?;
    make("queue/maildrop", 0o1730, Some(postfix), Some(postdrop)).doing(doing)?;
    make("data", 0o700, Some(postfix), None).doing(doing)?;
    make("mail", 0o755, Some(nobody), None).doing(doing)?;
    // The folder of a test is for its own user alone; others may now pass through, and see nothing by that.
    let root = folder.parent().unwrap_or(folder);
    let mode = fs::metadata(root).doing(doing)?.permissions().mode();
    fs::set_permissions(root, fs::Permissions::from_mode(mode | 0o011)).doing(doing)?;
    Ok(())
}

/// The number of a user (`passwd`) or a group (`group`) of this system.
fn id(database: &str, name: &str) -> Result<u32, StageError> {
    let said = Command::new("getent").args([database, name]).output().doing("running getent")?;
    let line = String::from_utf8_lossy(&said.stdout).into_owned();
    let number = line.trim().split(':').nth(2).and_then(|text| text.parse().ok());
    number.ok_or_else(|| StageError::Unexpected(format!("this system knows no {name} ({database})")))
}

/// Writes the password where the relay looks for it; `false` where that cannot be done.
fn set_password(conf: &Path) -> Result<bool, StageError> {
    if missing_for_sign_in().is_some() {
        return Ok(false);
    }
    let base = conf.join("sasldb");
    let (user, realm) = USER.split_once('@').unwrap_or((USER, NAME));
    let mut child = Command::new("saslpasswd2")
        .args(["-p", "-c", "-u", realm, "-f"])
        .arg(&base)
        .arg(user)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .doing("running saslpasswd2")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(PASSWORD.as_bytes()).doing("giving saslpasswd2 a password")?;
    }
    if !child.wait().doing("waiting for saslpasswd2")?.success() {
        return Err(StageError::Unexpected("saslpasswd2 made no password".into()));
    }
    chown(&base, Some(id("passwd", "postfix")?), None).doing("giving postfix its passwords")?;
    // Debian's postfix looks in `sasl` beside its configuration.
    let text = format!(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {}\nmech_list: PLAIN LOGIN\n",
        base.display()
    );
    fs::write(conf.join("sasl/smtpd.conf"), text).doing("writing smtpd.conf")?;
    Ok(true)
}

/// One Maildir for everybody in [`DOMAINS`], nothing for anybody else, and no reading of `%`, `!` and `+` in addresses.
fn main_cf(folder: &Path) -> Result<String, StageError> {
    let nobody = id("passwd", "nobody")?;
    let group = id("group", "nogroup")?;
    Ok(format!(
        "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = {NAME}
mydestination =
mynetworks =
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
default_transport = error:nothing leaves this machine
virtual_mailbox_domains = {DOMAINS}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{group}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
smtpd_tls_cert_file = {folder}/conf/cert.pem
smtpd_tls_key_file = {folder}/conf/key.pem
smtpd_tls_loglevel = 1
smtpd_tls_auth_only = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = {NAME}
smtputf8_enable = yes
recipient_delimiter =
swap_bangpath = no
allow_percent_hack = no
allow_untrusted_routing = yes
allow_min_user = yes
",
        folder = folder.display(),
    ))
}

fn master_cf(ports: Ports, signs_in: bool) -> String {
    let Ports { starttls, implicit, plain } = ports;
    let sign_in = if signs_in {
        "-o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject"
    } else {
        ""
    };
    format!(
        "127.0.0.1:{starttls} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
127.0.0.1:{implicit} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_security_level=encrypt {sign_in}
127.0.0.1:{plain} inet n - n - - smtpd -o smtpd_tls_security_level=none
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"
    )
}
