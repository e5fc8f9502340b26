//! What servers share when they have outgrown one machine: PostgreSQL and an S3 store, each behind a wire.

use crate::crowd::{Kept, little_came_again, opens};
use crate::ground::{Ground, Shared};
use crate::part::{Part, Recipe};
use crate::random::rage;
use e2e::dice::figure;
use e2e::scene::example;
use e2e::store::{BUCKET, ID, SECRET};
use stage::{Cut, Parcel, Postgres, Waited, Way, Wire, WrongClock, postgres, sha256_of};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long the database or the store is away, where it is away for a while: longer than a check of health takes.
const AWAY: Duration = Duration::from_millis(1_500);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Engines {
    pub(crate) database: Postgres,
    pub(crate) database_wire: Wire,
    pub(crate) store: Part,
    url: String,
    bucket: PathBuf,
}

impl Engines {
    /// Starts both; `None`, with the reason said, where there is no PostgreSQL.
    pub(crate) fn start(root: &Path) -> Option<Self> {
        if let Some(why) = postgres::missing() {
            eprintln!("not run: {why}");
            return None;
        }
        let database = Postgres::start().unwrap();
        let database_wire = Wire::to(database.port()).unwrap();
        let (direct, through) = (format!(":{}/", database.port()), format!(":{}/", database_wire.port()));
        let url = database.database().unwrap().replace(&direct, &through);
        let folder = root.join("store");
        let recipe = Recipe {
            program: example("s3-store"),
            verb: "store",
            args: vec![folder.clone().into()],
            env: Vec::new(),
            log: root.join("store.log"),
        };
        let store = Part::start(recipe);
        Some(Self { database, database_wire, store, url, bucket: folder.join(BUCKET) })
    }
}

impl Shared for Engines {
    fn args(&self, _: usize) -> Vec<OsString> {
        Vec::new()
    }

    fn admin_args(&self) -> Vec<OsString> {
        Vec::new()
    }

    fn env(&self) -> Vec<(String, OsString)> {
        let endpoint = format!("http://127.0.0.1:{}", self.store.wire.port());
        let set = [
            ("DATABASE_URL", self.url.as_str()),
            ("WAXD_STORE", "s3"),
            ("S3_BUCKET", BUCKET),
            ("S3_REGION", "us-east-1"),
            ("S3_ENDPOINT", &endpoint),
            // Clients speak HTTPS alone, and this store does not.
            ("S3_DIRECT", "false"),
            ("AWS_ACCESS_KEY_ID", ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        set.map(|(name, value)| (name.to_owned(), value.into())).into()
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![self.bucket.clone()]
    }

    fn faults(&self) -> u64 {
        8
    }

    fn strike(&mut self, which: u64, chance: u64) {
        let how = if chance.is_multiple_of(2) { Cut::Reset } else { Cut::Close };
        // Nothing tells when a machine comes back: the pauses are the faults themselves.
        match which {
            0 => {
                self.database.crash().unwrap();
                std::thread::sleep(if chance.is_multiple_of(3) { AWAY } else { Duration::ZERO });
                self.database.go().unwrap();
            }
            1 => self.database_wire.cut_all(how),
            2 => {
                self.database_wire.take_away();
                std::thread::sleep(AWAY);
                self.database_wire.bring_back().unwrap();
            }
            3 => {
                self.store.kill();
                std::thread::sleep(if chance.is_multiple_of(3) { AWAY } else { Duration::ZERO });
                self.store.revive();
            }
            4 => self.store.cut(how),
            5 => {
                // It hears and does not answer.
                self.database_wire.hold_after(Way::Down, 0);
                std::thread::sleep(AWAY);
                self.database_wire.release();
            }
            6 => {
                self.store.wire.take_away();
                std::thread::sleep(AWAY);
                self.store.wire.bring_back().unwrap();
            }
            _ => {
                self.store.stop();
                std::thread::sleep(AWAY);
                self.store.go_on();
            }
        }
    }

    fn heal(&mut self) {}

    /// The store refuses what was signed at another time.
    fn live_by(&mut self, clock: Option<&WrongClock>) {
        self.store.restart_in(clock.map(WrongClock::env).unwrap_or_default());
    }

    fn engines(&mut self) -> Option<&mut Engines> {
        Some(self)
    }
}

#[test]
fn whatever_dies_of_postgresql_and_s3_nothing_is_lost_and_everybody_goes_on() {
    let root = Rc::new(tempfile::tempdir().unwrap());
    let Some(engines) = Engines::start(root.path()) else { return };
    rage(Ground::over(root, Box::new(engines)), figure("CHAOS_FAULTS", 60));
}

#[test]
fn while_the_database_is_away_servers_say_so_and_clients_wait_and_go_on() {
    clients_wait_while(|engines| engines.database.crash().unwrap(), |engines| engines.database.go().unwrap());
}

#[test]
fn while_the_store_is_away_servers_say_so_and_clients_wait_and_go_on() {
    clients_wait_while(|engines| engines.store.kill(), |engines| engines.store.revive());
}

/// In the middle of a transfer something goes, and comes back.
fn clients_wait_while(goes: impl Fn(&mut Engines), comes: impl Fn(&mut Engines)) {
    let root = Rc::new(tempfile::tempdir().unwrap());
    let Some(engines) = Engines::start(root.path()) else { return };
    let mut ground = Ground::over(root, Box::new(engines));
    let alice = ground.person("Alice");
    let parcel = Parcel::make(&ground.path("parcel"), 64 << 20).unwrap();
    let args = ["send", parcel.path.to_str().unwrap(), "--no-compress", "--to", &alice.address];
    ground.balancer.wire.hold_after(Way::Up, 24 << 20);
    let began = Instant::now();
    let mut sending = alice.start(&args).unwrap();
    let is_over = || sending.try_wait().unwrap().is_some();
    assert_eq!(ground.balancer.wire.wait_held(PATIENCE, is_over).unwrap(), Waited::Held);
    goes(ground.shared.engines().unwrap());
    let ports: Vec<u16> = ground.servers.iter().map(|server| server.wire.port()).collect();
    for port in ports {
        refuses_for_the_moment(&ground, port, "/health/ready");
    }
    ground.balancer.wire.release();
    refuses_for_the_moment(&ground, ground.balancer.wire.port(), "/api/v1/files");
    // A question that is asked meanwhile waits as well.
    let asking = alice.start(&["ls"]).unwrap();
    refuses_for_the_moment(&ground, ground.balancer.wire.port(), "/api/v1/files");
    comes(ground.shared.engines().unwrap());
    alice.finish(asking, Instant::now()).unwrap().or_step(&alice, &["ls"]).unwrap();
    let sent = alice.finish(sending, began).unwrap().or_step(&alice, &args).unwrap();
    little_came_again(sent.sent().unwrap(), 1);
    let kept = Kept { id: sent.sent_id().unwrap(), digest: sha256_of(&parcel.path).unwrap() };
    opens(&alice, &kept, &ground.path("back"));
}

/// Waits until a port answers 503 with `Retry-After`.
fn refuses_for_the_moment(ground: &Ground, port: u16, path: &str) {
    let began = Instant::now();
    loop {
        let answer = asked(ground, port, path);
        let head = answer.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
        if head.starts_with("http/1.1 503") && head.contains("\r\nretry-after: ") {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{path} at {port} is answered by {head}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a port answers to a GET over TLS.
fn asked(ground: &Ground, port: u16, path: &str) -> String {
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-connect",
            &format!("127.0.0.1:{port}"),
            "-CAfile",
        ])
        .arg(ground.data().join("tls/ca.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut stdin = client.stdin.take().unwrap();
    // A connection that was refused has nobody to take it.
    drop(stdin.write_all(request.as_bytes()));
    let said = client.wait_with_output().unwrap();
    drop(stdin);
    String::from_utf8_lossy(&said.stdout).into_owned()
}
