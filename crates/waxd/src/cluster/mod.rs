//! `waxd cluster`: a balancer and several servers on one machine, by one command, for as long as it runs.
//!
//! Each is a process of its own, a child of this one. A child that dies is started again; SIGHUP restarts the servers one
//! after the other while the others answer, and has a new balancer take over from the old one; SIGTERM and SIGINT end all of
//! them in order.

mod part;
mod plan;
mod words;

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use server::logging::{self, LogFormat};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::signals::Signals;
use part::{Part, PartError};
use plan::Plan;
use words::Words;

/// How often it is looked whether a successor waits.
const LOOK_EVERY: Duration = Duration::from_millis(20);

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
    /// Balancers that have handed over, with what they had in hand.
    leaving: Vec<Part>,
    /// Where the servers are.
    urls: Vec<String>,
}

impl Cluster {
    /// Starts all parts and keeps them; ends only by an error, before all of them were ready.
    async fn live(&mut self, plan: &Plan, mut hang_up: Signal) -> Result<(), PartError> {
        self.start(plan).await?;
        loop {
            hang_up.recv().await;
            tracing::info!("a rolling restart begins, as asked by SIGHUP");
            match self.roll(plan).await {
                Ok(()) => tracing::info!("every part has been restarted"),
                Err(error) => {
                    tracing::error!(cause = %error, "the rolling restart ends here; the parts that are left run on")
                }
            }
        }
    }

    async fn start(&mut self, plan: &Plan) -> Result<(), PartError> {
        let words = Words::new(plan.format);
        for command in &plan.servers {
            self.servers.push(Part::keep(command.clone(), words));
            // The first one makes database, keys and authority; the others find them.
            if let [first] = self.servers.as_mut_slice() {
                first.ready().await?;
            }
        }
        for server in &mut self.servers {
            self.urls.push(server.ready().await?.url);
        }
        if let Some(folder) = plan.meeting.as_deref().and_then(Path::parent) {
            own_folder(folder).map_err(|error| PartError::Start {
                name: "balancer".to_owned(),
                why: format!("{} cannot be made: {error}", folder.display()),
            })?;
        }
        let balancer = self.balancer.insert(Part::keep(plan.balancer(&self.urls), words));
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
        self.succeed(plan).await
    }

    /// Has a new balancer take the address over from the one that runs, which ends when its requests have.
    async fn succeed(&mut self, plan: &Plan) -> Result<(), PartError> {
        self.leaving.retain(|part| !part.is_gone());
        let Some(old) = &mut self.balancer else { return Ok(()) };
        if old.is_gone() {
            return self.fill_the_place(plan).await;
        }
        let Some(socket) = &plan.meeting else {
            tracing::warn!("the balancer runs on as it was: the data folder's name is too long to meet in");
            return Ok(());
        };
        old.ready().await?;
        // One left behind by a successor that was killed would be taken for the next one's.
        drop(std::fs::remove_file(socket));
        let mut next = Part::keep(plan.successor(&self.urls), Words::new(plan.format));
        tokio::select! {
            ready = next.ready() => drop(ready?),
            () = appeared(socket) => {
                old.leave(true).await?;
                if let Err(error) = next.ready().await {
                    tracing::error!(cause = %error, "the new balancer did not come to take over");
                    return self.fill_the_place(plan).await;
                }
            }
        }
        self.leaving.extend(self.balancer.replace(next));
        Ok(())
    }

    /// After a successor that died on its way: nobody can tell whether it had the address of the old one already. So another one
    /// is started as at the beginning. Where it cannot have the address, the old one has it still, and stays.
    async fn fill_the_place(&mut self, plan: &Plan) -> Result<(), PartError> {
        // The address that was told to people, also where the system chose its port.
        let port = self.balancer.as_ref().and_then(Part::port);
        let mut tries_left = 2;
        loop {
            let mut command = plan.balancer(&self.urls);
            port.inspect(|port| command.listen.set_port(*port));
            let mut fresh = Part::keep(command, Words::new(plan.format));
            let failed = match fresh.ready().await {
                Ok(_) => {
                    self.leaving.extend(self.balancer.replace(fresh));
                    return Ok(());
                }
                Err(error) => error,
            };
            if let Some(old) = &self.balancer
                && !old.is_gone()
                && old.leave(false).await.is_ok()
            {
                // It may have been on its way out, and have ended before it heard.
                tokio::time::sleep(plan.settling).await;
                if !old.is_gone() {
                    return Ok(());
                }
            }
            tries_left -= 1;
            if tries_left == 0 {
                return Err(failed);
            }
            tracing::warn!(cause = %failed, "no balancer took the place; it is tried once more");
            tokio::time::sleep(plan.settling).await;
        }
    }

    /// Ends the balancer, so that nobody new comes, then the servers.
    async fn stop(&mut self) {
        let balancers = self.balancer.iter_mut().chain(&mut self.leaving);
        futures::future::join_all(balancers.map(Part::stop)).await;
        futures::future::join_all(self.servers.iter_mut().map(Part::stop)).await;
    }
}

/// A folder that this account alone enters.
fn own_folder(path: &Path) -> std::io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Waits until there is something at a path.
async fn appeared(path: &Path) {
    while !path.exists() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The one line that says where clients come: `ready URL ca FILE`, as `waxd serve` says it.
fn announce(url: &str, ca: Option<&str>) {
    let ca = ca.map(|ca| format!(" ca {ca}")).unwrap_or_default();
    // Nobody may be listening.
    drop(writeln!(std::io::stdout(), "ready {url}{ca}"));
}
