//! Eight lanes of AVX2.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_or_si256, _mm256_permute2x128_si256,
    _mm256_set_epi32, _mm256_set1_epi32, _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32,
    _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
    _mm256_xor_si256,
};

use super::{BLOCK, HEAD, K, Padding, START, rounds, walk};
use crate::Digest;

/// SHA-256(`prefix` ‖ message) of eight messages of one length.
#[target_feature(enable = "avx2")]
pub(super) fn hash(prefix: u8, messages: &[&[u8]; 8]) -> [Digest; 8] {
    let mut state: [__m256i; 8] = [_mm256_set1_epi32(0); 8];
    for (word, start) in state.iter_mut().zip(START) {
        *word = splat(start);
    }
    walk!(8, prefix, messages, |blocks: [&[u8; BLOCK]; 8]| state = compress(state, &blocks));
    let words: [[u32; 8]; 8] = bytemuck::cast(state);
    std::array::from_fn(|lane| {
        let mut digest = [0; 32];
        for (out, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(&words) {
            *out = word[lane].to_be_bytes();
        }
        digest
    })
}

/// A right rotation of every word by `$n` bits, which AVX2 has to make of two shifts.
macro_rules! ror {
    ($x:expr, $n:literal) => {
        _mm256_or_si256(_mm256_srli_epi32::<$n>($x), _mm256_slli_epi32::<{ 32 - $n }>($x))
    };
}

#[inline]
#[target_feature(enable = "avx2")]
fn compress(state: [__m256i; 8], blocks: &[&[u8; BLOCK]; 8]) -> [__m256i; 8] {
    let mut w = words(blocks);
    rounds!(state, w,
        add: |x, y| _mm256_add_epi32(x, y),
        s0: |x| xor3(ror!(x, 7), ror!(x, 18), _mm256_srli_epi32::<3>(x)),
        s1: |x| xor3(ror!(x, 17), ror!(x, 19), _mm256_srli_epi32::<10>(x)),
        e0: |x| xor3(ror!(x, 2), ror!(x, 13), ror!(x, 22)),
        e1: |x| xor3(ror!(x, 6), ror!(x, 11), ror!(x, 25)),
        choose: |x, y, z| _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z))),
        majority: |x, y, z| _mm256_or_si256(
            _mm256_and_si256(x, y),
            _mm256_and_si256(z, _mm256_or_si256(x, y)),
        ),
        splat: |x| splat(x))
}

/// The sixteen words of a block in every lane: eight rows of words, turned into columns, half a block at a time.
#[inline]
#[target_feature(enable = "avx2")]
fn words(blocks: &[&[u8; BLOCK]; 8]) -> [__m256i; 16] {
    let zero = _mm256_set1_epi32(0);
    let mut columns = [zero; 16];
    for half in 0..2 {
        let mut rows = [zero; 8];
        for (row, block) in rows.iter_mut().zip(blocks) {
            let bytes = block.as_chunks::<32>().0[half];
            *row = bytemuck::must_cast::<[u8; 32], __m256i>(bytes);
        }
        columns[8 * half..8 * half + 8].copy_from_slice(&turn(rows));
    }
    columns
}

#[inline]
#[target_feature(enable = "avx2")]
fn turn(mut rows: [__m256i; 8]) -> [__m256i; 8] {
    let (a, b, c, d) = (0x0001_0203, 0x0405_0607, 0x0809_0a0b, 0x0c0d_0e0f);
    let swap = _mm256_set_epi32(d, c, b, a, d, c, b, a);
    for row in &mut rows {
        *row = _mm256_shuffle_epi8(*row, swap);
    }
    // `fours[4 * g + c]` holds column c of the low and of the high half of rows 4 g to 4 g + 3.
    let mut fours = rows;
    for g in 0..2 {
        let [r0, r1, r2, r3] = [rows[4 * g], rows[4 * g + 1], rows[4 * g + 2], rows[4 * g + 3]];
        let (lo0, hi0) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpackhi_epi32(r0, r1));
        let (lo1, hi1) = (_mm256_unpacklo_epi32(r2, r3), _mm256_unpackhi_epi32(r2, r3));
        fours[4 * g] = _mm256_unpacklo_epi64(lo0, lo1);
        fours[4 * g + 1] = _mm256_unpackhi_epi64(lo0, lo1);
        fours[4 * g + 2] = _mm256_unpacklo_epi64(hi0, hi1);
        fours[4 * g + 3] = _mm256_unpackhi_epi64(hi0, hi1);
    }
    let mut columns = fours;
    for c in 0..4 {
        columns[c] = _mm256_permute2x128_si256::<0x20>(fours[c], fours[4 + c]);
        columns[4 + c] = _mm256_permute2x128_si256::<0x31>(fours[c], fours[4 + c]);
    }
    columns
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(x, y), z)
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(x: u32) -> __m256i {
    _mm256_set1_epi32(x.cast_signed())
}
