//! What is measured: each row runs in turn with its peers, once without counting and then several times.

use crate::{Ground, text};
use stage::{Doing, Nginx, StageError, sha256_of};
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
}

/// A task and the tools that did it; the first row is Waxwing's.
pub(crate) struct Group {
    pub(crate) task: &'static str,
    pub(crate) bytes: u64,
    pub(crate) rows: Vec<Row>,
}

/// `wax send`, beside curl to nginx with and without making the file durable.
pub(crate) fn send(ground: &Ground, runs: u32) -> Result<Group, StageError> {
    let source = text(&ground.parcel.path);
    let (mut wax, mut plain, mut durable, mut peak) = (Vec::new(), Vec::new(), Vec::new(), None);
    for run in 0..=runs {
        warm(ground.parcel.len);
        let done = ground.alice.wax(&["send", &source, "--to", &ground.bob.address])?;
        let file_id = done.sent_id()?;
        ground.alice.wax(&["rm", &file_id, "--yes"])?;
        peak = peak.max(done.peak);
        count(run, &mut wax, done.took);
        if let Some(nginx) = &ground.nginx {
            warm(ground.parcel.len);
            count(run, &mut plain, put(nginx, &source, false)?);
            warm(ground.parcel.len);
            count(run, &mut durable, put(nginx, &source, true)?);
        }
    }
    let peers = ground.nginx.is_some();
    Ok(Group {
        task: "send, sealed and durable when acknowledged",
        bytes: ground.parcel.len,
        rows: vec![
            Row { tool: "wax send", times: Some(wax), peak },
            Row { tool: "curl -T to nginx, then fsync", times: peers.then_some(durable), peak: None },
            Row { tool: "curl -T to nginx, not durable", times: peers.then_some(plain), peak: None },
        ],
    })
}

/// `wax get`, beside curl from nginx.
pub(crate) fn get(ground: &Ground, runs: u32) -> Result<Group, StageError> {
    let done = ground.alice.wax(&["send", &text(&ground.parcel.path), "--to", &ground.bob.address])?;
    let file_id = done.sent_id()?;
    if let Some(nginx) = &ground.nginx {
        std::fs::copy(&ground.parcel.path, nginx.folder.join("down")).doing("placing the peer's file")?;
    }
    let wanted = sha256_of(&ground.parcel.path)?;
    let (mut wax, mut peer, mut durable, mut peak) = (Vec::new(), Vec::new(), Vec::new(), None);
    for run in 0..=runs {
        let target = ground.path("got");
        warm(ground.parcel.len);
        let done = ground.bob.wax(&["get", &file_id, "-o", &text(&target)])?;
        peak = peak.max(done.peak);
        count(run, &mut wax, done.took);
        if run == 0 && sha256_of(&target)? != wanted {
            return Err(StageError::Broken("what came is not what went".into()));
        }
        remove(&target)?;
        if let Some(nginx) = &ground.nginx {
            let target = ground.path("curled");
            warm(ground.parcel.len);
            count(run, &mut peer, fetch(nginx, &target, false)?);
            remove(&target)?;
            warm(ground.parcel.len);
            count(run, &mut durable, fetch(nginx, &target, true)?);
            remove(&target)?;
        }
    }
    let peers = ground.nginx.is_some();
    Ok(Group {
        task: "get, opened, verified and durable",
        bytes: ground.parcel.len,
        rows: vec![
            Row { tool: "wax get", times: Some(wax), peak },
            Row { tool: "curl -o from nginx, then fsync", times: peers.then_some(durable), peak: None },
            Row { tool: "curl -o from nginx, not durable", times: peers.then_some(peer), peak: None },
        ],
    })
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
