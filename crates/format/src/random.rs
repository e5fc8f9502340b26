//! The one door through which randomness enters.
//!
//! Every function panics if the operating system's generator fails: nothing can be sealed then.

use std::convert::Infallible;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use envelope::{FileId, UserId};
use hpke::rand_core::{TryCryptoRng, TryRng};

/// Fills `out` with random bytes.
pub fn fill(out: &mut [u8]) {
    SystemRandom::new().fill(out).expect("the system's random generator works");
}

/// `N` random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    fill(&mut out);
    out
}

/// The id of a new file: a random UUIDv4.
pub fn file_id() -> FileId {
    FileId::from_bytes(uuid_v4())
}

/// The id of a new user: a random UUIDv4.
pub fn user_id() -> UserId {
    UserId::from_bytes(uuid_v4())
}

fn uuid_v4() -> [u8; 16] {
    let mut id: [u8; 16] = bytes();
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

/// The same door in the shape that key encapsulation asks for.
pub(crate) struct Rng;

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes(bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes(bytes()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Rng {}
