//! `waxd cluster`: a balancer and several servers on one machine, by one command, for as long as it runs.
//!
//! Each is a process of its own, a child of this one. A child that dies is started again; SIGHUP restarts the servers one
//! after the other while the others answer; SIGTERM and SIGINT end all of them in order.

mod part;
mod plan;
mod words;

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use server::logging::{self, LogFormat};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::signals::Signals;
use part::{Part, PartError};
use plan::Plan;
use words::Words;

/// What `waxd cluster` can be told. All that is not said here (mail, limits, database, store, secrets) the servers take
/// from the environment, as `waxd serve` does, or from arguments behind `--`.
#[derive(clap::Args, Debug)]
pub(crate) struct ClusterArgs {
    /// Folder for the database, the sealed parts and the servers' keys
    #[arg(long, env = "WAXD_DATA", value_name = "FOLDER", default_value = "waxd-data")]
    data: PathBuf,
    /// Address and port of the balancer, where clients come; port 0 lets the system choose
    #[arg(long, env = "WAXD_CLUSTER_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// How many servers
    #[arg(long, env = "WAXD_CLUSTER_SERVERS", value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=32))]
    servers: u16,
    /// Port of the first server on 127.0.0.1, the others behind it; 0 lets the system choose
    #[arg(long, env = "WAXD_CLUSTER_PORTS", value_name = "PORT", default_value_t = 8443)]
    ports: u16,
    /// Folders for the sealed parts, by repeating it or with commas between [default: FOLDER/blobs-1 and so on, one for each
    /// server; none where WAXD_STORE names a store that is no folder]
    #[arg(long, env = "WAXD_BLOBS", value_name = "FOLDER", value_delimiter = ',')]
    blobs: Vec<PathBuf>,
    /// How many of the folders hold each part [default: 2]
    #[arg(long, env = "WAXD_COPIES", value_name = "N")]
    copies: Option<usize>,
    /// Where browsers find the balancer [default: its address, if that is a loopback address]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Seconds in which a server that is to stop says that it is not ready and still answers
    #[arg(long, env = "WAXD_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 3)]
    drain_seconds: u64,
    /// Least weight of log lines of all parts: error, warn, info, debug or trace [default: RUST_LOG if it is one of these,
    /// else info]
    #[arg(long, env = "WAXD_LOG", value_name = "LEVEL")]
    log: Option<LevelFilter>,
    /// How log lines look, on standard error
    #[arg(long, env = "WAXD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    log_format: LogFormat,
    /// Also stop when standard input ends, as it does when whoever started this is gone
    #[arg(long)]
    until_stdin_ends: bool,
    /// More arguments of every `waxd serve`
    #[arg(last = true, value_name = "SERVE ARGUMENT")]
    serve: Vec<String>,
}

/// Runs all of it until SIGTERM or SIGINT; a second signal kills what still runs.
pub(crate) fn run(args: &ClusterArgs) -> ExitCode {
    let level = args.log.unwrap_or_else(crate::serve::default_level);
    let served =
        logging::install(level, args.log_format).map_err(Box::from).and_then(|()| start(args, level));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waxd: {}", logging::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn start(args: &ClusterArgs, level: LevelFilter) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome: Result<(), Box<dyn Error>> = runtime.block_on(async {
        let mut signals = Signals::listen(args.until_stdin_ends)?;
        let hang_up = signal(SignalKind::hangup())?;
        let plan = Plan::of(args, level)?;
        let mut cluster = Cluster::default();
        let served = tokio::select! {
            served = cluster.live(&plan, hang_up) => served,
            _ = signals.next() => Ok(()),
        };
        tracing::info!("stopping; running requests may finish");
        tokio::select! {
            () = cluster.stop() => tracing::info!("stopped"),
            _ = signals.next() => tracing::warn!("stopped at once, as asked a second time"),
        }
        Ok(served?)
    });
    // Children that are left die with their handles.
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome
}

/// What runs.
#[derive(Default)]
struct Cluster {
    servers: Vec<Part>,
    balancer: Option<Part>,
}

impl Cluster {
    /// Starts all parts and keeps them; ends only by an error, before all of them were ready.
    async fn live(&mut self, plan: &Plan, mut hang_up: Signal) -> Result<(), PartError> {
        self.start(plan).await?;
        loop {
            hang_up.recv().await;
            tracing::info!("a rolling restart begins, as asked by SIGHUP");
            match self.roll(plan).await {
                Ok(()) => tracing::info!("every server has been restarted"),
                Err(error) => {
                    tracing::error!(cause = %error, "the rolling restart ends here; the servers that are left run on")
                }
            }
        }
    }

    async fn start(&mut self, plan: &Plan) -> Result<(), PartError> {
        let words = Words::new(plan.format);
        let mut urls = Vec::new();
        for command in &plan.servers {
            self.servers.push(Part::keep(command.clone(), words));
            // The first one makes database, keys and authority; the others find them.
            if let [first] = self.servers.as_mut_slice() {
                first.ready().await?;
            }
        }
        for server in &mut self.servers {
            urls.push(server.ready().await?.url);
        }
        let balancer = self.balancer.insert(Part::keep(plan.balancer(&urls), words));
        let at = balancer.ready().await?;
        announce(&at.url, at.ca.as_deref());
        Ok(())
    }

    /// Restarts one server after the other. Each says that it is not ready before it goes, and is ready again, in the eyes
    /// of the balancer too, before the next one goes.
    async fn roll(&mut self, plan: &Plan) -> Result<(), PartError> {
        for server in &mut self.servers {
            server.restart().await?;
            server.ready().await?;
            tokio::time::sleep(plan.settling).await;
        }
        Ok(())
    }

    /// Ends the balancer, so that nobody new comes, then the servers.
    async fn stop(&mut self) {
        if let Some(balancer) = &mut self.balancer {
            balancer.stop().await;
        }
        futures::future::join_all(self.servers.iter_mut().map(Part::stop)).await;
    }
}

/// The one line that says where clients come: `ready URL ca FILE`, as `waxd serve` says it.
fn announce(url: &str, ca: Option<&str>) {
    let ca = ca.map(|ca| format!(" ca {ca}")).unwrap_or_default();
    // Nobody may be listening.
    drop(writeln!(std::io::stdout(), "ready {url}{ca}"));
}
