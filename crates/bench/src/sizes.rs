//! The table by sizes: sealing, opening and RSA keys, beside the figures that the documents of the way before give.
//!
//! Those figures were measured by others on other machines and are labelled so: they are no peers.

use crate::rows::{remove, warm};
use crate::table::Sheet;
use crate::{Ground, text};
use serde_json::json;
use stage::{Parcel, StageError};
use std::path::Path;
use std::time::Duration;

/// Sizes in MB (the last in MiB, as documented), and the documented seconds.
const SIZES: [(u64, &str, &str); 5] = [
    (1_000_000, "1 MB", "0.05 s"),
    (10_000_000, "10 MB", "0.3 s"),
    (100_000_000, "100 MB", "2.8 s"),
    (500_000_000, "500 MB", "14 s"),
    (1 << 30, "1,024 MiB", "28 s"),
];

/// Lengths of RSA keys, and the documented seconds of making one.
const KEYS: [(&str, &str); 3] = [("2048", "0.5 s"), ("3072", ""), ("4096", "3 to 5 s")];

/// Seals and opens a file of each size, and makes a key of each length, on the disk and synced.
pub(crate) fn measure(ground: &Ground, runs: u32) -> Result<Vec<Sheet>, StageError> {
    ground.alice.wax(&["contacts", "add", &ground.bob.address])?;
    ground.bob.wax(&["contacts", "add", &ground.alice.address])?;
    Ok(vec![files(ground, runs)?, keys(ground, runs)?])
}

fn files(ground: &Ground, runs: u32) -> Result<Sheet, StageError> {
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    let (sealed, opened) = (ground.path("sized.wax"), ground.path("sized.out"));
    for (len, name, documented) in SIZES {
        let source = Parcel::make(&ground.path("sized"), len)?;
        let seal = ["seal", &text(&source.path), "-r", &ground.bob.address, "-o", &text(&sealed)];
        let open = ["open", &text(&sealed), "-o", &text(&opened)];
        let (mut sealing, mut opening) = (Vec::new(), Vec::new());
        for run in 0..=runs {
            warm(len);
            let (did, undid) = (ground.alice.wax(&seal)?.took, ground.bob.wax(&open)?.took);
            if run > 0 {
                sealing.push(did);
                opening.push(undid);
            }
            remove(&sealed)?;
            remove(&opened)?;
        }
        remove(&source.path)?;
        let (sealing, opening) = (median(sealing), median(opening));
        rows.push(vec![name.into(), seconds(sealing), seconds(opening), documented.into()]);
        figures.push(json!({
            "bytes": len, "seal_seconds": sealing.as_secs_f64(), "open_seconds": opening.as_secs_f64(),
        }));
    }
    Ok(Sheet {
        title: format!("seal and open by size, from disk to disk and synced (medians of {runs})"),
        head: vec!["size", "wax seal", "wax open", "documented for the way before, on another machine"],
        rows,
        figures: json!(figures),
    })
}

fn keys(ground: &Ground, runs: u32) -> Result<Sheet, StageError> {
    let (mut rows, mut figures) = (Vec::new(), Vec::new());
    for (bits, documented) in KEYS {
        let out = text(&ground.path("key.pem"));
        let args = ["keys", "generate", "--rsa", bits, "--out", &out, "--force", "--passphrase-fd", "0"];
        let mut times = Vec::new();
        for _ in 0..runs.max(5) {
            times.push(ground.alice.wax_unlocking(&args)?.took);
        }
        let time = median(times);
        rows.push(vec![format!("RSA {bits}"), seconds(time), documented.into()]);
        figures.push(json!({ "bits": bits, "seconds": time.as_secs_f64() }));
        for name in ["key.pem", "key.pub.pem"] {
            let path = ground.path(name);
            if Path::new(&path).exists() {
                remove(&path)?;
            }
        }
    }
    Ok(Sheet {
        title: "a new RSA key, encrypted and written (medians)".into(),
        head: vec!["key", "wax keys generate", "documented for the way before, on another machine"],
        rows,
        figures: json!(figures),
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
