//! Whether a second factor is demanded.

/// Whether a second factor is demanded.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Factor {
    /// Whether everybody must sign in with a second factor, or may
    #[arg(long, env = "SECOND_FACTOR", value_enum, default_value_t = SecondFactorRule::Optional)]
    pub second_factor: SecondFactorRule,
}

/// The rule itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SecondFactorRule {
    /// Whoever wants one adds one.
    #[default]
    Optional,
    /// Sessions without one can do nothing but add one.
    Required,
}

impl SecondFactorRule {
    pub(crate) fn is_demanded(self) -> bool {
        self == Self::Required
    }
}
