//! Speed beside tools that do not seal: each row and its peers in the same run on the same machine, in turn.

mod balanced;
mod containers;
mod full;
mod rows;
mod sizes;
mod small;
mod sshd;
mod table;
mod v0;

use clap::{Parser, ValueEnum};
use containers::Place;
use full::{Scale, Wanted};
use rows::Group;
use stage::{Doing, Nginx, Parcel, Person, Role, Server, ServerOptions, StageError};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use table::Sheet;

/// Measure Waxwing beside its peers
#[derive(Parser)]
pub(crate) struct BenchArgs {
    /// Size of the file that goes around, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    size: u64,
    /// Counted runs of each row, after one that is not counted
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    runs: u32,
    /// Small files that are sent together
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    files: u32,
    /// Files in the list of which pages are fetched
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    listed: u64,
    /// Transfers at once
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    transfers: u32,
    /// The network between client and server in the second rows of the balancer, in Mbit/s
    #[arg(long, value_name = "MBIT", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    link: u64,
    /// Only these rows
    #[arg(long, value_name = "ROWS", value_delimiter = ',')]
    only: Vec<Rows>,
    /// Also write the figures as JSON here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where files are kept while it runs: a folder of the disk to be measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// `wax send` beside curl to nginx
    Send,
    /// `wax get` beside curl from nginx
    Get,
    /// `wax send` and `wax get` through the balancer, beside no balancer, HAProxy and nginx; as fast as this machine goes,
    /// and over a network
    Balancer,
    /// Many small files beside scp
    Small,
    /// `wax seal` and `wax open` beside age and cp
    Containers,
    /// `wax seal` and `wax open` of several sizes, and RSA keys
    Sizes,
    /// Pages of a very long list, and requests beside a handler that asks nobody who they are
    Listing,
    /// Many transfers at once at a server that holds much
    Capacity,
    /// Starting `waxd` and `wax`
    Start,
    /// The documented API (v0) beside Flask and gunicorn
    V0,
}

fn main() -> ExitCode {
    // Only the first of a process succeeds, and this is the first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(&BenchArgs::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that is measured: a server, two people, a peer, a file.
pub(crate) struct Ground {
    pub(crate) alice: Person,
    pub(crate) bob: Person,
    pub(crate) nginx: Option<Nginx>,
    pub(crate) server: Server,
    pub(crate) parcel: Parcel,
    pub(crate) wax: PathBuf,
    pub(crate) root: tempfile::TempDir,
}

impl Ground {
    fn prepare(args: &BenchArgs) -> Result<Self, StageError> {
        let root = folder(args)?;
        let path = root.path().canonicalize().doing("finding the folder")?;
        let (data, logs) = (path.join("server"), path.join("logs"));
        let waxd = beside("waxd")?;
        let quiet = ServerOptions { waxd: &waxd, data: &data, logs: &logs, port: 0, quiet: true, more: &[] };
        let server = Server::start(&quiet)?;
        let wax = beside("wax")?;
        let mut alice = Person::new("Alice", "alice@lindenhof-law.example", &wax, &path)?;
        let mut bob = Person::new("Bob", "bob@seaside-clinic.example", &wax, &path)?;
        for person in [&mut alice, &mut bob] {
            person.quiet = true;
            person.sign_up(&server)?;
        }
        // The peer is driven by curl: without it nginx is of no use.
        let peer = stage::nginx_is_installed() && Command::new("curl").arg("-V").output().is_ok();
        let nginx = if peer { Some(Nginx::start(&path, Role::Files)?) } else { None };
        let parcel = Parcel::make(&path.join("parcel.bin"), args.size << 20)?;
        Ok(Self { alice, bob, nginx, server, parcel, wax, root })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

fn run(args: &BenchArgs) -> Result<(), StageError> {
    let (mut groups, mut sheets) = transfers(args)?;
    if wanted(args, Rows::V0) {
        let root = folder(args)?;
        let path = root.path().canonicalize().doing("finding the folder")?;
        let of_v0 = v0::groups(&path, &beside("waxd")?, args.runs)?;
        table::print_groups(&of_v0);
        groups.extend(of_v0);
    }
    if wanted(args, Rows::Balancer) {
        for link in [None, Some(args.link)] {
            let root = folder(args)?;
            let path = root.path().canonicalize().doing("finding the folder")?;
            let through = balanced::groups(&path, args.size << 20, args.runs, link)?;
            table::print_groups(&through);
            groups.extend(through);
        }
    }
    sheets.extend(full(args)?);
    for sheet in &sheets {
        table::print_sheet(sheet);
    }
    if let Some(path) = &args.json {
        table::write_json(path, &groups, &sheets)?;
    }
    Ok(())
}

fn wanted(args: &BenchArgs, rows: Rows) -> bool {
    args.only.is_empty() || args.only.contains(&rows)
}

/// Rows of files that go around, with their peers; printed as soon as they are there.
fn transfers(args: &BenchArgs) -> Result<(Vec<Group>, Vec<Sheet>), StageError> {
    let (mut groups, mut sheets) = (Vec::new(), Vec::new());
    let own = [Rows::Send, Rows::Get, Rows::Small, Rows::Containers, Rows::Sizes];
    if !own.into_iter().any(|rows| wanted(args, rows)) {
        return Ok((groups, sheets));
    }
    let ground = Ground::prepare(args)?;
    if wanted(args, Rows::Send) {
        groups.push(rows::send(&ground, args.runs)?);
    }
    if wanted(args, Rows::Get) {
        groups.push(rows::get(&ground, args.runs)?);
    }
    if wanted(args, Rows::Small) {
        groups.extend(small::both(&ground, args.runs, args.files)?);
    }
    if wanted(args, Rows::Containers) {
        for place in [Place::Memory, Place::Disk] {
            groups.extend(containers::both(&ground, args.runs, place)?);
        }
    }
    if wanted(args, Rows::Sizes) {
        sheets.extend(sizes::measure(&ground, args.runs)?);
    }
    table::print(&ground, &groups);
    Ok((groups, sheets))
}

/// Rows of a server that holds much.
fn full(args: &BenchArgs) -> Result<Vec<Sheet>, StageError> {
    let all =
        [(Rows::Start, Wanted::Start), (Rows::Listing, Wanted::Listing), (Rows::Capacity, Wanted::Capacity)];
    let wanted: Vec<Wanted> =
        all.into_iter().filter(|(rows, _)| wanted(args, *rows)).map(|(_, wanted)| wanted).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let root = folder(args)?;
    let transfers = usize::try_from(args.transfers).unwrap_or(usize::MAX);
    full::measure(
        &root.path().canonicalize().doing("finding the folder")?,
        &Scale { listed: args.listed, accounts: 10_000, transfers },
        &wanted,
    )
}

/// A folder that goes away with everything in it.
fn folder(args: &BenchArgs) -> Result<tempfile::TempDir, StageError> {
    tempfile::Builder::new().prefix("waxwing-bench-").tempdir_in(&args.dir).doing("making a folder")
}

/// An executable of the same build.
fn beside(name: &str) -> Result<PathBuf, StageError> {
    let path = std::env::current_exe().doing("finding the executables")?.with_file_name(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(StageError::Unexpected(format!("{} is not built", path.display())))
    }
}

/// Makes a path into an argument.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
