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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_numbers_are_alike() {
        let (Ok(one), Ok(other)) = (Rng.try_next_u64(), Rng.try_next_u64());
        assert_ne!(one, other);
        // Four numbers of 32 bits are alike once in 2^96.
        let four: [Result<u32, Infallible>; 4] = std::array::from_fn(|_| Rng.try_next_u32());
        assert!(four.iter().any(|number| *number != four[0]));
        let mut filled = [0; 16];
        let Ok(()) = Rng.try_fill_bytes(&mut filled);
        assert_ne!(filled, [0; 16]);
    }

    #[test]
    fn every_free_bit_of_a_new_id_is_random() {
        let (mut seen, mut never_clear) = ([0; 16], [0xff; 16]);
        for _ in 0..64 {
            let id = uuid_v4();
            seen.iter_mut().zip(id).for_each(|(seen, byte)| *seen |= byte);
            never_clear.iter_mut().zip(id).for_each(|(never_clear, byte)| *never_clear &= byte);
        }
        let (mut all, mut fixed) = ([0xff; 16], [0; 16]);
        (all[6], fixed[6]) = (0x4f, 0x40);
        (all[8], fixed[8]) = (0xbf, 0x80);
        assert_eq!((seen, never_clear), (all, fixed));
        assert_ne!(user_id(), user_id());
    }
}
