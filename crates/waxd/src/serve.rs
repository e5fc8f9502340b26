//! `waxd serve`: one server in the foreground, until it is told to stop.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::str::FromStr as _;

use server::logging::{self, LogFormat};
use server::{Config, Running, Server};
use tracing::level_filters::LevelFilter;

use crate::signals::{Asked, Signals};

/// What `waxd serve` can be told; every flag is also an environment variable.
#[derive(clap::Args, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    config: Config,
    /// Least weight of log lines: error, warn, info, debug or trace [default: RUST_LOG if it is one of these, else info]
    #[arg(long, env = "WAXD_LOG", value_name = "LEVEL")]
    log: Option<LevelFilter>,
    /// How log lines look, on standard error
    #[arg(long, env = "WAXD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,
    /// Also stop when standard input ends, as it does when whoever started this is gone
    #[arg(long)]
    until_stdin_ends: bool,
}

/// Serves until SIGTERM or SIGINT; a second signal ends the process at once.
pub(crate) fn run(args: ServeArgs) -> ExitCode {
    let level = args.log.unwrap_or_else(default_level);
    let served = logging::install(level, args.log_format)
        .map_err(Box::from)
        .and_then(|()| serve(args.config, args.until_stdin_ends));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waxd: {}", logging::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What `RUST_LOG` says, if it is a level.
pub(crate) fn default_level() -> LevelFilter {
    let named = std::env::var("RUST_LOG").ok().and_then(|text| LevelFilter::from_str(&text).ok());
    named.unwrap_or(LevelFilter::INFO)
}

fn serve(config: Config, until_stdin_ends: bool) -> Result<(), Box<dyn Error>> {
    let config = config.with_environment(|name| std::env::var_os(name))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen(until_stdin_ends)?;
        let running = Box::pin(Server::start(config)).await?;
        announce(&running)?;
        tracing::info!(address = %running.address(), "ready");
        let asked = signals.next().await;
        tracing::info!("stopping; running requests may finish");
        let end = async {
            if asked == Asked::ToEnd {
                running.drain().await;
            }
            running.shutdown().await;
        };
        tokio::select! {
            () = end => tracing::info!("stopped"),
            _ = signals.next() => tracing::warn!("stopped at once, as asked a second time"),
        }
        Ok(())
    })
}

/// The one line that says where the server is: `ready URL ca FILE`, without `ca FILE` for a certificate that
/// clients know anyway.
fn announce(running: &Running) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    write!(out, "ready {}", running.url())?;
    if let Some(ca) = running.ca_file() {
        write!(out, " ca {}", ca.display())?;
    }
    writeln!(out)?;
    out.flush()
}
