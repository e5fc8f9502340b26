//! Who may make an account.

use std::str::FromStr;

/// Who may make an account.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Signup {
    /// Who may sign up: `open`, `domains:one.example,two.example` or `invite` [default: open on loopback, else invite]
    #[arg(long, env = "SIGNUP", value_name = "RULE")]
    pub signup: Option<SignupRule>,
}

/// The rule itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignupRule {
    /// Everybody who proves an address.
    Open,
    /// Addresses of these domains, lower-cased.
    Domains(Vec<String>),
    /// Those whom the operator invited (`waxd admin users invite`); accounts that exist go on.
    Invite,
}

/// Text that is not a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write open, invite, or domains: and at least one domain, separated by commas")]
pub struct BadSignup;

impl SignupRule {
    /// Whether an address (already normalised) may make an account.
    pub(crate) fn admits(&self, address: &str) -> bool {
        match self {
            Self::Open => true,
            Self::Invite => false,
            Self::Domains(domains) => address
                .rsplit_once('@')
                .is_some_and(|(_, domain)| domains.iter().any(|known| known == domain)),
        }
    }
}

impl FromStr for SignupRule {
    type Err = BadSignup;

    fn from_str(text: &str) -> Result<Self, BadSignup> {
        match text.trim() {
            "open" => Ok(Self::Open),
            "invite" => Ok(Self::Invite),
            other => {
                let list = other.strip_prefix("domains:").ok_or(BadSignup)?;
                let domains: Vec<_> = list.split(',').map(|domain| domain.trim().to_lowercase()).collect();
                if domains.iter().any(|domain| domain.is_empty() || domain.contains('@')) {
                    return Err(BadSignup);
                }
                Ok(Self::Domains(domains))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_rule_admits_its_domains_and_not_their_neighbours() {
        let rule: SignupRule = "domains:One.example, two.example".parse().unwrap();
        assert!(rule.admits("a@one.example"));
        assert!(rule.admits("a@two.example"));
        assert!(!rule.admits("a@sub.one.example"));
        assert!(!rule.admits("a@notone.example"));
    }

    #[test]
    fn unknown_rules_are_refused() {
        for text in ["", "closed", "domains:", "domains:a,,b", "domains:a@b.example"] {
            assert_eq!(text.parse::<SignupRule>(), Err(BadSignup), "{text}");
        }
    }
}
