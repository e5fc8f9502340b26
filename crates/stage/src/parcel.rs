//! The file that is sent: one that is made with a marked word every 4 KiB, or one that was named.

use crate::{Doing, StageError};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Distance between two marks.
const STRIDE: usize = 4096;
/// Length of a sample out of a file that was named.
const SAMPLE: usize = 32;
/// Samples out of a file that was named.
const SAMPLES: u64 = 64;

/// A file and the byte strings that betray it wherever they are found.
pub struct Parcel {
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
    /// What to look for.
    pub marks: Vec<Vec<u8>>,
}

impl Parcel {
    /// Writes `len` bytes of noise with one random mark every 4 KiB.
    ///
    /// # Errors
    /// When the file exists already or cannot be written.
    pub fn make(path: &Path, len: u64) -> Result<Self, StageError> {
        let mark = format!("canary-{}", uuid::Uuid::new_v4().simple()).into_bytes();
        let mut noise = Noise::seeded();
        let mut out =
            BufWriter::with_capacity(1 << 20, File::create_new(path).doing("making the file to send")?);
        let mut block = [0_u8; STRIDE];
        let mut left = len;
        while left > 0 {
            noise.fill(&mut block);
            block[..mark.len()].copy_from_slice(&mark);
            let n = usize::try_from(left).map_or(STRIDE, |left| left.min(STRIDE));
            out.write_all(&block[..n]).doing("writing the file to send")?;
            left -= n as u64;
        }
        out.flush().doing("writing the file to send")?;
        Ok(Self { path: path.to_owned(), len, marks: vec![mark] })
    }

    /// Takes samples out of a file that exists: what is too plain to betray it (runs of one byte) is left out.
    ///
    /// # Errors
    /// When it is not a file that can be read.
    pub fn sample(path: &Path) -> Result<Self, StageError> {
        let mut file = File::open(path).doing(format!("opening {}", path.display()))?;
        let meta = file.metadata().doing("looking at the file")?;
        if !meta.is_file() {
            return Err(StageError::Unexpected(format!("{} is not a file", path.display())));
        }
        let len = meta.len();
        let mut marks = Vec::new();
        for at in (0..SAMPLES).map(|i| len / SAMPLES * i) {
            let mut sample = [0; SAMPLE];
            file.seek(SeekFrom::Start(at)).doing("reading the file")?;
            if file.read_exact(&mut sample).is_ok() && is_telling(&sample) {
                marks.push(sample.to_vec());
            }
        }
        marks.sort();
        marks.dedup();
        Ok(Self { path: path.to_owned(), len, marks })
    }
}

/// Whether a sample is unlikely to occur by itself: at least eight different bytes.
fn is_telling(sample: &[u8]) -> bool {
    let mut seen = sample.to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen.len() >= 8
}

/// Fast noise that does not compress; nothing secret hangs on it (splitmix64).
struct Noise(u64);

impl Noise {
    fn seeded() -> Self {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        Self(high ^ low)
    }

    fn fill(&mut self, block: &mut [u8; STRIDE]) {
        for word in block.chunks_exact_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_at_every_four_kilobytes_and_the_length_is_exact() {
        let dir = tempfile::tempdir().unwrap();
        let parcel = Parcel::make(&dir.path().join("f"), 3 * 4096 + 100).unwrap();
        let bytes = std::fs::read(&parcel.path).unwrap();
        assert_eq!(bytes.len(), 3 * 4096 + 100);
        for at in (0..bytes.len()).step_by(4096) {
            assert!(bytes[at..].starts_with(&parcel.marks[0]));
        }
    }

    #[test]
    fn plain_runs_are_no_samples() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zeros");
        std::fs::write(&path, vec![0; 100_000]).unwrap();
        assert!(Parcel::sample(&path).unwrap().marks.is_empty());
    }
}
