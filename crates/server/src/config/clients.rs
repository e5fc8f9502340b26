//! Which clients are spoken to.

use std::str::FromStr;

/// Which clients are spoken to.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Clients {
    /// Oldest version of wax that is spoken to; older ones are asked to be replaced [default: all]
    #[arg(long, env = "WAXD_MIN_CLIENT", value_name = "VERSION")]
    pub min_client: Option<ClientVersion>,
}

/// A version: `1.2.3`, in the order of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientVersion([u32; 3]);

/// Text that is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a version as three numbers, such as 0.2.0")]
pub struct BadVersion;

impl ClientVersion {
    /// The version in what a client calls itself (`wax/0.1.0 …`); none of anybody else's name.
    pub(crate) fn told_by(name: &str) -> Option<Self> {
        let version = name.strip_prefix("wax/")?;
        // What stands behind the numbers, such as `-rc.1`, is not looked at.
        let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
        version[..end].parse().ok()
    }
}

impl FromStr for ClientVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let mut numbers = text.trim().split('.').map(|number| number.parse::<u32>().map_err(|_| BadVersion));
        let mut next = || numbers.next().unwrap_or(Err(BadVersion));
        let version = Self([next()?, next()?, next()?]);
        if numbers.next().is_some() { Err(BadVersion) } else { Ok(version) }
    }
}

impl std::fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let version = |text: &str| text.parse::<ClientVersion>().unwrap();
        assert!(version("0.9.0") < version("0.10.0"));
        assert!(version("1.0.0") > version("0.99.99"));
        for wrong in ["1", "1.2", "1.2.3.4", "1.2.x", "", "v1.2.3"] {
            assert_eq!(wrong.parse::<ClientVersion>(), Err(BadVersion), "{wrong}");
        }
    }

    #[test]
    fn only_wax_tells_a_version() {
        assert_eq!(ClientVersion::told_by("wax/0.2.1 (Linux)").unwrap().to_string(), "0.2.1");
        assert_eq!(ClientVersion::told_by("wax/0.2.1-rc.1").unwrap().to_string(), "0.2.1");
        for other in ["", "wax", "wax/", "curl/8.0.0", "Firefox"] {
            assert_eq!(ClientVersion::told_by(other), None, "{other}");
        }
    }
}
