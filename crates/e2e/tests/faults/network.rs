//! No network: longer than a command is patient, in the long form.

use crate::checks;
use crate::ground::{Ground, Running};
use crate::random::PATIENCE;
use crate::strike::figure;
use stage::{Waited, Way};
use std::time::Duration;

#[test]
fn a_transfer_outlives_a_network_that_goes_away() {
    let away = Duration::from_secs(figure("WAXWING_NO_NETWORK", 2));
    let mut ground = Ground::new();
    let parcel = ground.parcel("parcel", 64 << 20);
    let command = ["send", parcel.path.to_str().unwrap(), "--to", &ground.bob.address];
    let mut running = Running::start(&ground.alice, &command);
    ground.alice_wire.hold_after(Way::Up, 24 << 20);
    assert_eq!(ground.alice_wire.wait_held(PATIENCE, || running.is_over()).unwrap(), Waited::Held);
    ground.alice_wire.take_away();
    ground.alice_wire.release();
    checks::bob_sees(&ground, &[]);
    // Nothing tells when a network comes back: the pause is the fault itself.
    std::thread::sleep(away);
    ground.alice_wire.bring_back().unwrap();
    // After ten minutes `wax` has lost its patience, and the same command goes on.
    let done = running.succeed();
    checks::nothing_came_twice(done.sent().unwrap());
    checks::no_journal_is_left(&ground);
    ground.bob_gets_it_whole(&done.sent_id().unwrap(), &parcel);
}
