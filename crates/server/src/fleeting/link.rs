//! The connection to Redis, and when it is left alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, InfoDict, RedisError, TlsCertificates};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::RedisSetupError;
use crate::config::Redis;

/// Time to connect and to learn who it is; no request waits for it.
const CONNECT: Duration = Duration::from_secs(2);
/// How often it is asked whether it is still the same.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The one way to Redis, if it is open.
pub(super) struct Link {
    client: Client,
    patience: Duration,
    pause: Duration,
    state: Mutex<State>,
    lines: AtomicU64,
    lost: Notify,
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
    pub(super) fn new(url: &str, config: &Redis) -> Result<Self, RedisSetupError> {
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
            patience: config.patience,
            pause: config.pause,
            state: Mutex::new(State { line: None, said: None }),
            lines: AtomicU64::new(0),
            lost: Notify::new(),
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
        }
    }

    /// Neither the address nor a word of Redis is in it: both may hold what is nobody's business.
    fn say(state: &mut State, why: &'static str) {
        if state.said != Some(why) {
            state.said = Some(why);
            tracing::warn!(cause = why, "Redis is left alone for a while; the database does its work");
        }
    }

    /// Connects, if that is possible now.
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
            Ok(Err(error)) => in_words(&error),
            Err(_) => "it took too long",
        };
        Self::say(&mut self.state(), why);
        false
    }

    async fn dial(&self) -> Result<Line, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(self.patience.max(CONNECT)));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let memory = memory(&mut connection).await?;
        Ok(Line { number: self.lines.fetch_add(1, Ordering::Relaxed), connection, memory })
    }

    /// Opens it again when it was lost, and sees whether it still leads to the same memory.
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
                match timeout(CONNECT, memory(&mut line.connection)).await {
                    Ok(Ok(memory)) if memory == line.memory => {}
                    Ok(Ok(_)) => self.lose(&line, "another memory is at its other end"),
                    Ok(Err(error)) => self.lose(&line, in_words(&error)),
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

/// What tells one memory from another: the process, and the history that it goes on with.
async fn memory(connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
    let info: InfoDict = redis::cmd("INFO").query_async(connection).await?;
    let field = |name: &str| info.get::<String>(name).filter(|text| !text.is_empty());
    let is_one =
        field("role").as_deref() == Some("master") && field("redis_mode").as_deref() != Some("cluster");
    let (run, history) = (field("run_id"), field("master_replid"));
    let (Some(run), Some(history), true) = (run, history, is_one) else {
        return Err(RedisError::from((ErrorKind::Client, "no single master")));
    };
    let both = crate::secrets::sha256(&[run.as_bytes(), b":", history.as_bytes()]);
    Ok(both[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A fault in words of ours.
pub(super) fn in_words(error: &RedisError) -> &'static str {
    if error.is_timeout() {
        return "it took too long";
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => "it refuses the user or the password in REDIS_URL",
        ErrorKind::Io => "it cannot be connected to, or the connection broke off",
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => "it answered what is no answer",
        ErrorKind::Client => "it is no single master; a cluster or a replica cannot be used",
        ErrorKind::Server(_) | ErrorKind::Extension => {
            "it refused a command; INFO, EVAL, EVALSHA, SCRIPT, LINDEX, LSET, LPOP, LPUSH, RPUSH, LTRIM, EXPIRE, PUBLISH and SUBSCRIBE are needed"
        }
        _ => "it failed",
    }
}
