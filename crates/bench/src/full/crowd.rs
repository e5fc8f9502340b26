//! A crowd: many transfers at once at one server, each of them checked to the last byte.

use super::fill::Held;
use super::pages::ms;
use super::{client_for, unexpected};
use crate::table::Sheet;
use client::{
    Address, Cancel, Client, ClientOptions, FileId, Home, Passphrase, Quiet, SendRequest, Target, Unlocked,
};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::json;
use stage::{Doing, Server, StageError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Two parts, so that a transfer has a middle.
const LEN: usize = (1 << 20) + 5_000;
const PART: u64 = 1 << 20;
/// Who the senders are; each has as many transfers under way as fall to them.
const SENDERS: usize = 10;

struct Member {
    client: Client,
    keys: Unlocked,
    address: Address,
}

impl Member {
    async fn new(root: &Path, server: &Server, name: &str) -> Result<Self, StageError> {
        let home = Home::open(root.join("homes").join(name)).map_err(unexpected)?;
        let options = ClientOptions {
            part_len: Some(PART),
            // A crowd waits for its turn; nobody gives up.
            retry_for: Duration::from_secs(1_800),
            ..ClientOptions::default()
        };
        let client = Client::open(home, options).map_err(unexpected)?;
        let ca = std::fs::read_to_string(&server.ca).doing("reading the certificate")?;
        client.configure_server(&server.url, Some(&ca)).map_err(unexpected)?;
        let address = Address::parse(&format!("{name}@crowd.example")).map_err(unexpected)?;
        client.request_code(&address).await.map_err(unexpected)?;
        let code = tokio::task::block_in_place(|| server.code_for(address.as_str()))?;
        client.sign_in(&address, &code).await.map_err(unexpected)?;
        let passphrase =
            Passphrase::parse("seven quiet herons paint the harbour".to_owned()).map_err(unexpected)?;
        let keys = client.create_keys(&passphrase, None).await.map_err(unexpected)?;
        Ok(Self { client, keys, address })
    }
}

/// Sends and gets so many files at once while somebody keeps asking whether the server is ready.
pub(super) async fn measure(
    root: &Path,
    server: &Server,
    transfers: usize,
    held: Held,
) -> Result<Sheet, StageError> {
    let root = root.join("crowd");
    let (sources, targets) = (root.join("sources"), root.join("targets"));
    for folder in [&sources, &targets] {
        std::fs::create_dir_all(folder).doing("making a folder")?;
    }
    let bob = Member::new(&root, server, "bob").await?;
    let mut senders = Vec::new();
    for n in 0..SENDERS {
        senders.push(Member::new(&root, server, &format!("sender{n}")).await?);
    }
    let over = Arc::new(AtomicBool::new(false));
    let watch = tokio::spawn(readiness(server.url.clone(), client_for(&server.ca)?, over.clone()));
    let began = Instant::now();
    let sent = send_all(&senders, &bob.address, &sources, transfers).await?;
    let sending = began.elapsed();
    let began = Instant::now();
    get_all(&bob, &sent, &targets).await?;
    let getting = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let waits = watch.await.map_err(unexpected)??;
    let slowest = waits.iter().max().copied().unwrap_or_default();
    let peak = server.peak().unwrap_or_default();
    let all = u32::try_from(transfers).unwrap_or(u32::MAX);
    Ok(Sheet {
        title: format!(
            "{transfers} transfers at once of {} KiB each, at a server with {} accounts and {} files",
            LEN >> 10,
            held.accounts,
            held.files
        ),
        head: vec!["what", "figure"],
        rows: vec![
            vec!["all sent, sealed and durable".into(), format!("{:.1} s", sending.as_secs_f64())],
            vec!["all got, opened, verified and durable".into(), format!("{:.1} s", getting.as_secs_f64())],
            vec!["lost or failed".into(), "0 (one would end the run)".into()],
            vec!["answers to \"ready?\" meanwhile, all yes".into(), waits.len().to_string()],
            vec!["slowest of them".into(), ms(slowest)],
            vec!["server, peak memory".into(), format!("{} MiB", peak.div_ceil(1 << 20))],
        ],
        figures: json!({
            "transfers": all, "accounts": held.accounts, "files": held.files, "send_seconds": sending.as_secs_f64(),
            "get_seconds": getting.as_secs_f64(), "ready_answers": waits.len(),
            "slowest_ready_seconds": slowest.as_secs_f64(), "server_peak_bytes": peak,
        }),
    })
}

async fn send_all(
    senders: &[Member],
    to: &Address,
    folder: &Path,
    transfers: usize,
) -> Result<Vec<FileId>, StageError> {
    let mut sources: Vec<PathBuf> = Vec::new();
    for n in 0..transfers {
        let path = folder.join(n.to_string());
        std::fs::write(&path, noise(n)).doing("writing a file")?;
        sources.push(path);
    }
    let sending = sources.into_iter().enumerate().map(|(n, path)| async move {
        let sender = &senders[n % senders.len()];
        let request = SendRequest::file(path, vec![to.clone()]);
        let sent = sender.client.send(&sender.keys, request, &Quiet, &Cancel::new()).await;
        sent.map(|sent| sent.file_id).map_err(unexpected)
    });
    try_join_all(sending).await
}

async fn get_all(bob: &Member, files: &[FileId], folder: &Path) -> Result<(), StageError> {
    let getting = files.iter().enumerate().map(|(n, file_id)| async move {
        let target = Target::directory(folder);
        let got = bob.client.receive(&bob.keys, *file_id, target, &Quiet, &Cancel::new()).await;
        let path = got.map_err(unexpected)?.path.ok_or_else(|| StageError::Broken("no file".into()))?;
        let content = std::fs::read(&path).doing("reading what came")?;
        if content != noise(n) {
            return Err(StageError::Broken(format!("file {n} is not what went")));
        }
        crate::rows::remove(&path)
    });
    stream::iter(getting).buffer_unordered(files.len().max(1)).try_collect().await
}

/// Asks until it is over; how long each answer took.
async fn readiness(
    url: String,
    http: reqwest::Client,
    over: Arc<AtomicBool>,
) -> Result<Vec<Duration>, StageError> {
    let mut waits = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        super::good(http.get(format!("{url}/health/ready")).send().await)?;
        waits.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(waits)
}

/// Bytes that neither compress nor repeat, others for every file.
fn noise(n: usize) -> Vec<u8> {
    let mut state = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(LEN + 8);
    while out.len() < LEN {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(LEN);
    out
}
