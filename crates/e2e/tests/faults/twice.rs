//! The same command twice at once.

use crate::checks;
use crate::ground::{Ground, Running};
use crate::random::PATIENCE;
use stage::{Parcel, Waited, Way, go_on, pause};

/// What `wax` ends with when another process is at the same upload.
const RUNNING: i32 = 9;

/// A ground on which Alice's command has come half way and is held there.
fn half_way() -> (Ground, Parcel, Running) {
    let ground = Ground::new();
    let parcel = ground.parcel("parcel", 64 << 20);
    let command = ["send", parcel.path.to_str().unwrap(), "--to", &ground.bob.address];
    let mut running = Running::start(&ground.alice, &command);
    ground.alice_wire.hold_after(Way::Up, 40 << 20);
    assert_eq!(ground.alice_wire.wait_held(PATIENCE, || running.is_over()).unwrap(), Waited::Held);
    (ground, parcel, running)
}

#[test]
fn a_second_command_says_that_the_first_is_running_and_takes_nothing_from_it() {
    let (ground, parcel, first) = half_way();
    pause(first.child.id()).unwrap();
    ground.alice_wire.release();
    let second = ground.alice.attempt(&["send", parcel.path.to_str().unwrap(), "--to", &ground.bob.address]);
    let second = second.unwrap();
    go_on(first.child.id()).unwrap();
    assert_eq!(second.status.code(), Some(RUNNING), "{}", second.said);
    let done = first.succeed();
    checks::nothing_came_twice(done.sent().unwrap());
    let id = done.sent_id().unwrap();
    checks::bob_sees(&ground, std::slice::from_ref(&id));
    ground.bob_gets_it_whole(&id, &parcel);
}

#[test]
fn a_second_command_takes_over_when_the_first_is_killed() {
    let (ground, parcel, mut first) = half_way();
    pause(first.child.id()).unwrap();
    ground.alice_wire.release();
    let command = ["send", parcel.path.to_str().unwrap(), "--to", &ground.bob.address];
    let second = Running::start(&ground.alice, &command);
    first.kill();
    let done = second.succeed();
    let sent = done.sent().unwrap();
    assert!(sent["resumed_parts"].as_u64().unwrap() >= 1, "it did not go on where the first was: {sent}");
    checks::nothing_came_twice(sent);
    checks::no_journal_is_left(&ground);
    let id = done.sent_id().unwrap();
    checks::bob_sees(&ground, std::slice::from_ref(&id));
    ground.bob_gets_it_whole(&id, &parcel);
}
