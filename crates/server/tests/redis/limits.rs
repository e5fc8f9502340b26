//! Limits over three servers: exact while Redis works, and never more than there may be whatever becomes of it.

use super::fake::{Fake, Lie};
use super::{MAX, Three, redis};
use crate::metrics::{page_of, value, with_admin};
use crate::stage::shared::{at, nobody};
use stage::Redis;

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_exact_over_three_servers_that_share_a_redis() {
    let Some((_folder, redis)) = redis() else { return };
    let three = Three::over(|config| at(config, redis.url())).await;
    three.until_redis(true).await;
    let mut all = three.race(0..70).await + three.race(70..150).await;
    // Who came while the last hits were on their way may have been refused; they are there for whoever comes next.
    all += three.queue(150..170).await;
    assert_eq!(all, MAX);
    assert_eq!(three.queue(170..180).await, 0);
    three.stage.later(3_600);
    assert_eq!(three.queue(180..285).await, MAX, "and so in the next hour");
    three.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_refused_once_is_refused_again_without_the_database() {
    let Some((_folder, redis)) = redis() else { return };
    let three = Three::over(|config| {
        at(config, redis.url());
        with_admin(config);
    })
    .await;
    three.until_redis(true).await;
    assert_eq!(three.queue(0..101).await, MAX);
    let refused = async || {
        let page = page_of(three.stage.running.as_ref().unwrap()).await;
        value(&page, "waxwing_redis_answers_total{outcome=\"refused\"}")
    };
    let before = refused().await;
    // Every third request comes to that server.
    assert_eq!(three.queue(102..117).await, 0);
    assert_eq!(refused().await - before, 5.0);
    redis.command(&["FLUSHALL"]).unwrap();
    assert_eq!(three.queue(117..120).await, 0, "the database knows it as well");
    three.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_exact_where_redis_is_not_there() {
    let url = nobody();
    let three = Three::over(|config| at(config, url.clone())).await;
    assert_eq!(three.health(1).await.redis_available, Some(false));
    assert_eq!(three.race(0..130).await, MAX);
    three.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_in_the_middle_opens_nothing() {
    let Some((_folder, redis)) = redis() else { return };
    let three = Three::over(|config| at(config, redis.url())).await;
    three.until_redis(true).await;
    let first = three.race(0..40).await;
    let (second, ()) = futures::join!(three.race(40..80), async { redis.kill().unwrap() });
    let all = first + second + three.race(80..240).await;
    assert!((40..=MAX).contains(&all), "{all}");
    assert_eq!(three.queue(240..245).await, 0);
    three.until_redis(false).await;
    three.stage.later(3_600);
    assert_eq!(three.race(245..375).await, MAX, "the next hour is whole");
    three.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_that_redis_forgets_are_lost_and_not_given_again() {
    let Some((_folder, redis)) = redis() else { return };
    let three = Three::over(|config| at(config, redis.url())).await;
    three.until_redis(true).await;
    // One block of ten was counted ahead, and three of it were used.
    assert_eq!(three.queue(0..3).await, 3);
    redis.command(&["FLUSHALL"]).unwrap();
    assert_eq!(three.queue(3..150).await, MAX - 10);
    for n in 0..20 {
        redis.command(&["FLUSHALL"]).unwrap();
        assert_eq!(three.queue(150 + n..151 + n).await, 0, "nothing is left, whatever is forgotten");
    }
    three.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_left_alone_and_taken_up_again() {
    let Some((_folder, redis)) = redis() else { return };
    let three = Three::over(|config| {
        at(config, redis.url());
        config.redis.patience = server::config::Redis::default().patience;
    })
    .await;
    let mut all = three.queue(0..15).await;
    stage::pause(redis.pid()).unwrap();
    all += three.race(15..60).await;
    three.until_redis(false).await;
    stage::go_on(redis.pid()).unwrap();
    three.until_redis(true).await;
    all += three.race(60..200).await;
    all += three.queue(200..230).await;
    assert!((60..=MAX).contains(&all), "{all}");
    three.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_that_somebody_puts_back_are_not_taken_twice() {
    let Some((_folder, redis)) = redis() else { return };
    let stage = crate::stage::Stage::with(|config| {
        config.limits.sign_ins_per_ip = MAX;
        at(config, redis.url());
    })
    .await;
    let one = Three { stage, others: Vec::new() };
    let mut all = 0;
    for round in 0..30 {
        // Every third server is the one there is.
        for n in 0..5 {
            all += super::taken(&one.ask(3 * (round * 5 + n)).await);
        }
        for key in redis.command(&["KEYS", "waxwing:*"]).unwrap_or_default() {
            // The key of a server's look at Redis holds no hits.
            if key.ends_with(":probe") {
                continue;
            }
            let Ok(list) = redis.command(&["LRANGE", &key, "0", "-1"]) else { continue };
            for element in list.iter().rev() {
                redis.command(&["RPUSH", &key, element]).unwrap();
            }
        }
    }
    assert!(all <= MAX, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_with_an_old_memory_gives_nothing_twice() {
    let Some((folder, redis)) = redis() else { return };
    let port = redis.port;
    let three = Three::over(|config| at(config, redis.url())).await;
    three.until_redis(true).await;
    let mut all = three.queue(0..1).await;
    // Nine of a block rest there, and are written to its disk.
    redis.command(&["SAVE"]).unwrap();
    all += three.queue(1..10).await;
    redis.kill().unwrap();
    three.until_redis(false).await;
    let again = Redis::start_at(folder.path(), port, None).unwrap();
    assert!(!again.command(&["KEYS", "waxwing:*"]).unwrap().is_empty(), "it remembers");
    three.until_redis(true).await;
    all += three.queue(10..200).await;
    assert!(all <= MAX, "{all}");
    three.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lies_opens_nothing_and_stops_nobody() {
    for lie in Lie::ALL {
        let fake = Fake::start(lie).await;
        let three = Three::over(|config| at(config, fake.url.clone())).await;
        let all = three.race(0..60).await + three.queue(60..140).await;
        assert!((MAX - 30..=MAX).contains(&all), "{lie:?}: {all}");
        assert_eq!(three.health(0).await.status, "healthy", "{lie:?}");
        three.end().await;
    }
}
