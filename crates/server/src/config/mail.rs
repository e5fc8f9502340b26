//! How codes reach people.

/// How codes reach people.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Mail {
    /// Which mailer: `console` writes to the data folder and the terminal
    #[arg(long, env = "WAXD_MAIL", value_enum, default_value_t = MailKind::Console)]
    pub mail: MailKind,
}

/// The mailers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum MailKind {
    /// Files in `DATA/mail` and lines on the terminal; for one's own machine.
    #[default]
    Console,
}
