//! The connection to Redis, and when it is left alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, TlsCertificates};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::RedisSetupError;
use super::probe::{self, Probe};
use crate::config::Redis;

/// Time to connect and to learn who it is; no request waits for it.
const CONNECT: Duration = Duration::from_secs(2);
/// How often it is asked whether it is still the same, and still to be used.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The one way to Redis, if it is open.
pub(super) struct Link {
    client: Client,
    probe: Probe,
    patience: Duration,
    pause: Duration,
    state: Mutex<State>,
    lines: AtomicU64,
    /// For whoever keeps it open.
    lost: Notify,
    /// For whoever listens beside it.
    closed: Notify,
}

struct State {
    line: Option<Line>,
    /// What was said last of it, so that the same is not said again.
    said: Option<&'static str>,
}

/// An open connection, and whose memory is at its other end.
#[derive(Clone)]
pub(super) struct Line {
    number: u64,
    pub(super) connection: MultiplexedConnection,
    pub(super) memory: String,
}

impl Link {
    pub(super) fn new(url: &str, config: &Redis, probe: Probe) -> Result<Self, RedisSetupError> {
        let client = match &config.redis_ca {
            None => Client::open(url),
            Some(path) => {
                let read = std::fs::read(path);
                let pem = read.map_err(|source| RedisSetupError::Ca { path: path.clone(), source })?;
                Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert: Some(pem) })
            }
        };
        Ok(Self {
            client: client.map_err(|_| RedisSetupError::Client)?,
            probe,
            patience: config.patience,
            pause: config.pause,
            state: Mutex::new(State { line: None, said: None }),
            lines: AtomicU64::new(0),
            lost: Notify::new(),
            closed: Notify::new(),
        })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    pub(super) fn line(&self) -> Option<Line> {
        self.state().line.clone()
    }

    pub(super) fn is_up(&self) -> bool {
        self.state().line.is_some()
    }

    /// Ends when it is given up, or was since this was asked last.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// What was wrong with it last, if that has not passed.
    pub(super) fn said(&self) -> Option<&'static str> {
        self.state().said
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a connection up, unless another has taken its place already.
    pub(super) fn lose(&self, line: &Line, why: &'static str) {
        let mut state = self.state();
        if state.line.as_ref().is_some_and(|open| open.number == line.number) {
            state.line = None;
            Self::say(&mut state, why);
            self.lost.notify_one();
            self.closed.notify_one();
        }
    }

    /// Neither the address nor a word of Redis is in it: both may hold what is nobody's business.
    fn say(state: &mut State, why: &'static str) {
        if state.said != Some(why) {
            state.said = Some(why);
            tracing::warn!(cause = why, "Redis is left alone for a while; the database does its work");
        }
    }

    /// Connects, if that is possible now and Redis is to be used.
    pub(super) async fn connect(&self) -> bool {
        let why = match timeout(CONNECT, self.dial()).await {
            Ok(Ok(line)) => {
                let mut state = self.state();
                if state.said.take().is_some() {
                    tracing::info!("Redis answers again");
                }
                state.line = Some(line);
                return true;
            }
            Ok(Err(why)) => why,
            Err(_) => "it took too long",
        };
        Self::say(&mut self.state(), why);
        false
    }

    async fn dial(&self) -> Result<Line, &'static str> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(self.patience.max(CONNECT)));
        let dialling = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = dialling.map_err(|error| in_words(&error))?;
        let memory = self.probe.look(&mut connection).await?;
        Ok(Line { number: self.lines.fetch_add(1, Ordering::Relaxed), connection, memory })
    }

    /// Opens it again when it was lost, and sees whether it still leads to the same memory, and may be used still.
    pub(super) async fn keep(&self) {
        let mut pause = self.pause;
        loop {
            let Some(mut line) = self.line() else {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
                self.connect().await;
                continue;
            };
            let opened = Instant::now();
            loop {
                tokio::select! {
                    () = self.lost.notified() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                if self.line().is_none_or(|open| open.number != line.number) {
                    break;
                }
                match timeout(CONNECT, self.probe.look(&mut line.connection)).await {
                    Ok(Ok(memory)) if memory == line.memory => {}
                    Ok(Ok(_)) => self.lose(&line, "another memory is at its other end"),
                    Ok(Err(why)) => self.lose(&line, why),
                    Err(_) => self.lose(&line, "it took too long"),
                }
            }
            // What held for a while is given another chance at once, what broke at once is not.
            if opened.elapsed() > LOOK_EVERY {
                pause = self.pause;
            }
        }
    }
}

/// A fault in words of ours.
pub(super) fn in_words(error: &RedisError) -> &'static str {
    if error.is_timeout() {
        return "it took too long";
    }
    if let Some(mends) = probe::refusal(error) {
        return mends;
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => "it refuses the user or the password in REDIS_URL",
        ErrorKind::Io => "it cannot be connected to, or the connection broke off",
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => "it answered what is no answer",
        ErrorKind::Server(_) | ErrorKind::Extension => {
            "it refused a command; INFO, EVAL, EVALSHA, SCRIPT, LINDEX, LSET, LPOP, LPUSH, RPUSH, LTRIM, EXPIRE, PUBLISH and SUBSCRIBE are needed"
        }
        _ => "it failed",
    }
}
