//! A Redis that throws keys away, is full, or takes no writes: limits lose nothing to it, or a block when it begins.

use std::path::Path;

use stage::Redis;

use super::{MAX, Three, redis};
use crate::stage::shared::at;

const USUAL: [(&str, &str); 4] =
    [("maxmemory", "0"), ("maxmemory-policy", "noeviction"), ("min-replicas-to-write", "0"), ("save", "")];

fn set(redis: &Redis, settings: &[(&str, &str)]) {
    for (name, value) in settings {
        redis.command(&["CONFIG", "SET", name, value]).unwrap();
    }
}

/// Lets a snapshot fail, after which Redis takes no writes until one succeeds or none is wanted.
fn fail_to_save(redis: &Redis, folder: &Path) {
    set(redis, &[("save", "3600 1")]);
    std::fs::remove_dir_all(folder.join("redis")).unwrap();
    redis.command(&["BGSAVE"]).unwrap();
    let has_failed =
        || redis.command(&["INFO", "persistence"]).unwrap()[0].contains("last_bgsave_status:err");
    while !has_failed() {
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_would_lose_hits_is_left_alone_from_the_start_and_limits_are_exact() {
    let Some((_folder, redis)) = redis() else { return };
    let unfit: [&[(&str, &str)]; 4] = [
        &[("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")],
        &[("maxmemory", "100mb"), ("maxmemory-policy", "volatile-ttl")],
        &[("maxmemory", "500kb")],
        &[("min-replicas-to-write", "1")],
    ];
    for settings in unfit {
        set(&redis, settings);
        let three = Three::over(|config| at(config, redis.url())).await;
        three.until_redis(false).await;
        assert_eq!(three.race(0..130).await, MAX, "{settings:?}");
        set(&redis, &USUAL);
        three.until_redis(true).await;
        three.stage.later(3_600);
        assert_eq!(three.queue(130..235).await, MAX, "the next hour is whole: {settings:?}");
        three.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_begins_to_throw_keys_away_is_left_alone_and_what_lay_there_is_found_again() {
    let Some((_folder, redis)) = redis() else { return };
    let three = Three::over(|config| at(config, redis.url())).await;
    three.until_redis(true).await;
    // One block of ten was counted ahead, and three of it were used.
    assert_eq!(three.queue(0..3).await, 3);
    set(&redis, &[("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")]);
    three.until_redis(false).await;
    assert_eq!(three.race(3..110).await, MAX - 10);
    set(&redis, &USUAL);
    three.until_redis(true).await;
    assert_eq!(three.queue(110..125).await, 7);
    three.end().await;
}

/// What a limit lets through while Redis begins to refuse writes and goes on refusing them; afterwards it is whole again.
async fn while_it_refuses(redis: &Redis, begin: impl FnOnce()) -> u32 {
    let three = Three::over(|config| at(config, redis.url())).await;
    three.until_redis(true).await;
    // The first block is used up, so that the next request at each server counts another one ahead.
    let mut all = three.queue(0..10).await;
    begin();
    all += three.queue(10..120).await;
    three.until_redis(false).await;
    set(redis, &USUAL);
    three.until_redis(true).await;
    three.stage.later(3_600);
    assert_eq!(three.queue(120..225).await, MAX, "the next hour is whole");
    three.end().await;
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_begins_to_refuse_writes_costs_each_server_one_block_and_no_more_later() {
    let Some((folder, redis)) = redis() else { return };
    let full = || set(&redis, &[("maxmemory", "500kb")]);
    let without_replicas = || set(&redis, &[("min-replicas-to-write", "1")]);
    let unsaved = || fail_to_save(&redis, folder.path());
    let begins: [(&str, &dyn Fn()); 3] =
        [("OOM", &full), ("NOREPLICAS", &without_replicas), ("MISCONF", &unsaved)];
    for (what, begin) in begins {
        let all = while_it_refuses(&redis, begin).await;
        // Nine of a block that could not be put there, at each of three servers.
        assert!((MAX - 27..=MAX).contains(&all), "{what}: {all}");
    }
}
