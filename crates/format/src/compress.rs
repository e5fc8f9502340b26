//! Compression inside the seal: one gzip member out, exactly one gzip member in.

use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Range;

use flate2::{Compression, Crc, Decompress, FlushDecompress, GzBuilder, Status};

/// Bytes that the compressor takes from its source at a time, and gives at a time.
const INPUT: usize = 64 * 1024;

/// Reads `R` as one gzip member: no name, no time.
///
/// The same bytes of a source always make the same member, however the source gives them and however the member is read: what an upload
/// was measured by, and what it goes on with. The library does not promise that by itself (what it finds depends on how much it may write
/// at once), so it only ever sees whole buffers of one size.
pub struct Compressor<R: Read> {
    encoder: flate2::bufread::GzEncoder<io::BufReader<Counted<R>>>,
    out: Box<[u8]>,
    ready: Range<usize>,
}

impl<R: Read> Compressor<R> {
    /// Compresses what `source` gives.
    pub fn new(source: R) -> Self {
        let counted = io::BufReader::with_capacity(INPUT, Counted { source, count: 0 });
        let encoder = GzBuilder::new().mtime(0).operating_system(255).buf_read(counted, Compression::new(6));
        Self { encoder, out: vec![0; INPUT].into_boxed_slice(), ready: 0..0 }
    }

    /// Bytes taken from the source so far; the original size once the end was reached.
    pub fn original_size(&self) -> u64 {
        self.encoder.get_ref().get_ref().count
    }
}

impl<R: Read> Read for Compressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() && !buffer.is_empty() {
            self.ready = 0..self.encoder.read(&mut self.out)?;
        }
        let ready = &self.out[self.ready.clone()];
        let len = ready.len().min(buffer.len());
        buffer[..len].copy_from_slice(&ready[..len]);
        self.ready.start += len;
        Ok(len)
    }
}

impl<R: Read> fmt::Debug for Compressor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compressor")
    }
}

struct Counted<R> {
    source: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    /// Fills the buffer as far as the source goes.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.source.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.count += filled as u64;
        Ok(filled)
    }
}

/// Why stored bytes do not become the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InflateError {
    /// The stored bytes are not one gzip member that inflates to exactly the signed size.
    #[error("compressed data is not what was signed")]
    NotAuthentic,
    /// The sink failed.
    #[error("writing failed: {0}")]
    Sink(#[from] io::Error),
}

/// Inflates stored bytes, pushed in order, into a sink: exactly one gzip member, never a byte
/// beyond the signed original size.
pub struct Inflater<W> {
    sink: W,
    original_size: u64,
    produced: u64,
    checksum: Crc,
    inflate: Decompress,
    stage: Stage,
    output: Box<[u8]>,
}

/// What the next stored byte belongs to. The lengths of header and trailer are fixed.
enum Stage {
    Header { taken: usize },
    Deflate,
    Trailer { taken: usize },
}

/// Magic, deflate, no flags, no time; what compressor and system wrote it may be anything.
const HEADER: [Option<u8>; 10] =
    [Some(0x1f), Some(0x8b), Some(8), Some(0), Some(0), Some(0), Some(0), Some(0), None, None];
const TRAILER_LEN: usize = 8;
const CHECKSUM_LEN: usize = 4;

impl<W: Write> Inflater<W> {
    /// Will write exactly `original_size` bytes to `sink`, or fail.
    pub fn new(sink: W, original_size: u64) -> Self {
        Self {
            sink,
            original_size,
            produced: 0,
            checksum: Crc::new(),
            inflate: Decompress::new(false),
            stage: Stage::Header { taken: 0 },
            output: vec![0; INPUT].into_boxed_slice(),
        }
    }

    /// Takes the next stored bytes, padding already stripped.
    pub fn push(&mut self, mut stored: &[u8]) -> Result<(), InflateError> {
        while !stored.is_empty() {
            let used = match self.stage {
                Stage::Header { taken } => self.header_byte(taken, stored[0])?,
                Stage::Deflate => self.deflated(stored)?,
                Stage::Trailer { taken } => self.trailer_byte(taken, stored[0])?,
            };
            stored = &stored[used..];
        }
        Ok(())
    }

    /// Ends the input: the member must be complete and have given exactly the signed size.
    pub fn finish(self) -> Result<W, InflateError> {
        match self.stage {
            Stage::Trailer { taken: TRAILER_LEN } if self.produced == self.original_size => Ok(self.sink),
            _ => Err(InflateError::NotAuthentic),
        }
    }

    fn header_byte(&mut self, taken: usize, byte: u8) -> Result<usize, InflateError> {
        if HEADER[taken].is_some_and(|expected| expected != byte) {
            return Err(InflateError::NotAuthentic);
        }
        let taken = taken + 1;
        self.stage = if taken == HEADER.len() { Stage::Deflate } else { Stage::Header { taken } };
        Ok(1)
    }

    fn deflated(&mut self, stored: &[u8]) -> Result<usize, InflateError> {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(stored, &mut self.output, FlushDecompress::None)
            .map_err(|_| InflateError::NotAuthentic)?;
        let fits = "counts of one call are within its buffers";
        let used = usize::try_from(self.inflate.total_in() - before_in).expect(fits);
        let made = usize::try_from(self.inflate.total_out() - before_out).expect(fits);
        self.produced += made as u64;
        if self.produced > self.original_size {
            return Err(InflateError::NotAuthentic);
        }
        self.checksum.update(&self.output[..made]);
        self.sink.write_all(&self.output[..made])?;
        match status {
            Status::StreamEnd => self.stage = Stage::Trailer { taken: 0 },
            _ if used == 0 && made == 0 => return Err(InflateError::NotAuthentic),
            Status::Ok | Status::BufError => {}
        }
        Ok(used)
    }

    /// Checksum and size (modulo 2^32) must be those of what came out. A byte behind the trailer would begin a
    /// second member.
    fn trailer_byte(&mut self, taken: usize, byte: u8) -> Result<usize, InflateError> {
        let (checksum, size) = (self.checksum.sum().to_le_bytes(), self.produced.to_le_bytes());
        // The low four bytes of the size follow the checksum.
        let expected = checksum.iter().chain(&size[..TRAILER_LEN - CHECKSUM_LEN]).nth(taken);
        if expected != Some(&byte) {
            return Err(InflateError::NotAuthentic);
        }
        self.stage = Stage::Trailer { taken: taken + 1 };
        Ok(1)
    }
}

impl<W> fmt::Debug for Inflater<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}
