//! `waxd cluster` itself: what it keeps, what it restarts, and that nobody notices.

use crate::crowd::opens;
use e2e::scene::executable;
use stage::{Cluster, ClusterOptions, Cut, Parcel, Person, Wire, sha256_of};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
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
    let (waxd, data, logs) = (executable("waxd"), root.join("data"), root.join("logs"));
    let more = ["--drain-seconds", "1"];
    let options =
        ClusterOptions { waxd: &waxd, data: &data, logs: &logs, ports: (0, 0), quiet: true, more: &more };
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
