//! Sixteen lanes of AVX-512.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_set4_epi32, _mm512_shuffle_epi8,
    _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::{BLOCK, HEAD, K, Padding, START, rounds, walk};
use crate::Digest;

/// Bit by bit, for three inputs: exclusive or, choice and majority.
const XOR3: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

/// SHA-256(`prefix` ‖ message) of sixteen messages of one length.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn hash(prefix: u8, messages: &[&[u8]; 16]) -> [Digest; 16] {
    let mut state: [__m512i; 8] = [_mm512_set1_epi32(0); 8];
    for (word, start) in state.iter_mut().zip(START) {
        *word = splat(start);
    }
    walk!(16, prefix, messages, |blocks: [&[u8; BLOCK]; 16]| state = compress(state, &blocks));
    let words: [[u32; 16]; 8] = bytemuck::cast(state);
    std::array::from_fn(|lane| {
        let mut digest = [0; 32];
        for (out, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(&words) {
            *out = word[lane].to_be_bytes();
        }
        digest
    })
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn compress(state: [__m512i; 8], blocks: &[&[u8; BLOCK]; 16]) -> [__m512i; 8] {
    let mut w = words(blocks);
    rounds!(state, w,
        add: |x, y| _mm512_add_epi32(x, y),
        s0: |x| xor3(_mm512_ror_epi32::<7>(x), _mm512_ror_epi32::<18>(x), _mm512_srli_epi32::<3>(x)),
        s1: |x| xor3(_mm512_ror_epi32::<17>(x), _mm512_ror_epi32::<19>(x), _mm512_srli_epi32::<10>(x)),
        e0: |x| xor3(_mm512_ror_epi32::<2>(x), _mm512_ror_epi32::<13>(x), _mm512_ror_epi32::<22>(x)),
        e1: |x| xor3(_mm512_ror_epi32::<6>(x), _mm512_ror_epi32::<11>(x), _mm512_ror_epi32::<25>(x)),
        choose: |x, y, z| _mm512_ternarylogic_epi32::<CHOOSE>(x, y, z),
        majority: |x, y, z| _mm512_ternarylogic_epi32::<MAJORITY>(x, y, z),
        splat: |x| splat(x))
}

/// The sixteen words of a block in every lane: sixteen rows of words, turned into columns.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn words(blocks: &[&[u8; BLOCK]; 16]) -> [__m512i; 16] {
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut rows = [swap; 16];
    for (row, block) in rows.iter_mut().zip(blocks) {
        *row = _mm512_shuffle_epi8(bytemuck::must_cast::<[u8; BLOCK], __m512i>(**block), swap);
    }
    // Pairs of words, then fours of words, of four rows each; `fours[4 * g + c]` holds column c of every quarter.
    let mut fours = [swap; 16];
    for g in 0..4 {
        let [r0, r1, r2, r3] = [rows[4 * g], rows[4 * g + 1], rows[4 * g + 2], rows[4 * g + 3]];
        let (lo0, hi0) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
        let (lo1, hi1) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
        fours[4 * g] = _mm512_unpacklo_epi64(lo0, lo1);
        fours[4 * g + 1] = _mm512_unpackhi_epi64(lo0, lo1);
        fours[4 * g + 2] = _mm512_unpacklo_epi64(hi0, hi1);
        fours[4 * g + 3] = _mm512_unpackhi_epi64(hi0, hi1);
    }
    // Quarters change places: word 4 q + c of all rows out of quarter q of the four groups.
    let mut columns = [swap; 16];
    for c in 0..4 {
        let [g0, g1, g2, g3] = [fours[c], fours[4 + c], fours[8 + c], fours[12 + c]];
        let (even01, odd01) = (_mm512_shuffle_i32x4::<0x88>(g0, g1), _mm512_shuffle_i32x4::<0xdd>(g0, g1));
        let (even23, odd23) = (_mm512_shuffle_i32x4::<0x88>(g2, g3), _mm512_shuffle_i32x4::<0xdd>(g2, g3));
        columns[c] = _mm512_shuffle_i32x4::<0x88>(even01, even23);
        columns[4 + c] = _mm512_shuffle_i32x4::<0x88>(odd01, odd23);
        columns[8 + c] = _mm512_shuffle_i32x4::<0xdd>(even01, even23);
        columns[12 + c] = _mm512_shuffle_i32x4::<0xdd>(odd01, odd23);
    }
    columns
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<XOR3>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(x: u32) -> __m512i {
    _mm512_set1_epi32(x.cast_signed())
}
