//! The lanes of x86-64: sixteen with AVX-512, eight with AVX2.

mod avx2;
mod avx512;

use crate::{Digest, Way};

pub(crate) fn best() -> Way {
    if has_avx512() {
        Way::Sixteen
    } else if has_avx2() && !is_x86_feature_detected!("sha") {
        Way::Eight
    } else {
        Way::OneByOne
    }
}

pub(crate) fn all() -> Vec<Way> {
    let ways = [(has_avx512(), Way::Sixteen), (has_avx2(), Way::Eight), (true, Way::OneByOne)];
    ways.into_iter().filter(|(there, _)| *there).map(|(_, way)| way).collect()
}

fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Hashes `group`, at most as many messages as `way` has lanes and all of one length, and appends the digests.
/// `false`, and nothing done, if this processor does not know that way.
pub(crate) fn hash(way: Way, prefix: u8, group: &[&[u8]], digests: &mut Vec<Digest>) -> bool {
    match way {
        Way::Sixteen if has_avx512() => {
            let lanes = fill(group);
            // SAFETY: the processor was asked for avx512f and avx512bw on the line above, which is all that
            // `avx512::hash` is compiled for.
            #[expect(unsafe_code, reason = "the one way to call a function compiled for AVX-512")]
            let hashed = unsafe { avx512::hash(prefix, &lanes) };
            digests.extend_from_slice(&hashed[..group.len()]);
        }
        Way::Eight if has_avx2() => {
            let lanes = fill(group);
            // SAFETY: the processor was asked for avx2 on the line above, which is all that `avx2::hash` is
            // compiled for.
            #[expect(unsafe_code, reason = "the one way to call a function compiled for AVX2")]
            let hashed = unsafe { avx2::hash(prefix, &lanes) };
            digests.extend_from_slice(&hashed[..group.len()]);
        }
        _ => return false,
    }
    true
}

/// One message for each lane; lanes that are left over repeat the last one.
fn fill<'m, const N: usize>(group: &[&'m [u8]]) -> [&'m [u8]; N] {
    std::array::from_fn(|lane| group[lane.min(group.len() - 1)])
}

/// What stands before and after the whole blocks of a message.
struct Padding {
    /// Whole blocks that lie in the message, from its byte 63 on: the prefix moves everything by one.
    whole: usize,
    /// Blocks that are made: the last ones, with the end of the message, `80`, zeros and the length in bits.
    tails: usize,
}

const BLOCK: usize = 64;
/// Bytes of a message in its first block, behind the prefix.
const HEAD: usize = BLOCK - 1;

impl Padding {
    /// For a message of `len` bytes behind a prefix of one byte.
    fn of(len: usize) -> Self {
        let whole = len.saturating_sub(HEAD) / BLOCK;
        let rest = if len >= HEAD { (len - HEAD) % BLOCK } else { len + 1 };
        Self { whole, tails: if rest + 9 <= BLOCK { 1 } else { 2 } }
    }

    /// The last blocks of `message`.
    fn tail(prefix: u8, message: &[u8]) -> [u8; 2 * BLOCK] {
        let padding = Self::of(message.len());
        let mut blocks = [0; 2 * BLOCK];
        let end = if message.len() >= HEAD {
            let rest = &message[HEAD + padding.whole * BLOCK..];
            blocks[..rest.len()].copy_from_slice(rest);
            rest.len()
        } else {
            blocks[0] = prefix;
            blocks[1..=message.len()].copy_from_slice(message);
            message.len() + 1
        };
        blocks[end] = 0x80;
        let bits = (message.len() as u64 + 1) * 8;
        blocks[padding.tails * BLOCK - 8..padding.tails * BLOCK].copy_from_slice(&bits.to_be_bytes());
        blocks
    }

    /// The first block of a message that fills it.
    fn head(prefix: u8, message: &[u8]) -> [u8; BLOCK] {
        let mut block = [prefix; BLOCK];
        block[1..].copy_from_slice(&message[..HEAD]);
        block
    }
}

/// Gives `compress` the blocks of `N` messages of one length, one block of each at a time.
macro_rules! walk {
    ($lanes:literal, $prefix:expr, $messages:expr, $compress:expr) => {{
        let (prefix, messages): (u8, &[&[u8]; $lanes]) = ($prefix, $messages);
        let len = messages[0].len();
        let padding = Padding::of(len);
        if len >= HEAD {
            let heads: [[u8; BLOCK]; $lanes] =
                std::array::from_fn(|lane| Padding::head(prefix, messages[lane]));
            $compress(std::array::from_fn(|lane| &heads[lane]));
        }
        let mut whole: [_; $lanes] = std::array::from_fn(|lane| {
            messages[lane].get(HEAD..).unwrap_or(&[]).as_chunks::<BLOCK>().0.iter()
        });
        for _ in 0..padding.whole {
            $compress(std::array::from_fn(|lane| {
                whole[lane].next().expect("messages of one length have as many blocks")
            }));
        }
        let tails: [[u8; 2 * BLOCK]; $lanes] =
            std::array::from_fn(|lane| Padding::tail(prefix, messages[lane]));
        for tail in 0..padding.tails {
            $compress(std::array::from_fn(|lane| &tails[lane].as_chunks::<BLOCK>().0[tail]));
        }
    }};
}
pub(crate) use walk;

/// The 64 rounds over a block in every lane, in words of the caller's vectors.
///
/// `$w` holds the first sixteen words and is overwritten; `$state` is taken and given back.
#[rustfmt::skip] // its nested macros move to the right each time
macro_rules! rounds {
    ($state:ident, $w:ident, add: $add:expr, s0: $s0:expr, s1: $s1:expr, e0: $e0:expr, e1: $e1:expr,
     choose: $choose:expr, majority: $majority:expr, splat: $splat:expr) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = $state;
        macro_rules! round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $i:expr, $at:expr) => {
                let kw = $add($w[$i % 16], $splat(K[$at + $i]));
                let t = $add($add($h, kw), $add($e1($e), $choose($e, $f, $g)));
                $d = $add($d, t);
                $h = $add(t, $add($e0($a), $majority($a, $b, $c)));
            };
        }
        macro_rules! expand {
            ($i:expr) => {
                $w[$i] = $add(
                    $add($w[$i], $s0($w[($i + 1) % 16])),
                    $add($w[($i + 9) % 16], $s1($w[($i + 14) % 16])),
                );
            };
        }
        macro_rules! sixteen {
            ($before:ident, $at:expr) => {
                $before!(0);
                round!(a b c d e f g h, 0, $at);
                $before!(1);
                round!(h a b c d e f g, 1, $at);
                $before!(2);
                round!(g h a b c d e f, 2, $at);
                $before!(3);
                round!(f g h a b c d e, 3, $at);
                $before!(4);
                round!(e f g h a b c d, 4, $at);
                $before!(5);
                round!(d e f g h a b c, 5, $at);
                $before!(6);
                round!(c d e f g h a b, 6, $at);
                $before!(7);
                round!(b c d e f g h a, 7, $at);
                $before!(8);
                round!(a b c d e f g h, 8, $at);
                $before!(9);
                round!(h a b c d e f g, 9, $at);
                $before!(10);
                round!(g h a b c d e f, 10, $at);
                $before!(11);
                round!(f g h a b c d e, 11, $at);
                $before!(12);
                round!(e f g h a b c d, 12, $at);
                $before!(13);
                round!(d e f g h a b c, 13, $at);
                $before!(14);
                round!(c d e f g h a b, 14, $at);
                $before!(15);
                round!(b c d e f g h a, 15, $at);
            };
        }
        macro_rules! nothing {
            ($i:expr) => {};
        }
        sixteen!(nothing, 0);
        for at in [16, 32, 48] {
            sixteen!(expand, at);
        }
        let worked = [a, b, c, d, e, f, g, h];
        std::array::from_fn(|i| $add($state[i], worked[i]))
    }};
}
pub(crate) use rounds;

/// The initial state (FIPS 180-4, section 5.3.3).
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The constants of the rounds (FIPS 180-4, section 4.2.2).
const K: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];
