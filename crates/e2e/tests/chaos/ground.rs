//! Where parts die: a balancer, three servers, what they share, wires between all of them, and people.

use crate::engines::Engines;
use crate::part::{Part, Recipe};
use e2e::scene::executable;
use stage::{Person, StageError, WrongClock};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Servers of a cluster.
pub(crate) const SERVERS: usize = 3;
/// How long a body may pause: short, so that a stopped client is noticed soon.
const IDLE: &str = "2";
/// How often the balancer looks at each server, seconds: often, so that a dead one is noticed soon.
const CHECKS: &str = "0.25";
/// How long a letter may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the servers share.
pub(crate) trait Shared {
    /// More arguments of `waxd serve` for the n-th server, from 0.
    fn args(&self, n: usize) -> Vec<OsString>;

    /// Arguments of `waxd admin` that say where sealed parts are.
    fn admin_args(&self) -> Vec<OsString>;

    /// More of their environment.
    fn env(&self) -> Vec<(String, OsString)>;

    /// Every folder in which sealed parts rest.
    fn folders(&self) -> Vec<PathBuf>;

    /// Kinds of faults that strike it, beside those that strike every part.
    fn faults(&self) -> u64;

    /// The n-th of them begins.
    fn strike(&mut self, n: u64, chance: u64);

    /// Everything is as it was, or better.
    fn heal(&mut self);

    /// What looks at the time of day does so by this clock from now on, or again by the right one.
    fn live_by(&mut self, _: Option<&WrongClock>) {}

    /// The engines, if that is what is shared.
    fn engines(&mut self) -> Option<&mut Engines> {
        None
    }
}

pub(crate) struct Ground {
    pub(crate) servers: Vec<Part>,
    pub(crate) balancer: Part,
    pub(crate) shared: Box<dyn Shared>,
    root: Rc<TempDir>,
}

impl Ground {
    /// Starts everything over what is shared.
    pub(crate) fn over(root: Rc<TempDir>, shared: Box<dyn Shared>) -> Self {
        Self::with_servers_of(root, shared, &executable("waxd"))
    }

    /// The same with servers of another executable.
    pub(crate) fn with_servers_of(root: Rc<TempDir>, shared: Box<dyn Shared>, waxd: &Path) -> Self {
        let log = |name: &str| root.path().join(format!("{name}.log"));
        let data = root.path().join("data");
        let servers: Vec<Part> = (0..SERVERS)
            .map(|n| {
                let name = format!("server {}", n + 1);
                let mut args: Vec<OsString> = vec!["--data".into(), data.clone().into()];
                args.extend(["--idle-seconds", IDLE, "--shutdown-seconds", "5"].map(Into::into));
                args.extend(
                    ["--trusted-proxies", "127.0.0.0/8", "--sign-ins-per-ip", "100000"].map(Into::into),
                );
                args.extend(["--lookups", "1000000"].map(Into::into));
                args.extend(shared.args(n));
                let recipe = Recipe {
                    program: waxd.to_owned(),
                    verb: "serve",
                    args,
                    env: shared.env(),
                    log: log(&name),
                };
                Part::start(recipe)
            })
            .collect();
        let mut args: Vec<OsString> = vec!["--data".into(), data.into(), "--until-stdin-ends".into()];
        args.extend(["--check-seconds", CHECKS].map(Into::into));
        for server in &servers {
            args.extend(["--upstream".into(), format!("https://127.0.0.1:{}", server.wire.port()).into()]);
        }
        let recipe = Recipe {
            program: executable("waxd"),
            verb: "balance",
            args,
            env: Vec::new(),
            log: log("balancer"),
        };
        let balancer = Part::start(recipe);
        Self { servers, balancer, shared, root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Where clients come.
    pub(crate) fn url(&self) -> String {
        self.balancer.wire.url()
    }

    /// Somebody new, signed up through the balancer.
    pub(crate) fn person(&self, name: &str) -> Person {
        self.person_of(name, &executable("wax"))
    }

    /// The same with another executable of the client.
    pub(crate) fn person_of(&self, name: &str, wax: &Path) -> Person {
        let address = format!("{}@chaos.example", name.to_lowercase());
        let mut person = Person::new(name, &address, wax, self.root.path()).unwrap();
        person.quiet = true;
        let (mail, ca) = (self.path("data/mail"), self.path("data/tls/ca.pem"));
        person.sign_up_with(&self.url(), &ca, || code_for(&mail, &address)).unwrap();
        person
    }

    /// Runs `waxd admin …` beside the servers, by this clock if one is given.
    pub(crate) fn admin(&self, args: &[&str], clock: Option<&WrongClock>) -> Output {
        let mut command = Command::new(executable("waxd"));
        command.arg("admin").args(args).arg("--data").arg(self.data());
        if !matches!(args, ["audit", ..]) {
            command.args(self.shared.admin_args());
        }
        command.envs(self.shared.env()).envs(clock.map(WrongClock::env).unwrap_or_default());
        command.output().unwrap()
    }

    /// All parts run and nothing is in the way.
    pub(crate) fn heal(&mut self) {
        self.shared.heal();
        for part in self.servers.iter_mut().chain([&mut self.balancer]) {
            part.go_on();
            part.revive();
            part.wire.bring_back().unwrap();
        }
    }

    /// Ends the servers in peace, so that nobody but an operator is at work.
    pub(crate) fn end_servers(&mut self) {
        self.servers.iter_mut().for_each(Part::end);
    }

    /// Starts them again.
    pub(crate) fn start_servers(&mut self) {
        self.servers.iter_mut().for_each(Part::revive);
    }
}

fn code_for(mail: &Path, address: &str) -> Result<String, StageError> {
    let began = Instant::now();
    loop {
        if let Some(code) = stage::code_in(mail, address) {
            return Ok(code);
        }
        assert!(began.elapsed() < PATIENCE, "no code arrived");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One machine: SQLite and a folder for each server, each part in two of them.
pub(crate) struct Folders {
    folders: Vec<PathBuf>,
    /// Away for a while, and where it lies meanwhile.
    away: Option<(PathBuf, PathBuf)>,
}

impl Folders {
    pub(crate) fn in_folder(root: &Path) -> Self {
        let folders = (1..=SERVERS).map(|n| root.join(format!("data/blobs-{n}"))).collect();
        Self { folders, away: None }
    }
}

impl Shared for Folders {
    fn args(&self, n: usize) -> Vec<OsString> {
        let mut args = self.admin_args();
        args.extend(["--own-folder".into(), (n + 1).to_string().into()]);
        args
    }

    fn admin_args(&self) -> Vec<OsString> {
        self.folders.iter().flat_map(|folder| ["--blobs".into(), folder.clone().into()]).collect()
    }

    fn env(&self) -> Vec<(String, OsString)> {
        Vec::new()
    }

    fn folders(&self) -> Vec<PathBuf> {
        self.folders.clone()
    }

    fn faults(&self) -> u64 {
        1
    }

    /// A folder is away, as a disk that fell off, until the next fault.
    fn strike(&mut self, _: u64, chance: u64) {
        let folder = self.folders[usize::try_from(chance).unwrap() % self.folders.len()].clone();
        let aside = folder.with_extension("away");
        std::fs::rename(&folder, &aside).unwrap();
        self.away = Some((folder, aside));
    }

    fn heal(&mut self) {
        let Some((folder, aside)) = self.away.take() else { return };
        bring_back(&aside, &folder);
    }
}

/// Everything of a folder that was away is there again, beside what came meanwhile.
fn bring_back(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            bring_back(&entry.path(), &target);
        } else {
            std::fs::rename(entry.path(), target).unwrap();
        }
    }
    std::fs::remove_dir(from).unwrap();
}

/// One machine, SQLite, and one folder for all servers: what every version knows.
pub(crate) struct OneFolder(PathBuf);

impl OneFolder {
    pub(crate) fn in_folder(root: &Path) -> Self {
        Self(root.join("data/blobs"))
    }
}

impl Shared for OneFolder {
    fn args(&self, _: usize) -> Vec<OsString> {
        Vec::new()
    }

    fn admin_args(&self) -> Vec<OsString> {
        Vec::new()
    }

    fn env(&self) -> Vec<(String, OsString)> {
        Vec::new()
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![self.0.clone()]
    }

    fn faults(&self) -> u64 {
        0
    }

    fn strike(&mut self, _: u64, _: u64) {}

    fn heal(&mut self) {}
}
