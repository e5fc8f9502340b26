//! SHA-256 of a file, read in pieces.

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
    let mut file = File::open(path).doing("opening a file to compare")?;
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut piece).doing("reading a file to compare")?;
        if n == 0 {
            break;
        }
        context.update(&piece[..n]);
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}
