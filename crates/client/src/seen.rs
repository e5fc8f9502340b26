//! What this machine has seen of each file, so that an older state is not taken for the present one.

use crate::{Error, FileId, Home, Result};
use envelope::Manifest;
use proto::B64;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const SEEN: &str = "seen.json";
const VERSION: u32 = 1;

/// The highest revision of each file, and the digest of its manifest.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    version: u32,
    files: BTreeMap<FileId, Revision>,
    #[serde(skip)]
    changed: BTreeMap<FileId, Revision>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Revision {
    revision: u64,
    digest: B64,
}

impl Seen {
    pub(crate) fn load(home: &Home) -> Result<Self> {
        match home.read_json::<Self>(SEEN)? {
            None => Ok(Self { version: VERSION, files: BTreeMap::new(), changed: BTreeMap::new() }),
            Some(seen) if seen.version == VERSION => Ok(seen),
            Some(_) => Err(Error::HomeDamaged(home.path().join(SEEN))),
        }
    }

    /// Notes a manifest that verified; `false` for an older revision, or another manifest of the same one.
    pub(crate) fn accept(&mut self, manifest: &Manifest) -> bool {
        let shown = Revision { revision: manifest.revision(), digest: B64(manifest.digest().to_vec()) };
        match self.files.get(&manifest.file_id()) {
            Some(known) if *known == shown => true,
            Some(known) if known.revision >= shown.revision => false,
            _ => {
                self.changed.insert(manifest.file_id(), shown.clone());
                self.files.insert(manifest.file_id(), shown);
                true
            }
        }
    }

    pub(crate) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Writes what is new into what is on disk by now. The caller holds the home's state lock.
    pub(crate) fn save(&self, home: &Home) -> Result<()> {
        let mut there = Self::load(home)?;
        for (file_id, revision) in &self.changed {
            let newer = there.files.get(file_id).is_some_and(|known| known.revision >= revision.revision);
            if !newer {
                there.files.insert(*file_id, revision.clone());
            }
        }
        home.write_json(SEEN, &there)
    }
}
