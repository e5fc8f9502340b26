//! Many small files in one command, beside scp of the same.

use crate::rows::{Group, Row, count, warm};
use crate::sshd::Sshd;
use crate::{Ground, text};
use stage::{Doing, Person, StageError};
use std::path::{Path, PathBuf};

const LEN: usize = 10 << 10;

/// `wax send` and `wax get --all` of so many files of 10 KiB, beside scp.
pub(crate) fn both(ground: &Ground, runs: u32, files: u32) -> Result<Vec<Group>, StageError> {
    let sshd = Sshd::start(ground.root.path())?;
    let (mut sending, mut getting, mut copying) = (Vec::new(), Vec::new(), Vec::new());
    let (mut send_peak, mut get_peak) = (None, None);
    for run in 0..=runs {
        let folder = ground.path(&format!("small-{run}"));
        let paths = make(&folder, files, run)?;
        // Somebody new each time: fetching everything then means these files and no others.
        let reader = newcomer(ground, run)?;
        let mut args = vec!["send".to_owned(), "--to".to_owned(), reader.address.clone()];
        args.extend(paths.iter().map(|path| text(path)));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        warm(64 << 20);
        let done = ground.alice.wax(&args)?;
        send_peak = send_peak.max(done.peak);
        count(run, &mut sending, done.took);
        let target = ground.path(&format!("small-got-{run}"));
        std::fs::create_dir(&target).doing("making a folder")?;
        let done = reader.wax(&["get", "--all", "-o", &text(&target)])?;
        get_peak = get_peak.max(done.peak);
        count(run, &mut getting, done.took);
        if run == 0 {
            compare(&paths, &target)?;
        }
        let copied = ground.path(&format!("small-scp-{run}"));
        if let Some(took) = sshd.as_ref().map(|sshd| sshd.copy(&folder, &copied)).transpose()?.flatten() {
            count(run, &mut copying, took);
        }
    }
    let copying = (!copying.is_empty()).then_some(copying);
    let group = |task: &'static str, tool, times, peak| {
        let peer = Row::of("scp -r, neither sealed nor synced", copying.clone(), None);
        Group::of(task, u64::from(files) * LEN as u64, vec![Row::of(tool, Some(times), peak), peer])
    };
    Ok(vec![
        group("send many files of 10 KiB, sealed and durable", "wax send", sending, send_peak),
        group("get many files of 10 KiB, verified and durable", "wax get --all", getting, get_peak),
    ])
}

fn newcomer(ground: &Ground, run: u32) -> Result<Person, StageError> {
    let address = format!("reader{run}@seaside-clinic.example");
    let mut person = Person::new(&format!("Reader{run}"), &address, &ground.wax, ground.root.path())?;
    person.quiet = true;
    person.sign_up(&ground.server)?;
    Ok(person)
}

fn make(folder: &Path, files: u32, run: u32) -> Result<Vec<PathBuf>, StageError> {
    std::fs::create_dir(folder).doing("making a folder")?;
    (0..files)
        .map(|n| {
            let path = folder.join(format!("file-{n:05}.bin"));
            let seed = u64::from(run) << 32 | u64::from(n);
            let bytes: Vec<u8> = (0..LEN as u64 / 8)
                .flat_map(|i| (seed ^ i).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23).to_le_bytes())
                .collect();
            std::fs::write(&path, bytes).doing("writing a small file")?;
            Ok(path)
        })
        .collect()
}

fn compare(paths: &[PathBuf], target: &Path) -> Result<(), StageError> {
    for path in paths {
        let name = path.file_name().unwrap_or_default();
        let (went, came) = (std::fs::read(path), std::fs::read(target.join(name)));
        if went.doing("reading what went")? != came.doing("reading what came")? {
            return Err(StageError::Broken("what came is not what went".into()));
        }
    }
    Ok(())
}
