//! One transfer, interrupted many times.

use crate::checks;
use crate::ground::{Ground, Running};
use crate::random::PATIENCE;
use crate::strike::{dice, figure};
use stage::{Cut, Waited, Way};

const MIB: u64 = 1 << 20;
/// An interruption comes after at most so much.
const APART: u64 = 8 * MIB;

#[test]
fn a_transfer_interrupted_many_times_ends_with_the_same_bytes() {
    let mut dice = dice();
    let interruptions = figure("WAXWING_INTERRUPTIONS", 12);
    let ground = Ground::new();
    // Long enough that it is still under way when the last interruption comes.
    let parcel = ground.parcel("parcel", interruptions * APART);
    let before = ground.alice_wire.passed(Way::Up);
    let command = ["send", parcel.path.to_str().unwrap(), "--to", &ground.bob.address];
    let mut running = Running::start(&ground.alice, &command);
    for _ in 0..interruptions {
        ground.alice_wire.hold_after(Way::Up, dice.between(1, APART));
        assert_eq!(ground.alice_wire.wait_held(PATIENCE, || running.is_over()).unwrap(), Waited::Held);
        ground.alice_wire.cut_one(dice.one_of([Cut::Reset, Cut::Close]));
    }
    ground.alice_wire.release();
    let done = running.succeed();
    let sent = done.sent().unwrap();
    checks::nothing_came_twice(sent);
    checks::little_went_again(sent, ground.alice_wire.passed(Way::Up) - before, interruptions);
    checks::no_journal_is_left(&ground);
    ground.bob_gets_it_whole(&done.sent_id().unwrap(), &parcel);
}
