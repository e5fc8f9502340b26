//! Which processes a cluster is made of, and how each is started.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use server::config::{folder_of, found_folders};
use server::logging::LogFormat;
use tracing::level_filters::LevelFilter;

use super::ClusterArgs;
use super::part::{CommandLine, PartError};

/// Seconds that running requests get to finish at the end of a server or the balancer.
const SHUTDOWN_SECONDS: u64 = 30;
/// How long the balancer may take to see that a server is back: it looks every second.
const NOTICED: Duration = Duration::from_millis(1_500);

/// Where balancers meet, below the data folder.
const BALANCER_FOLDER: &str = "balancer";
/// The longest name of a socket that every system takes, without the 0 at its end.
const LONGEST_SOCKET: usize = 103;

/// What the operator says of the way to clients is for the balancer: servers show it a certificate of the own authority.
/// One address for what they count cannot be that of all.
const NOT_FOR_SERVERS: &[&str] =
    &["TLS_CERT", "TLS_KEY", "WAXD_PLAIN_HTTP", "WAXD_BEHIND_PROXY", "WAXD_ADMIN_LISTEN"];

/// All command lines of a cluster.
pub(super) struct Plan {
    pub(super) servers: Vec<CommandLine>,
    pub(super) format: LogFormat,
    /// How long after a server is ready the next one may go.
    pub(super) settling: Duration,
    /// The socket by which one balancer hands its place over to the next.
    pub(super) meeting: Option<PathBuf>,
    balancer: CommandLine,
}

impl Plan {
    pub(super) fn of(args: &ClusterArgs, level: LevelFilter) -> Result<Self, PartError> {
        let stopped = |why: String| PartError::Start { name: "the cluster".to_owned(), why };
        let program =
            std::env::current_exe().map_err(|error| stopped(format!("waxd is not found: {error}")))?;
        let format = args.log_format;
        let told = [
            "--log".into(),
            level.to_string().to_lowercase().into(),
            "--log-format".into(),
            name(format).into(),
        ];
        let blobs = folders(args);
        let ending = Duration::from_secs(args.drain_seconds + 2 * SHUTDOWN_SECONDS + 5);
        let servers = (0..args.servers).map(|n| {
            let port = if args.ports == 0 {
                0
            } else {
                args.ports.checked_add(n).ok_or_else(|| stopped("there are no such ports".to_owned()))?
            };
            Ok(CommandLine {
                name: format!("server {}", n + 1),
                program: program.clone(),
                before: vec!["serve".into()],
                after: server(args, &blobs, n, &told),
                at_first: Vec::new(),
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                hidden: NOT_FOR_SERVERS,
                ending,
            })
        });
        let servers = servers.collect::<Result<_, _>>()?;
        let mut after: Vec<OsString> = told.to_vec();
        after.extend(["--until-stdin-ends".into(), "--data".into(), args.data.clone().into()]);
        let meeting = meeting_point(&args.data);
        if let Some(socket) = &meeting {
            after.extend(["--hand-over".into(), socket.into()]);
        }
        let balancer = CommandLine {
            name: "balancer".to_owned(),
            program,
            before: vec!["balance".into()],
            after,
            at_first: Vec::new(),
            listen: args.listen,
            hidden: &[],
            ending: Duration::from_secs(SHUTDOWN_SECONDS + 5),
        };
        Ok(Self { servers, format, settling: NOTICED, balancer, meeting })
    }

    /// The balancer, for servers at these addresses.
    pub(super) fn balancer(&self, urls: &[String]) -> CommandLine {
        let mut command = self.balancer.clone();
        for url in urls {
            // Not by the name localhost, which may be another address of this machine first.
            let url = url.replace("//localhost:", "//127.0.0.1:");
            command.after.extend(["--upstream".into(), url.into()]);
        }
        command
    }

    /// A balancer that takes over from the one that runs.
    pub(super) fn successor(&self, urls: &[String]) -> CommandLine {
        CommandLine { at_first: vec!["--take-over".into()], ..self.balancer(urls) }
    }
}

/// A socket of the file system in a folder of its own below the data; `None` where its name would be too long for one.
fn meeting_point(data: &Path) -> Option<PathBuf> {
    let socket = std::path::absolute(data).ok()?.join(BALANCER_FOLDER).join("hand-over");
    (socket.as_os_str().len() <= LONGEST_SOCKET).then_some(socket)
}

/// What a server is told behind its address.
fn server(args: &ClusterArgs, blobs: &[PathBuf], n: u16, told: &[OsString]) -> Vec<OsString> {
    let mut after = told.to_vec();
    let mut say = |flag: &str, value: OsString| after.extend([flag.into(), value]);
    say("--data", args.data.clone().into());
    say("--drain-seconds", args.drain_seconds.to_string().into());
    say("--shutdown-seconds", SHUTDOWN_SECONDS.to_string().into());
    for folder in blobs {
        say("--blobs", folder.into());
    }
    if blobs.len() > 1 {
        say("--own-folder", (usize::from(n) % blobs.len() + 1).to_string().into());
        if let Some(copies) = args.copies {
            say("--copies", copies.to_string().into());
        }
    }
    // Only the balancer connects from this machine, and it writes the header itself.
    say("--trusted-proxies", "127.0.0.0/8,::1".into());
    if let Some(url) = public_url(args) {
        say("--public-url", url.into());
    }
    if !args.listen.ip().to_canonical().is_loopback() {
        after.push("--reached-by-others".into());
    }
    after.push("--until-stdin-ends".into());
    after.extend(args.serve.iter().map(Into::into));
    after
}

/// Where the sealed parts go: as said, or a folder for each server, or nowhere on this machine. Folders that are there are
/// named in any case: parts that were put there before lie there until they are moved.
fn folders(args: &ClusterArgs) -> Vec<PathBuf> {
    if !args.blobs.is_empty() {
        return args.blobs.clone();
    }
    let found = found_folders(&args.data);
    let by_argument = args.serve.iter().any(|argument| argument.starts_with("--store"));
    let by_environment = std::env::var("WAXD_STORE").is_ok_and(|store| store != "local");
    if by_argument || by_environment {
        return found;
    }
    let mut folders = own_folders(&args.data, args.servers);
    let more: Vec<PathBuf> = found.into_iter().filter(|path| !folders.contains(path)).collect();
    folders.extend(more);
    folders
}

/// The folders of a cluster that was told nothing else.
pub(super) fn own_folders(data: &Path, servers: u16) -> Vec<PathBuf> {
    (1..=servers).map(|n| folder_of(data, n.into())).collect()
}

/// Where browsers come: as said, or the balancer's own address where nobody else can connect and it is known.
fn public_url(args: &ClusterArgs) -> Option<String> {
    let own = args.listen.ip().is_loopback() && args.listen.port() != 0;
    args.public_url.clone().or_else(|| own.then(|| format!("https://localhost:{}", args.listen.port())))
}

fn name(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Pretty => "pretty",
        LogFormat::Json => "json",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        cluster: ClusterArgs,
    }

    fn plan(line: &[&str]) -> Plan {
        let args = Line::parse_from(["waxd"].iter().chain(line)).cluster;
        Plan::of(&args, LevelFilter::INFO).unwrap()
    }

    fn said(command: &CommandLine, flag: &str) -> Vec<String> {
        let texts: Vec<String> = command.after.iter().map(|text| text.to_str().unwrap().to_owned()).collect();
        texts.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].clone()).collect()
    }

    #[test]
    fn each_server_has_a_port_and_a_folder_of_its_own_and_knows_all_folders() {
        let plan = plan(&["--data", "/srv/wax", "--", "--parts-at-once", "9"]);
        let ports: Vec<u16> = plan.servers.iter().map(|server| server.listen.port()).collect();
        assert_eq!(ports, [8443, 8444, 8445]);
        for (n, server) in plan.servers.iter().enumerate() {
            assert_eq!(said(server, "--blobs"), ["/srv/wax/blobs-1", "/srv/wax/blobs-2", "/srv/wax/blobs-3"]);
            assert_eq!(said(server, "--own-folder"), [(n + 1).to_string()]);
            assert_eq!(said(server, "--public-url"), ["https://localhost:9000"]);
            assert_eq!(said(server, "--parts-at-once"), ["9"]);
        }
    }

    #[test]
    fn one_folder_that_was_named_is_shared_and_another_store_needs_none() {
        let shared = plan(&["--blobs", "/mnt/parts"]);
        assert_eq!(said(&shared.servers[1], "--blobs"), ["/mnt/parts"]);
        assert_eq!(said(&shared.servers[1], "--own-folder"), Vec::<String>::new());
        assert_eq!(said(&plan(&["--", "--store", "s3"]).servers[0], "--blobs"), Vec::<String>::new());
    }

    #[test]
    fn folders_with_parts_in_them_are_named_whatever_store_new_parts_go_to() {
        let data = tempfile::tempdir().unwrap();
        let at = |name: &str| data.path().join(name).to_str().unwrap().to_owned();
        for name in ["blobs", "blobs-1", "blobs-2", "blobs-3"] {
            std::fs::create_dir(data.path().join(name)).unwrap();
        }
        let path = data.path().to_str().unwrap();
        let all = ["blobs-1", "blobs-2", "blobs-3", "blobs"].map(at);
        assert_eq!(said(&plan(&["--data", path, "--", "--store", "s3"]).servers[0], "--blobs"), all);
        assert_eq!(said(&plan(&["--data", path, "--servers", "1"]).servers[0], "--blobs"), all);
        let more = plan(&["--data", path, "--servers", "4"]);
        assert_eq!(
            said(&more.servers[3], "--blobs"),
            ["blobs-1", "blobs-2", "blobs-3", "blobs-4", "blobs"].map(at)
        );
        assert_eq!(said(&more.servers[3], "--own-folder"), ["4"]);
    }

    #[test]
    fn servers_behind_a_balancer_that_others_reach_are_told_so_and_guess_no_public_address() {
        let public = plan(&["--listen", "0.0.0.0:443"]);
        assert_eq!(said(&public.servers[0], "--public-url"), Vec::<String>::new());
        assert!(public.servers[0].after.contains(&"--reached-by-others".into()));
        assert!(!plan(&[]).servers[0].after.contains(&"--reached-by-others".into()));
        let said = said(&public.balancer(&["https://localhost:8443".to_owned()]), "--upstream");
        assert_eq!(said, ["https://127.0.0.1:8443"]);
    }
}
