//! The word that something happened, from the server that changed it to those where people watch. Only a hint: what happened is
//! read from the database, and looked for without a hint too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use redis::RedisError;
use tokio::time::timeout;

use super::{Fleeting, link};
use crate::state::App;

/// Least time between two words of one server.
const BREATH: Duration = Duration::from_millis(50);
const SUBSCRIBE: Duration = Duration::from_secs(2);
/// How often a silent channel is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Whether other servers are heard now.
#[derive(Debug, Default)]
pub(crate) struct Hearing(AtomicBool);

impl Hearing {
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Fleeting {
    /// Something was changed here; others are told soon. Never waits.
    pub(crate) fn announce(&self) {
        self.news.notify_one();
    }
}

/// Tells others, for as long as the server runs; many changes are one word.
pub(crate) async fn keep_telling(app: &App) {
    let Some(fleeting) = &app.fleeting else { return };
    loop {
        fleeting.news.notified().await;
        if let Some(line) = fleeting.link.line() {
            let mut connection = line.connection.clone();
            let mut word = redis::cmd("PUBLISH");
            word.arg(fleeting.channel()).arg(&fleeting.own);
            let telling = word.query_async::<i64>(&mut connection);
            // Whoever is not told looks by himself.
            let _ = fleeting.answered(&line, telling).await;
        }
        tokio::time::sleep(BREATH).await;
    }
}

/// Keeps the connection, and hears others, for as long as the server runs.
pub(crate) async fn keep_hearing(app: &App) {
    let Some(fleeting) = &app.fleeting else { return };
    let hearing = async {
        let mut pause = fleeting.link.pause();
        loop {
            let heard = tokio::select! {
                heard = hear(app, fleeting) => heard,
                // Others leave it alone as well, and tell nothing by it.
                () = fleeting.link.closed() => Ok(()),
            };
            if app.hearing.0.swap(false, Ordering::Relaxed) {
                pause = fleeting.link.pause();
                // What was said while nobody listened is looked for.
                app.live.nudge();
            }
            let why = heard.as_ref().err().map_or("the channel broke off", link::in_words);
            tracing::debug!(cause = why, "other servers are not heard by Redis");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    };
    futures::join!(fleeting.link.keep(), hearing);
}

async fn hear(app: &App, fleeting: &Fleeting) -> Result<(), RedisError> {
    if !fleeting.is_up() {
        return Ok(());
    }
    let Ok(subscribed) = timeout(SUBSCRIBE, subscribe(fleeting)).await else { return Ok(()) };
    let (mut sink, mut words) = subscribed?.split();
    app.hearing.0.store(true, Ordering::Relaxed);
    // Before that, nobody heard what was said.
    app.live.nudge();
    loop {
        match timeout(SILENCE, words.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(word)) if word.get_payload_bytes() == fleeting.own.as_bytes() => {}
            Ok(Some(_)) => app.live.nudge(),
            Err(_) => {
                let Ok(alive) = timeout(SUBSCRIBE, sink.ping::<redis::Value>()).await else { return Ok(()) };
                alive?;
            }
        }
    }
}

async fn subscribe(fleeting: &Fleeting) -> Result<redis::aio::PubSub, RedisError> {
    let mut channel = fleeting.link.client().get_async_pubsub().await?;
    channel.subscribe(fleeting.channel()).await?;
    Ok(channel)
}
