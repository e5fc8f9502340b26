//! What is measured: each row runs in turn with its peers, once without counting and then several times.

use crate::{Ground, text};
use stage::{Doing, Nginx, StageError, sha256_of, spent_by, spent_by_children};
use std::borrow::Cow;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// One tool's figures.
pub(crate) struct Row {
    pub(crate) tool: &'static str,
    /// None: the tool is not installed.
    pub(crate) times: Option<Vec<Duration>>,
    /// Peak of resident memory, bytes, where it is known.
    pub(crate) peak: Option<u64>,
    /// Processor time of each counted run, where it was measured.
    pub(crate) spent: Vec<Spent>,
}

impl Row {
    pub(crate) fn of(tool: &'static str, times: Option<Vec<Duration>>, peak: Option<u64>) -> Self {
        Self { tool, times, peak, spent: Vec::new() }
    }
}

/// Processor time of one run.
#[derive(Clone, Copy)]
pub(crate) struct Spent {
    /// Of the client: whatever this process started and waited for.
    pub(crate) client: Duration,
    /// Of what it spoke to.
    pub(crate) beyond: Duration,
}

/// Takes note of what processes have spent before a run.
pub(crate) struct Meter {
    pids: Vec<u32>,
    before: Option<Spent>,
}

impl Meter {
    pub(crate) fn on(pids: Vec<u32>) -> Self {
        let before = Self::now(&pids);
        Self { pids, before }
    }

    /// What they spent since; none where the kernel does not tell it.
    pub(crate) fn spent(&self) -> Option<Spent> {
        let (before, now) = (self.before?, Self::now(&self.pids)?);
        Some(Spent {
            client: now.client.saturating_sub(before.client),
            beyond: now.beyond.saturating_sub(before.beyond),
        })
    }

    fn now(pids: &[u32]) -> Option<Spent> {
        Some(Spent { client: spent_by_children()?, beyond: spent_by(pids)? })
    }
}

/// A task and the tools that did it; the first row is Waxwing's.
pub(crate) struct Group {
    pub(crate) task: Cow<'static, str>,
    pub(crate) bytes: u64,
    /// Whose processor time stands beside the client's.
    pub(crate) beyond: &'static str,
    pub(crate) rows: Vec<Row>,
}

impl Group {
    pub(crate) fn of(task: impl Into<Cow<'static, str>>, bytes: u64, rows: Vec<Row>) -> Self {
        Self { task: task.into(), bytes, rows, beyond: "server" }
    }
}

/// The figures of one tool while they are gathered.
#[derive(Default)]
pub(crate) struct Series {
    times: Vec<Duration>,
    spent: Vec<Spent>,
    peak: Option<u64>,
}

impl Series {
    /// The first run warms caches; of it only the memory counts.
    pub(crate) fn add(&mut self, run: u32, took: Duration, peak: Option<u64>, meter: &Meter) {
        self.peak = self.peak.max(peak);
        if run > 0 {
            self.times.push(took);
            self.spent.extend(meter.spent());
        }
    }

    /// The row of a tool; "not measured" when it is not here.
    pub(crate) fn row(self, tool: &'static str, is_here: bool) -> Row {
        let times = is_here.then_some(self.times);
        Row { tool, times, peak: self.peak, spent: self.spent }
    }
}

/// `wax send`, beside curl to nginx with and without making the file durable.
pub(crate) fn send(ground: &Ground, runs: u32) -> Result<Group, StageError> {
    let source = text(&ground.parcel.path);
    let (mut wax, mut plain, mut durable) = (Series::default(), Series::default(), Series::default());
    for run in 0..=runs {
        warm(ground.parcel.len);
        let meter = Meter::on(vec![ground.server.pid()]);
        let done = ground.alice.wax(&["send", &source, "--to", &ground.bob.address])?;
        wax.add(run, done.took, done.peak, &meter);
        ground.alice.wax(&["rm", &done.sent_id()?, "--yes"])?;
        let Some(nginx) = &ground.nginx else { continue };
        for (series, is_durable) in [(&mut plain, false), (&mut durable, true)] {
            warm(ground.parcel.len);
            let meter = Meter::on(nginx.workers());
            series.add(run, put(nginx, &source, is_durable)?, None, &meter);
        }
    }
    let peers = ground.nginx.is_some();
    let rows = vec![
        wax.row("wax send", true),
        durable.row("curl -T to nginx, then fsync", peers),
        plain.row("curl -T to nginx, not durable", peers),
    ];
    Ok(Group::of("send, sealed and durable when acknowledged", ground.parcel.len, rows))
}

/// `wax get`, beside curl from nginx.
pub(crate) fn get(ground: &Ground, runs: u32) -> Result<Group, StageError> {
    let done = ground.alice.wax(&["send", &text(&ground.parcel.path), "--to", &ground.bob.address])?;
    let file_id = done.sent_id()?;
    if let Some(nginx) = &ground.nginx {
        std::fs::copy(&ground.parcel.path, nginx.folder.join("down")).doing("placing the peer's file")?;
    }
    let wanted = sha256_of(&ground.parcel.path)?;
    let (mut wax, mut plain, mut durable) = (Series::default(), Series::default(), Series::default());
    for run in 0..=runs {
        let target = ground.path("got");
        warm(ground.parcel.len);
        let meter = Meter::on(vec![ground.server.pid()]);
        let done = ground.bob.wax(&["get", &file_id, "-o", &text(&target)])?;
        wax.add(run, done.took, done.peak, &meter);
        if run == 0 && sha256_of(&target)? != wanted {
            return Err(StageError::Broken("what came is not what went".into()));
        }
        remove(&target)?;
        let Some(nginx) = &ground.nginx else { continue };
        let target = ground.path("curled");
        for (series, is_durable) in [(&mut plain, false), (&mut durable, true)] {
            warm(ground.parcel.len);
            let meter = Meter::on(nginx.workers());
            series.add(run, fetch(nginx, &target, is_durable)?, None, &meter);
            remove(&target)?;
        }
    }
    let peers = ground.nginx.is_some();
    let rows = vec![
        wax.row("wax get", true),
        durable.row("curl -o from nginx, then fsync", peers),
        plain.row("curl -o from nginx, not durable", peers),
    ];
    Ok(Group::of("get, opened, verified and durable", ground.parcel.len, rows))
}

/// Takes as much memory as a run will need and gives it back, so that every tool finds it warm: a virtual machine
/// hands freed memory back to its host, and whoever comes next would pay for fetching it again.
pub(crate) fn warm(bytes: u64) {
    let len = usize::try_from(bytes).unwrap_or(usize::MAX).min(4 << 30);
    std::hint::black_box(vec![1_u8; len]);
}

/// The first run warms caches and is not counted.
pub(crate) fn count(run: u32, times: &mut Vec<Duration>, took: Duration) {
    if run > 0 {
        times.push(took);
    }
}

fn put(nginx: &Nginx, source: &str, durable: bool) -> Result<Duration, StageError> {
    let landed = nginx.folder.join("up");
    if landed.exists() {
        remove(&landed)?;
    }
    let began = Instant::now();
    curl(nginx, &["-T", source, &format!("{}/up", nginx.url)])?;
    if durable {
        make_durable(&landed)?;
    }
    Ok(began.elapsed())
}

fn fetch(nginx: &Nginx, target: &Path, durable: bool) -> Result<Duration, StageError> {
    let began = Instant::now();
    curl(nginx, &["-o", &text(target), &format!("{}/down", nginx.url)])?;
    if durable {
        make_durable(target)?;
    }
    Ok(began.elapsed())
}

fn curl(nginx: &Nginx, args: &[&str]) -> Result<(), StageError> {
    let status = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--http1.1", "--cacert"])
        .arg(&nginx.ca)
        .args(args)
        .status()
        .doing("running curl")?;
    if status.success() { Ok(()) } else { Err(StageError::Unexpected(format!("curl ended with {status}"))) }
}

pub(crate) fn make_durable(path: &Path) -> Result<(), StageError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(path).and_then(|file| file.sync_all()).doing("syncing the peer's file")?;
    File::open(folder).and_then(|folder| folder.sync_all()).doing("syncing the peer's folder")
}

pub(crate) fn remove(path: &Path) -> Result<(), StageError> {
    std::fs::remove_file(path).doing("removing a file")
}
