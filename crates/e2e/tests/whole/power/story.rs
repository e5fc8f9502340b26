//! The story that is recorded: a first start, two people, files that are sent, one that is removed, a restart.

use super::chance::Chance;
use super::homes::{Homes, send_keeping_journal};
use super::recording::{Answer, CALLS, Recording};
use super::trace;
use crate::scene::{Scene, executable};
use stage::{Parcel, Server, ServerOptions, sha256_of, text_at};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// More than any write to the database; of sealed parts the finished files tell the rest.
const SHOWN: usize = 9_000;

/// Content of one segment, of which a file has only one leaf.
const SEGMENT: u64 = 262_112;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Story {
    pub(crate) scene: Scene,
    pub(crate) recording: Recording,
    /// The line by which both people had been told that they are signed up.
    pub(crate) signed_up: usize,
    pub(crate) sent: Vec<Sent>,
    /// Of the server, so that it can come back where people look for it.
    pub(crate) port: u16,
}

/// A file that was sent, and the lines on which something was promised of it.
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) args: Vec<String>,
    pub(crate) digest: String,
    /// Blobs that were promised together with its completion, beside those of its parts: its leaves, if they are more
    /// than one, or all of it, if it came whole.
    pub(crate) blobs: usize,
    /// The journal of the upload as it was at its end, unless that came too soon to be seen.
    pub(crate) journal: Option<PathBuf>,
    /// Its sender began to send it at some time after this.
    pub(crate) begun: usize,
    /// Its sender was told that it is complete.
    pub(crate) told: usize,
    /// Its sender began to remove it at some time after this.
    pub(crate) doomed: Option<usize>,
    /// Its sender was told that it is gone.
    pub(crate) gone: Option<usize>,
}

impl Sent {
    /// Whether it must be there if the power goes at a line.
    pub(crate) fn is_owed(&self, at: usize) -> bool {
        self.told <= at && self.doomed.is_none_or(|doomed| at < doomed)
    }

    /// Whether it may be there.
    pub(crate) fn is_possible(&self, at: usize) -> bool {
        self.begun <= at && self.gone.is_none_or(|gone| at < gone)
    }
}

/// What happens after the sign-up.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// A file of so many bytes.
    Send(u64),
    /// So many small files in one request.
    Together(u32),
    /// Of the file that was sent as the `n`th.
    Remove(usize),
    /// In good order, and again.
    Restart,
    /// kill -9, and again.
    Kill,
}

/// Plays and records it.
pub(crate) fn play(steps: &[Step]) -> Story {
    let mut recorder = None;
    let (scene, server) = Scene::new(|root| {
        let recorder = recorder.insert(Recorder::new(root));
        recorder.start(quiet_port())
    });
    let mut recorder = recorder.expect("the scene has started its server");
    let port = server.port().unwrap();
    let mut server = Some(server);
    let signed_up = recorder.lines();
    let mut windows = Vec::new();
    let mut sent: Vec<Sent> = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let from = recorder.lines();
        match step {
            Step::Send(len) => {
                let parcel = Parcel::make(&scene.path(&format!("sent-{n}.bin")), *len).unwrap();
                let source = parcel.path.to_str().unwrap();
                let args = ["send", source, "--no-compress", "--to", &scene.bob.address];
                let journal = scene.path(&format!("sent-{n}.wxj"));
                let (done, seen) = send_keeping_journal(&scene.alice, &args, &journal);
                sent.push(Sent {
                    id: done.sent_id().unwrap(),
                    args: args.map(str::to_owned).to_vec(),
                    digest: sha256_of(&parcel.path).unwrap(),
                    blobs: usize::from(*len > SEGMENT),
                    journal: seen.then_some(journal),
                    begun: from,
                    told: 0,
                    doomed: None,
                    gone: None,
                });
                windows.push((from, recorder.lines(), *step, sent.len() - 1));
            }
            Step::Together(count) => {
                let first = sent.len();
                sent.extend(send_together(&scene, n, *count, from));
                windows.extend((first..sent.len()).map(|which| (from, recorder.lines(), *step, which)));
            }
            Step::Remove(which) => {
                scene.alice.wax(&["rm", &sent[*which].id, "--yes"]).unwrap();
                sent[*which].doomed = Some(from);
                windows.push((from, recorder.lines(), *step, *which));
            }
            Step::Restart | Step::Kill => {
                recorder.keep_blobs();
                let running = server.take().expect("every stop is followed by a start");
                if matches!(step, Step::Kill) {
                    running.kill().unwrap()
                } else {
                    drop(running)
                }
                recorder.ended();
                server = Some(recorder.start(port));
            }
        }
    }
    recorder.keep_blobs();
    server.expect("every stop is followed by a start").kill().unwrap();
    recorder.ended();
    let recording = recorder.recording();
    let last = |from: usize, to: usize, of: &dyn Fn(&Answer) -> bool| {
        let mut answers = recording.answers.iter().rev();
        let answer = answers.find(|answer| from <= answer.at && answer.at < to && of(answer));
        answer.expect("what succeeded was answered").at
    };
    let signed_up = last(0, signed_up, &|answer| answer.status < 300);
    for (from, to, step, which) in windows {
        match step {
            Step::Send(_) | Step::Together(_) => {
                sent[which].told = last(from, to, &|answer| is_completion(answer))
            }
            _ => {
                let told = last(from, to, &|answer| answer.method == "DELETE" && answer.status == 204);
                sent[which].gone = Some(told);
            }
        }
    }
    scene.keep_homes();
    Story { scene, recording, signed_up, sent, port }
}

/// Small files of differing lengths, in one request.
fn send_together(scene: &Scene, step: usize, count: u32, begun: usize) -> Vec<Sent> {
    let make = |n: u32| {
        let path = scene.path(&format!("sent-{step}-{n}.bin"));
        Parcel::make(&path, 1_000 + u64::from(n) * 4_000).unwrap()
    };
    let parcels: Vec<Parcel> = (0..count).map(make).collect();
    let mut args = vec!["send", "--no-compress", "--to", &scene.bob.address];
    args.extend(parcels.iter().map(|parcel| parcel.path.to_str().unwrap()));
    let done = scene.alice.wax(&args).unwrap();
    let files = done.said["files"].as_array().unwrap();
    assert_eq!(files.len(), parcels.len());
    let sent = files.iter().zip(&parcels).map(|(file, parcel)| Sent {
        id: text_at(file, "id").unwrap(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        digest: sha256_of(&parcel.path).unwrap(),
        blobs: 1,
        journal: None,
        begun,
        told: 0,
        doomed: None,
        gone: None,
    });
    sent.collect()
}

/// Whether a sender was told that a file, or several, are complete.
fn is_completion(answer: &Answer) -> bool {
    let route = &answer.route;
    answer.method == "POST"
        && (route.ends_with("/complete") || route.ends_with("/batch"))
        && answer.status == 200
}

/// Whether a sender was told that a part is kept.
pub(crate) fn is_part(answer: &Answer) -> bool {
    answer.method == "PUT" && answer.route.contains("/parts/") && answer.status == 200
}

/// The places of a scene that the recording concerns.
pub(crate) trait Watched {
    /// The folder whose disk is watched. The server's data folder is in it, and is made by the server.
    fn host(&self) -> PathBuf;
    /// A file of the server as it was when it was finished.
    fn finished(&self, path: &Path) -> Option<PathBuf>;
}

impl Watched for Scene {
    fn host(&self) -> PathBuf {
        self.path("host")
    }

    fn finished(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix("server/blobs").ok()?;
        Some(self.path("finished").join(path.file_name()?)).filter(|kept| kept.is_file())
    }
}

/// A port that the system gives to nobody by itself, so that it is free whenever the server comes back.
fn quiet_port() -> u16 {
    let mut chance = Chance::seeded(Chance::new_seed());
    let ports = std::iter::repeat_with(|| u16::try_from(20_000 + chance.below(10_000)).unwrap());
    ports.take(100).find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).unwrap()
}

/// Starts servers under strace and gathers what it writes.
struct Recorder {
    root: PathBuf,
    /// One for each start.
    traces: Vec<PathBuf>,
    /// Lines of the traces before the newest.
    before: usize,
}

impl Recorder {
    fn new(root: &Path) -> Self {
        std::fs::create_dir(root.join("host")).unwrap();
        std::fs::create_dir(root.join("finished")).unwrap();
        Self { root: root.to_owned(), traces: Vec::new(), before: 0 }
    }

    fn start(&mut self, port: u16) -> Server {
        self.before = self.lines();
        let trace = self.root.join(format!("trace-{}", self.traces.len()));
        // With -D the process that is started is the server, and strace watches it from a process of its own.
        let script = format!(
            "#!/bin/sh\nexec strace -D -f --seccomp-bpf -xx -y -s {SHOWN} -o '{}' -e trace={CALLS} '{}' \"$@\"\n",
            trace.display(),
            executable("waxd").display(),
        );
        let waxd = trace.with_extension("sh");
        std::fs::write(&waxd, script).unwrap();
        std::fs::set_permissions(&waxd, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.traces.push(trace);
        let (data, logs) = (self.root.join("host/server"), self.root.join("logs"));
        let options = ServerOptions { waxd: &waxd, data: &data, logs: &logs, port, quiet: true, more: &[] };
        Server::start(&options).expect("strace is installed and may watch processes")
    }

    /// Lines so far: whatever the server has told anybody has been written by now.
    fn lines(&self) -> usize {
        let newest = self.traces.last().map(|trace| std::fs::read(trace).unwrap_or_default());
        self.before + newest.map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
    }

    /// Waits until the newest trace tells the end of its process.
    fn ended(&self) {
        let trace = self.traces.last().expect("a server was started");
        let began = Instant::now();
        loop {
            let text = std::fs::read_to_string(trace).unwrap();
            let main = text.split(' ').next().unwrap_or_default();
            if text.ends_with('\n')
                && text.lines().any(|line| line.starts_with(main) && line.contains(" +++ "))
            {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "strace does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A second name for every blob, because the server may delete its own.
    fn keep_blobs(&self) {
        let mut folders = vec![self.root.join("host/server/blobs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let kept = self.root.join("finished").join(entry.file_name());
                if !kept.exists() {
                    std::fs::hard_link(entry.path(), kept).unwrap();
                }
            }
        }
    }

    fn recording(&self) -> Recording {
        let mut processes = Vec::new();
        let mut lines = 0;
        for trace in &self.traces {
            let text = std::fs::read_to_string(trace).unwrap();
            processes.push(trace::read(&text, lines).unwrap());
            lines += text.lines().count();
        }
        Recording::follow(&self.root.join("host"), &processes, lines).unwrap()
    }
}
