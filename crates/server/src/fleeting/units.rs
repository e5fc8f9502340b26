//! Hits that the database counted ahead, as they rest in Redis: blocks that only a server of this instance can have made, of
//! which each hit is taken once.
//!
//! Redis is believed as little as can be. A block carries a code of the server's key over what it is for, how many hits it had
//! and until when; which hit of it was taken is noted, so that one that comes again, out of an old copy of Redis's memory, is
//! known. Numbers that Redis makes up are nobody's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use db::UnixTime;

/// Most hits of a block.
pub(super) const BLOCK_MAX: u32 = 256;
/// Blocks that are remembered at once; more are not believed.
const REMEMBERED: usize = 65_536;
/// How far the clocks of two servers may differ.
const SKEW_SECONDS: i64 = 300;

/// Why what Redis gave is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// No server of this instance put it there, or it was given a second time.
    Lie,
    /// So many blocks are in use that this one could not be remembered.
    Full,
}

/// What an element of a bucket's list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// One hit of a block.
    One,
    /// The database has no more in this window.
    Spent {
        /// When it ends.
        ends: UnixTime,
    },
}

/// Makes blocks and judges what comes back.
pub(super) struct Units {
    key: hmac::Key,
    seen: Mutex<HashMap<[u8; 8], Seen>>,
}

struct Seen {
    ends: i64,
    taken: [u64; BLOCK_MAX as usize / 64],
}

impl Units {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), seen: Mutex::default() }
    }

    /// A block of so many hits, at most [`BLOCK_MAX`].
    pub(super) fn block(&self, bucket: &[u8], hits: u32, ends: UnixTime) -> String {
        let nonce: [u8; 8] = crate::random::bytes();
        let code = self.code(bucket, hits, ends.0, &nonce);
        format!("{hits}:{}:{hits}:{}:{}", ends.0, hex(&nonce), hex(&code))
    }

    /// The mark that there will be no more.
    pub(super) fn spent(ends: UnixTime) -> String {
        format!("0:{}:0:-:-", ends.0)
    }

    /// Judges what Redis gave for a bucket whose windows have this length.
    pub(super) fn judge(
        &self,
        bucket: &[u8],
        text: &str,
        window: u32,
        now: UnixTime,
    ) -> Result<Element, Doubt> {
        let mut fields = text.split(':');
        let mut field = || fields.next().ok_or(Doubt::Lie);
        let (left, ends, hits, nonce, code) = (field()?, field()?, field()?, field()?, field()?);
        let (left, hits) =
            (left.parse::<u32>().map_err(|_| Doubt::Lie)?, hits.parse::<u32>().map_err(|_| Doubt::Lie)?);
        let ends: i64 = ends.parse().map_err(|_| Doubt::Lie)?;
        if ends <= now.0 || ends > now.plus(i64::from(window) + SKEW_SECONDS).0 {
            return Err(Doubt::Lie);
        }
        if left == 0 && hits == 0 {
            return Ok(Element::Spent { ends: UnixTime(ends) });
        }
        let nonce: [u8; 8] = unhex(nonce).ok_or(Doubt::Lie)?;
        let code: [u8; 16] = unhex(code).ok_or(Doubt::Lie)?;
        let made = self.code(bucket, hits, ends, &nonce);
        if left == 0 || left > hits || hits > BLOCK_MAX || code != made {
            return Err(Doubt::Lie);
        }
        self.once(nonce, left - 1, ends, now)?;
        Ok(Element::One)
    }

    fn code(&self, bucket: &[u8], hits: u32, ends: i64, nonce: &[u8; 8]) -> [u8; 16] {
        let about = [&hits.to_be_bytes()[..], &ends.to_be_bytes(), nonce, bucket].concat();
        let mac = hmac::sign(&self.key, &about);
        mac.as_ref()[..16].try_into().expect("32 bytes begin with 16")
    }

    /// Notes that the `at`th hit of a block was taken here.
    fn once(&self, nonce: [u8; 8], at: u32, ends: i64, now: UnixTime) -> Result<(), Doubt> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED && !seen.contains_key(&nonce) {
            seen.retain(|_, seen| seen.ends > now.0);
            if seen.len() >= REMEMBERED {
                return Err(Doubt::Full);
            }
        }
        let block = seen.entry(nonce).or_insert(Seen { ends, taken: [0; BLOCK_MAX as usize / 64] });
        let (word, bit) = (&mut block.taken[at as usize / 64], 1_u64 << (at % 64));
        if *word & bit != 0 {
            return Err(Doubt::Lie);
        }
        *word |= bit;
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::Doubt::{Full, Lie};
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn units() -> Units {
        Units::new(&[7; 32])
    }

    #[test]
    fn each_hit_of_a_block_is_good_once() {
        let units = units();
        let block = units.block(b"a", 256, NOW.plus(60));
        let rest = block.split_once(':').unwrap().1;
        for left in (1..=256).rev() {
            let text = format!("{left}:{rest}");
            assert_eq!(units.judge(b"a", &text, 60, NOW), Ok(Element::One));
            assert_eq!(units.judge(b"a", &text, 60, NOW), Err(Lie), "{left} again");
        }
    }

    #[test]
    fn what_no_server_of_this_instance_put_there_is_a_lie() {
        let units = units();
        let block = units.block(b"a", 9, NOW.plus(60));
        let rest = block.split_once(':').unwrap().1;
        assert_eq!(units.judge(b"b", &block, 60, NOW), Err(Lie), "another bucket's");
        assert_eq!(units.judge(b"a", &block, 60, NOW.plus(60)), Err(Lie), "its window has ended");
        assert_eq!(Units::new(&[8; 32]).judge(b"a", &block, 60, NOW), Err(Lie), "another instance's");
        for left in ["10", "0", "-1", "4294967296", "99999999999999999999", "", "+1x"] {
            assert_eq!(units.judge(b"a", &format!("{left}:{rest}"), 60, NOW), Err(Lie), "{left}");
        }
        let late = units.block(b"a", 9, NOW.plus(3_600));
        assert_eq!(units.judge(b"a", &late, 60, NOW), Err(Lie), "longer than a window is");
        for garbage in
            ["", ":", "::::", "1:2:3:4:5", "nan:nan:nan:-:-", "1:1800000060:1:\u{e9}\u{e9}\u{e9}\u{e9}:-"]
        {
            assert_eq!(units.judge(b"a", garbage, 60, NOW), Err(Lie), "{garbage}");
        }
        assert_eq!(units.judge(b"a", &block, 60, NOW), Ok(Element::One), "and the true one is good still");
    }

    #[test]
    fn the_mark_that_nothing_is_left_ends_with_its_window() {
        let spent = Units::spent(NOW.plus(30));
        assert_eq!(units().judge(b"a", &spent, 60, NOW), Ok(Element::Spent { ends: NOW.plus(30) }));
        assert_eq!(units().judge(b"a", &spent, 60, NOW.plus(30)), Err(Lie));
        assert_eq!(units().judge(b"a", &Units::spent(NOW.plus(9_999)), 60, NOW), Err(Lie));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_beyond_it_nothing_is_believed() {
        let units = units();
        for _ in 0..REMEMBERED {
            let block = units.block(b"a", 2, NOW.plus(60));
            assert_eq!(units.judge(b"a", &block, 60, NOW), Ok(Element::One));
        }
        let block = units.block(b"a", 2, NOW.plus(120));
        assert_eq!(units.judge(b"a", &block, 90, NOW), Err(Full));
        assert_eq!(units.judge(b"a", &block, 60, NOW.plus(61)), Ok(Element::One), "old ones were forgotten");
    }
}
