//! Redis, for state that several servers share for a short while; the database stays in charge.

use std::path::PathBuf;
use std::time::Duration;

use ::redis::IntoConnectionInfo as _;

use super::{ConfigError, GivenSecret};

/// Redis, for state that several servers share for a short while. Its address is no flag, for a password may be in it:
/// `REDIS_URL`, or the file that `REDIS_URL_FILE` names.
#[derive(Clone, Debug, clap::Args)]
pub struct Redis {
    /// Authority (PEM) that Redis's certificate comes from, in the place of the system's, for REDIS_URL=rediss://…
    #[arg(long, env = "REDIS_CA", value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,
    /// How long a request waits for it.
    #[arg(skip = Redis::default().patience)]
    pub patience: Duration,
    /// How long it is left alone at first after it failed; doubled with each further time, up to half a minute.
    #[arg(skip = Redis::default().pause)]
    pub pause: Duration,
    /// How often whoever watches is looked for anyway, while other servers are heard.
    #[arg(skip = Redis::default().look_every)]
    pub look_every: Duration,
    /// Limits below this stay in the database alone.
    #[arg(skip = Redis::default().limits_from)]
    pub limits_from: u32,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            redis_ca: None,
            patience: Duration::from_millis(40),
            pause: Duration::from_secs(1),
            look_every: Duration::from_secs(5),
            limits_from: 40,
        }
    }
}

impl Redis {
    /// Whether the address is one.
    pub(super) fn check(&self, url: Option<&GivenSecret>) -> Result<(), ConfigError> {
        let Some(url) = address(url) else {
            return if self.redis_ca.is_some() { Err(ConfigError::RedisCaAlone) } else { Ok(()) };
        };
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("redis" | "rediss")) || url.into_connection_info().is_err() {
            return Err(ConfigError::RedisUrl);
        }
        Ok(())
    }
}

/// What is set to nothing is not set.
pub(crate) fn address(url: Option<&GivenSecret>) -> Option<&str> {
    url.map(|url| url.expose_secret_text().trim()).filter(|url| !url.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<(), ConfigError> {
        Redis::default().check(Some(&GivenSecret::new(url.to_owned())))
    }

    #[test]
    fn redis_is_reached_by_redis_or_rediss_and_nothing_else() {
        for good in ["", " ", "redis://127.0.0.1", "rediss://:canary@redis.club.example:6380/2"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["redis.club.example", "http://redis.club.example", "unix:///canary", "redis://"] {
            let said = check(bad).unwrap_err().to_string();
            assert!(said.starts_with("REDIS_URL") && !said.contains("canary"), "{bad}: {said}");
        }
    }

    #[test]
    fn an_authority_without_an_address_is_half_a_configuration() {
        let redis = Redis { redis_ca: Some("ca.pem".into()), ..Redis::default() };
        assert!(redis.check(None).is_err());
        assert!(Redis::default().check(None).is_ok());
    }
}
