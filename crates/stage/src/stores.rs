//! Stores of other makers as separate processes on loopback: Garage, which speaks S3, and a node of IPFS.
//!
//! Both are built or installed into the folder of tools by `scripts/stores.sh`; the node is the JavaScript implementation,
//! which answers the calls of Kubo's RPC. It has no network: what a test adds is never published.

use crate::{Doing, StageError};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a store may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Garage with one bucket; it ends with this.
pub struct Garage {
    child: Child,
    folder: PathBuf,
    /// Where it answers: `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// What it calls its place.
    pub region: &'static str,
    /// The bucket, which is empty.
    pub bucket: &'static str,
    /// The id of the key that may read and write there.
    pub key_id: String,
    /// That key's secret.
    pub secret: String,
}

impl Garage {
    /// The program, if it was built.
    #[must_use]
    pub fn program() -> Option<PathBuf> {
        tools().map(|tools| tools.join("bin/garage")).filter(|program| program.exists())
    }

    /// Starts one node below a folder, with a key and a bucket.
    ///
    /// # Errors
    /// When it was not built or does not start; its log is named.
    pub fn start(root: &Path) -> Result<Self, StageError> {
        let program = Self::program().ok_or_else(|| absent("garage"))?;
        let folder = root.join("garage");
        fs::create_dir_all(&folder).doing("making a folder for garage")?;
        let [rpc, s3] = [free_port()?, free_port()?];
        let config = folder.join("garage.toml");
        fs::write(&config, garage_toml(&folder, rpc, s3)).doing("writing garage.toml")?;
        let child = spawn(Command::new(&program).arg("-c").arg(&config).arg("server"), &folder)?;
        let (key_id, secret) = (format!("GK{}", &hex()[..24]), hex() + &hex());
        let endpoint = format!("http://127.0.0.1:{s3}");
        let garage = Self { child, folder, endpoint, region: "garage", bucket: "sealed", key_id, secret };
        wait_for(s3, &garage.folder)?;
        let run = |arguments: &[&str]| command(&program, &config, arguments);
        let id = run(&["node", "id", "-q"])?;
        let node = id.split('@').next().unwrap_or_default().trim();
        run(&["layout", "assign", "-z", "here", "-c", "1G", node])?;
        run(&["layout", "apply", "--version", "1"])?;
        run(&["key", "import", "--yes", &garage.key_id, &garage.secret])?;
        run(&["bucket", "create", garage.bucket])?;
        run(&["bucket", "allow", "--read", "--write", "--owner", garage.bucket, "--key", &garage.key_id])?;
        Ok(garage)
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn garage_toml(folder: &Path, rpc: u16, s3: u16) -> String {
    format!(
        "metadata_dir = \"{folder}/meta\"\ndata_dir = \"{folder}/data\"\ndb_engine = \"sqlite\"\nreplication_factor = 1\n\
         rpc_bind_addr = \"127.0.0.1:{rpc}\"\nrpc_public_addr = \"127.0.0.1:{rpc}\"\nrpc_secret = \"{secret}\"\n\n\
         [s3_api]\ns3_region = \"garage\"\napi_bind_addr = \"127.0.0.1:{s3}\"\nroot_domain = \".s3.example\"\n",
        folder = folder.display(),
        secret = hex() + &hex(),
    )
}

/// A command of Garage's own, to the running node; what it wrote.
fn command(program: &Path, config: &Path, arguments: &[&str]) -> Result<String, StageError> {
    let began = Instant::now();
    loop {
        let done = Command::new(program).arg("-c").arg(config).args(arguments).output();
        let done = done.doing("asking garage")?;
        if done.status.success() {
            return String::from_utf8(done.stdout)
                .map_err(|_| StageError::Unexpected("garage wrote no text".into()));
        }
        // A node that has just started answers its own commands a little later than others.
        if began.elapsed() > PATIENCE {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            return Err(StageError::Unexpected(format!("garage {}: {said}", arguments[..2].join(" "))));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A running node of IPFS without network (the JavaScript implementation); it ends with this.
pub struct IpfsNode {
    child: Child,
    /// Its RPC: `/ip4/127.0.0.1/tcp/PORT`.
    pub api: String,
}

impl IpfsNode {
    /// The folder in which it was installed, if it was.
    #[must_use]
    pub fn installed() -> Option<PathBuf> {
        tools().map(|tools| tools.join("ipfs")).filter(|folder| folder.join("node_modules/ipfs").exists())
    }

    /// Starts a node below a folder.
    ///
    /// # Errors
    /// When it is not installed or does not start; its log is named.
    pub fn start(root: &Path) -> Result<Self, StageError> {
        let installed = Self::installed().ok_or_else(|| absent("ipfs"))?;
        let folder = root.join("ipfs");
        let repo = folder.join("repo");
        fs::create_dir_all(&folder).doing("making a folder for the node of IPFS")?;
        let words = folder.join("words.cjs");
        fs::write(&words, WITH_RESOLVERS).doing("writing what older Node.js lacks")?;
        let node = |arguments: &[&str]| {
            let mut command = Command::new("node");
            command.arg("-r").arg(&words).arg(installed.join("node_modules/ipfs/src/cli.js"));
            command.args(arguments).env("IPFS_PATH", &repo);
            command
        };
        let made = node(&["init", "--empty-repo"]).output().doing("making a repository of IPFS")?;
        if !made.status.success() {
            return Err(StageError::Unexpected("the repository of IPFS could not be made".into()));
        }
        let port = free_port()?;
        keep_to_itself(&repo.join("config"), port)?;
        let child = spawn(&mut node(&["daemon", "--offline"]), &folder)?;
        let started = Self { child, api: format!("/ip4/127.0.0.1/tcp/{port}") };
        wait_for(port, &folder)?;
        Ok(started)
    }
}

impl Drop for IpfsNode {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// The node uses a function that Node.js has from version 22 on.
const WITH_RESOLVERS: &str = "if (!Promise.withResolvers) Promise.withResolvers = function () {\n  \
    const held = {}\n  held.promise = new this((resolve, reject) => Object.assign(held, { resolve, reject }))\n  \
    return held\n}\n";

/// No addresses but one for calls, no peers to begin with, no search for any.
fn keep_to_itself(config: &Path, port: u16) -> Result<(), StageError> {
    let text = fs::read_to_string(config).doing("reading the node's configuration")?;
    let mut config_of_node: serde_json::Value = serde_json::from_str(&text)
        .map_err(|_| StageError::Unexpected("the node's configuration is no JSON".into()))?;
    let own = "/ip4/127.0.0.1/tcp/0";
    config_of_node["Addresses"] = serde_json::json!({
        "Swarm": [], "Announce": [], "NoAnnounce": [], "Delegates": [],
        "API": format!("/ip4/127.0.0.1/tcp/{port}"), "Gateway": own, "RPC": own,
    });
    config_of_node["Bootstrap"] = serde_json::json!([]);
    config_of_node["Discovery"]["MDNS"]["Enabled"] = false.into();
    fs::write(config, config_of_node.to_string()).doing("writing the node's configuration")
}

fn tools() -> Option<PathBuf> {
    std::env::var_os("WAXWING_TOOLS").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
        cache.map(|cache| cache.join("waxwing/tools"))
    })
}

fn absent(what: &str) -> StageError {
    StageError::Unexpected(format!("{what} is not among the tools: run scripts/stores.sh"))
}

fn free_port() -> Result<u16, StageError> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).doing("finding a port")
}

fn hex() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn spawn(command: &mut Command, folder: &Path) -> Result<Child, StageError> {
    let log = File::create(folder.join("log")).doing("making a log")?;
    let errors = log.try_clone().doing("making a log")?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().doing("starting a store")
}

fn wait_for(port: u16, folder: &Path) -> Result<(), StageError> {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if began.elapsed() > PATIENCE {
            let log = folder.join("log");
            return Err(StageError::Unexpected(format!(
                "a store did not start; its words are in {}",
                log.display()
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if pid.map(|pid| kill_process(pid, Signal::TERM)) == Some(Ok(())) {
        drop(child.wait());
    }
}
