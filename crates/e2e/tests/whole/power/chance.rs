//! Chance that can be repeated: numbers that follow from a seed (splitmix64).

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed that `variable` names, or a new one.
    pub(crate) fn seed_from(variable: &str) -> u64 {
        match std::env::var(variable) {
            Ok(seed) => seed.parse().unwrap_or_else(|_| panic!("{variable} is not a number")),
            Err(_) => Self::new_seed(),
        }
    }

    pub(crate) fn new_seed() -> u64 {
        RandomState::new().build_hasher().finish()
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = limit as u64;
        usize::try_from(self.next() % limit).expect("what is below a usize is one")
    }
}
