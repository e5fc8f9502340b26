//! Compression: one gzip member out, exactly one in.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use format::compress::{Compressor, InflateError, Inflater};
use proptest::prelude::*;

fn compress(plain: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(plain);
    let mut stored = Vec::new();
    compressor.read_to_end(&mut stored).unwrap();
    assert_eq!(compressor.original_size(), plain.len() as u64);
    stored
}

/// Inflates in pieces of `step` bytes; `None` if refused.
fn inflate(stored: &[u8], original_size: u64, step: usize) -> Option<Vec<u8>> {
    let mut inflater = Inflater::new(Vec::new(), original_size);
    for piece in stored.chunks(step) {
        inflater.push(piece).ok()?;
    }
    inflater.finish().ok()
}

/// Gives its bytes in pieces of other lengths every time.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 * 7 % 10_007 + 1;
        let len = self.1.min(out.len()).min(self.0.len());
        let (head, rest) = self.0.split_at(len);
        out[..len].copy_from_slice(head);
        self.0 = rest;
        Ok(len)
    }
}

#[test]
fn the_same_bytes_come_out_however_they_go_in_and_are_read() {
    let lines: Vec<String> =
        (0..300_000).map(|n| format!("{n},alice,opened the door number {}\n", n % 17)).collect();
    let plain = lines.concat().into_bytes();
    let stored = compress(&plain);
    for step in [1_000, 64 << 10, (64 << 10) + 1, 262_112] {
        for dribbles in [false, true] {
            let source: Box<dyn Read> =
                if dribbles { Box::new(Dribble(&plain, 1)) } else { Box::new(plain.as_slice()) };
            let (mut compressor, mut read, mut piece) = (Compressor::new(source), Vec::new(), vec![0; step]);
            loop {
                match compressor.read(&mut piece).unwrap() {
                    0 => break,
                    len => read.extend_from_slice(&piece[..len]),
                }
            }
            assert!(read == stored, "{step} {dribbles}: {} and {} bytes", read.len(), stored.len());
        }
    }
    assert!(inflate(&stored, plain.len() as u64, 262_112).unwrap() == plain);
}

proptest! {
    #[test]
    fn any_bytes_survive(plain in prop::collection::vec(any::<u8>(), 0..5000), repeat in 1_usize..60, step in 1_usize..999) {
        let plain = plain.repeat(repeat);
        prop_assert_eq!(inflate(&compress(&plain), plain.len() as u64, step), Some(plain));
    }

    #[test]
    fn arbitrary_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..300), size in 0_u64..1000) {
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let out = inflate(&[&header[..], &tail].concat(), size, 7);
        prop_assert!(out.is_none_or(|out| out.len() as u64 == size));
    }

    #[test]
    fn every_flipped_bit_is_refused_or_without_effect(bit in any::<prop::sample::Index>()) {
        let plain = b"some text that is some text that is compressed".repeat(4);
        let mut stored = compress(&plain);
        let bit = bit.index(stored.len() * 8);
        stored[bit / 8] ^= 1 << (bit % 8);
        let inflated = inflate(&stored, plain.len() as u64, 100);
        prop_assert!(inflated.is_none_or(|inflated| inflated == plain));
    }
}

#[test]
fn the_member_tells_no_name_and_no_time() {
    let stored = compress(b"text");
    assert_eq!(stored[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    assert_eq!(compress(b"text"), stored);
}

#[test]
fn any_gzip_reader_understands_it() {
    let plain = b"text".repeat(100_000);
    let mut opened = Vec::new();
    flate2::read::GzDecoder::new(compress(&plain).as_slice()).read_to_end(&mut opened).unwrap();
    assert_eq!(opened, plain);
}

#[test]
fn a_second_member_is_refused() {
    let stored = compress(b"text");
    assert!(inflate(&stored, 4, 100).is_some());
    let twice = [stored.clone(), compress(b"")].concat();
    assert!(inflate(&twice, 4, 100).is_none());
    assert!(inflate(&[stored.clone(), stored].concat(), 8, 100).is_none());
}

#[test]
fn bytes_behind_the_member_are_refused() {
    let mut stored = compress(b"text");
    stored.push(0);
    assert!(inflate(&stored, 4, 100).is_none());
}

#[test]
fn a_member_longer_than_signed_is_refused() {
    assert!(inflate(&compress(b"text"), 3, 100).is_none());
    assert!(inflate(&compress(b"t"), 0, 100).is_none());
}

#[test]
fn a_member_shorter_than_signed_is_refused() {
    assert!(inflate(&compress(b"text"), 5, 100).is_none());
    assert!(inflate(&compress(b""), 1, 100).is_none());
}

#[test]
fn a_cut_member_is_refused() {
    let stored = compress(b"text");
    for len in 0..stored.len() {
        assert!(inflate(&stored[..len], 4, 100).is_none(), "{len} bytes");
    }
}

#[test]
fn header_flags_and_times_are_refused() {
    let stored = compress(b"text");
    for at in 0..8 {
        let mut tampered = stored.clone();
        tampered[at] ^= 1;
        assert!(inflate(&tampered, 4, 100).is_none(), "byte {at}");
    }
    let mut named = flate2::GzBuilder::new().filename("name").write(Vec::new(), Compression::new(6));
    named.write_all(b"text").unwrap();
    assert!(inflate(&named.finish().unwrap(), 4, 100).is_none());
}

#[test]
fn the_checksum_and_the_size_behind_it_must_fit() {
    let stored = compress(b"text");
    let end = stored.len();
    for at in end - 8..end {
        let mut wrong = stored.clone();
        wrong[at] ^= 1;
        assert!(inflate(&wrong, 4, 100).is_none(), "byte {at}");
    }
}

/// Counts, and keeps nothing.
struct Counting(u64);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_bomb_never_gives_more_than_was_signed() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::new(9));
    bomb.write_all(&vec![0; 64 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 100_000);
    let mut sink = Counting(0);
    let mut inflater = Inflater::new(&mut sink, 1 << 20);
    assert!(matches!(inflater.push(&bomb[10..]), Err(InflateError::NotAuthentic)));
    let mut inflater = Inflater::new(&mut sink, 1 << 20);
    let mut header = bomb.clone();
    header[4..8].fill(0);
    assert!(matches!(inflater.push(&header), Err(InflateError::NotAuthentic)));
    assert!(sink.0 <= 1 << 20);
    assert!(sink.0 > 0, "it inflated up to the limit");
}

/// Refuses every byte.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_apart_from_forgery() {
    let mut inflater = Inflater::new(Full, 4);
    assert!(matches!(inflater.push(&compress(b"text")), Err(InflateError::Sink(_))));
}
