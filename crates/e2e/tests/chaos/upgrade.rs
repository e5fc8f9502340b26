//! From one version to the next without a break: servers and clients of both, together, over one database, under load.

use crate::crowd::{Crowd, Kept, opens};
use crate::ground::{Ground, OneFolder, SERVERS};
use crate::proofs;
use e2e::dice::Dice;
use e2e::scene::executable;
use stage::{Parcel, Person, sha256_of};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Rounds of the crowd with each mixture of versions.
const ROUNDS: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(180);

/// Where the executables of the version before this one are: `scripts/upgrade.sh` builds them.
fn previous(name: &str) -> PathBuf {
    let folder =
        std::env::var("WAXWING_PREVIOUS").expect("scripts/upgrade.sh says where the previous version is");
    let path = Path::new(&folder).join(name);
    assert!(path.is_file(), "{} is not there", path.display());
    path
}

#[test]
#[ignore = "needs the version before this one: scripts/upgrade.sh"]
fn servers_and_clients_of_two_versions_work_together_until_all_are_new() {
    let dice = Dice::thrown("CHAOS_SEED");
    let root = Rc::new(tempfile::tempdir().unwrap());
    let shared = Box::new(OneFolder::in_folder(root.path()));
    let mut ground = Ground::with_servers_of(Rc::clone(&root), shared, &previous("waxd"));
    let (old, new) = (ground.person_of("Oldham", &previous("wax")), ground.person("Newton"));
    // Files from before, by an old client to both.
    let before = send(&old, &[&new.address], &ground.path("before"));
    let reader = ground.person("Zoe");
    let wax = [previous("wax"), executable("wax")];
    let chances = (0..4).map(|n| dice.another(n)).collect();
    let crowd = Crowd::begin_with(&ground, &reader.address, chances, |n| wax[n % 2].clone());
    for n in 0..SERVERS {
        work(&crowd);
        println!("upgrade: {n} of {SERVERS} servers are new, {} rounds", crowd.rounds());
        ground.servers[n].replace(executable("waxd"));
        exchange(&ground, &old, &new, n);
    }
    work(&crowd);
    // The way back, for one server, over the database that the new ones have used.
    ground.servers[0].replace(previous("waxd"));
    work(&crowd);
    ground.servers[0].replace(executable("waxd"));
    work(&crowd);
    let rounds = crowd.rounds();
    let members = crowd.end();
    println!("upgrade: {rounds} rounds of clients of both versions");
    for person in [&old, &new] {
        opens(person, &before, &ground.path("before-back"));
    }
    proofs::no_upload_is_left(&members);
    proofs::all_that_was_acknowledged_is_there(&ground, &reader, &members);
    proofs::the_audit_log_is_whole(&ground);
    proofs::a_sweep_takes_what_belongs_to_nothing_but(&mut ground, &reader, &members, 2);
}

/// Waits until the crowd has done some rounds more.
fn work(crowd: &Crowd) {
    let (began, until) = (Instant::now(), crowd.rounds() + ROUNDS);
    while crowd.rounds() < until {
        assert!(!crowd.is_broken(), "somebody gave up");
        assert!(began.elapsed() < PATIENCE, "nothing moves any more");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Each version opens what the other sends now.
fn exchange(ground: &Ground, old: &Person, new: &Person, n: usize) {
    for (from, to) in [(old, new), (new, old)] {
        let kept = send(from, &[&to.address], &ground.path(&format!("{}-{n}", from.name)));
        opens(to, &kept, &ground.path("exchanged"));
        crate::crowd::remove(from, &kept.id);
    }
}

fn send(from: &Person, to: &[&str], path: &Path) -> Kept {
    let parcel = Parcel::make(path, 3 << 20).unwrap();
    let mut args = vec!["send", path.to_str().unwrap()];
    args.extend(to.iter().flat_map(|address| ["--to", address]));
    let sent = crate::crowd::persist(from, &args);
    Kept { id: sent.sent_id().unwrap(), digest: sha256_of(&parcel.path).unwrap() }
}
