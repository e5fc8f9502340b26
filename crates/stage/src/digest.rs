//! SHA-256 of a file or a stream, read in pieces.

use crate::{Doing, StageError};
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The digest as 64 hex digits.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256_of(path: &Path) -> Result<String, StageError> {
    sha256_from(File::open(path).doing("opening a file to compare")?).map(|(digest, _)| digest)
}

/// The digest of all that can be read, and how many bytes that was.
///
/// # Errors
/// When reading fails.
pub fn sha256_from(mut source: impl Read) -> Result<(String, u64), StageError> {
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; 1 << 20];
    let mut len = 0;
    loop {
        let n = source.read(&mut piece).doing("reading a file to compare")?;
        if n == 0 {
            break;
        }
        context.update(&piece[..n]);
        len += n as u64;
    }
    Ok((context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect(), len))
}
