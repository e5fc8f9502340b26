//! `waxd balance`: the load balancer in the foreground, until it is told to stop.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use balancer::{Balancer, Config, Running};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::DevelopmentAuthority;
use server::logging::{self, LogFormat};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::serve::default_level;
use crate::signals::Signals;

/// How often it is looked whether the development certificate nears its end.
const DAY: Duration = Duration::from_secs(86_400);

/// Open files beside those of connections.
const SPARE_FILES: u64 = 512;

/// What `waxd balance` can be told; every flag is also an environment variable.
#[derive(clap::Args, Debug)]
pub(crate) struct BalanceArgs {
    #[command(flatten)]
    config: Config,
    /// Data folder of the servers, whose development authority is used where no certificate, or no authority, is given
    #[arg(long, env = "WAXD_DATA", value_name = "FOLDER", default_value = "waxd-data")]
    data: PathBuf,
    /// Further names for the development certificate, separated by commas
    #[arg(long, env = "WAXD_TLS_NAMES", value_name = "NAMES", value_delimiter = ',')]
    tls_names: Vec<String>,
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

/// Passes requests on until SIGTERM or SIGINT; a second signal ends the process at once.
pub(crate) fn run(args: BalanceArgs) -> ExitCode {
    let level = args.log.unwrap_or_else(default_level);
    let balanced = logging::install(level, args.log_format).map_err(Box::from).and_then(|()| balance(args));
    match balanced {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waxd: {}", logging::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn balance(args: BalanceArgs) -> Result<(), Box<dyn Error>> {
    let BalanceArgs { mut config, data, tls_names, until_stdin_ends, .. } = args;
    let has_certificate = config.tls_cert.is_some() || config.tls_key.is_some();
    // With a certificate and an authority of the operator's own, no data folder is touched.
    let authority = if has_certificate && config.upstream_ca.is_some() {
        None
    } else {
        Some(Arc::new(DevelopmentAuthority::open(&data, &tls_names)?))
    };
    if let Some(authority) = &authority {
        config.upstream_ca.get_or_insert_with(|| authority.ca_file().to_owned());
    }
    make_room(config.limits.max_connections);
    let shown = authority.filter(|_| !has_certificate);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen(until_stdin_ends)?;
        let running = Balancer::start(config, shown.as_ref().map(|authority| authority.identity())).await?;
        announce(&running, shown.as_ref().map(|authority| authority.ca_file()))?;
        tracing::info!(address = %running.address(), "ready");
        if let Some(authority) = shown.clone() {
            tokio::spawn(keep_renewed(authority));
        }
        until_asked(&running, &mut signals).await?;
        tracing::info!("stopping; running requests may finish");
        tokio::select! {
            () = running.shutdown() => tracing::info!("stopped"),
            _ = signals.next() => tracing::warn!("stopped at once, as asked a second time"),
        }
        Ok(())
    })
}

/// Raises this process's limit of open files, as far as the system lets it, to what so many connections need: each has one to a
/// server as well.
fn make_room(connections: usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(SPARE_FILES);
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let possible = now.maximum.map_or(wanted, |most| most.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum: now.maximum });
    if raised.is_err() || possible < wanted {
        tracing::warn!(
            wanted,
            possible,
            "there may be fewer open files than the connections that are allowed would need"
        );
    }
}

/// Waits until it is told to stop, or until SIGQUIT and a successor that takes the address over.
async fn until_asked(running: &Running, signals: &mut Signals) -> std::io::Result<()> {
    let mut quit = signal(SignalKind::quit())?;
    loop {
        tokio::select! {
            _ = signals.next() => return Ok(()),
            _ = quit.recv() => match running.hand_over().await {
                Ok(()) => {
                    tracing::info!("a successor listens");
                    return Ok(());
                }
                Err(error) => tracing::error!(cause = %error, "the address was not handed over; going on"),
            },
        }
    }
}

/// The lines that say where the balancer is: `ready URL ca FILE`, as `waxd serve` says it, and before it `metrics URL`.
fn announce(running: &Running, ca: Option<&Path>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if let Some(admin) = running.admin_address() {
        writeln!(out, "metrics http://{admin}/metrics")?;
    }
    write!(out, "ready {}", running.url())?;
    if let Some(ca) = ca {
        write!(out, " ca {}", ca.display())?;
    }
    writeln!(out)?;
    out.flush()
}

async fn keep_renewed(authority: Arc<DevelopmentAuthority>) {
    loop {
        tokio::time::sleep(DAY).await;
        match authority.renew() {
            Ok(true) => tracing::info!("a new certificate was made"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(cause = %error, "no new certificate could be made; the old one stays")
            }
        }
    }
}
