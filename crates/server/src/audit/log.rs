//! The audit log of a data folder, for whoever administers it: opened to read and nothing else, also while a server runs.

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use db::{Database, DbError};
use envelope::ParseError;
use envelope::audit::Head;
use envelope::ed25519::PublicKey;
use envelope::merkle::Node;

use super::{Findings, check, export};
use crate::config::Config;
use crate::{database, secrets};

/// The log of a data folder.
pub struct Log {
    db: Arc<dyn Database>,
    key: PublicKey,
}

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The server's secret, by which the signatures are checked.
    #[error("the server's secret cannot be read ({})", path.display())]
    Secret {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The database.
    #[error("the log cannot be read: {0}")]
    Database(#[from] DbError),
    /// What the log was to be written to.
    #[error("the log cannot be written out: {0}")]
    Output(#[from] io::Error),
}

impl Log {
    /// Opens the log of the configured data folder. Nothing is made or changed there.
    ///
    /// # Errors
    /// A secret or a database that is not there or cannot be read.
    pub async fn open(config: &Config) -> Result<Self, LogError> {
        let data = &config.storage.data;
        let path = data.join("secrets");
        let key =
            secrets::log_key(&config.secrets, &path).map_err(|source| LogError::Secret { path, source })?;
        Ok(Self { db: database::open_read_only(config).await?, key })
    }

    /// Checks every leaf, batch, head and signature. `known` is a head that somebody has seen: without it an end that
    /// was cut off cannot be noticed.
    ///
    /// # Errors
    /// The database; what is wrong with the log itself is among the findings.
    pub async fn check(&self, known: Option<Known>) -> Result<Findings, LogError> {
        Ok(check::check(&*self.db, &self.key, known).await?)
    }

    /// Writes the whole log as lines of JSON; personal fields stay sealed. Gives the newest head.
    ///
    /// # Errors
    /// The database, or `out`.
    pub async fn export(&self, out: &mut (dyn Write + Send)) -> Result<Option<Head>, LogError> {
        export::export(&*self.db, &self.key, out).await
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// A head that somebody has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// With its number.
    Head(Head),
    /// The hash alone.
    Hash(Node),
}

impl FromStr for Known {
    type Err = ParseError;

    /// `SEQ:HASH` or `HASH`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.contains(':') { text.parse().map(Self::Head) } else { text.parse().map(Self::Hash) }
    }
}

impl Known {
    /// The newest head that a text tells of: an export, what `wax activity --json` printed, what a client remembers,
    /// or the head alone.
    #[must_use]
    pub fn find_in(text: &str) -> Option<Self> {
        if let Ok(alone) = text.trim().parse() {
            return Some(alone);
        }
        let mut newest: Option<Head> = None;
        let documents = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
        for document in documents.map_while(Result::ok) {
            newest_in(&document, &mut newest);
        }
        newest.map(Self::Head)
    }
}

/// Every field `head` that spells a head counts, however deep it stands.
fn newest_in(value: &serde_json::Value, newest: &mut Option<Head>) {
    match value {
        serde_json::Value::Object(fields) => {
            let head = fields.get("head").and_then(|head| head.as_str()?.parse::<Head>().ok());
            if head.is_some_and(|head| newest.is_none_or(|newest| newest.seq < head.seq)) {
                *newest = head;
            }
            fields.values().for_each(|value| newest_in(value, newest));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| newest_in(value, newest)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_in_whatever_tells_of_it() {
        let hash = "ab".repeat(32);
        let (one, two) = (format!("1:{hash}"), format!("2:{hash}"));
        let expected = Some(Known::Head(two.parse().unwrap()));
        assert_eq!(Known::find_in(&format!("{two}\n")), expected);
        let lines =
            format!("{{\"head\":\"{one}\"}}\n{{\"type\":\"batch\",\"head\":\"{two}\"}}\n{{\"head\":7}}\n");
        assert_eq!(Known::find_in(&lines), expected);
        let deep = format!("{{\"servers\": {{\"https://a.example\": {{\"head\": \"{two}\"}}}}}}");
        assert_eq!(Known::find_in(&deep), expected);
        assert_eq!(Known::find_in(&hash), Some(Known::Hash(hash.parse().unwrap())));
        for text in ["", "{}", "no head at all", "{\"head\":\"0:00\"}"] {
            assert_eq!(Known::find_in(text), None, "{text}");
        }
    }
}
