//! How many writing sentences a second each engine takes, from one caller and from many: `cargo bench -p db`.
//!
//! Both engines write to the disk as in earnest; the disk is what is measured, more than the engines.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use db::{
    BeginAnswer, BlobRef, Database, Digest, Hit, Lookup, NewAccount, NewEvent, NewPart, NewUpload, Postgres,
    Sqlite, UnixTime,
};
use envelope::audit::Kind;
use envelope::ids::{EventId, FileId, UserId};

const NOW: UnixTime = UnixTime(1_800_000_000);
const SPAN: Duration = Duration::from_secs(3);
const MANY: u64 = 16;

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    measure("SQLite", Arc::new(Sqlite::open(folder.path().join("waxwing.db")).await?)).await?;
    if let Some(why) = stage::postgres::missing() {
        println!("PostgreSQL: not run: {why}");
        return Ok(());
    }
    let cluster = stage::Postgres::start()?;
    measure("PostgreSQL", Arc::new(Postgres::open(&cluster.database()?).await?)).await
}

async fn measure(engine: &str, db: Arc<dyn Database>) -> Result<(), Failed> {
    for n in 0..MANY {
        begin(&*db, n).await?;
    }
    for callers in [1, MANY] {
        let of_all = Arc::clone(&db);
        let hits = rate(callers, move |caller, n| {
            let db = Arc::clone(&of_all);
            let bucket = ((caller << 32) | (n % 64)).to_be_bytes().to_vec();
            async move {
                db.count_hit(Hit { bucket, window_secs: 60, max: 1 << 30, now: NOW }).await?;
                Ok(())
            }
        });
        println!("{engine:<10} {callers:>2} callers  count_hit      {:>7.0}/s", hits.await?);
        let of_all = Arc::clone(&db);
        let parts = rate(callers, move |caller, n| {
            let db = Arc::clone(&of_all);
            async move {
                db.record_part(part(caller, (callers << 40) | n)).await?;
                Ok(())
            }
        });
        println!("{engine:<10} {callers:>2} callers  record_part    {:>7.0}/s", parts.await?);
        let of_all = Arc::clone(&db);
        let events = rate(callers, move |caller, n| {
            let db = Arc::clone(&of_all);
            async move {
                db.append_events(&[event(caller, (callers << 40) | n)]).await?;
                Ok(())
            }
        });
        println!("{engine:<10} {callers:>2} callers  append_events  {:>7.0}/s", events.await?);
    }
    db.close().await;
    Ok(())
}

/// Calls a second of so many callers at once.
async fn rate<F: Future<Output = Result<(), Failed>> + Send + 'static>(
    callers: u64,
    call: impl Fn(u64, u64) -> F + Clone + Send + Sync + 'static,
) -> Result<f64, Failed> {
    let began = Instant::now();
    let running = (0..callers).map(|caller| {
        let call = call.clone();
        tokio::spawn(async move {
            let mut done = 0_u64;
            while began.elapsed() < SPAN {
                call(caller, done).await?;
                done += 1;
            }
            Ok::<_, Failed>(done)
        })
    });
    let mut all = 0;
    for caller in running.collect::<Vec<_>>() {
        all += caller.await??;
    }
    let all = u32::try_from(all)?;
    Ok(f64::from(all) / began.elapsed().as_secs_f64())
}

fn user(n: u64) -> UserId {
    UserId::from_bytes(u128::from(n + 1).to_be_bytes())
}

fn file(n: u64) -> FileId {
    FileId::from_bytes(u128::from(n + 1).to_be_bytes())
}

/// A person of their own for each caller, with an upload under way.
async fn begin(db: &dyn Database, n: u64) -> Result<(), Failed> {
    let mut lookup = [0; 32];
    lookup[..8].copy_from_slice(&n.to_be_bytes());
    let lookup = Lookup::from_bytes(lookup);
    db.find_or_create_account(NewAccount { lookup, sealed_address: vec![7; 40], user: user(n), now: NOW })
        .await?;
    let new = NewUpload {
        file_id: file(n),
        owner: user(n),
        part_len: 1 << 20,
        body_len: None,
        now: NOW,
        expires_at: NOW.plus(1 << 20),
        quota_bytes: 1 << 60,
        max_open: 10,
        into_box: None,
    };
    match db.begin_upload(new).await? {
        BeginAnswer::Begun(_) => Ok(()),
        other => Err(format!("no upload: {other:?}").into()),
    }
}

fn part(caller: u64, n: u64) -> NewPart {
    let short = u32::try_from(n % (1 << 20) + (n >> 40) * (1 << 24)).unwrap_or(u32::MAX);
    NewPart {
        file_id: file(caller),
        owner: user(caller),
        n: short,
        len: 1 << 20,
        node: Digest::from_bytes([1; 32]),
        leaves: vec![7; 512],
        blob: BlobRef::new(format!("{caller}/{short}")),
        is_final: false,
        received_bytes: 1 << 20,
        now: NOW,
        quota_bytes: 1 << 60,
    }
}

fn event(caller: u64, n: u64) -> NewEvent {
    NewEvent {
        id: EventId::from_bytes((u128::from(caller + 1) << 64 | u128::from(n)).to_be_bytes()),
        at: NOW,
        kind: Kind::SignedIn,
        actor: user(caller),
        owner: None,
        file_id: None,
        other: None,
        sealed: vec![7; 100],
    }
}
