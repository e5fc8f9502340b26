//! How long starting takes: the server until it is ready, and the command line until it has printed its help.

use super::pages::ms;
use crate::beside;
use crate::table::Sheet;
use serde_json::json;
use stage::{Doing, Server, ServerOptions, StageError};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Counted starts.
const STARTS: usize = 15;

pub(super) fn measure(root: &Path) -> Result<Sheet, StageError> {
    let folder = root.join("starts");
    let (first, again) = servers(&folder)?;
    let help = commands(&["--help"])?;
    let lines = [
        ("`waxd serve`, ready, new data folder", first),
        ("`waxd serve`, ready, again", again),
        ("`wax --help`", help),
    ];
    Ok(Sheet {
        title: format!("start (medians of {STARTS})"),
        head: vec!["what", "median", "slowest"],
        rows: lines
            .iter()
            .map(|(what, times)| vec![(*what).into(), ms(times[times.len() / 2]), ms(times[times.len() - 1])])
            .collect(),
        figures: json!(
            lines
                .iter()
                .map(|(what, times)| json!({
                    "what": what, "seconds": times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>(),
                }))
                .collect::<Vec<_>>()
        ),
    })
}

fn servers(folder: &Path) -> Result<(Vec<Duration>, Vec<Duration>), StageError> {
    let (waxd, logs) = (beside("waxd")?, folder.join("logs"));
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for n in 0..=STARTS {
        let data = folder.join(n.to_string());
        let options =
            ServerOptions { waxd: &waxd, data: &data, logs: &logs, port: 0, quiet: true, more: &[] };
        let made = Server::start(&options)?.started_in;
        let found = Server::start(&options)?.started_in;
        if n > 0 {
            first.push(made);
            again.push(found);
        }
    }
    first.sort();
    again.sort();
    Ok((first, again))
}

fn commands(args: &[&str]) -> Result<Vec<Duration>, StageError> {
    let wax = beside("wax")?;
    let mut times = Vec::new();
    for n in 0..=STARTS {
        let began = Instant::now();
        let status = Command::new(&wax).args(args).stdout(Stdio::null()).status().doing("running wax")?;
        if !status.success() {
            return Err(StageError::Unexpected(format!("wax ended with {status}")));
        }
        if n > 0 {
            times.push(began.elapsed());
        }
    }
    times.sort();
    Ok(times)
}
