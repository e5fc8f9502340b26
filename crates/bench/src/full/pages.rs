//! Pages of a list: how long one takes, and how many a second beside a handler that runs the same SQL for anybody.

use super::peer::Peer;
use super::{Caller, good, unexpected};
use crate::table::Sheet;
use futures::future::try_join_all;
use proto::{B64, FilePage};
use serde_json::json;
use stage::StageError;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rows of a page, as clients ask for them.
const ROWS: u32 = 50;
/// Pages that are timed one after the other.
const PAGES: u32 = 2_000;
/// Callers at once, and pages that each of them fetches in one round.
const CALLERS: u32 = 8;
const EACH: u32 = 100;
/// Rounds of server and peer in turn.
const ROUNDS: usize = 5;

/// How long one page took.
pub(super) struct Times {
    files: u64,
    sorted: Vec<Duration>,
    octets: usize,
}

/// Pages from everywhere in the list, one after the other.
pub(super) async fn times(caller: &Caller, files: u64) -> Result<Times, StageError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(unexpected)?.as_secs();
    let (mut sorted, mut octets) = (Vec::new(), 0);
    for n in 0..PAGES + 100 {
        // Every place of the list is as likely; the first page is one of them.
        let age = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15) % files;
        let began = Instant::now();
        let page = page(caller, Some(now - age)).await?;
        let took = began.elapsed();
        octets = octets.max(page.len());
        if n == 0 {
            full(&page)?;
        }
        // The first hundred warm connection and caches.
        if n >= 100 {
            sorted.push(took);
        }
    }
    sorted.sort();
    Ok(Times { files, sorted, octets })
}

/// A page must be what it claims to be, or nothing was measured.
fn full(page: &[u8]) -> Result<(), StageError> {
    let page: FilePage = serde_json::from_slice(page).map_err(unexpected)?;
    if page.files.len() == ROWS as usize {
        Ok(())
    } else {
        Err(StageError::Broken(format!("a page of {} rows", page.files.len())))
    }
}

async fn page(caller: &Caller, before: Option<u64>) -> Result<bytes::Bytes, StageError> {
    let after = before.map_or_else(String::new, |time| {
        let mut cursor = time.to_be_bytes().to_vec();
        cursor.extend_from_slice(&[0xFF; 16]);
        format!("&after={}", B64(cursor).to_text())
    });
    let url = format!("{}/api/v1/files?limit={ROWS}{after}", caller.url);
    let reply = caller.http.get(url).bearer_auth(&caller.token).send().await;
    good(reply)?.bytes().await.map_err(unexpected)
}

pub(super) fn sheet(all: &[Times]) -> Sheet {
    let line = |times: &Times| {
        let at = |hundredth: usize| {
            times.sorted[(times.sorted.len() * hundredth / 100).min(times.sorted.len() - 1)]
        };
        (times.files, at(50), at(99), at(100), times.octets)
    };
    let lines: Vec<_> = all.iter().map(line).collect();
    Sheet {
        title: format!(
            "a page of {ROWS} files out of a list, over TLS, one after the other ({PAGES} pages from everywhere in it)"
        ),
        head: vec!["files in the list", "median", "99 of 100 within", "slowest", "page"],
        rows: lines
            .iter()
            .map(|(files, median, p99, slowest, octets)| {
                vec![files.to_string(), ms(*median), ms(*p99), ms(*slowest), format!("{} KiB", octets >> 10)]
            })
            .collect(),
        figures: json!(
            lines
                .iter()
                .map(|(files, median, p99, slowest, octets)| json!({
                    "files": files, "median_seconds": median.as_secs_f64(), "p99_seconds": p99.as_secs_f64(),
                    "slowest_seconds": slowest.as_secs_f64(), "page_bytes": octets,
                }))
                .collect::<Vec<_>>()
        ),
    }
}

/// First pages by several callers at once, from the server and from the handler that asks nobody who they are.
pub(super) async fn rates(caller: &Caller, database: &Path) -> Result<Sheet, StageError> {
    let peer = Peer::start(database, caller.user).await?;
    let anybody =
        Caller { http: super::client_for(peer.ca())?, url: peer.url().to_owned(), ..caller.clone() };
    full(&page(&anybody, None).await?)?;
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (served, handled) = (rate(caller).await?, rate(&anybody).await?);
        if round > 0 {
            own.push(served);
            theirs.push(handled);
        }
    }
    let (own, theirs) = (median(own), median(theirs));
    Ok(Sheet {
        title: format!(
            "`GET /files`, {ROWS} rows, {CALLERS} callers at once (medians of {ROUNDS} rounds in turn)"
        ),
        head: vec!["who answers", "requests a second", "Waxwing's rate to this"],
        rows: vec![
            vec!["waxd".into(), format!("{own:.0}"), "1.00".into()],
            vec![
                "a handler with the same SQL and TLS, without sign-in".into(),
                format!("{theirs:.0}"),
                format!("{:.2}", own / theirs),
            ],
        ],
        figures: json!({ "waxd_per_second": own, "handler_per_second": theirs }),
    })
}

async fn rate(caller: &Caller) -> Result<f64, StageError> {
    let began = Instant::now();
    let callers = (0..CALLERS).map(|_| {
        let caller = caller.clone();
        async move {
            let each = async {
                for _ in 0..EACH {
                    page(&caller, None).await?;
                }
                Ok::<_, StageError>(())
            };
            each.await
        }
    });
    try_join_all(callers).await?;
    Ok(f64::from(CALLERS * EACH) / began.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(super) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
