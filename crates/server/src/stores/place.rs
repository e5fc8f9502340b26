//! What a reference in the database says: which store, and the blob's name there.

use std::fmt;
use std::str::FromStr;

use blobs::BlobName;
use db::BlobRef;

/// A kind of store; a server has at most one of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum StoreName {
    /// One folder, or several that hold copies
    #[default]
    Local,
    /// An S3-compatible object store
    S3,
    /// IPFS, through Kubo's RPC
    Ipfs,
}

impl StoreName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Local, Self::S3, Self::Ipfs];

    /// The word for it, in references and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::S3 => "s3",
            Self::Ipfs => "ipfs",
        }
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a blob is. A name is used once in the life of a server, in one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) store: StoreName,
    pub(crate) name: BlobName,
}

impl Place {
    /// A place that nothing has been at.
    pub(crate) fn fresh(store: StoreName) -> Self {
        Self { store, name: BlobName::generate() }
    }

    pub(crate) fn reference(self) -> BlobRef {
        BlobRef::new(self.to_string())
    }
}

impl fmt::Display for Place {
    /// The local store goes without saying: so it was before there were others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.store {
            StoreName::Local => write!(f, "{}", self.name),
            other => write!(f, "{other}:{}", self.name),
        }
    }
}

/// A reference that names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reference to a blob is 32 hex digits, behind s3: or ipfs: where it is not in the local store")]
pub struct BadReference;

impl FromStr for Place {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let (store, name) = match text.split_once(':') {
            None => (StoreName::Local, text),
            Some(("s3", name)) => (StoreName::S3, name),
            Some(("ipfs", name)) => (StoreName::Ipfs, name),
            Some(_) => return Err(BadReference),
        };
        Ok(Self { store, name: name.parse().map_err(|_| BadReference)? })
    }
}

impl TryFrom<&BlobRef> for Place {
    type Error = BadReference;

    fn try_from(blob: &BlobRef) -> Result<Self, BadReference> {
        blob.as_str().parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_one_place_and_is_written_in_one_way() {
        for store in StoreName::ALL {
            let place = Place::fresh(store);
            assert_eq!(Place::try_from(&place.reference()), Ok(place));
            assert_ne!(Place::fresh(store), place);
        }
        let name = "00ff00ff00ff00ff00ff00ff00ff00ff";
        assert_eq!(name.parse::<Place>().unwrap().store, StoreName::Local, "as before there were others");
        assert_eq!(format!("s3:{name}").parse::<Place>().unwrap().store, StoreName::S3);
        for bad in [
            "",
            "s3:",
            ":",
            "../x",
            &format!("local:{name}"),
            &format!("S3:{name}"),
            &format!("s3:s3:{name}"),
        ] {
            assert_eq!(bad.parse::<Place>(), Err(BadReference), "{bad}");
        }
    }
}
