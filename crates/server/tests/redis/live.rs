//! Changes at one server wake those who watch another.

use std::time::Duration;

use proto::{Health, LiveKind, paths};

use super::redis;
use crate::events::Lines;
use crate::stage::server::send;
use crate::stage::shared::at;
use crate::stage::{Parcel, Person, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn what_another_server_changed_is_told_by_its_word_alone() {
    let Some((_folder, redis)) = redis() else { return };
    let patient = |config: &mut server::Config| {
        at(config, redis.url());
        // Nobody looks by himself.
        config.redis.look_every = Duration::from_secs(100_000);
    };
    let stage = Stage::with(patient).await;
    let other = stage.beside_with(patient).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let bob = Person::with_bundle(&stage, "bob@wax.example").await;
    let subscribed = || redis.command(&["PUBSUB", "CHANNELS", "waxwing:*"]).unwrap().len();
    while subscribed() == 0 {
        tokio::task::yield_now().await;
    }
    let mut watching = Lines::at(&stage, &other.url(), &bob, None).await;
    watching.begun().await;
    for _ in 0..3 {
        Parcel::new(2_000).send(&stage, &alice, &[&bob]).await;
        while watching.next().await.unwrap().kind != LiveKind::FileArrived {}
    }
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_those_who_watch_are_told_as_ever() {
    let Some((_folder, redis)) = redis() else { return };
    let stage = Stage::with(|config| at(config, redis.url())).await;
    let other = stage.beside_with(|config| at(config, redis.url())).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let bob = Person::with_bundle(&stage, "bob@wax.example").await;
    let mut watching = Lines::at(&stage, &other.url(), &bob, None).await;
    watching.begun().await;
    redis.kill().unwrap();
    Parcel::new(2_000).send(&stage, &alice, &[&bob]).await;
    while watching.next().await.unwrap().kind != LiveKind::FileArrived {}
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_left_alone_nobody_waits_for_its_word() {
    let Some((_folder, redis)) = redis() else { return };
    let patient = |config: &mut server::Config| {
        at(config, redis.url());
        // Who believes that others are heard does not look.
        config.redis.look_every = Duration::from_secs(100_000);
    };
    let stage = Stage::with(patient).await;
    let other = stage.beside_with(patient).await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let bob = Person::with_bundle(&stage, "bob@wax.example").await;
    let listeners = || {
        let channels = redis.command(&["PUBSUB", "CHANNELS", "waxwing:*"]).unwrap();
        let Some(channel) = channels.first() else { return 0 };
        redis.command(&["PUBSUB", "NUMSUB", channel]).unwrap()[1].parse::<u32>().unwrap()
    };
    while listeners() < 2 {
        tokio::task::yield_now().await;
    }
    let mut watching = Lines::at(&stage, &other.url(), &bob, None).await;
    watching.begun().await;
    redis.command(&["CONFIG", "SET", "maxmemory", "100mb"]).unwrap();
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    for url in [stage.url.clone(), other.url()] {
        let is_up = async || {
            let asked = send(stage.http.get(format!("{url}{}", paths::HEALTH))).await;
            asked.json::<Health>().redis_available == Some(true)
        };
        while is_up().await {
            tokio::task::yield_now().await;
        }
    }
    Parcel::new(2_000).send(&stage, &alice, &[&bob]).await;
    while watching.next().await.unwrap().kind != LiveKind::FileArrived {}
    other.shutdown().await;
}
