//! What can strike a cluster, chosen by a seed, and how it is done.

use crate::ground::{Ground, SERVERS};
use crate::part::Part;
use e2e::dice::Dice;
use stage::Cut;
use std::time::Duration;

/// Which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Balancer,
    Server(usize),
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9, then the same again.
    Kill(Which),
    /// kill -9 of a server, which stays dead until the next fault.
    KillForLonger(usize),
    /// SIGSTOP for so long, then SIGCONT.
    Stop(Which, Duration),
    /// Every connection to it ends.
    Cut(Which, Cut),
    /// Nobody reaches it for so long, though it runs.
    Unreachable(Which, Duration),
    /// Something of what the servers share: which fault, and a number for its choices.
    Shared(u64, u64),
}

impl Fault {
    /// One of all, by chance.
    pub(crate) fn any(ground: &Ground, dice: &mut Dice) -> Self {
        let server = usize::try_from(dice.below(SERVERS as u64)).unwrap();
        let which = dice.one_of([Which::Balancer, Which::Server(server), Which::Server(server)]);
        let cut = dice.one_of([Cut::Reset, Cut::Close]);
        // The longer ones are noticed by the balancer's checks and by the servers' patience with bodies.
        let while_ = Duration::from_millis(dice.one_of([200, 700, 2_500]));
        match dice.below(8 + 2 * ground.shared.faults().min(1)) {
            0 | 1 => Self::Kill(which),
            2 | 3 => Self::KillForLonger(server),
            4 => Self::Stop(which, while_),
            5 | 6 => Self::Cut(which, cut),
            7 => Self::Unreachable(which, while_),
            _ => Self::Shared(dice.below(ground.shared.faults().max(1)), dice.below(1 << 32)),
        }
    }

    /// Strikes. What dies for longer is revived by [`Ground::heal`].
    pub(crate) fn strike(self, ground: &mut Ground) {
        match self {
            Self::Kill(which) => {
                let part = part(ground, which);
                part.kill();
                part.revive();
            }
            Self::KillForLonger(server) => ground.servers[server].kill(),
            Self::Stop(which, while_) => {
                let part = part(ground, which);
                part.stop();
                // Nothing tells when a machine wakes up: the pause is the fault itself.
                std::thread::sleep(while_);
                part.go_on();
            }
            Self::Cut(which, how) => part(ground, which).cut(how),
            Self::Unreachable(which, while_) => {
                let part = part(ground, which);
                part.wire.take_away();
                std::thread::sleep(while_);
                part.wire.bring_back().unwrap();
            }
            Self::Shared(which, chance) => ground.shared.strike(which, chance),
        }
    }
}

fn part(ground: &mut Ground, which: Which) -> &mut Part {
    match which {
        Which::Balancer => &mut ground.balancer,
        Which::Server(n) => &mut ground.servers[n],
    }
}
