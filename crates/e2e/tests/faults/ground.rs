//! Where faults are thrown: a server that can be killed and started again, two people, and a wire to it for each.

use e2e::scene::executable;
use stage::{Done, Parcel, Person, Server, ServerOptions, Wire, WrongClock, sha256_of};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Length of a part unless the way asks for less.
pub(crate) const PART: u64 = 16 << 20;
/// What `wax` ends with when the server cannot be reached for longer than it is patient.
const NETWORK: i32 = 4;
/// What it ends with when there is no such file.
const NOT_FOUND: i32 = 5;
/// How long the server waits for a body that pauses: short, so that stopping a client is noticed soon.
pub(crate) const IDLE: Duration = Duration::from_secs(1);
/// How long a server may be away before a person gives up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Ground {
    pub(crate) alice: Rc<Person>,
    pub(crate) bob: Rc<Person>,
    pub(crate) alice_wire: Wire,
    pub(crate) bob_wire: Wire,
    /// Alice's clock, where clocks can be made wrong.
    pub(crate) clock: Option<WrongClock>,
    server: Option<Server>,
    port: u16,
    more: Vec<String>,
    root: TempDir,
}

impl Ground {
    /// A server that gives up a body which pauses for [`IDLE`].
    pub(crate) fn new() -> Self {
        Self::with(&["--idle-seconds", &IDLE.as_secs().to_string()])
    }

    /// A server with these arguments.
    pub(crate) fn with(more: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let more: Vec<String> = more.iter().map(|more| (*more).to_owned()).collect();
        let server = serve(root.path(), 0, &more, None);
        let port = server.port().unwrap();
        let (alice_wire, bob_wire) = (Wire::to(port).unwrap(), Wire::to(port).unwrap());
        let wax = executable("wax");
        let mut alice = Person::new("Alice", "alice@lindenhof-law.example", &wax, root.path()).unwrap();
        let bob = Person::new("Bob", "bob@seaside-clinic.example", &wax, root.path()).unwrap();
        let clock = WrongClock::build(root.path()).unwrap();
        alice.env = clock.as_ref().map(WrongClock::env).unwrap_or_default();
        alice.sign_up_at(&server, &alice_wire.url(), &server.ca).unwrap();
        bob.sign_up_at(&server, &bob_wire.url(), &server.ca).unwrap();
        let (alice, bob) = (Rc::new(alice), Rc::new(bob));
        Self { alice, bob, alice_wire, bob_wire, clock, server: Some(server), port, more, root }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// kill -9, then the same again on the same folder and port.
    pub(crate) fn kill_server(&mut self) {
        self.server.take().unwrap().kill().unwrap();
        self.server = Some(serve(self.root.path(), self.port, &self.more, None));
    }

    /// Lets it end in peace and starts it again, with this clock if one is given.
    pub(crate) fn restart_server(&mut self, clock: Option<&WrongClock>) {
        drop(self.server.take());
        self.server = Some(serve(self.root.path(), self.port, &self.more, clock));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Where the server keeps sealed bytes.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.path("server/blobs")
    }

    /// What the server has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("logs/waxd.log")).unwrap()
    }

    pub(crate) fn parcel(&self, name: &str, len: u64) -> Parcel {
        Parcel::make(&self.path(name), len).unwrap()
    }

    /// Fetches a file into a new folder of Bob's, which then holds that file and nothing else.
    pub(crate) fn bob_gets_it_whole(&self, file_id: &str, parcel: &Parcel) {
        let folder = tempfile::tempdir_in(self.root.path()).unwrap();
        let target = folder.path().join("got");
        self.bob.wax(&["get", file_id, "-o", target.to_str().unwrap()]).unwrap();
        crate::checks::only_file_in(folder.path(), &target);
        assert_eq!(sha256_of(&target).unwrap(), sha256_of(&parcel.path).unwrap(), "other bytes came");
    }
}

/// A command that goes on until it has succeeded, as a person makes it: what was killed is started again.
pub(crate) struct Running {
    who: Rc<Person>,
    args: Vec<String>,
    pub(crate) child: Child,
    began: Instant,
}

impl Running {
    pub(crate) fn start(who: &Rc<Person>, args: &[&str]) -> Self {
        let (who, child) = (Rc::clone(who), who.start(args).unwrap());
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { who, args, child, began: Instant::now() }
    }

    pub(crate) fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// kill -9, without starting it again.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same command once more.
    pub(crate) fn again(&mut self) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.child = self.who.start(&args).unwrap();
    }

    /// Waits for its end, however it ends.
    pub(crate) fn end(self) -> Done {
        self.who.finish(self.child, self.began).unwrap()
    }

    /// Waits for its success; only a network that was away for too long is a reason to start it again.
    pub(crate) fn succeed(self) -> Done {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let done = self.who.finish(self.child, self.began).unwrap();
        if done.status.code() == Some(NETWORK) {
            persist(&self.who, &args)
        } else {
            done.or_step(&self.who, &args).unwrap()
        }
    }
}

/// Runs a command, again while the server cannot be reached, as a patient person would.
pub(crate) fn persist(who: &Person, args: &[&str]) -> Done {
    let began = Instant::now();
    loop {
        let done = who.attempt(args).unwrap();
        if done.status.code() != Some(NETWORK) || began.elapsed() > PATIENCE {
            return done.or_step(who, args).unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Removes a file as a patient person would. If only the answer was lost, it is not there the next time.
pub(crate) fn remove(who: &Person, id: &str) {
    let (began, mut tried) = (Instant::now(), false);
    loop {
        let done = who.attempt(&["rm", id, "--yes"]).unwrap();
        match done.status.code() {
            Some(0) => return,
            Some(NOT_FOUND) if tried => return,
            Some(NETWORK) if began.elapsed() < PATIENCE => tried = true,
            _ => panic!("{}: {}", done.status, who.last_words()),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn serve(root: &Path, port: u16, more: &[String], clock: Option<&WrongClock>) -> Server {
    let (waxd, data, logs) = (executable("waxd"), root.join("server"), root.join("logs"));
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let options = ServerOptions { waxd: &waxd, data: &data, logs: &logs, port, quiet: true, more: &more };
    let env = clock.map(WrongClock::env).unwrap_or_default();
    Server::start_in(&options, &env).unwrap()
}
