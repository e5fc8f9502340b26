//! What an operator may say: flags and environment, one small file of definitions per concern.

mod clients;
mod factor;
mod given;
mod limits;
mod listen;
mod mail;
mod proxies;
mod public;
mod redis;
mod s3;
mod signup;
mod smtp;
mod storage;
mod tls;
mod v0;

use std::ffi::OsString;
use std::path::PathBuf;

pub use clients::{BadVersion, ClientVersion, Clients};
pub use factor::{Factor, SecondFactorRule};
pub use given::{GivenSecret, Secrets};
pub use limits::Limits;
pub use listen::Listen;
pub use mail::{Mail, MailKind};
pub use proxies::{BadProxies, Proxies, TrustedProxies};
pub use public::{BadPublicUrl, Public, PublicUrl};
pub use redis::Redis;
pub(crate) use redis::address as redis_address;
pub use s3::S3;
pub use signup::{BadSignup, Signup, SignupRule};
#[cfg(test)]
pub(crate) use smtp::Login;
pub(crate) use smtp::Relay;
pub use smtp::{Smtp, SmtpError, SmtpTls};
pub use storage::{Parts, Storage, folder_of, found_folders};
pub use tls::Tls;
pub use v0::V0;

/// Everything a server is told.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Config {
    /// Where it listens.
    #[command(flatten)]
    pub listen: Listen,
    /// Where it keeps things.
    #[command(flatten)]
    pub storage: Storage,
    /// How it proves who it is.
    #[command(flatten)]
    pub tls: Tls,
    /// Whose word counts about where a request comes from.
    #[command(flatten)]
    pub proxies: Proxies,
    /// Where people reach it.
    #[command(flatten)]
    pub public: Public,
    /// Who may sign up.
    #[command(flatten)]
    pub signup: Signup,
    /// Whether a second factor is demanded.
    #[command(flatten)]
    pub factor: Factor,
    /// How codes reach people.
    #[command(flatten)]
    pub mail: Mail,
    /// Which clients are spoken to.
    #[command(flatten)]
    pub clients: Clients,
    /// What several servers share for a short while.
    #[command(flatten)]
    pub redis: Redis,
    /// What it takes at most.
    #[command(flatten)]
    pub limits: Limits,
    /// What the documented API takes at most.
    #[command(flatten)]
    pub v0: V0,
    /// Secrets that the operator gave; never flags, which other processes can read.
    #[arg(skip)]
    pub secrets: Secrets,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Codes would go to a terminal while strangers can connect.
    #[error(
        "the console mailer works only on a loopback address, because whoever sees the terminal could sign in as anybody: \
         set SMTP_HOST to a mail relay"
    )]
    ConsoleMailerInPublic,
    /// Bytes would travel in clear.
    #[error(
        "a public address needs TLS: leave out --plain-http, or add --behind-proxy when a proxy does TLS"
    )]
    NoTlsInPublic,
    /// Not an address of a Redis.
    #[error(
        "REDIS_URL is no address of a Redis: write redis://HOST:PORT, or rediss://:PASSWORD@HOST:PORT for TLS"
    )]
    RedisUrl,
    /// An authority for nothing.
    #[error("REDIS_CA is set, but not REDIS_URL: set it to rediss://HOST:PORT")]
    RedisCaAlone,
    /// A secret that can be guessed.
    #[error("{name} has fewer than 32 characters")]
    ShortSecret {
        /// The variable's name.
        name: &'static str,
    },
    /// The same secret twice.
    #[error("{name} and {name}_FILE are both set; say one")]
    TwoSources {
        /// The variable's name.
        name: &'static str,
    },
    /// A secret that is not text.
    #[error("{name} is not UTF-8 text")]
    NotText {
        /// The variable's name.
        name: &'static str,
    },
    /// A secret's file that cannot be read.
    #[error("{name}_FILE cannot be read")]
    UnreadableSecret {
        /// The variable's name.
        name: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate without its key, or the other way round.
    #[error("TLS_CERT and TLS_KEY go together")]
    HalfCertificate,
    /// The mail relay.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    /// A figure that makes no sense.
    #[error("{0}")]
    Figure(&'static str),
}

impl Config {
    /// A configuration with every default, for a data folder; port 0 lets the system choose.
    #[must_use]
    pub fn for_data(data: PathBuf) -> Self {
        let mut config = Self::default();
        config.listen.listen.set_port(0);
        config.storage.data = data;
        config
    }

    /// Adds the secrets that the environment (`NAME` or `NAME_FILE`) gives.
    ///
    /// # Errors
    /// Unreadable, short or doubly given secrets.
    pub fn with_environment(mut self, read: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        self.secrets = Secrets::from_environment(read)?;
        Ok(self)
    }

    /// The relay that takes letters, or `None` for the console.
    pub(crate) fn relay(&self) -> Result<Option<Relay>, ConfigError> {
        Ok(self.mail.relay(self.secrets.smtp_password.as_ref())?)
    }

    /// Refuses what would expose people. `console` says whether codes go to a terminal.
    pub(crate) fn check(&self, console: bool) -> Result<(), ConfigError> {
        self.secrets.check()?;
        self.storage.check()?;
        self.tls.check()?;
        self.limits.check()?;
        self.v0.check()?;
        self.redis.check(self.secrets.redis_url.as_ref())?;
        if self.listen.is_loopback() {
            return Ok(());
        }
        if self.tls.plain_http && !self.tls.behind_proxy {
            return Err(ConfigError::NoTlsInPublic);
        }
        if console {
            return Err(ConfigError::ConsoleMailerInPublic);
        }
        Ok(())
    }

    /// The proxies that are believed, by word or by default: those of this machine, where one stands before the server.
    pub(crate) fn trusted_proxies(&self) -> TrustedProxies {
        let by_default =
            || if self.tls.behind_proxy { TrustedProxies::loopback() } else { TrustedProxies::default() };
        self.proxies.trusted_proxies.clone().unwrap_or_else(by_default)
    }

    /// Who may sign up, by word or by default: everybody on a loopback address, elsewhere those invited.
    pub(crate) fn signup_rule(&self) -> SignupRule {
        self.signup.signup.clone().unwrap_or(if self.listen.is_loopback() {
            SignupRule::Open
        } else {
            SignupRule::Invite
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> Config {
        let mut config = Config::for_data("unused".into());
        config.listen.listen = "0.0.0.0:0".parse().unwrap();
        config
    }

    #[test]
    fn a_public_address_refuses_the_console_mailer() {
        assert!(matches!(public().check(true), Err(ConfigError::ConsoleMailerInPublic)));
        public().check(false).unwrap();
        let mut config = Config::for_data("unused".into());
        config.check(true).unwrap();
        config.listen.reached_by_others = true;
        assert!(matches!(config.check(true), Err(ConfigError::ConsoleMailerInPublic)));
        assert_eq!(config.signup_rule(), SignupRule::Invite);
    }

    #[test]
    fn a_public_address_refuses_plain_http_unless_a_proxy_does_tls() {
        let mut config = public();
        config.tls.plain_http = true;
        assert!(matches!(config.check(false), Err(ConfigError::NoTlsInPublic)));
        config.tls.behind_proxy = true;
        config.check(false).unwrap();
    }

    #[test]
    fn a_proxy_of_this_machine_is_believed_only_where_one_is_said_to_be_there() {
        let loopback = |config: &Config| config.trusted_proxies().contain([127, 0, 0, 1].into());
        let mut config = Config::for_data("unused".into());
        assert!(!loopback(&config));
        config.tls.behind_proxy = true;
        assert!(loopback(&config));
        config.proxies.trusted_proxies = Some("192.0.2.7".parse().unwrap());
        assert!(!loopback(&config) && config.trusted_proxies().contain([192, 0, 2, 7].into()));
    }

    #[test]
    fn a_short_secret_is_refused_on_any_address() {
        let mut config = Config::for_data("unused".into());
        config.secrets.secret_key = Some(GivenSecret::new("x".repeat(31)));
        assert!(matches!(config.check(true), Err(ConfigError::ShortSecret { name: "SECRET_KEY" })));
        config.secrets.secret_key = Some(GivenSecret::new("x".repeat(32)));
        config.check(true).unwrap();
    }

    #[test]
    fn signup_is_open_only_on_a_loopback_address_unless_said_otherwise() {
        assert_eq!(Config::for_data("unused".into()).signup_rule(), SignupRule::Open);
        assert_eq!(public().signup_rule(), SignupRule::Invite);
        let mut config = public();
        config.signup.signup = Some(SignupRule::Open);
        assert_eq!(config.signup_rule(), SignupRule::Open);
    }
}
