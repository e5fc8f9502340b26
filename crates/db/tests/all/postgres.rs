//! What is special about the PostgreSQL driver: several servers, connections that end, a server that ends.

use db::{Accounts as _, Database as _, DbError, Hit, HitAnswer, Lookup, NewAccount, Postgres, UnixTime};
use envelope::ids::UserId;
use futures::future::join_all;
use stage::postgres::{Databases, missing, sql};

async fn person(db: &Postgres, n: u8) -> Result<(), DbError> {
    let new = NewAccount {
        lookup: Lookup::from_bytes([n; 32]),
        sealed_address: vec![n; 40],
        user: UserId::from_bytes([n; 16]),
        now: UnixTime(0),
    };
    db.find_or_create_account(new).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_start_together_on_an_empty_database_take_turns() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    let opened = join_all((0..4).map(|_| Postgres::open(&url))).await;
    let all: Vec<Postgres> = opened.into_iter().map(Result::unwrap).collect();
    let hits = (0..32).map(|n| {
        let hit = Hit { bucket: vec![1], window_secs: 60, max: 7, now: UnixTime(0) };
        all[n % all.len()].count_hit(hit)
    });
    let answers = join_all(hits).await;
    let allowed = answers.into_iter().filter(|answer| matches!(answer, Ok(HitAnswer::Allowed { .. })));
    assert_eq!(allowed.count(), 7);
}

#[tokio::test]
async fn a_call_that_is_dropped_on_the_way_happens_whole_or_not_at_all() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    let db = Postgres::open(&url).await.unwrap();
    let mut cut_short = 0;
    for n in 0..120_u8 {
        // As a server does it when the client goes away: let go at ever later points.
        let mut call = Box::pin(person(&db, n));
        let mut hit =
            Box::pin(db.count_hit(Hit { bucket: vec![n], window_secs: 60, max: 9, now: UnixTime(0) }));
        let mut done = false;
        for _ in 0..u32::from(n) * 4 {
            done = futures::poll!(&mut call).is_ready();
            let _ = futures::poll!(&mut hit);
            if done {
                break;
            }
            tokio::task::yield_now().await;
        }
        cut_short += u32::from(!done);
        drop((call, hit));
    }
    assert!(cut_short > 0, "some were dropped before their end");
    // The connections are as good as new, and no row was left half.
    for n in 0..120_u8 {
        person(&db, n).await.unwrap();
    }
    // Another server sees all of it: nothing rests in a transaction that nobody will end.
    let other = Postgres::open(&url).await.unwrap();
    assert_eq!(other.stats().await.unwrap().accounts, 120);
    db.close().await;
    let idle = sql(&url, "SELECT COUNT(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'");
    assert_eq!(idle.unwrap(), "0");
}

#[tokio::test]
async fn a_database_that_is_only_read_is_neither_made_nor_changed() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    let opened = Postgres::open_read_only(&url).await.map(|_| ());
    assert!(matches!(opened, Err(DbError::Schema(_))), "{opened:?}");
    assert_eq!(sql(&url, "SELECT COUNT(*) FROM pg_class WHERE relname = 'accounts'").unwrap(), "0");
    let db = Postgres::open(&url).await.unwrap();
    person(&db, 1).await.unwrap();
    let reading = Postgres::open_read_only(&url).await.unwrap();
    assert_eq!(reading.stats().await.unwrap().accounts, 1);
    assert!(person(&reading, 2).await.is_err());
}

#[tokio::test]
async fn a_database_in_which_answers_could_be_lost_is_refused() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    let name = url.rsplit('/').next().unwrap();
    sql(&url, &format!("ALTER DATABASE {name} SET synchronous_commit = off")).unwrap();
    let opened = Postgres::open(&url).await.map(|_| ());
    assert!(matches!(opened, Err(DbError::Open(_))), "{opened:?}");
}

#[tokio::test]
async fn a_server_that_crashes_and_comes_back_is_used_again_and_has_lost_nothing() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    let mut cluster = stage::Postgres::start().unwrap();
    let url = cluster.database().unwrap();
    let db = Postgres::open(&url).await.unwrap();
    for n in 0..20 {
        person(&db, n).await.unwrap();
    }
    cluster.crash().unwrap();
    assert!(db.ping().await.is_err());
    let (written, read) = (person(&db, 30).await, db.stats().await);
    assert!(matches!(written, Err(DbError::Busy | DbError::Away(_))), "{written:?}");
    assert!(matches!(read, Err(DbError::Busy | DbError::Away(_))), "{read:?}");
    cluster.go().unwrap();
    person(&db, 31).await.unwrap();
    db.ping().await.unwrap();
    assert_eq!(db.stats().await.unwrap().accounts, 21);
}

#[tokio::test]
async fn whoever_keeps_the_turn_too_long_is_not_waited_for_for_ever() {
    if let Some(why) = missing() {
        eprintln!("not run: {why}");
        return;
    }
    use sqlx::Connection as _;
    let databases = Databases::open().unwrap();
    let url = databases.database().unwrap();
    let db = Postgres::open(&url).await.unwrap();
    person(&db, 1).await.unwrap();
    let mut other = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT pg_advisory_xact_lock(33602692255936103)")
        .execute(&mut other)
        .await
        .unwrap();
    let refused = person(&db, 2).await;
    assert!(refused.as_ref().is_err_and(DbError::is_transient), "{refused:?}");
    let hit = Hit { bucket: vec![1], window_secs: 60, max: 9, now: UnixTime(0) };
    assert!(db.count_hit(hit).await.is_ok(), "what goes beside the turn goes on");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    person(&db, 2).await.unwrap();
}
