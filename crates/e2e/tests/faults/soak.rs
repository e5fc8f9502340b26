//! Long runs, asked for by `make soak` alone: a very large file under a bound of memory, and an hour of faults.

use crate::checks;
use crate::ground::{Ground, persist, remove};
use crate::random::{get_under_fire, send_under_fire};
use crate::strike::{dice, figure};
use crate::sweep;
use e2e::scene::{Scene, executable, serve};
use stage::{Parcel, Person, Watch, sha256_from, sha256_of};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

#[test]
#[ignore = "long: make soak"]
#[cfg(target_os = "linux")]
fn soak_a_large_file_passes_under_a_bound_of_memory() {
    let len = figure("SOAK_GIB", 16) << 30;
    let (scene, server) = Scene::new(|root| serve(root, 0));
    File::create(scene.path("sparse")).unwrap().set_len(len).unwrap();
    let sent = scene.alice.wax(&["send", &scene.text("sparse"), "--to", &scene.bob.address]).unwrap();
    let mut get = scene.bob.start_piping(&["get", &sent.sent_id().unwrap(), "-o", "-"]).unwrap();
    let watch = Watch::on(get.id());
    let (got, got_len) = sha256_from(get.stdout.take().unwrap()).unwrap();
    assert!(get.wait().unwrap().success(), "{}", scene.bob.last_words());
    let (expected, _) = sha256_from(std::io::repeat(0).take(len)).unwrap();
    assert_eq!((got, got_len), (expected, len), "other bytes came");
    let peaks = [
        ("wax send", sent.peak.unwrap(), 64),
        ("wax get -o -", watch.peak().unwrap(), 64),
        ("waxd", server.peak().unwrap(), 72),
    ];
    for (who, peak, limit) in peaks {
        println!("soak: {who} held {} MiB at most, {limit} are allowed ({} GiB)", peak / MIB, len >> 30);
    }
    for (who, peak, limit) in peaks {
        assert!(peak < limit * MIB, "{who} held {} MiB", peak / MIB);
    }
}

#[test]
#[ignore = "long: make soak"]
fn soak_an_hour_of_faults_loses_nothing() {
    let mut dice = dice();
    let until = Instant::now() + Duration::from_secs(60 * figure("SOAK_MINUTES", 60));
    let mut ground = Ground::new();
    let bystander = Bystander::begin(&ground);
    let mut kept: Vec<(String, Parcel)> = Vec::new();
    let (mut transfers, mut bytes) = (0_u64, 0);
    while Instant::now() < until {
        let most = dice.one_of([MIB, 64 * MIB, 320 * MIB]);
        let parcel = ground.parcel(&format!("parcel-{transfers}"), dice.between(1, most));
        let faults = dice.below(8).min(parcel.len / 2);
        let mut known: Vec<String> = kept.iter().map(|(id, _)| id.clone()).collect();
        let id = send_under_fire(&mut ground, &mut dice, &parcel, faults, &known);
        known.push(id.clone());
        checks::bob_sees(&ground, &known);
        get_under_fire(&mut ground, &mut dice, &id, &parcel, faults);
        (transfers, bytes) = (transfers + 1, bytes + parcel.len);
        kept.push((id, parcel));
        if kept.len() > 4 {
            let (old, parcel) = kept.swap_remove(dice.one_of([0, 1, 2, 3]));
            remove(&ground.alice, &old);
            std::fs::remove_file(parcel.path).unwrap();
        }
    }
    let beside = bystander.end();
    println!("soak: {transfers} transfers of {} MiB under faults, {beside} beside them", bytes / MIB);
    sweep::takes_what_belongs_to_nothing(&mut ground, &kept);
}

/// Carol, who sends small files to herself all the time and knows nothing of the faults.
struct Bystander {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u64>,
}

impl Bystander {
    fn begin(ground: &Ground) -> Self {
        let folder = ground.path("bystander");
        std::fs::create_dir(&folder).unwrap();
        let carol =
            Person::new("Carol", "carol@harbour-office.example", &executable("wax"), &folder).unwrap();
        carol.sign_up(ground.server()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut rounds = 0;
            while !asked.load(Ordering::Relaxed) {
                round(&carol, folder.join("mine"), folder.join("back"));
                rounds += 1;
            }
            rounds
        });
        Self { stop, thread }
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn round(carol: &Person, mine: PathBuf, back: PathBuf) {
    let parcel = Parcel::make(&mine, 3 * MIB).unwrap();
    let sent = persist(carol, &["send", mine.to_str().unwrap(), "--to", &carol.address]);
    let id = sent.sent_id().unwrap();
    persist(carol, &["get", &id, "-o", back.to_str().unwrap()]);
    assert_eq!(sha256_of(&back).unwrap(), sha256_of(&parcel.path).unwrap(), "other bytes came");
    remove(carol, &id);
    for path in [mine, back] {
        std::fs::remove_file(path).unwrap();
    }
}
