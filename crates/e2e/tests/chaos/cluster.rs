//! `waxd cluster` itself: what it keeps, what it restarts, and that nobody notices.

use crate::crowd::opens;
use e2e::scene::executable;
use rustix::process::{Pid, Signal, kill_process};
use stage::{Cluster, ClusterOptions, Cut, Parcel, Person, Wire, sha256_of};
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// What `wax` ends with when nobody is signed in.
const SIGN_IN: i32 = 3;

/// A cluster whose balancer looks at its servers often, so that restarts are quick.
fn cluster(root: &Path) -> Cluster {
    cluster_in(root, None)
}

/// The same, started in a folder.
fn cluster_in(root: &Path, dir: Option<&Path>) -> Cluster {
    let (waxd, data, logs) = (executable("waxd"), root.join("data"), root.join("logs"));
    let more = ["--drain-seconds", "1"];
    let ports = (0, 0);
    let options =
        ClusterOptions { waxd: &waxd, data: &data, logs: &logs, ports, quiet: true, more: &more, dir };
    let often = ("WAXD_BALANCE_CHECK_SECONDS".to_owned(), OsString::from("0.2"));
    Cluster::start(&options, &[often]).unwrap()
}

fn person(cluster: &Cluster, name: &str, root: &Path) -> Person {
    signed_up_at(&cluster.url, cluster, name, root)
}

fn signed_up_at(url: &str, cluster: &Cluster, name: &str, root: &Path) -> Person {
    let address = format!("{}@cluster.example", name.to_lowercase());
    let person = Person::new(name, &address, &executable("wax"), root).unwrap();
    person.sign_up_with(url, &cluster.ca, || cluster.code_for(&address)).unwrap();
    person
}

fn scene() -> (TempDir, Cluster) {
    let root = tempfile::tempdir().unwrap();
    let cluster = cluster(root.path());
    (root, cluster)
}

#[test]
fn a_part_that_dies_is_started_again_at_the_same_place() {
    let (root, cluster) = scene();
    let alice = person(&cluster, "Alice", root.path());
    for name in ["server 1", "server 3", "balancer"] {
        let killed = cluster.kill(name).unwrap();
        let again = cluster.wait_for(name, killed.times + 1, PATIENCE).unwrap();
        assert_ne!(again.pid, killed.pid);
        assert_eq!(again.url, killed.url);
        alice.wax(&["whoami"]).unwrap();
    }
}

#[test]
fn when_the_keeper_is_killed_no_part_of_it_is_left() {
    let (_root, cluster) = scene();
    let parts = cluster.kill_keeper().unwrap();
    assert_eq!(parts.len(), 4);
    let began = Instant::now();
    for (name, part) in parts {
        let port: u16 = part.url.rsplit_once(':').unwrap().1.parse().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_ok() {
            assert!(began.elapsed() < PATIENCE, "{name} is still there");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_rolling_restart_of_all_parts_under_load_fails_no_operation_of_any_client() {
    let (root, cluster) = scene();
    let people: Vec<Person> =
        ["Alice", "Bob", "Carol"].map(|name| person(&cluster, name, root.path())).into();
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for person in &people {
            let (stop, done, root) = (&stop, &done, root.path());
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    done.fetch_add(round(person, root), Ordering::Relaxed);
                }
            });
        }
        // Everybody has begun.
        let began = Instant::now();
        while done.load(Ordering::Relaxed) < 8 && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        cluster.roll().unwrap();
        let rolled: Vec<_> = ["server 1", "server 2", "server 3", "balancer"]
            .map(|name| cluster.wait_for(name, 2, PATIENCE))
            .into();
        // Whoever came while the balancers changed places has been served.
        let served = done.load(Ordering::Relaxed);
        let began = Instant::now();
        while done.load(Ordering::Relaxed) < served + 8 && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
        for part in rolled {
            part.unwrap();
        }
    });
    println!("rolling restart: {} operations, none failed", done.load(Ordering::Relaxed));
}

/// The balancer that is to take over, among the children of the keeper, if it is there by now.
fn successor(keeper: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).ok()?;
    let threads = std::fs::read_dir(format!("/proc/{keeper}/task")).ok()?;
    let of_threads =
        threads.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    let all = of_threads.collect::<String>() + &children;
    all.split(' ').filter_map(|pid| pid.trim().parse::<u32>().ok()).find(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("--take-over"))
    })
}

#[test]
fn wherever_a_balancer_dies_while_it_takes_over_there_is_one_afterwards() {
    let (root, cluster) = scene();
    let alice = person(&cluster, "Alice", root.path());
    // Before it asks for the place, on the way, and when it may have it: whatever the machine makes of that.
    for after in [0, 2, 5, 10, 20, 40] {
        cluster.roll().unwrap();
        let began = Instant::now();
        let next = loop {
            if let Some(pid) = successor(cluster.pid()) {
                break i32::try_from(pid).unwrap();
            }
            assert!(began.elapsed() < PATIENCE, "no successor came");
            std::thread::yield_now();
        };
        // The pause is what is varied.
        std::thread::sleep(Duration::from_millis(after));
        // It may have gone by itself.
        let _ = kill_process(Pid::from_raw(next).unwrap(), Signal::KILL);
        crate::crowd::persist(&alice, &["whoami"]);
    }
    // Nothing of that keeps the next one from taking over.
    let settled = cluster.part("balancer").unwrap();
    cluster.roll().unwrap();
    cluster.wait_for("balancer", settled.times + 1, PATIENCE).unwrap();
    crate::crowd::persist(&alice, &["whoami"]);
}

#[test]
fn what_the_env_file_says_for_clients_stays_with_the_balancer() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    // A certificate as an operator brings it, of no authority that the servers know.
    let (ca, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args([OsStr::new("-keyout"), key.as_os_str(), OsStr::new("-out"), ca.as_os_str()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = format!("TLS_CERT={}\nTLS_KEY={}\nWAXD_ADMIN_LISTEN={free}\n", ca.display(), key.display());
    std::fs::write(folder.join(".env"), said).unwrap();
    let cluster = cluster_in(root.path(), Some(&folder));
    let address = "alice@cluster.example";
    let alice = Person::new("Alice", address, &executable("wax"), root.path()).unwrap();
    alice.sign_up_with(&cluster.url, &ca, || cluster.code_for(address)).unwrap();
    alice.wax(&["whoami"]).unwrap();
}

/// What a person does, each command once; gives how many commands that were.
fn round(person: &Person, root: &Path) -> u64 {
    let (source, target) =
        (root.join(format!("{}-out", person.name)), root.join(format!("{}-in", person.name)));
    drop(std::fs::remove_file(&source));
    let parcel = Parcel::make(&source, 20 * MIB).unwrap();
    person.wax(&["whoami"]).unwrap();
    let sent =
        person.wax(&["send", source.to_str().unwrap(), "--no-compress", "--to", &person.address]).unwrap();
    let kept = crate::crowd::Kept { id: sent.sent_id().unwrap(), digest: sha256_of(&parcel.path).unwrap() };
    let got = person.wax(&["get", &kept.id, "-o", target.to_str().unwrap()]).unwrap();
    assert!(got.status.success());
    assert_eq!(sha256_of(&target).unwrap(), kept.digest);
    std::fs::remove_file(&target).unwrap();
    person.wax(&["ls"]).unwrap();
    person.wax(&["rm", &kept.id, "--yes"]).unwrap();
    5
}

#[test]
fn parts_of_one_upload_go_to_every_server_in_turn() {
    let (root, cluster) = scene();
    let alice = person(&cluster, "Alice", root.path());
    let parcel = Parcel::make(&root.path().join("parcel"), 9 * 16 * MIB - MIB).unwrap();
    let sent =
        alice.wax(&["send", parcel.path.to_str().unwrap(), "--no-compress", "--to", &alice.address]).unwrap();
    let log = std::fs::read_to_string(&cluster.log).unwrap();
    let is_part =
        |line: &&str| line.contains("passed on") && line.contains("method=PUT") && line.contains("/parts/{}");
    let by: Vec<&str> = log.lines().filter(is_part).map(upstream).collect();
    for (_, server) in cluster.parts().iter().filter(|(name, _)| name != "balancer") {
        let port = server.url.rsplit_once(':').unwrap().1;
        let count = by.iter().filter(|upstream| upstream.ends_with(port)).count();
        // The few other requests of an upload take their turns too.
        assert!((2..=5).contains(&count), "{port} took {count} of {by:?}");
    }
    let kept = crate::crowd::Kept { id: sent.sent_id().unwrap(), digest: sha256_of(&parcel.path).unwrap() };
    opens(&alice, &kept, &root.path().join("back"));
}

/// Who took a request, by a line of the balancer's access log.
fn upstream(line: &str) -> &str {
    let value = line.split(' ').find_map(|piece| piece.strip_prefix("upstream=")).unwrap();
    value.trim_matches('"')
}

#[test]
fn who_signs_in_at_one_server_is_signed_in_at_all_and_signed_out_at_all() {
    let (root, cluster) = scene();
    let ports: Vec<u16> = ["server 1", "server 2", "server 3"]
        .map(|name| cluster.part(name).unwrap().url.rsplit_once(':').unwrap().1.parse().unwrap())
        .into();
    // One address for the client, behind which now this server answers and now that one, without a balancer.
    let wire = Wire::to(ports[0]).unwrap();
    let lead_to = |port: u16| {
        wire.lead_to(port);
        wire.cut_all(Cut::Close);
    };
    let alice = signed_up_at(&wire.url(), &cluster, "Alice", root.path());
    for port in &ports {
        lead_to(*port);
        alice.wax(&["whoami"]).unwrap();
    }
    let tokens = alice.home.join("session.json");
    let session = std::fs::read(&tokens).unwrap();
    alice.wax(&["logout"]).unwrap();
    // The same tokens again, as a thief would have them.
    for port in &ports {
        lead_to(*port);
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&tokens).unwrap();
        file.write_all(&session).unwrap();
        drop(file);
        let refused = alice.attempt(&["whoami"]).unwrap();
        assert_eq!(refused.status.code(), Some(SIGN_IN), "{}", alice.last_words());
    }
}
