//! What this machine has seen of each file, so that an older state is not taken for the present one.

use crate::{Error, FileId, Home, Result};
use envelope::Manifest;
use format::pins::FileRevision;
use proto::B64;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const SEEN: &str = "seen.json";
const VERSION: u32 = 1;
/// Most revisions that are told to other devices.
const MAX_TOLD: usize = 1_000;

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

    /// The same for a manifest that a list shows. A first revision is not noted: none is older, and the index of the list knows
    /// which one it was. So a list of a million files does not become a record of a million.
    pub(crate) fn accept_listed(&mut self, manifest: &Manifest) -> bool {
        if manifest.revision() == 1 && !self.files.contains_key(&manifest.file_id()) {
            return true;
        }
        self.accept(manifest)
    }

    /// What this device tells the others: files that have had more than one revision, at most as many as are told.
    pub(crate) fn told(&self) -> BTreeMap<FileId, FileRevision> {
        let several = self.files.iter().filter(|(_, seen)| seen.revision > 1);
        let told = several.filter_map(|(id, seen)| {
            let digest = seen.digest.0.as_slice().try_into().ok()?;
            Some((*id, FileRevision { revision: seen.revision, digest }))
        });
        told.take(MAX_TOLD).collect()
    }

    /// Takes over what another device has seen, where that is more.
    pub(crate) fn merge(&mut self, theirs: &BTreeMap<FileId, FileRevision>) {
        for (file_id, seen) in theirs {
            let known = self.files.get(file_id).map_or(0, |known| known.revision);
            if seen.revision > known {
                let newer = Revision { revision: seen.revision, digest: B64(seen.digest.to_vec()) };
                self.changed.insert(*file_id, newer.clone());
                self.files.insert(*file_id, newer);
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

#[cfg(test)]
mod tests {
    use super::*;
    use envelope::merkle::leaf;
    use envelope::{BodyShape, Suite};
    use format::manifest::{SealManifest, seal_manifest};
    use format::metadata::{Compression, Padding};
    use format::{FileKey, FileName, Identity, Metadata, PayloadSealer};

    fn manifest(identity: &Identity, fk: &FileKey, revision: u64, name: &str) -> Manifest {
        let file_id = FileId::from_bytes([9; 16]);
        let sealer = PayloadSealer::generate(fk, Suite::Signed, file_id, identity.root_id());
        let metadata = Metadata {
            name: FileName::parse(name).unwrap(),
            media_type: String::new(),
            original_size: 0,
            stored_size: 0,
            compression: Compression::None,
            padding: Padding::None,
            modified_ms: 0,
            box_id: None,
            preview: None,
        };
        seal_manifest(&SealManifest {
            fk,
            file_id,
            revision,
            author: Some(identity.root()),
            payload_header: sealer.header(),
            body: BodyShape::from_plain_len(0).unwrap(),
            body_root: leaf(b""),
            metadata: &metadata,
        })
        .unwrap()
    }

    #[test]
    fn an_older_revision_and_another_of_the_same_number_are_refused_even_later() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path().join("h")).unwrap();
        let (identity, fk) = (Identity::generate(), FileKey::generate());
        let [one, two, other] =
            [(1, "one"), (2, "two"), (2, "other")].map(|(n, name)| manifest(&identity, &fk, n, name));
        let mut seen = Seen::load(&home).unwrap();
        assert!(seen.accept(&one) && seen.accept(&two) && seen.accept(&two));
        seen.save(&home).unwrap();
        let mut seen = Seen::load(&home).unwrap();
        assert!(!seen.is_changed());
        assert!(seen.accept(&two));
        assert!(!seen.accept(&one), "an older one");
        assert!(!seen.accept(&other), "another one of the same number");
    }
}
