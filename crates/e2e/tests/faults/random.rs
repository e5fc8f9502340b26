//! Faults by chance, at bytes by chance.

use crate::checks;
use crate::ground::{Ground, IDLE, Running};
use crate::strike::{Fault, Side, UNDER_WAY, dice, figure};
use crate::sweep;
use e2e::dice::Dice;
use stage::{Parcel, Waited, sha256_of};
use std::path::Path;
use std::time::{Duration, Instant};

/// Faults that strike one transfer.
const EACH: u64 = 4;
/// A transfer that stands still for so long, with nothing in its way, is dead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn whatever_strikes_and_wherever_a_transfer_ends_with_the_same_bytes() {
    let mut dice = dice();
    let mut ground = Ground::new();
    let (mut acknowledged, mut parcels) = (Vec::new(), Vec::new());
    let transfers = figure("WAXWING_FAULTS", 8).div_ceil(2 * EACH);
    for n in 0..transfers {
        let parcel = ground.parcel(&format!("parcel-{n}"), dice.between(50 << 20, 90 << 20));
        let id = send_under_fire(&mut ground, &mut dice, &parcel, EACH, &acknowledged);
        acknowledged.push(id.clone());
        checks::bob_sees(&ground, &acknowledged);
        get_under_fire(&mut ground, &mut dice, &id, &parcel, EACH);
        parcels.push((id, parcel));
    }
    sweep::takes_what_belongs_to_nothing(&mut ground, &parcels);
}

/// Alice sends; gives the id of the file.
pub(crate) fn send_under_fire(
    ground: &mut Ground,
    dice: &mut Dice,
    parcel: &Parcel,
    faults: u64,
    acknowledged: &[String],
) -> String {
    let before = Side::Alice.wire(ground).passed(Side::Alice.way());
    let command = ["send", parcel.path.to_str().unwrap(), "--to", &ground.bob.address];
    let running = Running::start(&ground.alice, &command);
    let (running, torn) = under_fire(ground, dice, running, Side::Alice, parcel.len, faults, acknowledged);
    let done = running.succeed();
    calm(ground, Side::Alice);
    let sent = done.sent().unwrap();
    checks::nothing_came_twice(sent);
    checks::little_went_again(sent, Side::Alice.wire(ground).passed(Side::Alice.way()) - before, torn);
    checks::no_journal_is_left(ground);
    done.sent_id().unwrap()
}

/// Bob fetches it into a folder that then holds nothing else.
pub(crate) fn get_under_fire(ground: &mut Ground, dice: &mut Dice, id: &str, parcel: &Parcel, faults: u64) {
    let folder = tempfile::tempdir_in(ground.path("")).unwrap();
    let target = folder.path().join("got.bin");
    let running = Running::start(&ground.bob, &["get", id, "-o", target.to_str().unwrap()]);
    let (running, _) = under_fire(ground, dice, running, Side::Bob, parcel.len, faults, &[]);
    running.succeed();
    calm(ground, Side::Bob);
    is_whole_and_alone(&target, parcel);
}

fn is_whole_and_alone(target: &Path, parcel: &Parcel) {
    assert_eq!(sha256_of(target).unwrap(), sha256_of(&parcel.path).unwrap(), "other bytes came");
    checks::only_file_in(target.parent().unwrap(), target);
}

/// Throws faults while it runs. Gives back what runs then, and how many parts may have been torn.
fn under_fire(
    ground: &mut Ground,
    dice: &mut Dice,
    mut running: Running,
    on: Side,
    len: u64,
    faults: u64,
    acknowledged: &[String],
) -> (Running, u64) {
    let mut torn = 0;
    for _ in 0..faults {
        let (after, fault) = (dice.between(1, len / faults), Fault::any(dice));
        on.wire(ground).hold_after(on.way(), after);
        if on.wire(ground).wait_held(PATIENCE, || running.is_over()).unwrap() == Waited::Over {
            println!("faults: {on:?} was done before {fault:?}");
            // It may have ended for want of a network, and is started again then.
            on.wire(ground).release();
            break;
        }
        let held = Instant::now();
        println!("faults: {on:?} after {after} bytes: {fault:?}");
        on.wire(ground).slow_down(Duration::ZERO);
        if on == Side::Alice {
            checks::bob_sees(ground, acknowledged);
        }
        fault.strike(ground, &mut running, on);
        // On a busy machine a look at Bob's list takes longer than the server waits for a body that pauses.
        let tears = if held.elapsed() >= IDLE / 2 { UNDER_WAY.max(fault.tears()) } else { fault.tears() };
        torn += tears;
    }
    (running, torn)
}

/// Nothing is in the way any more.
fn calm(ground: &Ground, on: Side) {
    on.wire(ground).release();
    on.wire(ground).slow_down(Duration::ZERO);
    if let Some(clock) = &ground.clock {
        clock.set(0).unwrap();
    }
}
