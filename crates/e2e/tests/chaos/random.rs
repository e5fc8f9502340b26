//! Faults by chance, while a crowd works.

use crate::crowd::{Crowd, persist};
use crate::ground::{Folders, Ground};
use crate::proofs;
use crate::strike::Fault;
use e2e::dice::{Dice, figure};
use stage::Way;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// People who work at once.
const CROWD: u64 = 4;
/// The next fault comes when at most so many more bytes have gone to the cluster.
const APART: u64 = 6 << 20;
/// A cluster in which nothing moves for so long, with nothing in its way, is dead.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn whatever_dies_on_one_machine_nothing_is_lost_and_everybody_goes_on() {
    let root = Rc::new(tempfile::tempdir().unwrap());
    let shared = Box::new(Folders::in_folder(root.path()));
    rage(Ground::over(root, shared), figure("CHAOS_FAULTS", 60));
}

/// Throws that many faults at the ground while a crowd works, and then looks at everything.
pub(crate) fn rage(mut ground: Ground, faults: u64) {
    let mut dice = Dice::thrown("CHAOS_SEED");
    let reader = ground.person("Zoe");
    let crowd = Crowd::begin(&ground, &reader.address, (0..CROWD).map(|n| dice.another(n)).collect());
    let began = Instant::now();
    let mut seen = BTreeSet::new();
    for n in 0..faults {
        let (after, fault) = (dice.between(1, APART), Fault::any(&ground, &mut dice));
        let front = &ground.balancer.wire;
        front.wait_passed(Way::Up, after, PATIENCE, || crowd.is_broken()).unwrap();
        assert!(!crowd.is_broken(), "somebody gave up before fault {n}, {fault:?}");
        println!("chaos: {:>6.1} s, {n} after {after} bytes: {fault:?}", began.elapsed().as_secs_f32());
        ground.heal();
        crowd.is_struck();
        fault.strike(&mut ground);
        if n % 10 == 9 {
            seen.extend(proofs::ids(&persist(&reader, &["ls", "--all"]).said).into_iter().map(str::to_owned));
        }
    }
    ground.heal();
    let rounds = crowd.rounds();
    let members = crowd.end();
    println!(
        "chaos: {faults} faults in {:.0} s, {rounds} rounds of the crowd",
        began.elapsed().as_secs_f32()
    );
    for id in &seen {
        let was_acknowledged = members.iter().any(|member| member.acknowledged.contains(id));
        assert!(was_acknowledged, "the reader saw {id}, which was acknowledged to nobody");
    }
    proofs::no_upload_is_left(&members);
    proofs::all_that_was_acknowledged_is_there(&ground, &reader, &members);
    proofs::the_audit_log_is_whole(&ground);
    proofs::a_scrub_mends_everything(&ground);
    proofs::a_sweep_takes_what_belongs_to_nothing(&mut ground, &reader, &members);
}
