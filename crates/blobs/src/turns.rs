//! One after the other for each name, so that of several writers under one name exactly one wins.

use tokio::sync::Mutex;

use crate::BlobName;

/// Names that share a turn by the first octets of the name: so many commits at once at most.
const TURNS: usize = 1024;

pub(crate) struct Turns(Vec<Mutex<()>>);

impl Turns {
    pub(crate) fn new() -> Self {
        Self((0..TURNS).map(|_| Mutex::new(())).collect())
    }

    /// Held while a blob of that name is committed or deleted.
    pub(crate) fn of(&self, name: BlobName) -> &Mutex<()> {
        let octets = name.as_bytes();
        &self.0[usize::from(u16::from_le_bytes([octets[0], octets[1]])) % TURNS]
    }
}
