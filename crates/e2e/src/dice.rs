//! Chance that can be had again.

/// Chance by a seed (splitmix64). Says its seed at the start, and how to repeat it when a test fails.
pub struct Dice {
    variable: &'static str,
    seed: u64,
    state: u64,
}

impl Dice {
    /// By the seed in a variable of the environment, or by the clock.
    pub fn thrown(variable: &'static str) -> Self {
        let chosen = std::env::var(variable).ok().map(|seed| seed.parse().expect("a seed is a number"));
        let seed = chosen.unwrap_or_else(seed_of_now);
        println!("chance: {variable}={seed}");
        Self { variable, seed, state: seed }
    }

    /// Another one that hangs on this one's seed and a number, and says nothing.
    pub fn another(&self, number: u64) -> Chance {
        Chance(self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9)))
    }

    fn next(&mut self) -> u64 {
        next(&mut self.state)
    }

    /// Less than `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// One of several.
    pub fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[usize::try_from(self.below(N as u64)).unwrap()]
    }

    /// At least `from`, less than `end`.
    pub fn between(&mut self, from: u64, end: u64) -> u64 {
        from + self.below(end - from)
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("chance: the same again: {}={} (docs/faults.md)", self.variable, self.seed);
        }
    }
}

/// Chance for a thread of a test.
pub struct Chance(u64);

impl Chance {
    /// At least `from`, less than `end`.
    pub fn between(&mut self, from: u64, end: u64) -> u64 {
        from + next(&mut self.0) % (end - from)
    }
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A figure of a test run: from the environment, or the short one.
pub fn figure(name: &str, short: u64) -> u64 {
    std::env::var(name).ok().map_or(short, |text| text.parse().expect("a figure is a number"))
}

fn seed_of_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // Nanoseconds alone differ from run to run; six digits are easy to type again.
    u64::from(now.subsec_nanos()) % 1_000_000
}
