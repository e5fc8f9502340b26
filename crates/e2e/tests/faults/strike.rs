//! What can strike a transfer, chosen by a seed, and how it is done.

use crate::ground::{Ground, Running};
use e2e::dice::Dice;
pub(crate) use e2e::dice::figure;
use stage::{Cut, Way, go_on, pause};
use std::time::Duration;

/// Parts that a client has under way at once.
pub(crate) const UNDER_WAY: u64 = 2;

/// How long nothing may pass before a stopped process is let go on; the longer one is noticed by the server.
const STILL: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(1_500)];
/// How long a stopped transfer may go on by what was already on its way.
const PATIENCE: Duration = Duration::from_secs(20);

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9 of `wax`, then the same command.
    KillClient,
    /// kill -9 of `waxd`, then the same server.
    KillServer,
    /// SIGSTOP of `wax` until nothing has passed for this long, then SIGCONT.
    StopClient(Duration),
    /// The same with `waxd`.
    StopServer(Duration),
    /// The connection in use ends.
    Tear(Cut),
    /// All connections end.
    TearAll(Cut),
    /// Every piece is late by this much, until the next fault.
    Delay(Duration),
    /// Nobody can connect for this long.
    NoNetwork(Duration),
    /// The sender's clock jumps by this many seconds.
    Clock(i64),
}

impl Fault {
    /// One of all, by chance.
    pub(crate) fn any(dice: &mut Dice) -> Self {
        let cut = dice.one_of([Cut::Reset, Cut::Close]);
        let still = dice.one_of([STILL[0], STILL[0], STILL[1]]);
        match dice.below(11) {
            0 | 1 => Self::KillClient,
            2 => Self::KillServer,
            3 => Self::StopClient(still),
            4 => Self::StopServer(STILL[0]),
            5 | 6 => Self::Tear(cut),
            7 => Self::TearAll(cut),
            8 => Self::Delay(Duration::from_millis(1 + dice.below(4))),
            9 => Self::NoNetwork(Duration::from_millis(100 + dice.below(900))),
            _ => Self::Clock(dice.between(0, 40_000).cast_signed() - 20_000),
        }
    }

    /// How many parts it can tear at most: one for a connection, and two are under way at once.
    pub(crate) fn tears(self) -> u64 {
        match self {
            Self::Tear(_) => 1,
            Self::Delay(_) | Self::Clock(_) => 0,
            _ => UNDER_WAY,
        }
    }

    /// Strikes while the wire of `way` is held, and lets the wire go.
    pub(crate) fn strike(self, ground: &mut Ground, running: &mut Running, on: Side) {
        let client = running.child.id();
        match self {
            Self::KillClient => {
                running.kill();
                on.wire(ground).release();
                running.again();
            }
            Self::KillServer => {
                ground.kill_server();
                on.wire(ground).release();
            }
            Self::StopClient(still) => stop(ground, on, client, still),
            Self::StopServer(still) => stop(ground, on, ground.server().pid(), still),
            Self::Tear(cut) => {
                on.wire(ground).cut_one(cut);
                on.wire(ground).release();
            }
            Self::TearAll(cut) => {
                on.wire(ground).cut_all(cut);
                on.wire(ground).release();
            }
            Self::Delay(delay) => {
                on.wire(ground).slow_down(delay);
                on.wire(ground).release();
            }
            Self::NoNetwork(away) => {
                on.wire_mut(ground).take_away();
                on.wire(ground).release();
                // Nothing tells when a network comes back: the pause is the fault itself.
                std::thread::sleep(away);
                on.wire_mut(ground).bring_back().unwrap();
            }
            Self::Clock(ahead) => {
                if let Some(clock) = &ground.clock {
                    clock.set(ahead).unwrap();
                }
                on.wire(ground).release();
            }
        }
    }
}

fn stop(ground: &Ground, on: Side, pid: u32, still: Duration) {
    pause(pid).unwrap();
    on.wire(ground).release();
    on.wire(ground).wait_still(still, PATIENCE);
    go_on(pid).unwrap();
}

/// Whose transfer is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Alice sends.
    Alice,
    /// Bob fetches.
    Bob,
}

impl Side {
    /// The way of the bytes that count.
    pub(crate) fn way(self) -> Way {
        match self {
            Self::Alice => Way::Up,
            Self::Bob => Way::Down,
        }
    }

    pub(crate) fn wire(self, ground: &Ground) -> &stage::Wire {
        match self {
            Self::Alice => &ground.alice_wire,
            Self::Bob => &ground.bob_wire,
        }
    }

    fn wire_mut(self, ground: &mut Ground) -> &mut stage::Wire {
        match self {
            Self::Alice => &mut ground.alice_wire,
            Self::Bob => &mut ground.bob_wire,
        }
    }
}

/// Chance, by `WAXWING_SEED` or by the clock.
pub(crate) fn dice() -> Dice {
    Dice::thrown("WAXWING_SEED")
}
