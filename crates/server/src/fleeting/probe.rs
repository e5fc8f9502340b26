//! The look at a Redis before hits are entrusted to it: one master, which throws nothing away and takes a key of ours.

use redis::aio::MultiplexedConnection;
use redis::{InfoDict, RedisError, Script};

use super::link::in_words;

/// How long the key of a look stays.
const STAYS_SECONDS: u32 = 1;

const NO_MASTER: &str = "it is no single master; a cluster or a replica cannot be used";
const EVICTS: &str =
    "it throws keys away when it is full: set its maxmemory-policy to noeviction, or give it no maxmemory";
const FULL: &str =
    "less than a tenth of its maxmemory is free: give it more, or use a Redis that is not shared";

/// With what word it refuses every write, and what mends that.
const REFUSALS: [(&str, &str); 4] = [
    ("OOM", FULL),
    (
        "MISCONF",
        "it takes no writes because it could not save: mend its disk, or let it save nothing (save \"\")",
    ),
    (
        "NOREPLICAS",
        "it takes no writes without its replicas: bring them back, or set min-replicas-to-write to 0",
    ),
    ("READONLY", NO_MASTER),
];

/// Looks at a Redis.
pub(super) struct Probe {
    put: Script,
    key: String,
}

impl Probe {
    /// For an instance whose names begin so.
    pub(super) fn new(prefix: &str) -> Self {
        Self { put: Script::new(include_str!("put.lua")), key: format!("waxwing:{prefix}:probe") }
    }

    /// What tells its memory from another, or why it is to be left alone.
    pub(super) async fn look(&self, connection: &mut MultiplexedConnection) -> Result<String, &'static str> {
        let asking = redis::cmd("INFO").query_async::<InfoDict>(connection).await;
        let info = asking.map_err(|error| in_words(&error))?;
        let memory = memory(&info)?;
        keeps(&info)?;
        self.write(connection).await.map_err(|error| in_words(&error))?;
        Ok(memory)
    }

    /// Nothing that it says of itself tells whether it takes writes now.
    async fn write(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let mut told = self.put.prepare_invoke();
        told.key(&self.key).arg("probe").arg("block").arg(STAYS_SECONDS);
        told.invoke_async::<i64>(connection).await?;
        Ok(())
    }
}

/// What tells one memory from another: the process, and the history that it goes on with.
fn memory(info: &InfoDict) -> Result<String, &'static str> {
    let field = |name: &str| info.get::<String>(name).filter(|text| !text.is_empty());
    let is_one =
        field("role").as_deref() == Some("master") && field("redis_mode").as_deref() != Some("cluster");
    let (run, history) = (field("run_id"), field("master_replid"));
    let (Some(run), Some(history), true) = (run, history, is_one) else { return Err(NO_MASTER) };
    let both = crate::secrets::sha256(&[run.as_bytes(), b":", history.as_bytes()]);
    Ok(both[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether it keeps what it takes, and has room: one that is about to refuse would take hits with it that were counted ahead.
fn keeps(info: &InfoDict) -> Result<(), &'static str> {
    let bytes = |name: &str| info.get::<u64>(name).unwrap_or(0);
    let max = bytes("maxmemory");
    if max == 0 {
        return Ok(());
    }
    // Every key of ours ends some time, so that each other policy may take it.
    if info.get::<String>("maxmemory_policy").as_deref() != Some("noeviction") {
        return Err(EVICTS);
    }
    if bytes("used_memory") > max / 10 * 9 { Err(FULL) } else { Ok(()) }
}

/// What mends that it takes no writes, if that is what it said. Before version 7 the word stands within the fault of the script.
pub(super) fn refusal(error: &RedisError) -> Option<&'static str> {
    let detail = error.detail().unwrap_or_default();
    let is_said = |word: &str| error.code() == Some(word) || detail.contains(&format!(" -{word} "));
    REFUSALS.iter().find(|&&(word, _)| is_said(word)).map(|&(_, mends)| mends)
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    #[test]
    fn only_a_redis_that_throws_nothing_away_and_has_room_is_used() {
        let judged = |text: &str| keeps(&InfoDict::new(text));
        for good in [
            "",
            "maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\nused_memory:7000000\r\n",
            "used_memory:900\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction\r\n",
        ] {
            assert_eq!(judged(good), Ok(()), "{good}");
        }
        for policy in ["allkeys-lru", "volatile-ttl", ""] {
            let info = format!("used_memory:1\r\nmaxmemory:1000\r\nmaxmemory_policy:{policy}\r\n");
            assert_eq!(judged(&info), Err(EVICTS), "{policy}");
        }
        assert_eq!(judged("used_memory:901\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction\r\n"), Err(FULL));
    }

    #[test]
    fn a_refused_write_is_known_as_every_version_says_it() {
        let said = |line: &str| {
            let Ok(Value::ServerError(error)) = redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
            else {
                panic!("{line} is no error");
            };
            refusal(&RedisError::from(error))
        };
        let of_six = "ERR Error running script (call to f_1): @user_script:4: @user_script: 4: ";
        for (word, mends) in REFUSALS {
            assert_eq!(said(&format!("{word} not now. script: 1, on @user_script:4.")), Some(mends));
            assert_eq!(said(&format!("{of_six}-{word} not now.")), Some(mends));
        }
        assert_eq!(said("ERR unknown command 'OOM'"), None);
        assert_eq!(said("NOPERM this user has no permissions to run the 'lpush' command"), None);
    }
}
