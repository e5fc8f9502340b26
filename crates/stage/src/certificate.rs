//! A certificate for the peer: its own authority, for one name, for the time of the story.

use crate::{Doing, StageError};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::path::Path;

/// Writes `cert.pem` and `key.pem`.
pub(crate) fn write(folder: &Path, name: &str) -> Result<(), StageError> {
    let made = generate_simple_self_signed([name.to_owned()]);
    let CertifiedKey { cert, signing_key } =
        made.map_err(|error| StageError::Unexpected(format!("no certificate: {error}")))?;
    std::fs::write(folder.join("cert.pem"), cert.pem()).doing("writing the peer's certificate")?;
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).doing("writing the peer's key")
}
