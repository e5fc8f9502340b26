//! Where log lines go, and the wall that keeps other people's libraries from saying too much.

use std::error::Error;
use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Our own rooms, whose lines are written with care for what must not be in them.
const OURS: [&str; 7] = ["server", "balancer", "db", "blobs", "envelope", "proto", "waxd"];
/// Libraries whose warnings and errors show what others said: requests with their queries and headers.
const SILENT: [&str; 4] = ["pingora", "pingora_core", "pingora_proxy", "pingora_runtime"];

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For a person.
    #[default]
    Pretty,
    /// One JSON object on each line.
    Json,
}

/// Lets our own rooms speak up to `level`, and all other code of the process only warn, whatever `level` says:
/// libraries below us print headers and bodies when they are asked for details. Some do so in their errors: those say nothing.
#[must_use]
pub fn filter(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(OURS.map(|room| (room, level)))
        .with_targets(SILENT.map(|library| (library, LevelFilter::OFF)))
}

/// Sends log lines of the whole process to standard error. Called once, by `main`.
///
/// # Errors
/// A subscriber is installed already.
pub fn install(level: LevelFilter, format: LogFormat) -> Result<(), tracing_subscriber::util::TryInitError> {
    let is_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    let registry = tracing_subscriber::registry();
    match format {
        LogFormat::Pretty => registry.with(lines.with_filter(filter(level))).try_init(),
        LogFormat::Json => registry.with(lines.json().with_filter(filter(level))).try_init(),
    }
}

/// An error with what brought it about, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Many errors repeat their cause.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_level_opens_our_rooms_only() {
        use tracing::Level;
        let filter = filter(LevelFilter::TRACE);
        assert!(filter.would_enable("server::routes", &Level::TRACE));
        assert!(filter.would_enable("hyper::proto", &Level::WARN));
        assert!(!filter.would_enable("hyper::proto", &Level::INFO));
        assert!(!filter.would_enable("rustls::conn", &Level::TRACE));
        assert!(filter.would_enable("balancer::gate", &Level::TRACE));
        assert!(!filter.would_enable("pingora_proxy", &Level::ERROR));
        assert!(!filter.would_enable("pingora_core::protocols", &Level::ERROR));
    }
}
