//! Secrets that an operator gives: the environment's `NAME`, or a file that `NAME_FILE` names.

use std::ffi::OsString;
use std::fmt;

use zeroize::Zeroizing;

use super::ConfigError;

/// Fewest characters of a secret.
const SHORTEST: usize = 32;

/// A secret in the operator's own words: never printed, wiped when dropped.
#[derive(Clone)]
pub struct GivenSecret(Zeroizing<String>);

impl GivenSecret {
    /// Wraps a secret's text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn expose_secret(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(crate) fn expose_secret_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GivenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenSecret([redacted])")
    }
}

/// All of them; of its own secrets, the server makes those that are absent in the data folder.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `SECRET_KEY`: addresses, codes, tickets.
    pub secret_key: Option<GivenSecret>,
    /// `JWT_SECRET`: signs access tokens.
    pub jwt_secret: Option<GivenSecret>,
    /// `JWT_SECRET_PREVIOUS`: still believed while it is being replaced.
    pub jwt_secret_previous: Option<GivenSecret>,
    /// `AWS_SECRET_ACCESS_KEY`: signs requests to the object store, which made it.
    pub aws_secret_access_key: Option<GivenSecret>,
    /// `IPFS_API_AUTHORIZATION`: the whole value of the header, such as `Bearer …`, for the node of IPFS or a proxy before it.
    pub ipfs_api_authorization: Option<GivenSecret>,
    /// `SMTP_PASSWORD`: signs in at the mail relay, which decides how long it is.
    pub smtp_password: Option<GivenSecret>,
    /// `DATABASE_URL`: a PostgreSQL database, with the password for it; absent: SQLite in the data folder.
    pub database_url: Option<GivenSecret>,
    /// `REDIS_URL`: where Redis is, and perhaps its password.
    pub redis_url: Option<GivenSecret>,
}

impl Secrets {
    pub(super) fn from_environment(read: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        Ok(Self {
            secret_key: one("SECRET_KEY", &read)?,
            jwt_secret: one("JWT_SECRET", &read)?,
            jwt_secret_previous: one("JWT_SECRET_PREVIOUS", &read)?,
            aws_secret_access_key: one("AWS_SECRET_ACCESS_KEY", &read)?,
            ipfs_api_authorization: one("IPFS_API_AUTHORIZATION", &read)?,
            smtp_password: one("SMTP_PASSWORD", &read)?,
            database_url: one("DATABASE_URL", &read)?,
            redis_url: one("REDIS_URL", &read)?,
        })
    }

    /// The PostgreSQL database that was named.
    pub(crate) fn database_url(&self) -> Option<&str> {
        self.database_url.as_ref().map(GivenSecret::expose_secret_text)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let all = [
            ("SECRET_KEY", &self.secret_key),
            ("JWT_SECRET", &self.jwt_secret),
            ("JWT_SECRET_PREVIOUS", &self.jwt_secret_previous),
        ];
        for (name, secret) in all {
            if secret.as_ref().is_some_and(|secret| secret.0.chars().count() < SHORTEST) {
                return Err(ConfigError::ShortSecret { name });
            }
        }
        Ok(())
    }
}

fn one(
    name: &'static str,
    read: &impl Fn(&str) -> Option<OsString>,
) -> Result<Option<GivenSecret>, ConfigError> {
    let text = match (read(name), read(&format!("{name}_FILE"))) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(ConfigError::TwoSources { name }),
        (Some(value), None) => value.into_string().map_err(|_| ConfigError::NotText { name })?,
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .map(Zeroizing::new)
                .map_err(|source| ConfigError::UnreadableSecret { name, source })?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    Ok(Some(GivenSecret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_its_variable_or_its_file_but_not_from_both() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "from a file, long enough to be taken\n").unwrap();
        let by_file = |name: &str| (name == "SECRET_KEY_FILE").then(|| file.clone().into_os_string());
        let secrets = Secrets::from_environment(by_file).unwrap();
        assert_eq!(secrets.secret_key.unwrap().expose_secret(), b"from a file, long enough to be taken");
        assert!(secrets.jwt_secret.is_none());

        let both = |name: &str| name.starts_with("JWT_SECRET").then(|| file.clone().into_os_string());
        assert!(matches!(
            Secrets::from_environment(both),
            Err(ConfigError::TwoSources { name: "JWT_SECRET" })
        ));
    }

    #[test]
    fn a_secret_does_not_print() {
        assert!(!format!("{:?}", GivenSecret::new("canary".into())).contains("canary"));
    }
}
