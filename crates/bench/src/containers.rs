//! Containers: sealing and opening without a server, beside age, which encrypts too, and cp, which does not.

use crate::rows::{Group, Row, count, make_durable, remove, warm};
use crate::{Ground, text};
use stage::{Doing, StageError, sha256_of};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where containers are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In memory, where nothing waits for a disk.
    Memory,
    /// On the disk, every tool's file and folder synced.
    Disk,
}

impl Place {
    fn folder(self, ground: &Ground) -> Result<Option<tempfile::TempDir>, StageError> {
        let root = match self {
            Self::Memory if Path::new("/dev/shm").is_dir() => PathBuf::from("/dev/shm"),
            Self::Memory => return Ok(None),
            Self::Disk => ground.root.path().to_path_buf(),
        };
        tempfile::Builder::new().prefix("waxwing-bench-").tempdir_in(root).map(Some).doing("making a folder")
    }
}

/// `wax seal` and `wax open`, beside `age` and `cp`. Nothing where the place is missing.
pub(crate) fn both(ground: &Ground, runs: u32, place: Place) -> Result<Vec<Group>, StageError> {
    let Some(folder) = place.folder(ground)? else { return Ok(Vec::new()) };
    let at = |name: &str| folder.path().join(name);
    let source = at("parcel.bin");
    std::fs::copy(&ground.parcel.path, &source).doing("placing the file")?;
    ground.alice.wax(&["contacts", "add", &ground.bob.address])?;
    let bench = Bench {
        ground,
        runs,
        place,
        source: &source,
        sealed: &at("sealed"),
        opened: &at("opened"),
        key: at("key"),
    };
    let age = bench.age_recipient()?;
    let sealing = bench.seal(age.as_deref())?;
    let opening = bench.open(age.is_some())?;
    Ok(vec![sealing, opening])
}

struct Bench<'a> {
    ground: &'a Ground,
    runs: u32,
    place: Place,
    source: &'a Path,
    sealed: &'a Path,
    opened: &'a Path,
    key: PathBuf,
}

impl Bench<'_> {
    /// The public key of a fresh age identity; `None` without age.
    fn age_recipient(&self) -> Result<Option<String>, StageError> {
        let made = Command::new("age-keygen").arg("-o").arg(&self.key).stderr(Stdio::null()).status();
        match made {
            Ok(status) if status.success() => {}
            _ => return Ok(None),
        }
        let key = std::fs::read_to_string(&self.key).doing("reading age's key")?;
        Ok(key.lines().find_map(|line| line.strip_prefix("# public key: ")).map(str::to_owned))
    }

    fn seal(&self, age: Option<&str>) -> Result<Group, StageError> {
        let (source, sealed) = (text(self.source), text(self.sealed));
        let (mut wax, mut peer, mut copied, mut peak) = (Vec::new(), Vec::new(), Vec::new(), None);
        for run in 0..=self.runs {
            warm(self.ground.parcel.len);
            let done =
                self.ground.alice.wax(&["seal", &source, "-r", &self.ground.bob.address, "-o", &sealed])?;
            peak = peak.max(done.peak);
            count(run, &mut wax, done.took);
            remove(self.sealed)?;
            if let Some(recipient) = age {
                count(
                    run,
                    &mut peer,
                    self.timed("age", &["-r", recipient, "-o", &sealed, &source], self.sealed)?,
                );
                remove(self.sealed)?;
            }
            count(run, &mut copied, self.timed("cp", &[&source, &sealed], self.sealed)?);
            remove(self.sealed)?;
        }
        let task = match self.place {
            Place::Memory => "seal a container, in memory",
            Place::Disk => "seal a container, on disk and synced",
        };
        Ok(self.group(task, ["wax seal", "age", "cp"], wax, age.map(|_| peer), copied, peak))
    }

    fn open(&self, age: bool) -> Result<Group, StageError> {
        let (source, sealed, opened) = (text(self.source), text(self.sealed), text(self.opened));
        let theirs = self.sealed.with_extension("age");
        self.ground.alice.wax(&["seal", &source, "-r", &self.ground.bob.address, "-o", &sealed])?;
        if age {
            let args = ["-R", &text(&self.public()?), "-o", &text(&theirs), &source];
            self.timed("age", &args, &theirs)?;
        }
        let wanted = sha256_of(self.source)?;
        let (mut wax, mut peer, mut copied, mut peak) = (Vec::new(), Vec::new(), Vec::new(), None);
        for run in 0..=self.runs {
            warm(self.ground.parcel.len);
            let done = self.ground.bob.wax(&["open", &sealed, "-o", &opened])?;
            peak = peak.max(done.peak);
            count(run, &mut wax, done.took);
            if run == 0 && sha256_of(self.opened)? != wanted {
                return Err(StageError::Broken("what came out is not what went in".into()));
            }
            remove(self.opened)?;
            if age {
                let args = ["-d", "-i", &text(&self.key), "-o", &opened, &text(&theirs)];
                count(run, &mut peer, self.timed("age", &args, self.opened)?);
                remove(self.opened)?;
            }
            count(run, &mut copied, self.timed("cp", &[&sealed, &opened], self.opened)?);
            remove(self.opened)?;
        }
        let task = match self.place {
            Place::Memory => "open a container, in memory",
            Place::Disk => "open a container, on disk and synced",
        };
        Ok(self.group(task, ["wax open", "age -d", "cp"], wax, age.then_some(peer), copied, peak))
    }

    /// A file with age's public key, as `-R` takes it.
    fn public(&self) -> Result<PathBuf, StageError> {
        let path = self.key.with_extension("pub");
        let key = std::fs::read_to_string(&self.key).doing("reading age's key")?;
        let public = key.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap_or_default();
        std::fs::write(&path, public).doing("writing age's public key")?;
        Ok(path)
    }

    /// How long a peer takes until its output is there, and durable where that is measured.
    fn timed(&self, tool: &str, args: &[&str], output: &Path) -> Result<Duration, StageError> {
        warm(self.ground.parcel.len);
        let began = Instant::now();
        let status = Command::new(tool).args(args).stderr(Stdio::null()).status().doing("running a peer")?;
        if !status.success() {
            return Err(StageError::Unexpected(format!("{tool} ended with {status}")));
        }
        if self.place == Place::Disk {
            make_durable(output)?;
        }
        Ok(began.elapsed())
    }

    fn group(
        &self,
        task: &'static str,
        tools: [&'static str; 3],
        wax: Vec<Duration>,
        age: Option<Vec<Duration>>,
        copied: Vec<Duration>,
        peak: Option<u64>,
    ) -> Group {
        let [ours, theirs, copy] = tools;
        let rows = vec![
            Row::of(ours, Some(wax), peak),
            Row::of(theirs, age, None),
            Row::of(copy, Some(copied), None),
        ];
        Group::of(task, self.ground.parcel.len, rows)
    }
}
