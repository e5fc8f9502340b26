//! Three servers that share a folder, behind a balancer: one house to whoever comes.

use crate::scene::executable;
use serde_json::Value;
use stage::{Balancer, BalancerOptions, Done, Parcel, Person, Server, ServerOptions, sha256_of};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
const PART: u64 = 16 * MIB;

/// Servers, balancer, Alice and Bob.
struct House {
    alice: Person,
    bob: Person,
    balancer: Balancer,
    servers: Vec<Server>,
    root: TempDir,
}

impl House {
    /// Servers are checked every so many seconds.
    fn open(checked: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let servers: Vec<Server> = (0..3).map(|n| serve(root.path(), n)).collect();
        let upstreams: Vec<&str> = servers.iter().map(|server| server.url.as_str()).collect();
        let (waxd, data, logs) =
            (executable("waxd"), root.path().join("server"), root.path().join("logs").join("balancer"));
        let balancer = Balancer::start(&BalancerOptions {
            waxd: &waxd,
            data: &data,
            logs: &logs,
            port: 0,
            upstreams: &upstreams,
            more: &["--check-seconds", checked, "--log-format", "json", "--log", "info"],
        })
        .unwrap();
        let wax = executable("wax");
        let alice = Person::new("Alice", "alice@lindenhof-law.example", &wax, root.path()).unwrap();
        let bob = Person::new("Bob", "bob@seaside-clinic.example", &wax, root.path()).unwrap();
        for person in [&alice, &bob] {
            person.sign_up_at(&servers[0], &balancer.url, &balancer.ca).unwrap();
        }
        Self { alice, bob, balancer, servers, root }
    }

    /// The balancer's lines about requests.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.balancer.log).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.map(|line| line["fields"].clone()).filter(|fields| fields["message"] == "passed on").collect()
    }

    fn get(&self, done: &Done, parcel: &Parcel) {
        let target = self.root.path().join("got");
        let file_id = done.sent_id().unwrap();
        self.bob.wax(&["get", &file_id, "-o", target.to_str().unwrap()]).unwrap();
        assert_eq!(sha256_of(&target).unwrap(), sha256_of(&parcel.path).unwrap());
        std::fs::remove_file(&target).unwrap();
    }
}

/// One of the servers; they share a folder and believe the balancer, which is at a loopback address.
fn serve(root: &Path, n: usize) -> Server {
    serve_at(root, n, 0)
}

/// The same at a port.
fn serve_at(root: &Path, n: usize, port: u16) -> Server {
    let (data, logs, waxd) = (root.join("server"), root.join("logs").join(n.to_string()), executable("waxd"));
    Server::start(&ServerOptions {
        waxd: &waxd,
        data: &data,
        logs: &logs,
        port,
        quiet: true,
        more: &["--trusted-proxies", "127.0.0.0/8,::1"],
    })
    .unwrap()
}

#[test]
fn a_login_holds_on_all_servers_a_logout_too_and_parts_go_round() {
    let house = House::open("0.3");
    // Each of these goes to whichever server is next.
    for _ in 0..6 {
        house.alice.wax(&["whoami"]).unwrap();
    }
    let parcel = Parcel::make(&house.root.path().join("parcel"), 12 * PART).unwrap();
    let source = parcel.path.to_str().unwrap();
    let done = house.alice.wax(&["send", source, "--to", &house.bob.address]).unwrap();
    house.get(&done, &parcel);

    let lines = house.lines();
    let of_parts =
        lines.iter().filter(|line| line["route"] == "/api/v1/uploads/{}/parts/{}" && line["method"] == "PUT");
    let mut shares: BTreeMap<String, u64> = BTreeMap::new();
    for line in of_parts {
        *shares.entry(line["upstream"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let (least, most) = (shares.values().min().unwrap(), shares.values().max().unwrap());
    assert!(shares.len() == 3 && most - least <= 2, "parts were spread as {shares:?}");
    for line in &lines {
        assert!(line["request"].as_str().is_some_and(|id| id.len() == 36), "{line}");
    }

    // The tokens are kept and shown again: it is the servers that must not know them any more.
    let session = house.alice.home.join("session.json");
    let kept = std::fs::read(&session).unwrap();
    house.alice.wax(&["logout"]).unwrap();
    std::fs::write(&session, kept).unwrap();
    for _ in 0..3 {
        assert!(
            !house.alice.attempt(&["whoami"]).unwrap().status.success(),
            "a server still knows the session"
        );
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_costs_nobody_anything() {
    // Checks come so late that requests are what tells.
    let mut house = House::open("600");
    let parcel = Parcel::make(&house.root.path().join("parcel"), 256 * MIB).unwrap();
    let source = parcel.path.to_str().unwrap().to_owned();
    let command = ["send", source.as_str(), "--no-compress", "--to", &house.bob.address];
    let began = Instant::now();
    let mut child = house.alice.start(&command).unwrap();
    let data = house.servers[0].data.clone();
    while stored(&data) < 64 * MIB {
        assert!(child.try_wait().unwrap().is_none(), "the client ended before a server could be killed");
        assert!(began.elapsed() < Duration::from_secs(120), "the transfer does not move");
        std::thread::sleep(Duration::from_millis(2));
    }
    house.servers.remove(1).kill().unwrap();
    let done = house.alice.finish(child, began).unwrap().or_step(&house.alice, &command).unwrap();
    house.get(&done, &parcel);
    let peak = house.balancer.peak();
    assert!(peak.is_none_or(|peak| peak < 64 * MIB), "the balancer held {peak:?} bytes");
    // Its turn came again, and whoever had it was served by another or told to ask again: never by a page, never a fault of ours.
    let lines = house.lines();
    let statuses: BTreeSet<u64> = lines.iter().filter_map(|line| line["status"].as_u64()).collect();
    assert!(statuses.iter().all(|status| *status < 500 || *status == 502), "{statuses:?}");
    let noticed = |line: &&Value| line["tries"].as_u64() > Some(1) || line["status"] == 502;
    assert!(lines.iter().any(|line| noticed(&line)), "nobody ever asked the server that was killed");
}

#[test]
fn a_rolling_restart_under_load_fails_no_operation() {
    let mut house = House::open("0.3");
    let over = AtomicBool::new(false);
    let small = Parcel::make(&house.root.path().join("small"), 3 * MIB).unwrap();
    let source = small.path.to_str().unwrap().to_owned();
    let target = house.root.path().join("fetched");
    let (alice, bob, servers) = (&house.alice, &house.bob, &mut house.servers);
    let (root, metrics) = (house.root.path(), house.balancer.metrics.clone().unwrap());
    let rounds = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut rounds = 0;
            while !over.load(Ordering::SeqCst) {
                let done = alice.wax(&["send", &source, "--to", &bob.address]).unwrap();
                let file_id = done.sent_id().unwrap();
                bob.wax(&["get", &file_id, "-o", target.to_str().unwrap()]).unwrap();
                std::fs::remove_file(&target).unwrap();
                rounds += 1;
            }
            rounds
        });
        for n in 0..3 {
            let port = servers[n].port().unwrap();
            // Asks it to end, and waits until what it had in hand is finished.
            drop(servers.remove(n));
            servers.insert(n, serve_at(root, n, port));
            until_up(&metrics, port);
        }
        over.store(true, Ordering::SeqCst);
        load.join().unwrap()
    });
    assert!(rounds >= 3, "there was hardly any load: {rounds} rounds");
}

/// Waits until the balancer gives requests to the server at this port again.
fn until_up(metrics: &str, port: u16) {
    let address = metrics.trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
    let line = format!("waxwing_balancer_upstream_state{{upstream=\"localhost:{port}\",state=\"up\"}} 1");
    let began = Instant::now();
    loop {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        if text.lines().any(|found| found == line) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the server never came back:\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_stranger_who_speaks_nonsense_leaves_no_secret_in_the_log() {
    let house = House::open("0.3");
    let port: u16 = house.balancer.url.rsplit_once(':').unwrap().1.parse().unwrap();
    for words in [
        "GET /x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer canary\r\nBad\x01Header: canary\r\n\r\n",
        "POST /canary?ticket=canary HTTP/1.1\r\nHost: localhost\r\nContent-Length: canary\r\n\r\n",
        "CANARY canary canary\r\n\r\n",
    ] {
        // openssl speaks TLS for us here; it is there wherever these tests run.
        let mut child = std::process::Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}"), "-CAfile"])
            .arg(&house.balancer.ca)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.as_mut().unwrap().write_all(words.as_bytes()).unwrap();
        // The balancer hangs up on such words.
        child.wait().unwrap();
    }
    house.alice.wax(&["whoami"]).unwrap();
    let log = std::fs::read_to_string(&house.balancer.log).unwrap();
    assert!(!log.contains("canary") && !log.contains("CANARY"), "{log}");
}

/// Octets of all files below the folder of sealed parts.
fn stored(data: &Path) -> u64 {
    fn below(folder: &Path) -> u64 {
        let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
        let len = |entry: std::fs::DirEntry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        };
        entries.filter_map(Result::ok).map(len).sum()
    }
    below(&data.join("blobs"))
}
